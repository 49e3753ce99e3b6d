/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_drive - carries on with the change that the map says is going on.
 *
 * Why     A change of members takes many epochs, and must not depend on who began it. Any voter
 *         may take the next step; which one follows from the map, from who answers and from what
 *         is in sync.
 * Owns    The target of the change, and what is known of the blocks that change now.
 * Thread  the member's.
 *
 * One epoch carries every block that is ready for its next phase:
 *
 *     joint -> stable(N)    a majority of N is in sync, and so is everybody else of N, or does
 *                           not answer, or makes no progress, or the deadline is over
 *     joint -> stable(O)    the change is cancelled, and N is not where the block is to be now; or
 *                           a majority of N was away for too long
 *     stable -> joint       it is not where it is to be, a majority of N has just answered a probe,
 *                           and fewer blocks are joint than may be
 *     recover -> stable(O)  everybody is in sync
 *
 * and when nothing is left the last epoch ends the change (member_change_end). The first voter that
 * answers drives; the others step in if it leaves something undone for a second each. So they do
 * when a value was accepted and nothing is heard of it any more.
 */
#ifndef DHT_NODE_MEMBER_DRIVE_H
#define DHT_NODE_MEMBER_DRIVE_H

#include "node/member_state.h"

/* Proposes the next map if something is ready. */
void member_drive_tick(struct member *m, const struct member_step *step);

/* A member reports a block in sync. */
void member_drive_fin(struct member *m, const struct member_step *step, uint16_t from,
		      struct member_fin fin);

/* Makes room for the blocks of a map that is to be adopted. */
int member_drive_make_room(struct member *m, const struct ring_map *map) DHT_MUST_CHECK;

/* A map was adopted. */
void member_drive_adopted(struct member *m, const struct member_step *step);

void member_drive_fini(struct member *m);

#endif
