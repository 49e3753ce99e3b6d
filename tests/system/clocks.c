/* SPDX-License-Identifier: Apache-2.0
 *
 * clocks - what time it is, so many seconds off.
 *
 * Why     Preloaded into a daemon, this sets its wall clock apart from that of the others by
 *         $DHT_CLOCK_OFFSET seconds. The monotonic clock goes on as it does, and so do
 *         timers: libfaketime has the kernel refuse those that are set by the monotonic clock.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_wall_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *offset = getenv("DHT_CLOCK_OFFSET");
	int rc = (int)syscall(SYS_clock_gettime, clock, now);
	if (rc == 0 && offset != NULL && is_wall_clock(clock))
		now->tv_sec += atol(offset);
	return rc;
}
