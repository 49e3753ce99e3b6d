/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/map - who is in the cluster, and which members hold a block.
 *
 * Why     The one thing that all members agree on beside the keys: who coordinates,
 *         accepts and votes is read from it, and so is whatever tells a client where keys
 *         are (CLUSTER SLOTS, SHARDS, NODES).
 * Owns    Copies of the members' texts, the lists of replicas, the states of blocks.
 * Thread  One thread builds it; constant from then on, and read by any.
 * Errors  DHT_ENOMEM: the map is unchanged. DHT_EINVAL as said.
 *
 * A map has an epoch: the map of the next one is decided by the voters of this one (the
 * register protocol, section 6). Its other parts: ring/check (what must hold), ring/code (its
 * bytes), ring/phase (how blocks change).
 *
 * A block is in one of three phases, and in each of them has a version and old replicas O; N,
 * the next ones, it has in a joint phase alone. `start` is the version of the latest phase that
 * began a change, 0 before the first. `since` is, for each replica, the version in which it
 * became one.
 *
 * Neighbouring blocks mostly have the same replicas, so a block has the number of its state,
 * a state those of its lists, and no two states or lists are equal. 16,384 blocks of a cluster
 * of three take 33 KB; if all of them were different, 72 bytes each, and 16 a list.
 */
#ifndef DHT_RING_MAP_H
#define DHT_RING_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "ring/intern.h"

enum {
	RING_MEMBERS_MAX = 4095, /* their numbers: 0 to 4094 */
	RING_REPLICAS_MAX = 7,
	RING_REPLICAS_DEFAULT = 3,
	RING_VOTERS_MAX = 5,
	RING_ADDRESSES_MAX = 64, /* of a member, of each kind */
	RING_ID_SIZE = 33,       /* 32 hexadecimal digits and a NUL */
	RING_LINEAGE_SIZE = 16,
	RING_TEXT_MAX = 255, /* bytes of a name, a zone or a host */
};

/* ---- Members ----------------------------------------------------------------------- */

struct ring_address {
	char *host; /* a name, or a numeric address without brackets */
	uint16_t port;
};

/* What is known of a member; not a part of what members agree on. */
enum ring_state {
	RING_UP,
	RING_DOWN, /* it does not answer */
};

/* Whether it is to hold blocks; other than RING_IN only while a change is about it. */
enum ring_standing {
	RING_IN,
	RING_JOINING, /* holds what it got so far, and is no voter yet */
	RING_LEAVING, /* holds what nobody took over so far, and is no voter any more */
};

struct ring_member {
	uint16_t number; /* what ballots and lists name it by */
	enum ring_standing standing;
	char id[RING_ID_SIZE];
	char *name, *zone;
	uint32_t weight;
	enum ring_state state;
	/* Where programs and other nodes reach it, the preferred address first; an address
	 * that only says "any" (0.0.0.0, ::) reaches nobody, and is left out. */
	struct ring_address *clients, *peers;
	size_t client_count, peer_count;
};

/* Makes a copy with texts of its own; DHT_ENOMEM. fini gives them back. */
int ring_member_copy(struct ring_member *dst, const struct ring_member *src) DHT_MUST_CHECK;
void ring_member_fini(struct ring_member *member);

/* True if both say the same; numbers and state are not looked at. */
bool ring_member_is_equal(const struct ring_member *a, const struct ring_member *b);

/* ---- Blocks ------------------------------------------------------------------------ */

/* Numbers of members in the order of preference, all others 0. */
struct ring_replicas {
	uint16_t count;
	uint16_t members[RING_REPLICAS_MAX];
};

enum ring_phase {
	RING_STABLE,
	RING_JOINT,   /* from O to N; both coordinate and accept */
	RING_RECOVER, /* O has survived a loss of its majority, and compares what it has */
};

/* A block's part of the map. */
struct ring_block {
	enum ring_phase phase;
	uint32_t version, start;
	struct ring_replicas old, next; /* O and N; N is empty but in a joint phase */
	uint32_t old_since[RING_REPLICAS_MAX], next_since[RING_REPLICAS_MAX]; /* else 0 */
};

/* How it is kept. */
struct ring_kept {
	uint32_t version, start;
	uint16_t phase, old, next, zero; /* old and next are numbers of lists */
	uint32_t since[2][RING_REPLICAS_MAX];
};

/* ---- Changes ----------------------------------------------------------------------- */

enum ring_change_kind {
	RING_NO_CHANGE,
	RING_JOIN,
	RING_LEAVE,
	RING_REMOVE,       /* of one that is dead */
	RING_REPLACE,      /* `member` joins, `other` leaves */
	RING_ADJUST,       /* weight, zone, addresses or name of one are others */
	RING_RECOVER_LOST, /* a majority was lost for good: all that leave are */
};

/* The change that blocks are being moved for, at most one at a time: whoever has the map can go
 * on with it, for what is to be moved where follows from the members and their standing. */
struct ring_change {
	enum ring_change_kind kind; /* all else is 0 with RING_NO_CHANGE */
	bool is_cancelled;          /* what was moved is moved back */
	uint16_t member, other;     /* other: of RING_REPLACE alone */
	uint64_t id;                /* the epoch that it began with */
	uint64_t began_ms;          /* wall clock, for people */
	uint32_t weight;            /* RING_ADJUST: what the member had before */
	char zone[RING_TEXT_MAX + 1];
};

struct ring_voters {
	uint16_t count;
	uint16_t members[RING_VOTERS_MAX];
};

struct ring_map {
	uint64_t epoch;
	uint8_t lineage[RING_LINEAGE_SIZE]; /* random, of the cluster; all 0: not founded */
	/* First bytes, as a number, of the lineage that a recovery ended; 0: there was none. Who
	 * survives that one and has not heard of it is known by it, however much later. */
	uint64_t lineage_before;
	uint64_t hash_seed; /* of keys, alike at all members */
	uint32_t blocks;
	uint16_t replicas; /* that a block should have */
	struct ring_voters voters;
	struct ring_change change;
	struct ring_member *members; /* in ascending order of their numbers */
	size_t member_count;
	struct intern lists;  /* of struct ring_replicas */
	struct intern states; /* of struct ring_kept */
	uint16_t *state_of;   /* of each block */
};

/* Makes the map of a cluster of one: self, of which copies are made, holds all blocks and is
 * the voter. blocks is a number that ring_slot_is_block_count (asserted). */
int ring_map_create_alone(uint32_t blocks, const struct ring_member *self,
			  struct ring_map **out) DHT_MUST_CHECK;

/* The same in steps: a map whose blocks have no replicas yet; its members; and for every block
 * its replicas, at least one (asserted), as they are in the beginning: stable, version 0.
 * add_member: DHT_EINVAL if the number is taken, or is none. */
int ring_map_create(uint32_t blocks, uint64_t epoch, struct ring_map **out) DHT_MUST_CHECK;
int ring_map_add_member(struct ring_map *map, const struct ring_member *member) DHT_MUST_CHECK;
int ring_map_set_replicas(struct ring_map *map, uint32_t block,
			  const struct ring_replicas *replicas) DHT_MUST_CHECK;

/* Makes a map that is equal but for its epoch. */
int ring_map_copy(const struct ring_map *map, uint64_t epoch, struct ring_map **out) DHT_MUST_CHECK;

/* NULL is allowed. */
void ring_map_destroy(struct ring_map *map);

/* Takes over all that is said about the member of this number. DHT_ENOTFOUND. */
int ring_map_set_member(struct ring_map *map, const struct ring_member *member) DHT_MUST_CHECK;

/* Forgets a member. DHT_ENOTFOUND; DHT_EPRECOND while a block or the voters name it. */
int ring_map_remove_member(struct ring_map *map, uint16_t number) DHT_MUST_CHECK;

/* Returns the smallest number that neither a member has nor any block names, or
 * RING_MEMBERS_MAX if there is none. */
uint16_t ring_map_free_number(const struct ring_map *map);

/* NULL: there is none of that number. */
const struct ring_member *ring_map_member(const struct ring_map *map, uint16_t number);

/* Returns the place of the first member whose number is at least this one, in ascending order;
 * the number of members if there is none. */
size_t ring_map_place(const struct ring_map *map, uint16_t number);

/* The block's part of the map. */
void ring_map_get_block(const struct ring_map *map, uint32_t block, struct ring_block *out);
int ring_map_set_block(struct ring_map *map, uint32_t block,
		       const struct ring_block *from) DHT_MUST_CHECK;

/* True if both lists have the same members, in whichever order. */
bool ring_replicas_are_same_set(const struct ring_replicas *a, const struct ring_replicas *b);

/* Returns the place of a member in the list, or its count if it is not there. */
uint16_t ring_replicas_find(const struct ring_replicas *list, uint16_t member);

/* ---- Look-ups ---------------------------------------------------------------------- */

static inline const struct ring_replicas *ring_map_list(const struct ring_map *map, uint16_t number)
{
	DHT_ASSERT(number < map->lists.count);
	return (const struct ring_replicas *)map->lists.items + number;
}

static inline const struct ring_kept *ring_map_kept(const struct ring_map *map, uint32_t block)
{
	DHT_ASSERT(block < map->blocks && map->state_of[block] < map->states.count);
	return (const struct ring_kept *)map->states.items + map->state_of[block];
}

static inline uint32_t ring_map_version(const struct ring_map *map, uint32_t block)
{
	return ring_map_kept(map, block)->version;
}

/* What clients see: O, whose members coordinate in every phase. */
static inline const struct ring_replicas *ring_map_replicas(const struct ring_map *map,
							    uint32_t block)
{
	return ring_map_list(map, ring_map_kept(map, block)->old);
}

/* N; empty but in a joint phase. */
static inline const struct ring_replicas *ring_map_next(const struct ring_map *map, uint32_t block)
{
	return ring_map_list(map, ring_map_kept(map, block)->next);
}

/* The member that a block's requests go to first. */
static inline uint16_t ring_map_first(const struct ring_map *map, uint32_t block)
{
	return ring_map_replicas(map, block)->members[0];
}

/* What neighbouring blocks must have in common to be one range. */
enum ring_merge {
	RING_MERGE_EQUAL, /* all replicas, in their order */
	RING_MERGE_FIRST, /* the first one */
};

/* A run of slots. */
struct ring_range {
	uint32_t next_block; /* 0: before the first range */
	uint32_t first_slot, last_slot;
	uint16_t list; /* of its first block */
};

/* Goes on to the next range; starts as zeros. False: there is none. The ranges cover all
 * slots in their order. */
bool ring_map_next_range(const struct ring_map *map, enum ring_merge merge,
			 struct ring_range *range);

#endif
