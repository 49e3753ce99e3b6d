/* SPDX-License-Identifier: Apache-2.0 */
#include "schedules.h"

#include "node/active.h"
#include "node/coordinator.h"
#include "node/entry.h"
#include "upkeep.h"

enum {
	STEPS_MAX = 5000,
	BLOCK = 0,          /* of the used ones, the one with the key */
	FIRES_MAX = 4,      /* alarms until a round begins */
	LATER_US = 1000000, /* any round has ended by then */
};

/* ---- The words of a script ----------------------------------------------------------- */

/* What a host does by itself: commits, adoptions, maps that are fetched. */
static void let_be(struct cluster *c)
{
	cluster_run_until(c, c->now_us + 1);
}

static struct parcel *find_held(const struct cluster *c, enum message_kind kind, unsigned from,
				unsigned to)
{
	const struct list *held = &c->network.held;
	for (struct list *link = held->next; link != held; link = link->next) {
		struct parcel *parcel = LIST_ENTRY(link, struct parcel, link);
		if (parcel->m.kind == kind && parcel->m.from == from && parcel->to == to)
			return parcel;
	}
	return NULL;
}

static void arrive(struct cluster *c, struct parcel *parcel)
{
	list_remove(&parcel->link);
	host_message(&c->hosts[parcel->to], parcel);
	let_be(c);
}

/* Delivers the oldest such message, if there is one. */
static void deliver_held(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	struct parcel *parcel = find_held(c, kind, from, to);
	if (parcel != NULL)
		arrive(c, parcel);
}

/* Loses all such messages. */
static void lose_held(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	for (struct parcel *parcel; (parcel = find_held(c, kind, from, to)) != NULL;)
		parcel_destroy(parcel);
}

static void lose_all_held(struct cluster *c)
{
	LIST_FOREACH_SAFE(link, following, &c->network.held)
	parcel_destroy(LIST_ENTRY(link, struct parcel, link));
}

/* A question and its answer. */
static void ask_one(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	static const enum message_kind answers[] = {[MESSAGE_PREPARE] = MESSAGE_PROMISE,
						    [MESSAGE_ACCEPT] = MESSAGE_OK,
						    [MESSAGE_READ] = MESSAGE_VALUE};
	deliver_held(c, kind, from, to);
	deliver_held(c, answers[kind], to, from);
}

/* The latest alarm that this host has set goes off. False: there is none. */
static bool fire(struct cluster *c, unsigned host)
{
	for (unsigned i = c->timer_count; i-- > 0;) {
		struct script_timer timer = c->timers[i];
		if (timer.host != host)
			continue;
		c->timer_count--;
		memmove(&c->timers[i], &c->timers[i + 1],
			(c->timer_count - i) * sizeof(c->timers[0]));
		c->now_us += LATER_US;
		host_timer(&c->hosts[host], &timer.timer);
		let_be(c);
		return true;
	}
	return false;
}

static bool is_preparing(const struct cluster *c, unsigned host)
{
	for (unsigned to = 0; to < SIM_HOSTS; to++) {
		if (find_held(c, MESSAGE_PREPARE, host, to) != NULL)
			return true;
	}
	return false;
}

/* The round of the host is over for lack of answers, and it prepares. */
static void prepare_again(struct cluster *c, unsigned host)
{
	for (unsigned i = 0; i < FIRES_MAX && !is_preparing(c, host); i++)
		fire(c, host);
}

static bool fire_one(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		if (c->hosts[i].is_up && fire(c, i))
			return true;
	}
	return false;
}

/* Everything takes its course. */
static void deliver_all(struct cluster *c)
{
	for (int step = 0; step < STEPS_MAX && c->failure == NULL; step++) {
		struct list *link = list_first(&c->network.held);
		if (link != NULL)
			arrive(c, LIST_ENTRY(link, struct parcel, link));
		else if (list_is_empty(&c->pending) || !fire_one(c))
			return;
	}
}

/* As far as this host knows nobody else answers: it coordinates itself. */
static void set_others_down(struct cluster *c, unsigned host, bool is_down)
{
	for (uint16_t i = 0; i < SIM_HOSTS; i++)
		node_set_down(&c->hosts[host].node, i, is_down && i != host);
}

static void ask_for(struct cluster *c, unsigned client, const struct model_op *op, unsigned host)
{
	set_others_down(c, host, true);
	(void)clients_ask(c, client, 0, op, 1, host);
	set_others_down(c, host, false);
	let_be(c);
}

static void ask_node(struct cluster *c, unsigned client, enum op_kind kind, unsigned host)
{
	struct model_op op = {.kind = kind};
	char text[16];
	snprintf(text, sizeof(text), "%u,", (unsigned)++c->arguments);
	if (kind == OP_APPEND || kind == OP_PUT)
		op.value = value_intern(bytes_of_text(text));
	ask_for(c, client, &op, host);
}

static uint32_t block_number(const struct cluster *c)
{
	return c->maps.blocks[BLOCK].number;
}

/* What the host coordinates is abandoned. */
static void abandon(struct cluster *c, unsigned host)
{
	coordinator_fini(&c->hosts[host].node, block_number(c));
	cluster_requests_lost(c, &c->hosts[host]);
}

/* Calls act on the key's entry at the host, and writes down what it does. */
static void change_entry(struct cluster *c, unsigned host,
			 enum acceptor_effect (*act)(struct entry *entry))
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	if (!entry.acceptor.has_entry)
		return;
	rc = entry_save(&h->node, &step, &entry, act(&entry));
	DHT_ASSERT(rc == 0);
}

static enum acceptor_effect make_cold(struct entry *entry)
{
	entry->acceptor.hot = false;
	return ACCEPTOR_NOTHING;
}

static enum acceptor_effect drop_promise(struct entry *entry)
{
	return acceptor_drop_promise(&entry->block->acceptor, &entry->acceptor) ? ACCEPTOR_DROP
										: ACCEPTOR_NOTHING;
}

static void cool(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		change_entry(c, i, make_cold);
}

/* The promise of a key that is not there goes into the floor, as it does with time. */
static void forget(struct cluster *c, unsigned host)
{
	change_entry(c, host, drop_promise);
}

/* Other keys have moved the counter of the host. */
static void raise_counter(struct cluster *c, unsigned host, uint64_t by)
{
	struct counter *counter = &c->hosts[host].node.counter;
	int rc = counter_raise(counter, ballot_make(0, counter_value(counter) + by, 0));
	DHT_ASSERT(rc == 0);
}

static void adopt_latest(struct cluster *c, uint16_t hosts)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		if ((hosts >> i & 1) != 0)
			host_map(&c->hosts[i], c->maps.epoch);
	}
	let_be(c);
}

static const uint16_t everybody = (1u << SIM_HOSTS) - 1;

/* stable -> joint, adopted by all. */
static void join_with(struct cluster *c, uint16_t next)
{
	maps_begin(&c->maps);
	maps_join(&c->maps, &c->maps.blocks[BLOCK], next);
	maps_decide(&c->maps);
	adopt_latest(c, everybody);
}

static void finish_for(struct cluster *c, uint16_t hosts)
{
	maps_begin(&c->maps);
	maps_finish(&c->maps, &c->maps.blocks[BLOCK]);
	maps_decide(&c->maps);
	adopt_latest(c, hosts);
}

/* One that is of O has itself already. */
static void pull_from(struct cluster *c, unsigned puller, unsigned source)
{
	struct host *h = &c->hosts[puller];
	if (puller == source)
		return;
	lose_held(c, MESSAGE_PULL, puller, source);
	c->now_us += LATER_US;
	set_others_down(c, puller, true);
	node_set_down(&h->node, (uint16_t)source, false);
	host_upkeep(h, UPKEEP_SYNC, block_number(c));
	let_be(c);
	for (unsigned i = 0; i < FIRES_MAX; i++) {
		deliver_held(c, MESSAGE_PULL, puller, source);
		deliver_held(c, MESSAGE_CHUNK, source, puller);
	}
	set_others_down(c, puller, false);
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		lose_held(c, MESSAGE_PULL, puller, i);
}

/* The host tells another what it holds. */
static void repair(struct cluster *c, unsigned host, unsigned other)
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	struct message m = {
	    .kind = MESSAGE_LEARN,
	    .from = (uint16_t)host,
	    .block = block_number(c),
	    .version = entry.block->acceptor.version,
	    .key = c->keys[0].key,
	    .record = entry.acceptor.record,
	};
	network_send(c, &m, (uint16_t)other);
}

/* The host collects its tombstone; everybody answers. */
static void collect_at(struct cluster *c, unsigned host)
{
	host_upkeep(&c->hosts[host], UPKEEP_COLLECT, block_number(c));
	let_be(c);
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		deliver_held(c, MESSAGE_HOLDS, host, i);
		deliver_held(c, MESSAGE_HELD, i, host);
	}
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		deliver_held(c, MESSAGE_ERASE, host, i);
}

/* What the host is asking for has a lower ballot than what it has promised. */
static bool is_behind(struct cluster *c, unsigned host)
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	const struct active *a = active_find(entry.block, &c->keys[0]);
	return a != NULL && ballot_compare(a->round.b, entry.acceptor.promised) < 0;
}

static void set_slow_disks(struct cluster *c, uint16_t hosts)
{
	uint16_t before = c->slow_disks;
	c->slow_disks = hosts;
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		if ((before & ~hosts) >> i & 1 && h->is_up && h->is_committing) {
			h->is_committing = false;
			h->wants_commit = true;
			host_after(h);
		}
	}
	let_be(c);
}

/* ---- The scripts --------------------------------------------------------------------- */

/* COPY_LOW: {0,1,2} -> {1,2,3}; a PREPARE that is slow meets the copy of a higher ballot. */
static void play_copy_low(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 0);
	deliver_all(c);
	join_with(c, 0x0e);
	pull_from(c, 2, 0);
	pull_from(c, 2, 2);
	raise_counter(c, 2, 5);
	raise_counter(c, 0, 20);
	ask_node(c, 0, OP_APPEND, 1); /* ballot b, whose PREPARE to 3 is slow */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	lose_held(c, MESSAGE_PREPARE, 1, 2);
	ask_node(c, 1, OP_APPEND, 2); /* ballot a > b */
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 0);
	lose_held(c, MESSAGE_PREPARE, 2, 3);
	ask_node(c, 2, OP_APPEND, 0); /* ballot c > a */
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
	ask_node(c, 1, OP_GET, 3);
	deliver_all(c);
}

/* COPY_HOT: {0,1,2} -> {1,2,3}; a member that is hot pulls a higher record. */
static void play_copy_hot(struct cluster *c)
{
	join_with(c, 0x0e);
	ask_node(c, 0, OP_APPEND, 1);
	deliver_all(c);
	raise_counter(c, 2, 9);
	ask_node(c, 1, OP_APPEND, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 1);
	ask_one(c, MESSAGE_PREPARE, 2, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 0);
	ask_one(c, MESSAGE_PREPARE, 2, 3);
	ask_one(c, MESSAGE_ACCEPT, 2, 2);
	lose_held(c, MESSAGE_ACCEPT, 2, 1);
	pull_from(c, 1, 2);
	ask_node(c, 2, OP_APPEND, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 2, 0);
	ask_one(c, MESSAGE_ACCEPT, 2, 3);
	abandon(c, 2);
	ask_node(c, 3, OP_APPEND, 2);
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
	ask_node(c, 0, OP_APPEND, 0);
	deliver_all(c);
	cool(c);
	ask_node(c, 0, OP_APPEND, 1);
	for (unsigned i = 1; i < 4; i++)
		ask_one(c, MESSAGE_PREPARE, 1, i);
	deliver_held(c, MESSAGE_ACCEPT, 1, 1);
	deliver_held(c, MESSAGE_ACCEPT, 1, 2);
	raise_counter(c, 0, 50);
	ask_node(c, 1, OP_APPEND, 0);
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
	ask_node(c, 2, OP_GET, 1);
	ask_one(c, MESSAGE_READ, 1, 1);
	ask_one(c, MESSAGE_READ, 1, 2);
	lose_all_held(c);
	ask_node(c, 3, OP_GET, 2);
	lose_held(c, MESSAGE_READ, 2, 1);
	prepare_again(c, 2);
	lose_held(c, MESSAGE_PREPARE, 2, 1);
	deliver_all(c);
}

/* NO_VERSION: {0,1,2} -> {1,3,4}; c, high and undecided, is copied to 4 before b, low, is
 * decided at 1 and 3. */
static void play_no_version(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 1);
	deliver_all(c);
	cool(c);
	raise_counter(c, 0, 50);
	ask_node(c, 1, OP_APPEND, 0);
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
	ask_node(c, 1, OP_APPEND, 1);
	lose_held(c, MESSAGE_PREPARE, 1, 4);
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 3);
	ask_one(c, MESSAGE_ACCEPT, 1, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 3);
	lose_all_held(c);
	ask_node(c, 2, OP_GET, 4);
	lose_all_held(c);
	prepare_again(c, 4);
	lose_held(c, MESSAGE_PREPARE, 4, 1);
	deliver_all(c);
}

/* OMITTED_LATE: {0,1,2,3,4}; the own record is replaced while promises that name it come. */
static void play_omitted_late(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 0);
	deliver_all(c);
	cool(c);
	raise_counter(c, 1, 10);
	raise_counter(c, 4, 20);
	ask_node(c, 0, OP_APPEND, 0); /* b: 0 and 2 have promised, 3 is on its way */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	deliver_held(c, MESSAGE_PREPARE, 0, 3);
	ask_node(c, 1, OP_APPEND, 1); /* z > b: promised by 0, 1 and 4 */
	ask_one(c, MESSAGE_PREPARE, 1, 1);
	ask_one(c, MESSAGE_PREPARE, 1, 0);
	deliver_held(c, MESSAGE_PREPARE, 1, 4);
	ask_node(c, 2, OP_GET, 4);
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
	for (unsigned i = 0; i < FIRES_MAX && is_behind(c, 1); i++)
		prepare_again(c, 1);
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2) {
		while (find_held(c, MESSAGE_PREPARE, 1, i) != NULL)
			ask_one(c, MESSAGE_PREPARE, 1, i);
	}
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2)
		ask_one(c, MESSAGE_ACCEPT, 1, i);
}

/* SYNC_NO_FLOOR: {0,1,2} -> {0,3,4}; an append of unknown outcome was deleted and erased, and
 * those who have only pulled are asked what became of it. */
static void play_sync_floor(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	deliver_held(c, MESSAGE_ACCEPT, 0, 1);
	lose_all_held(c);
	ask_node(c, 1, OP_DEL, 1);
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
	ask_node(c, 2, OP_GET, 3);
	deliver_all(c);
}

/* COPY_NEW_LOW: {0,1,2} -> {1,2,3}; promises that were forgotten into the floor, and then the
 * copy of a record. */
static void play_copy_new_low(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 0);
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	deliver_held(c, MESSAGE_ACCEPT, 0, 0);
	lose_all_held(c);
	abandon(c, 0);
	forget(c, 1);
	join_with(c, 0x0e);
	ask_node(c, 1, OP_APPEND, 0); /* b */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	ask_one(c, MESSAGE_PREPARE, 0, 2);
	lose_held(c, MESSAGE_PREPARE, 0, 0);
	raise_counter(c, 3, 50);
	ask_node(c, 2, OP_APPEND, 3); /* p > b */
	ask_one(c, MESSAGE_PREPARE, 3, 1);
	ask_one(c, MESSAGE_PREPARE, 3, 2);
	for (unsigned i = 1; i <= 2; i++) {
		forget(c, i);
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
	ask_node(c, 0, OP_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OP_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	lose_all_held(c);
	abandon(c, 0);
	join_with(c, 0x0e);
	ask_node(c, 2, OP_APPEND, 1); /* b */
	deliver_held(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned puller = 1; puller <= 3; puller++)
		pull_from(c, puller, 0);
	ask_node(c, 3, OP_GET, 3);
	for (unsigned i = 0; i <= 2; i++)
		ask_one(c, MESSAGE_READ, 3, i);
	deliver_held(c, MESSAGE_PROMISE, 2, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 2);
	deliver_all(c);
}

/* READ_ALL_COPIES: {0,1,2}; x, undecided, was told to those who had promised b > x. */
static void play_all_copies(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OP_APPEND, 0); /* x: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	lose_all_held(c);
	abandon(c, 0);
	raise_counter(c, 1, 50);
	ask_node(c, 2, OP_APPEND, 1); /* b */
	deliver_held(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		repair(c, 0, i);
		deliver_held(c, MESSAGE_LEARN, 0, i);
	}
	ask_node(c, 3, OP_GET, 2);
	for (unsigned i = 0; i <= 1; i++)
		ask_one(c, MESSAGE_READ, 2, i);
	deliver_held(c, MESSAGE_PROMISE, 2, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 2);
	deliver_all(c);
}

/* ERASE_OLD: {0,1,2}; the tombstone t, undecided, was told to those who had promised b > t. */
static void play_erase_copies(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 1);
	deliver_all(c);
	cool(c);
	ask_node(c, 1, OP_DEL, 0); /* t: at 0 alone */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	lose_all_held(c);
	abandon(c, 0);
	raise_counter(c, 1, 50);
	ask_node(c, 2, OP_APPEND, 1); /* b */
	deliver_held(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		repair(c, 0, i);
		deliver_held(c, MESSAGE_LEARN, 0, i);
	}
	collect_at(c, 0);
	ask_node(c, 3, OP_GET, 2);
	ask_one(c, MESSAGE_READ, 2, 1);
	deliver_held(c, MESSAGE_PROMISE, 2, 1);
	deliver_held(c, MESSAGE_ACCEPT, 1, 0);
	lose_all_held(c);
	abandon(c, 1);
	ask_node(c, 1, OP_GET, 0);
	prepare_again(c, 0);
	deliver_all(c);
}

/* DUPLICATE_PROMISES: {0,1,2}; a member that learnt b promises b', which is between b and the
 * ballot that b reserves, before the ACCEPT of b reaches it. */
static void play_duplicate(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 2);
	ask_one(c, MESSAGE_PREPARE, 2, 1);
	repair(c, 2, 1);
	deliver_held(c, MESSAGE_LEARN, 2, 1);
	ask_node(c, 1, OP_APPEND, 1); /* b' */
	deliver_held(c, MESSAGE_PREPARE, 1, 0);
	ask_one(c, MESSAGE_ACCEPT, 2, 1);
	ask_node(c, 2, OP_APPEND, 2); /* hot, if it believes in its reservation */
	deliver_held(c, MESSAGE_PROMISE, 0, 1);
	ask_one(c, MESSAGE_ACCEPT, 1, 0);
	lose_all_held(c);
	abandon(c, 2);
	ask_node(c, 3, OP_GET, 0);
	prepare_again(c, 0);
	lose_held(c, MESSAGE_PREPARE, 0, 1);
	deliver_all(c);
}

/* READ_DIRTY: {0,1,2}; what two have told and not synced goes with their crash. */
static void play_dirty(struct cluster *c)
{
	ask_node(c, 0, OP_APPEND, 0);
	deliver_all(c);
	set_slow_disks(c, 0x03);
	ask_node(c, 1, OP_APPEND, 0);
	ask_one(c, MESSAGE_ACCEPT, 0, 1);
	ask_node(c, 2, OP_GET, 2);
	ask_one(c, MESSAGE_READ, 2, 0);
	ask_one(c, MESSAGE_READ, 2, 1);
	lose_all_held(c);
	for (unsigned i = 0; i <= 1; i++)
		host_crash(&c->hosts[i]);
	set_slow_disks(c, 0);
	for (unsigned i = 0; i <= 1; i++)
		host_start(&c->hosts[i]);
	let_be(c);
	abandon(c, 2);
	ask_node(c, 3, OP_GET, 2);
	deliver_all(c);
}

/* Asks, and counts: rounds of each kind to the two other replicas, and records that each of
 * the three appends. */
static void cost(struct cluster *c, const struct model_op *op, unsigned host, uint64_t reads,
		 uint64_t prepares, uint64_t accepts)
{
	enum { REPLICAS = 3, OTHERS = REPLICAS - 1 };
	uint64_t appended[REPLICAS];
	memset(c->sent, 0, sizeof(c->sent));
	for (unsigned i = 0; i < REPLICAS; i++)
		appended[i] = c->hosts[i].appended;
	ask_for(c, 0, op, host);
	deliver_all(c);
	if (c->sent[MESSAGE_READ] != OTHERS * reads ||
	    c->sent[MESSAGE_PREPARE] != OTHERS * prepares ||
	    c->sent[MESSAGE_ACCEPT] != OTHERS * accepts)
		cluster_fail(c, 0, "an operation takes another number of round trips");
	for (unsigned i = 0; i < REPLICAS; i++) {
		if (c->hosts[i].appended - appended[i] != accepts)
			cluster_fail(c, 0, "an operation appends another number of records");
	}
}

/* What the protocol promises where nothing goes wrong. */
static void play_round_trips(struct cluster *c)
{
	uint32_t value = value_intern(bytes_of_text("value"));
	struct model_op get = {.kind = OP_GET}, del = {.kind = OP_DEL};
	struct model_op append = {.kind = OP_APPEND, .value = value};
	struct model_op put = {.kind = OP_PUT, .value = value}, create = put;
	create.conditions = OP_IF_ABSENT;
	cost(c, &get, 0, 1, 0, 0);
	cost(c, &append, 0, 0, 1, 1);
	cost(c, &append, 0, 0, 0, 1); /* the coordinator that wrote it last */
	cost(c, &get, 1, 1, 0, 0);
	cost(c, &append, 0, 0, 0, 1);
	cost(c, &put, 1, 0, 1, 1);
	cost(c, &create, 2, 1, 0, 0);
	cost(c, &del, 2, 0, 1, 1); /* the own record tells that there is something to delete */
	cost(c, &del, 0, 1, 0, 0);
	cost(c, &create, 1, 0, 1, 1);
	cost(c, &del, 1, 0, 0, 1);
	cost(c, &put, 2, 0, 1, 1); /* what it would go on from has been erased */
	cost(c, &put, 2, 0, 0, 1);
	cost(c, &del, 2, 0, 0, 1);
	ask_for(c, 0, &put, 0); /* 2 misses it, and takes the key for absent */
	ask_one(c, MESSAGE_PREPARE, 0, 1);
	lose_held(c, MESSAGE_ACCEPT, 0, 2);
	deliver_all(c);
	cost(c, &del, 2, 1, 1, 1);
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
	(void)cluster_verdict(c);
	cluster_end(c);
	return c->failure;
}
