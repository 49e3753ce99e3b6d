/* SPDX-License-Identifier: Apache-2.0
 *
 * io/clock - the only place of the daemon that reads a clock.
 *
 * Thread  any.
 */
#ifndef DHT_IO_CLOCK_H
#define DHT_IO_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* Nanoseconds of the monotonic clock: for durations and deadlines. */
static inline uint64_t clock_monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Microseconds and milliseconds since 1970-01-01 UTC: to be shown only. */
static inline uint64_t clock_wall_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / NS_PER_US;
}

static inline uint64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

/* The same as of the kernel's last tick, 1 to 10 ms ago, for a quarter of the cost (5 ns):
 * for expiry, which every operation looks at. Times that are compared with each other all
 * come from here. */
static inline uint64_t clock_expiry_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

#endif
