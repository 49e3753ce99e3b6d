/* SPDX-License-Identifier: Apache-2.0 */
#include "schedules.h"

#include "script.h"

/* COPY_LOW: {0,1,2} -> {1,2,3}; a PREPARE that is slow meets the copy of a higher ballot. */
static void play_copy_low(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_join(c, 0x0e);
	script_pull(c, 2, 0);
	script_raise_counter(c, 2, 5);
	script_raise_counter(c, 0, 20);
	script_ask(c, 0, OP_APPEND, 1); /* ballot b, whose PREPARE to 3 is slow */
	script_ask_one(c, MESSAGE_PREPARE, 1, 0);
	script_lose(c, MESSAGE_PREPARE, 1, 2);
	script_ask(c, 1, OP_APPEND, 2); /* ballot a > b */
	script_lose(c, MESSAGE_PREPARE, 2, 0);
	script_lose(c, MESSAGE_PREPARE, 2, 3);
	script_ask(c, 2, OP_APPEND, 0); /* ballot c > a */
	script_ask_one(c, MESSAGE_PREPARE, 0, 2);
	script_lose(c, MESSAGE_PREPARE, 0, 3);
	script_ask_one(c, MESSAGE_PREPARE, 2, 1); /* a has {1,2} */
	script_deliver(c, MESSAGE_ACCEPT, 2, 1);
	script_lose(c, MESSAGE_OK, 1, 2);
	script_lose(c, MESSAGE_ACCEPT, 2, 0);
	script_lose(c, MESSAGE_ACCEPT, 2, 3);
	script_ask_one(c, MESSAGE_PREPARE, 0, 1); /* c has {0,1,2} and saw a */
	script_lose(c, MESSAGE_ACCEPT, 0, 1);
	script_lose(c, MESSAGE_ACCEPT, 0, 2);
	script_lose(c, MESSAGE_ACCEPT, 0, 3);
	script_pull(c, 3, 0);
	script_pull(c, 3, 2);
	script_ask_one(c, MESSAGE_PREPARE, 1, 3);
	script_deliver(c, MESSAGE_ACCEPT, 1, 3);
	script_finish(c, 0);
	script_lose_all(c);
	script_adopt(c, 0x0c);
	script_ask_one(c, MESSAGE_PREPARE, 2, 3);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 3);
	script_lose_all(c);
	script_adopt(c, SCRIPT_EVERYBODY);
	script_lose_all(c);
	script_ask(c, 1, OP_GET, 3);
	script_deliver_all(c);
}

/* COPY_HOT: {0,1,2} -> {1,2,3}; a member that is hot pulls a higher record. */
static void play_copy_hot(struct cluster *c)
{
	script_join(c, 0x0e);
	script_ask(c, 0, OP_APPEND, 1);
	script_deliver_all(c);
	script_raise_counter(c, 2, 9);
	script_ask(c, 1, OP_APPEND, 2);
	script_lose(c, MESSAGE_PREPARE, 2, 1);
	script_ask_one(c, MESSAGE_PREPARE, 2, 0);
	script_ask_one(c, MESSAGE_PREPARE, 2, 3);
	script_lose(c, MESSAGE_ACCEPT, 2, 1);
	script_pull(c, 1, 2);
	script_ask(c, 2, OP_APPEND, 1);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 0);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 3);
	script_abandon(c, 2);
	script_ask(c, 3, OP_APPEND, 2);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 3);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 0);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 0);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 2);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 3);
}

/* READ_OLD_VOTES: {0,1,2,3,4} -> {1,2,5}; b, undecided, is at 1 and 2, c > b at 5. */
static void play_old_votes(struct cluster *c)
{
	static const unsigned others[] = {0, 3, 4};
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_cool(c);
	script_ask(c, 0, OP_APPEND, 1);
	for (unsigned i = 1; i < 4; i++)
		script_ask_one(c, MESSAGE_PREPARE, 1, i);
	script_deliver(c, MESSAGE_ACCEPT, 1, 2);
	script_raise_counter(c, 0, 50);
	script_ask(c, 1, OP_APPEND, 0);
	for (unsigned i = 0; i < 3; i++)
		script_ask_one(c, MESSAGE_PREPARE, 0, others[i]);
	script_lose_all(c);
	script_join(c, 0x26);
	script_lose_all(c);
	for (unsigned i = 0; i < 3; i++)
		script_pull(c, 5, others[i]);
	for (unsigned i = 1; i < 4; i++)
		script_pull(c, 2, i);
	script_lose_all(c);
	script_finish(c, SCRIPT_EVERYBODY);
	for (unsigned i = 0; i < 6; i++)
		script_abandon(c, i);
	script_lose_all(c);
	script_ask(c, 2, OP_GET, 1);
	script_ask_one(c, MESSAGE_READ, 1, 2);
	script_lose_all(c);
	script_ask(c, 3, OP_GET, 2);
	script_lose(c, MESSAGE_READ, 2, 1);
	script_prepare_again(c, 2);
	script_lose(c, MESSAGE_PREPARE, 2, 1);
	script_deliver_all(c);
}

/* NO_VERSION: {0,1,2} -> {1,3,4}; c, high and undecided, is copied to 4 before b, low, is
 * decided at 1 and 3. */
static void play_no_version(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 1);
	script_deliver_all(c);
	script_cool(c);
	script_raise_counter(c, 0, 50);
	script_ask(c, 1, OP_APPEND, 0);
	script_ask_one(c, MESSAGE_PREPARE, 0, 2);
	script_lose_all(c);
	script_join(c, 0x1a);
	script_lose_all(c);
	script_pull(c, 3, 1);
	script_pull(c, 3, 2);
	script_pull(c, 1, 2);
	script_pull(c, 4, 0);
	script_pull(c, 4, 1);
	script_lose_all(c);
	script_finish(c, SCRIPT_EVERYBODY);
	for (unsigned i = 0; i < 5; i++)
		script_abandon(c, i);
	script_lose_all(c);
	script_ask(c, 1, OP_APPEND, 1);
	script_lose(c, MESSAGE_PREPARE, 1, 4);
	script_ask_one(c, MESSAGE_PREPARE, 1, 3);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 3);
	script_lose_all(c);
	script_ask(c, 2, OP_GET, 4);
	script_lose_all(c);
	script_prepare_again(c, 4);
	script_lose(c, MESSAGE_PREPARE, 4, 1);
	script_deliver_all(c);
}

/* OMITTED_LATE: {0,1,2,3,4}; the own record is replaced while promises that name it come. */
static void play_omitted_late(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_cool(c);
	script_raise_counter(c, 1, 10);
	script_raise_counter(c, 4, 20);
	script_ask(c, 0, OP_APPEND, 0); /* b: 0 and 2 have promised, 3 is on its way */
	script_ask_one(c, MESSAGE_PREPARE, 0, 2);
	script_deliver(c, MESSAGE_PREPARE, 0, 3);
	script_ask(c, 1, OP_APPEND, 1); /* z > b: promised by 0, 1 and 4 */
	script_ask_one(c, MESSAGE_PREPARE, 1, 0);
	script_deliver(c, MESSAGE_PREPARE, 1, 4);
	script_ask(c, 2, OP_GET, 4);
	script_prepare_again(c, 4); /* above both, at 1 and 4 */
	script_deliver(c, MESSAGE_PREPARE, 4, 1);
	script_deliver(c, MESSAGE_PROMISE, 4, 1);
	script_deliver(c, MESSAGE_ACCEPT, 1, 0); /* z is accepted at 0 alone */
	script_deliver(c, MESSAGE_PROMISE, 3, 0);
	script_deliver(c, MESSAGE_ACCEPT, 0, 2); /* b, built on what 0 held first */
	script_deliver(c, MESSAGE_ACCEPT, 0, 3);
	script_lose_all(c);
	for (unsigned i = 0; i < SCRIPT_FIRES_MAX && script_is_behind(c, 1); i++)
		script_prepare_again(c, 1);
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2) {
		while (script_find(c, MESSAGE_PREPARE, 1, i) != NULL)
			script_ask_one(c, MESSAGE_PREPARE, 1, i);
	}
	for (unsigned i = 1; i <= 4; i += i == 1 ? 1 : 2)
		script_ask_one(c, MESSAGE_ACCEPT, 1, i);
}

/* SYNC_NO_FLOOR: {0,1,2} -> {0,3,4}; an append of unknown outcome was deleted and erased, and
 * those who have only pulled are asked what became of it. */
static void play_sync_floor(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_deliver(c, MESSAGE_ACCEPT, 0, 1);
	script_lose_all(c);
	script_ask(c, 1, OP_DEL, 1);
	script_ask_one(c, MESSAGE_PREPARE, 1, 0);
	for (unsigned i = 0; i < 3; i++)
		script_ask_one(c, MESSAGE_ACCEPT, 1, i);
	script_lose_all(c);
	script_collect(c, 1);
	script_lose_all(c);
	script_join(c, 0x19);
	script_lose_all(c);
	for (unsigned puller = 3; puller <= 4; puller++) {
		script_pull(c, puller, 1);
		script_pull(c, puller, 2);
	}
	script_finish(c, SCRIPT_EVERYBODY);
	script_ask_one(c, MESSAGE_PREPARE, 0, 3);
	script_ask_one(c, MESSAGE_PREPARE, 0, 4);
	script_ask_one(c, MESSAGE_ACCEPT, 0, 3);
	script_ask_one(c, MESSAGE_ACCEPT, 0, 4);
	script_lose_all(c);
	script_ask(c, 2, OP_GET, 3);
	script_deliver_all(c);
}

/* COPY_NEW_LOW: {0,1,2} -> {1,2,3}; promises that were forgotten into the floor, and then the
 * copy of a record. */
static void play_copy_new_low(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0); /* x: at 0 alone */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_lose_all(c);
	script_abandon(c, 0);
	script_forget(c, 1);
	script_join(c, 0x0e);
	script_ask(c, 1, OP_APPEND, 0); /* b */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_ask_one(c, MESSAGE_PREPARE, 0, 2);
	script_raise_counter(c, 3, 50);
	script_ask(c, 2, OP_APPEND, 3); /* p > b */
	script_ask_one(c, MESSAGE_PREPARE, 3, 1);
	script_ask_one(c, MESSAGE_PREPARE, 3, 2);
	for (unsigned i = 1; i <= 2; i++) {
		script_forget(c, i);
		script_pull(c, i, 0);
	}
	for (unsigned i = 1; i <= 2; i++)
		script_ask_one(c, MESSAGE_ACCEPT, 0, i);
	for (unsigned i = 1; i <= 2; i++)
		script_ask_one(c, MESSAGE_ACCEPT, 3, i);
}

/* READ_ALL_JOINT: {0,1,2} -> {1,2,3}; x, undecided, was copied to all after b was promised. */
static void play_all_joint(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 1);
	script_deliver_all(c);
	script_cool(c);
	script_ask(c, 1, OP_APPEND, 0); /* x: at 0 alone */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_lose_all(c);
	script_abandon(c, 0);
	script_join(c, 0x0e);
	script_ask(c, 2, OP_APPEND, 1); /* b */
	script_deliver(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned puller = 1; puller <= 3; puller++)
		script_pull(c, puller, 0);
	script_ask(c, 3, OP_GET, 3);
	for (unsigned i = 0; i <= 2; i++)
		script_ask_one(c, MESSAGE_READ, 3, i);
	script_deliver(c, MESSAGE_PROMISE, 2, 1);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 2);
	script_deliver_all(c);
}

/* READ_ALL_COPIES: {0,1,2}; x, undecided, was told to those who had promised b > x. */
static void play_all_copies(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 1);
	script_deliver_all(c);
	script_cool(c);
	script_ask(c, 1, OP_APPEND, 0); /* x: at 0 alone */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_lose_all(c);
	script_abandon(c, 0);
	script_raise_counter(c, 1, 50);
	script_ask(c, 2, OP_APPEND, 1); /* b */
	script_deliver(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		script_repair(c, 0, i);
		script_deliver(c, MESSAGE_LEARN, 0, i);
	}
	script_ask(c, 3, OP_GET, 2);
	for (unsigned i = 0; i <= 1; i++)
		script_ask_one(c, MESSAGE_READ, 2, i);
	script_deliver(c, MESSAGE_PROMISE, 2, 1);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 2);
	script_deliver_all(c);
}

/* ERASE_OLD: {0,1,2}; the tombstone t, undecided, was told to those who had promised b > t. */
static void play_erase_copies(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 1);
	script_deliver_all(c);
	script_cool(c);
	script_ask(c, 1, OP_DEL, 0); /* t: at 0 alone */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_lose_all(c);
	script_abandon(c, 0);
	script_raise_counter(c, 1, 50);
	script_ask(c, 2, OP_APPEND, 1); /* b */
	script_deliver(c, MESSAGE_PREPARE, 1, 2);
	for (unsigned i = 1; i <= 2; i++) {
		script_repair(c, 0, i);
		script_deliver(c, MESSAGE_LEARN, 0, i);
	}
	script_collect(c, 0);
	script_ask(c, 3, OP_GET, 2);
	script_ask_one(c, MESSAGE_READ, 2, 1);
	script_deliver(c, MESSAGE_PROMISE, 2, 1);
	script_deliver(c, MESSAGE_ACCEPT, 1, 0);
	script_lose_all(c);
	script_abandon(c, 1);
	script_ask(c, 1, OP_GET, 0);
	script_prepare_again(c, 0);
	script_deliver_all(c);
}

/* FLOOR_TOMBSTONE: {0,1,2}; 0 erases t after it has promised b and then c > b, and is asked to
 * accept b before c. */
static void play_promised_erasure(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_ask(c, 1, OP_DEL, 0); /* t */
	for (unsigned i = 1; i <= 2; i++)
		script_ask_one(c, MESSAGE_ACCEPT, 0, i);
	script_cool(c);
	script_ask(c, 2, OP_APPEND, 2); /* b */
	script_deliver(c, MESSAGE_PREPARE, 2, 0);
	script_raise_counter(c, 1, 50);
	script_ask(c, 3, OP_APPEND, 1); /* c */
	script_deliver(c, MESSAGE_PREPARE, 1, 0);
	for (unsigned i = 1; i <= 2; i++) {
		script_deliver(c, MESSAGE_HOLDS, 0, i);
		script_deliver(c, MESSAGE_HELD, i, 0);
	}
	script_deliver(c, MESSAGE_PROMISE, 0, 2);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 0);
	script_deliver(c, MESSAGE_PROMISE, 0, 1);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 0);
	script_deliver_all(c);
}

/* DUPLICATE_PROMISES: {0,1,2}; a member that learnt b promises b', which is between b and the
 * ballot that b reserves, before the ACCEPT of b reaches it. */
static void play_duplicate(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 2);
	script_ask_one(c, MESSAGE_PREPARE, 2, 1);
	script_repair(c, 2, 1);
	script_deliver(c, MESSAGE_LEARN, 2, 1);
	script_ask(c, 1, OP_APPEND, 1); /* b' */
	script_deliver(c, MESSAGE_PREPARE, 1, 0);
	script_ask_one(c, MESSAGE_ACCEPT, 2, 1);
	script_ask(c, 2, OP_APPEND, 2); /* hot, if it believes in its reservation */
	script_deliver(c, MESSAGE_PROMISE, 0, 1);
	script_ask_one(c, MESSAGE_ACCEPT, 1, 0);
	script_lose_all(c);
	script_abandon(c, 2);
	script_ask(c, 3, OP_GET, 0);
	script_prepare_again(c, 0);
	script_lose(c, MESSAGE_PREPARE, 0, 1);
	script_deliver_all(c);
}

/* READ_DIRTY: {0,1,2}; what two have told and not synced goes with their crash. */
static void play_dirty(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_set_slow_disks(c, 0x03);
	script_ask(c, 1, OP_APPEND, 0);
	script_ask_one(c, MESSAGE_ACCEPT, 0, 1);
	script_ask(c, 2, OP_GET, 2);
	script_ask_one(c, MESSAGE_READ, 2, 0);
	script_ask_one(c, MESSAGE_READ, 2, 1);
	script_lose_all(c);
	for (unsigned i = 0; i <= 1; i++)
		host_crash(&c->hosts[i]);
	script_set_slow_disks(c, 0);
	for (unsigned i = 0; i <= 1; i++)
		host_start(&c->hosts[i]);
	script_let_be(c);
	script_abandon(c, 2);
	script_ask(c, 3, OP_GET, 2);
	script_deliver_all(c);
}

/* {0} -> {1,2,3}, cancelled: what 0 deletes alone lasts longer than the version that let it. */
static void play_unfinished_adoption(struct cluster *c)
{
	script_ask(c, 0, OP_APPEND, 0);
	script_deliver_all(c);
	script_join(c, 0x0e);
	script_pull(c, 1, 0);
	script_lose_all(c);
	script_cancel(c);
	script_set_slow_disks(c, 0x01);
	script_adopt_half(c, 0);
	script_ask(c, 1, OP_DEL, 0);
	script_commit(c, 0);
	host_crash(&c->hosts[0]);
	script_set_slow_disks(c, 0);
	host_start(&c->hosts[0]);
	script_let_be(c);
	script_lose_all(c);
	script_ask(c, 2, OP_GET, 2); /* meets none who has pulled */
	script_ask_one(c, MESSAGE_READ, 2, 0);
	script_ask_one(c, MESSAGE_READ, 2, 3);
	script_lose_all(c);
	script_abandon(c, 2);
	script_ask(c, 3, OP_GET, 2); /* meets 1, who has */
	script_lose(c, MESSAGE_READ, 2, 3);
	script_prepare_again(c, 2);
	script_lose(c, MESSAGE_PREPARE, 2, 3);
	script_deliver_all(c);
	script_adopt(c, SCRIPT_EVERYBODY);
	script_ask(c, 0, OP_GET, 0);
	script_deliver_all(c);
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
	script_request(c, 0, op, host);
	script_deliver_all(c);
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
	script_request(c, 0, &put, 0); /* 2 misses it, and takes the key for absent */
	script_ask_one(c, MESSAGE_PREPARE, 0, 1);
	script_lose(c, MESSAGE_ACCEPT, 0, 2);
	script_deliver_all(c);
	cost(c, &del, 2, 1, 1, 1);
}

/* A series that takes away what it has made leaves an absent key as it was, and whoever
 * compares with the version that it was told of is told that there is none. */
static void play_nothing_left(struct cluster *c)
{
	uint32_t value = value_intern(bytes_of_text("value"));
	struct model_op series[] = {{.kind = OP_PUT, .value = value}, {.kind = OP_DEL}};
	(void)clients_ask(c, 0, 0, series, DHT_ARRAY_LEN(series), 0);
	script_deliver_all(c);
	struct model_op compare = {.kind = OP_CAS_VERSION,
				   .value = value,
				   .expected_version = c->history.items[0].result.version};
	struct model_op put = {.kind = OP_PUT, .value = value};
	(void)clients_ask(c, 0, 0, &put, 1, 0); /* both wait for one key, and go together */
	(void)clients_ask(c, 1, 0, &compare, 1, 0);
	script_deliver_all(c);
}

const struct schedule schedules[] = {
    {"copy_low", 0x07, play_copy_low},
    {"copy_hot", 0x07, play_copy_hot},
    {"old_votes", 0x1f, play_old_votes},
    {"no_version", 0x07, play_no_version},
    {"omitted_late", 0x1f, play_omitted_late},
    {"sync_floor", 0x07, play_sync_floor},
    {"copy_new_low", 0x07, play_copy_new_low},
    {"all_joint", 0x07, play_all_joint},
    {"all_copies", 0x07, play_all_copies},
    {"erase_copies", 0x07, play_erase_copies},
    {"promised_erasure", 0x07, play_promised_erasure},
    {"duplicate", 0x07, play_duplicate},
    {"dirty", 0x07, play_dirty},
    {"unfinished_adoption", 0x01, play_unfinished_adoption},
    {"nothing_left", 0x07, play_nothing_left},
    {"round_trips", 0x07, play_round_trips},
    {NULL, 0, NULL},
};

const char *schedules_run(const struct schedule *s, struct cluster *c, FILE *trace)
{
	cluster_script(c, s->replicas, trace);
	s->play(c);
	(void)cluster_verdict(c);
	cluster_end(c);
	return c->failure;
}
