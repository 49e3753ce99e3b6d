/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/script - the words of a scripted run: who is asked what, which message arrives next, which
 * is lost, and which alarm goes off.
 *
 * Why     Messages and alarms wait until the script has its way; commits, adoptions and maps that
 *         are fetched take their course at once.
 * Thread  one owner.
 *
 * What a host does to its own replica is no message: it is part of the step that asks.
 */
#ifndef DHT_SIM_SCRIPT_H
#define DHT_SIM_SCRIPT_H

#include "cluster.h"

enum {
	SCRIPT_FIRES_MAX = 4, /* alarms until a round begins */
	SCRIPT_EVERYBODY = (1u << SIM_HOSTS) - 1,
};

/* What a host does by itself: commits, adoptions, maps that are fetched. */
void script_let_be(struct cluster *c);

/* The oldest such message that waits; NULL: there is none. */
struct parcel *script_find(const struct cluster *c, enum message_kind kind, unsigned from,
			   unsigned to);

/* Delivers the oldest such message, if there is one. */
void script_deliver(struct cluster *c, enum message_kind kind, unsigned from, unsigned to);

/* Loses all such messages. */
void script_lose(struct cluster *c, enum message_kind kind, unsigned from, unsigned to);

/* Loses all that wait. */
void script_lose_all(struct cluster *c);

/* A question and its answer. */
void script_ask_one(struct cluster *c, enum message_kind kind, unsigned from, unsigned to);

/* The round of the host is over for lack of answers, and it prepares. */
void script_prepare_again(struct cluster *c, unsigned host);

/* Everything takes its course. */
void script_deliver_all(struct cluster *c);

/* A client asks the host, which takes nobody else for up, and so coordinates itself. */
void script_request(struct cluster *c, unsigned client, const struct model_op *op, unsigned host);

/* The same, with a value of its own where the operation has one. */
void script_ask(struct cluster *c, unsigned client, enum op_kind kind, unsigned host);

/* What the host coordinates is abandoned. */
void script_abandon(struct cluster *c, unsigned host);

/* Nobody may write the key without preparing. */
void script_cool(struct cluster *c);

/* The promise of a key that is not there goes into the floor, as it does with time. */
void script_forget(struct cluster *c, unsigned host);

/* Other keys have moved the counter of the host. */
void script_raise_counter(struct cluster *c, unsigned host, uint64_t by);

/* These hosts adopt the latest map. */
void script_adopt(struct cluster *c, uint16_t hosts);

/* stable -> joint, adopted by all. */
void script_join(struct cluster *c, uint16_t next);

/* joint -> stable(N), adopted by these hosts. */
void script_finish(struct cluster *c, uint16_t hosts);

/* joint -> stable(O), which nobody knows of yet. */
void script_cancel(struct cluster *c);

/* The host adopts the latest map for the key's block, and is not done with the others. */
void script_adopt_half(struct cluster *c, unsigned host);

/* What the host has appended is synced, its slow disk notwithstanding. */
void script_commit(struct cluster *c, unsigned host);

/* A member of N pulls from one of O; one that is of both has itself already. */
void script_pull(struct cluster *c, unsigned puller, unsigned source);

/* The host tells another what it holds. */
void script_repair(struct cluster *c, unsigned host, unsigned other);

/* The host collects its tombstone; everybody answers. */
void script_collect(struct cluster *c, unsigned host);

/* What the host is asking for has a lower ballot than what it has promised. */
bool script_is_behind(struct cluster *c, unsigned host);

/* The disks of these hosts sync nothing; those of others go on. */
void script_set_slow_disks(struct cluster *c, uint16_t hosts);

#endif
