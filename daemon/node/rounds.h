/* SPDX-License-Identifier: Apache-2.0
 *
 * node/rounds - the rounds of one key's batch, from its begin to its end.
 *
 * Why     What the parts of the coordinator call of each other: begin.c chooses the batch, rounds.c
 *         asks and proposes, alarm.c looks after time, move.c after new versions of the block;
 *         coordinator.c is told the events.
 * Thread  under the lock of the block's group.
 *
 * An `int` is 0, or, with nothing done, DHT_EAGAIN: the state stays as it was, and what it says is
 * begun by whatever comes next; or DHT_EDAMAGED.
 */
#ifndef DHT_NODE_ROUNDS_H
#define DHT_NODE_ROUNDS_H

#include "node/active.h"

/* ---- begin.c: state IDLE, with tasks that wait ------------------------------------------- */

/* Takes the next batch, and begins it if its ballot was reserved. */
int rounds_begin(struct node *node, struct node_step *step, struct active *a) DHT_MUST_CHECK;

/* ---- rounds.c ---------------------------------------------------------------------------- */

/* Begin what the states READS, PREPARES, PROPOSES and REPEATS say. */
int rounds_read(struct node *node, struct node_step *step, struct active *a) DHT_MUST_CHECK;
int rounds_prepare(struct node *node, struct node_step *step, struct active *a) DHT_MUST_CHECK;
int rounds_propose(struct node *node, struct node_step *step, struct active *a) DHT_MUST_CHECK;
int rounds_propose_again(struct node *node, struct node_step *step,
			 struct active *a) DHT_MUST_CHECK;

/* PROPOSES with an entry that was loaded in this step, and a counter that is at the ballot that
 * will be reserved. */
int rounds_propose_over(struct node *node, struct node_step *step, struct active *a,
			struct entry *entry) DHT_MUST_CHECK;

/* Does what follows from what a round has said. */
int rounds_follow(struct node *node, struct node_step *step, struct active *a,
		  enum round_step said) DHT_MUST_CHECK;

/* Draws a ballot for a PREPARE. */
int rounds_draw(struct node *node, struct node_step *step, const struct active *a,
		struct ballot *b) DHT_MUST_CHECK;

/* A refusal: the next ballot that is drawn is above its bound. */
void rounds_see_bound(struct node *node, struct ballot bound);

/* Takes the first task out of the batch; NULL: there is none. */
struct task *rounds_leave(struct active *a);

/* Ends the whole batch, or one task that is in no list any more. rounds_fail_for: for a reason of
 * this node's own, which is not the whole truth where a change may have been sent. */
void rounds_fail(struct node *node, struct node_step *step, struct active *a, int status);
void rounds_fail_for(struct node *node, struct node_step *step, struct active *a, int status);
void rounds_fail_task(struct node *node, struct node_step *step, struct active *a,
		      struct task *task, int status);

/* ---- alarm.c ----------------------------------------------------------------------------- */

/* Makes sure that an alarm goes off by then; by then and by each deadline. */
void rounds_alarm_by(struct node *node, struct node_step *step, struct active *a, uint64_t at_us);
void rounds_set_alarm(struct node *node, struct node_step *step, struct active *a, uint64_t at_us);

/* Ends what has taken too long. */
void rounds_expire(struct node *node, struct node_step *step, struct active *a);

/* ---- coordinator.c ----------------------------------------------------------------------- */

/* Goes on as the state says, until something is waited for or nothing is left to do: then a is
 * gone. A key that has to wait goes on by itself if nobody repeats the call. */
int rounds_advance(struct node *node, struct node_step *step, struct active *a) DHT_MUST_CHECK;

#endif
