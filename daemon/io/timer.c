/* SPDX-License-Identifier: Apache-2.0 */
#include "io/timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S)};
}

int timer_open_once(struct timer *t, struct poller *p, uint32_t kind)
{
	t->watch = (struct watch){
	    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	    .kind = kind,
	};
	if (t->watch.fd < 0)
		return dht_error_from_errno(errno);
	int rc = poller_add(p, &t->watch, EPOLLIN);
	if (rc != 0)
		timer_close(t);
	return rc;
}

int timer_open(struct timer *t, struct poller *p, uint32_t kind, uint64_t period_ns)
{
	DHT_ASSERT(period_ns > 0);
	int rc = timer_open_once(t, p, kind);
	if (rc != 0)
		return rc;
	struct timespec period = timespec_of(period_ns);
	struct itimerspec spec = {.it_interval = period, .it_value = period};
	if (timerfd_settime(t->watch.fd, 0, &spec, NULL) == 0)
		return 0;
	rc = dht_error_from_errno(errno);
	timer_close(t);
	return rc;
}

void timer_set(struct timer *t, uint64_t at_ns)
{
	/* A time of 0 would mean never. */
	struct itimerspec spec = {.it_value = timespec_of(at_ns > 0 ? at_ns : 1)};
	int rc = timerfd_settime(t->watch.fd, TFD_TIMER_ABSTIME, &spec, NULL);
	DHT_ASSERT(rc == 0);
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
