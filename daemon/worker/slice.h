/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/slice - how long a thread may compute before others have their turn.
 *
 * Why     A thread that runs often and briefly waits, each time it wakes up on a busy
 *         processor, for the rest of the slice of whoever computes there: some 3 ms, in which
 *         none of its clients is served. Linux, from 6.12 on, lets a thread that asks for a
 *         shorter slice run first; its share of the processor stays the same.
 * Thread  any, for itself.
 */
#ifndef DHT_WORKER_SLICE_H
#define DHT_WORKER_SLICE_H

#include <stdint.h>

/* The shortest that the kernel grants. */
#define SLICE_SHORT_NS UINT64_C(100000)

/* Asks for slices of this length for the calling thread. Other kernels, and other policies
 * than the ordinary one, have no such thing: then all stays as it is. */
void slice_set(uint64_t slice_ns);

#endif
