/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/member/chaos - a run: faults and changes of members, then peace, in which all must end well.
 *
 * Thread  one owner.
 */
#ifndef DHT_SIM_MEMBER_CHAOS_H
#define DHT_SIM_MEMBER_CHAOS_H

#include "world.h"

/* Runs a seed. False: something failed, w->failure says what. The world is the caller's to end. */
bool chaos_run(struct world *w, uint64_t seed, FILE *trace);

#endif
