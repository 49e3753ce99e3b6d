/* SPDX-License-Identifier: Apache-2.0
 *
 * io/timer - a periodic timerfd.
 *
 * Thread  the poller's owner.
 */
#ifndef DHT_IO_TIMER_H
#define DHT_IO_TIMER_H

#include "io/poller.h"

struct timer {
	struct watch watch;
};

/* Fires every period_ns (> 0) from now on. */
int timer_open(struct timer *t, struct poller *p, uint32_t kind, uint64_t period_ns) DHT_MUST_CHECK;
void timer_close(struct timer *t);

/* Takes the expirations off and returns their number, 0 for a false alarm. */
uint64_t timer_take(struct timer *t);

#endif
