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
	uint16_t ballast;   /* keys that nobody asks for, beside those of the run */
	bool has_one_block; /* all keys are in one block */
	enum options_sets sets;
	uint32_t duration_us;
	uint32_t operations; /* of a key, at most */
	uint8_t mix;         /* row of the table of operation kinds */
	uint32_t think_us, patience_us;
	uint16_t wild;     /* permille of operations that are asked of any member */
	uint16_t series;   /* permille of requests of several operations */
	uint16_t expiring; /* permille of writes that set an expiry */
	uint32_t expiry_us;
	uint32_t padding; /* bytes of some values */

	uint32_t delay_us;
	uint16_t loss, duplicate, late; /* permille of messages */
	uint32_t late_factor;

	uint32_t round_us, back_off_us, deadline_us;

	uint32_t fsync_us;
	uint16_t slow_fsync;    /* permille */
	uint32_t ceiling_ahead; /* 0: as shipped */
	bool is_lazy;           /* replies wait for the kernel, and only processes crash */
	bool compacts;
	uint64_t memory_bytes; /* of segments; 0: all */

	int32_t skew_ms; /* of wall clocks, at most */

	/* Mean time between, 0 for never. */
	uint32_t crash_us, stop_us, lose_us, cut_us, slow_us, suspect_us, full_us, clock_us,
	    change_us, recover_us, adopt_us, collect_us, repair_us, pull_us, drive_us, housekeep_us,
	    litter_us;
	uint32_t down_us;
};

void options_draw(struct options *o, struct random_source *r);

#endif
