/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/options - what kind of run a seed makes.
 *
 * Why     Every option is drawn from the seed, so that runs differ in what goes wrong and
 *         how often; profiles lean towards what single draws bring together too rarely.
 * Thread  values.
 */
#ifndef DHT_SIM_OPTIONS_H
#define DHT_SIM_OPTIONS_H

#include "random.h"

/* How sets of replicas change. */
enum options_sets { SETS_ANY, SETS_SMALL };

struct options {
	uint8_t replicas, keys, clients, members; /* members that may be replicas */
	enum options_sets sets;
	uint32_t duration_us;
	uint32_t operations; /* of a key, at most */
	uint8_t mix;         /* row of the table of operation kinds */
	uint32_t think_us, patience_us;
	uint16_t read_first; /* permille of conditional writes that begin with a READ round */

	uint32_t delay_us;
	uint16_t loss, duplicate, late; /* permille of messages */
	uint32_t late_factor;

	uint32_t round_us, back_off_us, deadline_us;
	uint16_t repeat; /* permille of time-outs that send the round's message again */
	bool omits_values;
	bool forgets_early; /* promises without a record go before the deadline */

	uint32_t fsync_us;
	uint16_t slow_fsync;    /* permille */
	uint32_t ceiling_ahead; /* 0: as shipped */

	/* Mean time between, 0 for never. */
	uint32_t crash_us, stop_us, lose_us, cut_us, slow_us, change_us, adopt_us, collect_us,
	    repair_us, pull_us, drive_us;
	uint32_t down_us;
};

void options_draw(struct options *o, struct random_source *r);

#endif
