/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix_parallel - store_os.parallel: as many threads as there are processors.
 *
 * Thread  any.
 * Errors  none: without threads the caller does everything.
 */
#ifndef DHT_STORE_OS_POSIX_PARALLEL_H
#define DHT_STORE_OS_POSIX_PARALLEL_H

#include <stdint.h>

#include "store/os.h"

enum { OS_POSIX_THREADS_MAX = 32 };

void os_posix_parallel(uint32_t tasks, store_os_task_fn run, void *arg);

#endif
