/* SPDX-License-Identifier: Apache-2.0
 *
 * io/wake - ends another thread's poller_wait.
 *
 * Why     An eventfd, registered edge-triggered: every signal is a new edge, so it
 *         is never read.
 * Thread  wake_signal: any. The others: the poller's owner.
 */
#ifndef DHT_IO_WAKE_H
#define DHT_IO_WAKE_H

#include "io/poller.h"

struct wake {
	struct watch watch;
};

/* Opens the eventfd and registers it; kind is what poller_wait's owner sees. */
int wake_open(struct wake *w, struct poller *p, uint32_t kind) DHT_MUST_CHECK;
void wake_close(struct wake *w);
void wake_signal(struct wake *w);

#endif
