/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/upkeep - what a host's node does besides messages and operations: it adopts maps, and
 * keeps blocks in order.
 *
 * Thread  one owner.
 */
#ifndef DHT_SIM_UPKEEP_H
#define DHT_SIM_UPKEEP_H

#include "host.h"

enum upkeep {
	UPKEEP_SYNC,
	UPKEEP_REPAIR,
	UPKEEP_COLLECT,
	UPKEEP_FORGET, /* promises of keys without a record */
	UPKEEP_COUNT,
};

/* Steps of the node, for sim/step. */
int upkeep_adopt(struct host *h, struct node_step *step, struct work *work);
int upkeep_run(struct host *h, struct node_step *step, struct work *work);

/* What the node knew is read back from its store. */
void upkeep_restore(struct host *h, uint64_t ceiling);

/* The process ends: what is under way is forgotten. */
void upkeep_end(struct host *h);

/* Tells the map's driver of blocks that are in sync. */
void upkeep_report(struct host *h);

/* Lets so much time pass that no promise of an absent key is left. */
void upkeep_forget_promises(struct cluster *c);

#endif
