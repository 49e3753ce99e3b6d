/* SPDX-License-Identifier: Apache-2.0
 *
 * io/timer - a timerfd.
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
/* One that fires when it is told to. */
int timer_open_once(struct timer *t, struct poller *p, uint32_t kind) DHT_MUST_CHECK;

/* It fires once at this time of the monotonic clock, at once if that has passed, and no more at
 * the time that was set before. */
void timer_set(struct timer *t, uint64_t at_ns);

void timer_close(struct timer *t);

/* Takes the expirations off and returns their number, 0 for a false alarm. */
uint64_t timer_take(struct timer *t);

#endif
