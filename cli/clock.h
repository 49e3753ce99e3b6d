/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/clock - the time that deadlines and rates are made of.
 *
 * Thread  any.
 */
#ifndef DHT_CLI_CLOCK_H
#define DHT_CLI_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Returns milliseconds since some moment; never goes back. */
static inline int64_t cli_clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
