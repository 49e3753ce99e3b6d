/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/schedules - scripted schedules for broken variants that random runs miss, and for what
 * operations cost.
 *
 * Why     Some of what the protocol guards against takes a dozen messages in one order. A
 *         script says which of the messages sent is delivered next, to the shipped node;
 *         what the protocol as written makes of it has to be right, and its variant has to
 *         be found out.
 * Thread  one owner.
 */
#ifndef DHT_SIM_SCHEDULES_H
#define DHT_SIM_SCHEDULES_H

#include "cluster.h"

struct schedule {
	const char *name;
	uint16_t replicas;
	void (*play)(struct cluster *c);
};

/* Ends with one without a name. */
extern const struct schedule schedules[];

/* Returns NULL, or what went wrong. */
const char *schedules_run(const struct schedule *s, struct cluster *c, FILE *trace);

#endif
