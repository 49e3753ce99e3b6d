/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/error.h"
#include "ring/check.h"
#include "ring/code.h"
#include "ring/code_format.h"
#include "ring/slot.h"

/* Bytes that one takes at least. */
enum {
	MEMBER_SIZE_MIN = 29,
	ADDRESS_SIZE_MIN = 3,
	LIST_SIZE_MIN = 4,
	STATE_SIZE_MIN = 15,
	RUN_SIZE = 6,
};

/* What is not there reads as zeros, and makes the message a bad one. */
struct reader {
	const uint8_t *at, *end;
	bool is_bad;
};

struct head {
	uint64_t epoch, base;
	uint8_t lineage[RING_LINEAGE_SIZE];
	uint64_t lineage_before;
	uint32_t blocks;
	uint16_t replicas;
	struct ring_voters voters;
	uint64_t hash_seed;
	struct ring_change change;
};

/* The lists and states that runs refer to. */
struct tables {
	struct ring_replicas *lists;
	struct ring_block *states;
	uint16_t list_count, state_count;
};

/* ---- Bytes ------------------------------------------------------------------------- */

static const uint8_t *read_bytes(struct reader *r, size_t len)
{
	static const uint8_t zeros[UINT8_MAX + 1];
	if ((size_t)(r->end - r->at) < len)
		r->is_bad = true;
	if (r->is_bad)
		return zeros;
	r->at += len;
	return r->at - len;
}

static uint8_t read_u8(struct reader *r)
{
	return *read_bytes(r, 1);
}

static uint16_t read_u16(struct reader *r)
{
	return get_u16(read_bytes(r, 2));
}

static uint32_t read_u32(struct reader *r)
{
	return get_u32(read_bytes(r, 4));
}

static uint64_t read_u64(struct reader *r)
{
	return get_u64(read_bytes(r, 8));
}

/* A count of what takes at least `size` bytes each, and no more than max. */
static uint16_t read_count(struct reader *r, uint16_t max, size_t size)
{
	uint16_t count = read_u16(r);
	if (count > max || count * size > (size_t)(r->end - r->at))
		r->is_bad = true;
	return r->is_bad ? 0 : count;
}

static void read_text(struct reader *r, char text[UINT8_MAX + 1])
{
	uint8_t len = read_u8(r);
	const uint8_t *bytes = read_bytes(r, len);
	r->is_bad |= memchr(bytes, 0, len) != NULL;
	memcpy(text, bytes, len);
	text[len] = '\0';
}

/* ---- Members ----------------------------------------------------------------------- */

/* A member while it is read: it points to the texts here. */
struct member_text {
	struct ring_member member;
	char name[UINT8_MAX + 1], zone[UINT8_MAX + 1];
	struct ring_address clients[RING_ADDRESSES_MAX], peers[RING_ADDRESSES_MAX];
	char hosts[2 * RING_ADDRESSES_MAX][UINT8_MAX + 1];
};

static size_t read_addresses(struct reader *r, struct ring_address *addresses,
			     char (*hosts)[UINT8_MAX + 1])
{
	uint16_t count = read_count(r, RING_ADDRESSES_MAX, ADDRESS_SIZE_MIN);
	for (uint16_t i = 0; i < count; i++) {
		read_text(r, hosts[i]);
		addresses[i] = (struct ring_address){hosts[i], read_u16(r)};
	}
	return count;
}

static void read_member(struct reader *r, struct member_text *text)
{
	static const char digits[] = "0123456789abcdef";
	struct ring_member *member = &text->member;
	*member = (struct ring_member){
	    .number = read_u16(r),
	    .name = text->name,
	    .zone = text->zone,
	    .clients = text->clients,
	    .peers = text->peers,
	};
	uint8_t standing = read_u8(r);
	r->is_bad |= standing > RING_LEAVING;
	member->standing = standing;
	const uint8_t *id = read_bytes(r, CODE_RAW_ID_SIZE);
	for (size_t i = 0; i < CODE_RAW_ID_SIZE; i++) {
		member->id[2 * i] = digits[id[i] >> 4];
		member->id[2 * i + 1] = digits[id[i] & 15];
	}
	member->weight = read_u32(r);
	read_text(r, text->name);
	read_text(r, text->zone);
	member->client_count = read_addresses(r, text->clients, text->hosts);
	member->peer_count = read_addresses(r, text->peers, text->hosts + RING_ADDRESSES_MAX);
}

static int keep_members(struct ring_map *map, const struct ring_map *base, const bool *gone)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && base != NULL && i < base->member_count; i++) {
		if (!gone[base->members[i].number])
			rc = ring_map_add_member(map, &base->members[i]);
	}
	return rc;
}

/* Reads the members twice: what is kept of the base is known when all numbers are. Theirs
 * ascend, so that adding them takes no time that grows with their square. */
static int read_members(struct reader *r, struct ring_map *map, const struct ring_map *base)
{
	struct member_text *text = malloc(sizeof(*text));
	bool *gone = calloc(UINT16_MAX + 1, sizeof(*gone));
	int rc = DHT_ENOMEM;
	if (text == NULL || gone == NULL)
		goto out;
	uint16_t forgotten = read_count(r, RING_MEMBERS_MAX, 2);
	for (uint16_t i = 0; i < forgotten; i++)
		gone[read_u16(r)] = true;
	uint16_t changed = read_count(r, RING_MEMBERS_MAX, MEMBER_SIZE_MIN);
	struct reader again = *r;
	for (uint16_t i = 0, least = 0; i < changed; i++) {
		read_member(r, text);
		r->is_bad |= text->member.number < least || text->member.number >= RING_MEMBERS_MAX;
		least = (uint16_t)(text->member.number + 1u);
		gone[text->member.number] = true;
	}
	rc = r->is_bad ? DHT_EPROTO : keep_members(map, base, gone);
	for (uint16_t i = 0; rc == 0 && i < changed; i++) {
		read_member(&again, text);
		rc = ring_map_add_member(map, &text->member);
	}
out:
	free(text);
	free(gone);
	return rc;
}

/* ---- Blocks ------------------------------------------------------------------------ */

static void read_lists(struct reader *r, struct tables *tables)
{
	for (uint16_t i = 0; i < tables->list_count; i++) {
		struct ring_replicas *list = &tables->lists[i];
		list->count = read_count(r, RING_REPLICAS_MAX, 2);
		for (uint16_t k = 0; k < list->count; k++) {
			list->members[k] = read_u16(r);
			r->is_bad |= list->members[k] >= RING_MEMBERS_MAX;
		}
		r->is_bad |= list->count == 0;
	}
}

static void read_replicas(struct reader *r, const struct tables *tables,
			  struct ring_replicas *replicas, uint32_t *since)
{
	uint16_t number = read_u16(r);
	if (number >= tables->list_count) {
		r->is_bad = true;
		return;
	}
	*replicas = tables->lists[number];
	for (uint16_t i = 0; i < replicas->count; i++)
		since[i] = read_u32(r);
}

static void read_states(struct reader *r, struct tables *tables)
{
	for (uint16_t i = 0; i < tables->state_count && !r->is_bad; i++) {
		struct ring_block *state = &tables->states[i];
		uint8_t phase = read_u8(r);
		r->is_bad |= phase > RING_RECOVER;
		state->phase = phase;
		state->version = read_u32(r);
		state->start = read_u32(r);
		read_replicas(r, tables, &state->old, state->old_since);
		if (state->phase == RING_JOINT)
			read_replicas(r, tables, &state->next, state->next_since);
	}
}

static int set_run(struct ring_map *map, uint32_t first, uint32_t end,
		   const struct ring_block *state)
{
	int rc = ring_map_set_block(map, first, state);
	for (uint32_t block = first + 1; rc == 0 && block < end; block++)
		map->state_of[block] = map->state_of[first];
	return rc;
}

static int keep_blocks(struct ring_map *map, const struct ring_map *base, uint32_t first,
		       uint32_t end)
{
	struct ring_block block;
	int rc = 0;
	for (uint32_t i = first; rc == 0 && i < end; i++) {
		if (i > first && base->state_of[i] == base->state_of[i - 1]) {
			map->state_of[i] = map->state_of[i - 1];
			continue;
		}
		ring_map_get_block(base, i, &block);
		rc = ring_map_set_block(map, i, &block);
	}
	return rc;
}

static int read_runs(struct reader *r, const struct tables *tables, struct ring_map *map,
		     const struct ring_map *base)
{
	uint16_t runs = read_count(r, RING_BLOCKS_MAX, RUN_SIZE);
	uint32_t at = 0;
	int rc = 0;
	for (uint16_t i = 0; rc == 0 && i < runs; i++) {
		uint32_t first = at + read_u16(r), end = first + read_u16(r) + 1;
		uint16_t state = read_u16(r);
		if (r->is_bad || end > map->blocks || state >= tables->state_count ||
		    (first > at && base == NULL))
			return DHT_EPROTO;
		if (first > at)
			rc = keep_blocks(map, base, at, first);
		if (rc == 0)
			rc = set_run(map, first, end, &tables->states[state]);
		at = end;
	}
	if (rc == 0 && (r->is_bad || (at < map->blocks && base == NULL)))
		return DHT_EPROTO;
	return rc != 0 || at == map->blocks ? rc : keep_blocks(map, base, at, map->blocks);
}

static int read_blocks(struct reader *r, struct ring_map *map, const struct ring_map *base)
{
	struct tables tables = {.list_count = read_count(r, INTERN_MAX, LIST_SIZE_MIN)};
	int rc = DHT_ENOMEM;
	tables.lists = calloc(tables.list_count + 1u, sizeof(*tables.lists));
	if (tables.lists == NULL)
		goto out;
	read_lists(r, &tables);
	tables.state_count = read_count(r, INTERN_MAX, STATE_SIZE_MIN);
	tables.states = calloc(tables.state_count + 1u, sizeof(*tables.states));
	if (tables.states == NULL)
		goto out;
	read_states(r, &tables);
	rc = r->is_bad ? DHT_EPROTO : read_runs(r, &tables, map, base);
out:
	free(tables.lists);
	free(tables.states);
	return rc;
}

/* ---- The whole --------------------------------------------------------------------- */

static void read_change(struct reader *r, struct ring_change *change)
{
	uint8_t kind = read_u8(r);
	if (kind == RING_NO_CHANGE || kind > RING_RECOVER_LOST) {
		r->is_bad |= kind != RING_NO_CHANGE;
		return;
	}
	change->kind = kind;
	uint8_t is_cancelled = read_u8(r);
	r->is_bad |= is_cancelled > 1;
	change->is_cancelled = is_cancelled == 1;
	change->member = read_u16(r);
	change->other = read_u16(r);
	change->id = read_u64(r);
	change->began_ms = read_u64(r);
	change->weight = read_u32(r);
	read_text(r, change->zone);
}

static void read_head(struct reader *r, struct head *head)
{
	uint8_t format = read_u8(r);
	bool is_recovered = format == CODE_FORMAT_RECOVERED;
	r->is_bad |= format != CODE_FORMAT && !is_recovered;
	head->epoch = read_u64(r);
	head->base = read_u64(r);
	memcpy(head->lineage, read_bytes(r, sizeof(head->lineage)), sizeof(head->lineage));
	if (is_recovered) {
		head->lineage_before = read_u64(r);
		r->is_bad |= head->lineage_before == 0;
	}
	head->blocks = read_u32(r);
	head->replicas = read_u16(r);
	head->voters.count = read_count(r, RING_VOTERS_MAX, 2);
	for (uint16_t i = 0; i < head->voters.count; i++)
		head->voters.members[i] = read_u16(r);
	head->hash_seed = read_u64(r);
	read_change(r, &head->change);
	r->is_bad |= !ring_slot_is_block_count(head->blocks);
}

/* Finds what the map is different from; NULL for a whole one. */
static int find_base(const struct head *head, const struct ring_map **base)
{
	if (head->base == CODE_NO_BASE) {
		*base = NULL;
		return 0;
	}
	if (*base == NULL || (*base)->epoch != head->base || (*base)->blocks != head->blocks ||
	    memcmp((*base)->lineage, head->lineage, sizeof(head->lineage)) != 0)
		return DHT_EPRECOND;
	return 0;
}

static int read_map(struct reader *r, const struct ring_map *base, struct ring_map *map)
{
	struct ring_fault fault;
	int rc = read_members(r, map, base);
	if (rc == 0)
		rc = read_blocks(r, map, base);
	if (rc == 0 && r->at != r->end)
		rc = DHT_EPROTO;
	if (rc == 0)
		rc = ring_map_check(map, &fault);
	return rc == DHT_EINVAL || rc == DHT_EFULL ? DHT_EPROTO : rc;
}

int ring_map_decode(struct bytes bytes, const struct ring_map *base, struct ring_map **out)
{
	struct reader r = {.at = bytes.data, .end = bytes.data + bytes.len};
	struct head head = {0};
	struct ring_map *map;
	if (bytes.len == 0)
		return DHT_EPROTO;
	read_head(&r, &head);
	if (r.is_bad)
		return DHT_EPROTO;
	int rc = find_base(&head, &base);
	if (rc == 0)
		rc = ring_map_create(head.blocks, head.epoch, &map);
	if (rc != 0)
		return rc;
	memcpy(map->lineage, head.lineage, sizeof(map->lineage));
	map->lineage_before = head.lineage_before;
	map->replicas = head.replicas;
	map->voters = head.voters;
	map->hash_seed = head.hash_seed;
	map->change = head.change;
	rc = read_map(&r, base, map);
	if (rc == 0)
		*out = map;
	else
		ring_map_destroy(map);
	return rc;
}
