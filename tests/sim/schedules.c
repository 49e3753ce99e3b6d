/* SPDX-License-Identifier: Apache-2.0 */
#include "schedules.h"

#include "paxos/variant.h"

enum { STEPS_MAX = 5000 };

/* ---- The words of a script ----------------------------------------------------------- */

static int find_held(const struct cluster *c, enum message_type type, unsigned from, unsigned to)
{
	for (uint32_t i = 0; i < c->network.held_count; i++) {
		const struct message *m = &c->network.messages[c->network.held[i]];
		if (m->type == type && m->from == from && m->to == to)
			return (int)i;
	}
	return -1;
}

static struct message take_held(struct cluster *c, uint32_t i)
{
	struct network *w = &c->network;
	uint16_t index = w->held[i];
	struct message m = w->messages[index];
	w->held_count--;
	memmove(&w->held[i], &w->held[i + 1], (w->held_count - i) * sizeof(w->held[0]));
	network_free(w, index);
	return m;
}

/* Delivers the oldest such message, if there is one. */
static void deliver_held(struct cluster *c, enum message_type type, unsigned from, unsigned to)
{
	int i = find_held(c, type, from, to);
	c->now_us++;
	if (i < 0)
		return;
	struct message m = take_held(c, (uint32_t)i);
	node_handle(&c->nodes[m.to], &m);
}

/* Loses all such messages. */
static void lose_held(struct cluster *c, enum message_type type, unsigned from, unsigned to)
{
	for (int i; (i = find_held(c, type, from, to)) >= 0;)
		(void)take_held(c, (uint32_t)i);
}

static void lose_all_held(struct cluster *c)
{
	while (c->network.held_count > 0)
		(void)take_held(c, 0);
}

/* A question and its answer. */
static void ask_one(struct cluster *c, enum message_type type, unsigned from, unsigned to)
{
	static const enum message_type answers[] = {[MESSAGE_PREPARE] = MESSAGE_PROMISE,
						    [MESSAGE_ACCEPT] = MESSAGE_OK,
						    [MESSAGE_READ] = MESSAGE_VALUE};
	deliver_held(c, type, from, to);
	deliver_held(c, answers[type], to, from);
}

static void fire(struct cluster *c, unsigned node)
{
	node_timer(&c->nodes[node], 0, c->nodes[node].coordinators[0].generation);
}

/* The round of the node is over for lack of answers, and it prepares. */
static void prepare_again(struct cluster *c, unsigned node)
{
	if (c->nodes[node].coordinators[0].state == COORDINATOR_ASKS)
		fire(c, node);
	fire(c, node);
}

static bool fire_one(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_NODES; i++) {
		if (c->nodes[i].coordinators[0].state == COORDINATOR_BACKS_OFF) {
			fire(c, i);
			return true;
		}
	}
	return false;
}

/* Everything takes its course. */
static void deliver_all(struct cluster *c)
{
	for (int step = 0; step < STEPS_MAX; step++) {
		c->now_us++;
		if (c->network.held_count == 0) {
			if (!fire_one(c))
				return;
			continue;
		}
		struct message m = take_held(c, 0);
		node_handle(&c->nodes[m.to], &m);
	}
}

static void ask_node(struct cluster *c, unsigned client, enum operation_kind kind, unsigned node)
{
	c->now_us++;
	(void)clients_ask(c, client, 0, kind, node);
}

/* What the node coordinates is abandoned. */
static void abandon(struct cluster *c, unsigned node)
{
	coordinator_crash(&c->nodes[node]);
}

static void cool(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_NODES; i++)
		c->nodes[i].keys[0].hot = false;
}

/* Other keys have moved the counter of the node. */
static void raise_counter(struct cluster *c, unsigned node, uint64_t by)
{
	struct node *n = &c->nodes[node];
	node_see(n, ballot_make(0, counter_value(&n->counter) + by, 0));
}

static void adopt_latest(struct cluster *c, uint16_t seats)
{
	for (unsigned i = 0; i < SIM_NODES; i++) {
		if ((seats >> i & 1) != 0)
			node_adopt(&c->nodes[i], c->chain.current);
	}
}

static const uint16_t everybody = (1u << SIM_NODES) - 1;

/* stable -> joint, adopted by all. */
static void join_with(struct cluster *c, uint16_t next)
{
	chain_join(&c->chain, next);
	adopt_latest(c, everybody);
}

static void finish_for(struct cluster *c, uint16_t seats)
{
	chain_finish(&c->chain);
	adopt_latest(c, seats);
}

static void pull_from(struct cluster *c, unsigned puller, unsigned source)
{
	node_pull(&c->nodes[puller], source);
	for (unsigned position = 0; position <= c->options.keys; position++) {
		deliver_held(c, MESSAGE_PULL, puller, source);
		deliver_held(c, MESSAGE_CHUNK, source, puller);
	}
}

/* The node collects its tombstone; everybody answers. */
static void collect_at(struct cluster *c, unsigned node)
{
	node_collect(&c->nodes[node], 0);
	for (unsigned i = 0; i < SIM_NODES; i++) {
		deliver_held(c, MESSAGE_HOLDS, node, i);
		deliver_held(c, MESSAGE_HELD, i, node);
	}
	for (unsigned i = 0; i < SIM_NODES; i++)
		deliver_held(c, MESSAGE_ERASE, node, i);
}

/* ---- The scripts --------------------------------------------------------------------- */

/* COPY_LOW: {0,1,2} -> {1,2,3}; a PREPARE that is slow meets the copy of a higher ballot. */
static void play_copy_low(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 0);
	deliver_all(c);
	join_with(c, 0x0e);
	pull_from(c, 2, 0);
	pull_from(c, 2, 2);
	raise_counter(c, 2, 5);
	raise_counter(c, 0, 20);
	ask_node(c, 0, OPERATION_APPEND, 1); /* ballot b, whose PREPARE to 3 is slow */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	lose_held(c, MESSAGE_PREPARE, 1, 2);
	ask_node(c, 1, OPERATION_APPEND, 2); /* ballot a > b */
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 0);
	lose_held(c, MESSAGE_PREPARE, 2, 3);
	ask_node(c, 2, OPERATION_APPEND, 0); /* ballot c > a */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	lose_held(c, MESSAGE_PREPARE, 0, 3);
	ask_one(c, MESSAGE_PREPARE, 2, 1); /* a has {1,2} */
	deliver_held(c, MESSAGE_ACCEPT, 2, 2);
	lose_held(c, MESSAGE_OK, 2, 2);
	deliver_held(c, MESSAGE_ACCEPT, 2, 1);
	lose_held(c, MESSAGE_OK, 1, 2);
	lose_held(c, MESSAGE_ACCEPT, 2, 0);
	lose_held(c, MESSAGE_ACCEPT, 2, 3);
	ask_one(c, MESSAGE_PREPARE, 0, 1); /* c has {0,1,2} and saw a */
	ask_one(c, MESSAGE_ACCEPT, 0, 0);
	lose_held(c, MESSAGE_ACCEPT, 0, 1);
	lose_held(c, MESSAGE_ACCEPT, 0, 2);
	lose_held(c, MESSAGE_ACCEPT, 0, 3);
	pull_from(c, 3, 0);
	pull_from(c, 3, 2);
	ask_one(c, MESSAGE_PREPARE, 1, 3);
	deliver_held(c, MESSAGE_ACCEPT, 1, 3);
	finish_for(c, 0);
	lose_all_held(c);
	adopt_latest(c, 0x0c);
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 3);
	ask_one(c, MESSAGE_ACCEPT, 2, 2);
	ask_one(c, MESSAGE_ACCEPT, 2, 3);
	lose_all_held(c);
	adopt_latest(c, everybody);
	lose_all_held(c);
	ask_node(c, 1, OPERATION_GET, 3);
	deliver_all(c);
}

/* COPY_HOT: {0,1,2} -> {1,2,3}; a member that is hot pulls a higher record. */
static void play_copy_hot(struct cluster *c)
{
	join_with(c, 0x0e);
	ask_node(c, 0, OPERATION_APPEND, 1);
	deliver_all(c);
	raise_counter(c, 2, 9);
	ask_node(c, 1, OPERATION_APPEND, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 1);
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 0);
	ask_one(c, MESSAGE_PREPARE, 2, 3);
	ask_one(c, MESSAGE_ACCEPT, 2, 2);
	lose_held(c, MESSAGE_ACCEPT, 2, 1);
	pull_from(c, 1, 2);
	ask_node(c, 2, OPERATION_APPEND, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 2, 0);
	ask_one(c, MESSAGE_ACCEPT, 2, 3);
	abandon(c, 2);
	ask_node(c, 3, OPERATION_APPEND, 2);
	ask_one(c, MESSAGE_ACCEPT, 2, 2);
	ask_one(c, MESSAGE_ACCEPT, 2, 3);
	ask_one(c, MESSAGE_ACCEPT, 1, 0);
	ask_one(c, MESSAGE_ACCEPT, 2, 0);
	ask_one(c, MESSAGE_ACCEPT, 1, 2);
	ask_one(c, MESSAGE_ACCEPT, 1, 3);
}

/* READ_OLD_VOTES: {0,1,2,3,4} -> {1,2,5}; b, undecided, is at 1 and 2, c > b at 5. */
static void play_old_votes(struct cluster *c)
{
	static const unsigned others[] = {0, 3, 4};
	ask_node(c, 0, OPERATION_APPEND, 0);
	deliver_all(c);
	cool(c);
	ask_node(c, 0, OPERATION_APPEND, 1);
	for (unsigned i = 1; i < 4; i++)
		ask_one(c, MESSAGE_PREPARE, 1, i);
	deliver_held(c, MESSAGE_ACCEPT, 1, 1);
	deliver_held(c, MESSAGE_ACCEPT, 1, 2);
	raise_counter(c, 0, 50);
	ask_node(c, 1, OPERATION_APPEND, 0);
	for (unsigned i = 0; i < 3; i++)
		ask_one(c, MESSAGE_PREPARE, 0, others[i]);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	join_with(c, 0x26);
	lose_all_held(c);
	for (unsigned i = 0; i < 3; i++)
		pull_from(c, 5, others[i]);
	for (unsigned i = 1; i < 4; i++)
		pull_from(c, 2, i);
	lose_all_held(c);
	finish_for(c, everybody);
	for (unsigned i = 0; i < 6; i++)
		abandon(c, i);
	lose_all_held(c);
	ask_node(c, 2, OPERATION_GET, 1);
	ask_one(c, MESSAGE_READ, 1, 1);
	ask_one(c, MESSAGE_READ, 1, 2);
	lose_all_held(c);
	ask_node(c, 3, OPERATION_GET, 2);
	lose_held(c, MESSAGE_READ, 2, 1);
	prepare_again(c, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 1);
	deliver_all(c);
}

/* NO_VERSION: {0,1,2} -> {1,3,4}; c, high and undecided, is copied to 4 before b, low, is
 * decided at 1 and 3. */
static void play_no_version(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 1);
	deliver_all(c);
	cool(c);
	raise_counter(c, 0, 50);
	ask_node(c, 1, OPERATION_APPEND, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	join_with(c, 0x1a);
	lose_all_held(c);
	pull_from(c, 3, 1);
	pull_from(c, 3, 2);
	pull_from(c, 1, 1);
	pull_from(c, 1, 2);
	pull_from(c, 4, 0);
	pull_from(c, 4, 1);
	lose_all_held(c);
	finish_for(c, everybody);
	for (unsigned i = 0; i < 5; i++)
		abandon(c, i);
	lose_all_held(c);
	ask_node(c, 1, OPERATION_APPEND, 1);
	lose_held(c, MESSAGE_PREPARE, 1, 4);
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 3);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 3);
	lose_all_held(c);
	ask_node(c, 2, OPERATION_GET, 4);
	lose_all_held(c);
	prepare_again(c, 4);
	lose_held(c, MESSAGE_PREPARE, 4, 1);
	deliver_all(c);
}

/* OMITTED_LATE: {0,1,2,3,4}; the own record is replaced while promises that name it come. */
static void play_omitted_late(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 0);
	deliver_all(c);
	cool(c);
	raise_counter(c, 1, 10);
	raise_counter(c, 4, 20);
	ask_node(c, 0, OPERATION_APPEND, 0); /* b: 0 and 2 have promised, 3 is on its way */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	deliver_held(c, MESSAGE_PREPARE, 0, 3);
	ask_node(c, 1, OPERATION_APPEND, 1); /* z > b: promised by 0, 1 and 4 */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	deliver_held(c, MESSAGE_PREPARE, 1, 4);
	ask_node(c, 2, OPERATION_GET, 4);
	prepare_again(c, 4); /* above both, at 1 and 4 */
	deliver_held(c, MESSAGE_PREPARE, 4, 4);
	deliver_held(c, MESSAGE_PREPARE, 4, 1);
	deliver_held(c, MESSAGE_PROMISE, 4, 1);
	deliver_held(c, MESSAGE_ACCEPT, 1, 1);
	deliver_held(c, MESSAGE_ACCEPT, 1, 0); /* z is accepted at 0 alone */
	deliver_held(c, MESSAGE_PROMISE, 3, 0);
	deliver_held(c, MESSAGE_ACCEPT, 0, 2); /* b, built on what 0 held first */
	deliver_held(c, MESSAGE_ACCEPT, 0, 3);
	lose_all_held(c);
	while (c->nodes[1].coordinators[0].state != COORDINATOR_IDLE &&
	       ballot_compare(c->nodes[1].coordinators[0].round.b, c->nodes[1].keys[0].promised) <
		   0)
		prepare_again(c, 1);
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2) {
		while (find_held(c, MESSAGE_PREPARE, 1, i) >= 0)
			ask_one(c, MESSAGE_PREPARE, 1, i);
	}
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2)
		ask_one(c, MESSAGE_ACCEPT, 1, i);
}

/* SYNC_NO_FLOOR: {0,1,2} -> {0,3,4}; an append of unknown outcome was deleted and erased, and
 * those who have only pulled are asked what became of it. */
static void play_sync_floor(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	deliver_held(c, MESSAGE_ACCEPT, 0, 1);
	lose_all_held(c);
	ask_node(c, 1, OPERATION_DELETE, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	for (unsigned i = 0; i < 3; i++)
		ask_one(c, MESSAGE_ACCEPT, 1, i);
	lose_all_held(c);
	collect_at(c, 1);
	lose_all_held(c);
	join_with(c, 0x19);
	lose_all_held(c);
	for (unsigned puller = 3; puller <= 4; puller++) {
		pull_from(c, puller, 1);
		pull_from(c, puller, 2);
	}
	finish_for(c, everybody);
	ask_one(c, MESSAGE_PREPARE, 0, 3);
	ask_one(c, MESSAGE_PREPARE, 0, 4);
	ask_one(c, MESSAGE_ACCEPT, 0, 3);
	ask_one(c, MESSAGE_ACCEPT, 0, 4);
	lose_all_held(c);
	ask_node(c, 2, OPERATION_GET, 3);
	deliver_all(c);
}

/* COPY_NEW_LOW: {0,1,2} -> {1,2,3}; promises that were forgotten into the floor, and then the
 * copy of a record. */
static void play_copy_new_low(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	abandon(c, 0);
	c->options.forgets_early = true;
	node_collect(&c->nodes[1], 0);
	join_with(c, 0x0e);
	ask_node(c, 1, OPERATION_APPEND, 0); /* b */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	lose_held(c, MESSAGE_PREPARE, 0, 0);
	raise_counter(c, 3, 50);
	ask_node(c, 2, OPERATION_APPEND, 3); /* p > b */
	ask_one(c, MESSAGE_PREPARE, 3, 1);
	ask_one(c, MESSAGE_PREPARE, 3, 2);
	for (unsigned i = 1; i <= 2; i++) {
		node_collect(&c->nodes[i], 0);
		pull_from(c, i, 0);
	}
	for (unsigned i = 1; i <= 2; i++)
		ask_one(c, MESSAGE_ACCEPT, 0, i);
	for (unsigned i = 1; i <= 2; i++)
		ask_one(c, MESSAGE_ACCEPT, 3, i);
}

/* READ_ALL_JOINT: {0,1,2} -> {1,2,3}; x, undecided, was copied to all after b was promised. */
static void play_all_joint(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OPERATION_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	abandon(c, 0);
	join_with(c, 0x0e);
	ask_node(c, 2, OPERATION_APPEND, 1); /* b */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned puller = 1; puller <= 3; puller++)
		pull_from(c, puller, 0);
	ask_node(c, 3, OPERATION_GET, 3);
	for (unsigned i = 0; i <= 3; i++)
		ask_one(c, MESSAGE_READ, 3, i);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 2);
	deliver_all(c);
}

/* READ_ALL_COPIES: {0,1,2}; x, undecided, was told to those who had promised b > x. */
static void play_all_copies(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OPERATION_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	abandon(c, 0);
	raise_counter(c, 1, 50);
	ask_node(c, 2, OPERATION_APPEND, 1); /* b */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		node_repair(&c->nodes[0], 0, i);
		deliver_held(c, MESSAGE_LEARN, 0, i);
	}
	ask_node(c, 3, OPERATION_GET, 2);
	for (unsigned i = 0; i <= 2; i++)
		ask_one(c, MESSAGE_READ, 2, i);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 2);
	deliver_all(c);
}

/* ERASE_OLD: {0,1,2}; the tombstone t, undecided, was told to those who had promised b > t. */
static void play_erase_copies(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OPERATION_DELETE, 0); /* t: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	abandon(c, 0);
	raise_counter(c, 1, 50);
	ask_node(c, 2, OPERATION_APPEND, 1); /* b */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		node_repair(&c->nodes[0], 0, i);
		deliver_held(c, MESSAGE_LEARN, 0, i);
	}
	collect_at(c, 0);
	ask_node(c, 3, OPERATION_GET, 2);
	ask_one(c, MESSAGE_READ, 2, 1);
	ask_one(c, MESSAGE_READ, 2, 2);
	deliver_held(c, MESSAGE_ACCEPT, 1, 0);
	lose_all_held(c);
	abandon(c, 1);
	ask_node(c, 1, OPERATION_GET, 0);
	prepare_again(c, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	deliver_all(c);
}

/* DUPLICATE_PROMISES: {0,1,2}; a member that learnt b promises b', which is between b and the
 * ballot that b reserves, before the ACCEPT of b reaches it. */
static void play_duplicate(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 1);
	ask_one(c, MESSAGE_ACCEPT, 2, 2);
	node_repair(&c->nodes[2], 0, 1);
	deliver_held(c, MESSAGE_LEARN, 2, 1);
	ask_node(c, 1, OPERATION_APPEND, 1); /* b' */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	ask_one(c, MESSAGE_ACCEPT, 2, 1);
	ask_node(c, 2, OPERATION_APPEND, 2); /* hot, if it believes in its reservation */
	deliver_held(c, MESSAGE_ACCEPT, 2, 2);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 0);
	lose_all_held(c);
	abandon(c, 2);
	ask_node(c, 3, OPERATION_GET, 0);
	prepare_again(c, 0);
	lose_held(c, MESSAGE_PREPARE, 0, 1);
	deliver_all(c);
}

/* READ_DIRTY: {0,1,2}; what two have told and not synced goes with their crash. */
static void play_dirty(struct cluster *c)
{
	ask_node(c, 0, OPERATION_APPEND, 0);
	deliver_all(c);
	c->slow_disks = 0x03;
	ask_node(c, 1, OPERATION_APPEND, 0);
	ask_one(c, MESSAGE_ACCEPT, 0, 0);
	ask_one(c, MESSAGE_ACCEPT, 0, 1);
	ask_node(c, 2, OPERATION_GET, 2);
	ask_one(c, MESSAGE_READ, 2, 0);
	ask_one(c, MESSAGE_READ, 2, 1);
	lose_all_held(c);
	c->slow_disks = 0;
	for (unsigned i = 0; i <= 1; i++) {
		node_crash(&c->nodes[i]);
		node_start(&c->nodes[i]);
	}
	abandon(c, 2);
	ask_node(c, 3, OPERATION_GET, 2);
	deliver_all(c);
}

/* Asks, and counts: rounds of each kind to three replicas, and records that each appends. */
static void cost(struct cluster *c, enum operation_kind kind, unsigned node, uint64_t reads,
		 uint64_t prepares, uint64_t accepts)
{
	uint64_t appended[3];
	memset(c->sent, 0, sizeof(c->sent));
	for (unsigned i = 0; i < 3; i++)
		appended[i] = c->nodes[i].disk.appended;
	ask_node(c, 0, kind, node);
	deliver_all(c);
	if (c->sent[MESSAGE_READ] != 3 * reads || c->sent[MESSAGE_PREPARE] != 3 * prepares ||
	    c->sent[MESSAGE_ACCEPT] != 3 * accepts)
		cluster_fail(c, 0, "an operation takes another number of round trips");
	for (unsigned i = 0; i < 3; i++) {
		if (c->nodes[i].disk.appended - appended[i] != accepts)
			cluster_fail(c, 0, "an operation appends another number of records");
	}
}

/* What the protocol promises where nothing goes wrong. */
static void play_round_trips(struct cluster *c)
{
	c->options.read_first = 1000;
	cost(c, OPERATION_GET, 0, 1, 0, 0);
	cost(c, OPERATION_APPEND, 0, 0, 1, 1);
	cost(c, OPERATION_APPEND, 0, 0, 0, 1); /* the coordinator that wrote it last */
	cost(c, OPERATION_GET, 1, 1, 0, 0);
	cost(c, OPERATION_APPEND, 0, 0, 0, 1);
	cost(c, OPERATION_PUT, 1, 0, 1, 1);
	cost(c, OPERATION_SET_IF_ABSENT, 2, 1, 0, 0);
	cost(c, OPERATION_DELETE, 2, 1, 1, 1);
	cost(c, OPERATION_DELETE, 0, 1, 0, 0);
	cost(c, OPERATION_PUT, 2, 0, 0, 1);
}

const struct schedule schedules[] = {
    {"copy_low", 0x07, play_copy_low},         {"copy_hot", 0x07, play_copy_hot},
    {"old_votes", 0x1f, play_old_votes},       {"no_version", 0x07, play_no_version},
    {"omitted_late", 0x1f, play_omitted_late}, {"sync_floor", 0x07, play_sync_floor},
    {"copy_new_low", 0x07, play_copy_new_low}, {"all_joint", 0x07, play_all_joint},
    {"all_copies", 0x07, play_all_copies},     {"erase_copies", 0x07, play_erase_copies},
    {"duplicate", 0x07, play_duplicate},       {"dirty", 0x07, play_dirty},
    {"round_trips", 0x07, play_round_trips},   {NULL, 0, NULL},
};

const char *schedules_run(const struct schedule *s, struct cluster *c, FILE *trace)
{
	cluster_script(c, s->replicas, trace);
	s->play(c);
	return cluster_verdict(c);
}
