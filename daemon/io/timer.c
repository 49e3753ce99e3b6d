/* SPDX-License-Identifier: Apache-2.0 */
#include "io/timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"

int timer_open(struct timer *t, struct poller *p, uint32_t kind, uint64_t period_ns)
{
	DHT_ASSERT(period_ns > 0);
	t->watch = (struct watch){
	    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	    .kind = kind,
	};
	if (t->watch.fd < 0)
		return dht_error_from_errno(errno);
	struct timespec period = {
	    .tv_sec = (time_t)(period_ns / NS_PER_S),
	    .tv_nsec = (long)(period_ns % NS_PER_S),
	};
	struct itimerspec spec = {.it_interval = period, .it_value = period};
	int rc =
	    timerfd_settime(t->watch.fd, 0, &spec, NULL) == 0 ? 0 : dht_error_from_errno(errno);
	if (rc == 0)
		rc = poller_add(p, &t->watch, EPOLLIN);
	if (rc != 0)
		timer_close(t);
	return rc;
}

void timer_close(struct timer *t)
{
	if (t->watch.fd >= 0)
		close(t->watch.fd);
	t->watch.fd = -1;
}

uint64_t timer_take(struct timer *t)
{
	uint64_t expirations;
	ssize_t n = read(t->watch.fd, &expirations, sizeof(expirations));
	return n == sizeof(expirations) ? expirations : 0;
}
