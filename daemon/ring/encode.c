/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "ring/code.h"
#include "ring/code_format.h"

/* The first failure stays, and nothing is written behind it. */
struct writer {
	struct buffer *out;
	int rc;
};

/* Numbers in the order in which they first come up. */
struct numbering {
	uint16_t *new_of; /* of each old number; INTERN_MAX: none yet */
	uint16_t *old_of;
	uint16_t count;
};

/* A run of blocks that are not as in the base. */
struct run {
	uint16_t skipped, blocks, state;
};

struct encoding {
	const struct ring_map *map, *base;
	struct writer writer;
	struct numbering lists, states;
	struct run *runs;
	size_t run_count;
};

/* ---- Bytes ------------------------------------------------------------------------- */

static void write_bytes(struct writer *w, const void *data, size_t len)
{
	if (w->rc == 0)
		w->rc = buffer_append(w->out, data, len, RING_CODE_MAX);
}

static void write_u8(struct writer *w, uint8_t value)
{
	write_bytes(w, &value, sizeof(value));
}

static void write_u16(struct writer *w, size_t value)
{
	uint8_t bytes[2];
	DHT_ASSERT(value <= UINT16_MAX);
	put_u16(bytes, (uint16_t)value);
	write_bytes(w, bytes, sizeof(bytes));
}

static void write_u32(struct writer *w, uint32_t value)
{
	uint8_t bytes[4];
	put_u32(bytes, value);
	write_bytes(w, bytes, sizeof(bytes));
}

static void write_u64(struct writer *w, uint64_t value)
{
	uint8_t bytes[8];
	put_u64(bytes, value);
	write_bytes(w, bytes, sizeof(bytes));
}

static void write_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);
	DHT_ASSERT(len <= UINT8_MAX);
	write_u8(w, (uint8_t)len);
	write_bytes(w, text, len);
}

/* ---- Members ----------------------------------------------------------------------- */

static void write_addresses(struct writer *w, const struct ring_address *addresses, size_t count)
{
	write_u16(w, count);
	for (size_t i = 0; i < count; i++) {
		write_text(w, addresses[i].host);
		write_u16(w, addresses[i].port);
	}
}

static void write_member(struct writer *w, const struct ring_member *member)
{
	write_u16(w, member->number);
	write_u8(w, (uint8_t)member->standing);
	for (size_t i = 0; i < RING_ID_SIZE - 1; i += 2)
		write_u8(w, (uint8_t)(text_hex_value((uint8_t)member->id[i]) << 4 |
				      text_hex_value((uint8_t)member->id[i + 1])));
	write_u32(w, member->weight);
	write_text(w, member->name);
	write_text(w, member->zone);
	write_addresses(w, member->clients, member->client_count);
	write_addresses(w, member->peers, member->peer_count);
}

/* True if the base has the member, and in the same form. */
static bool is_known(const struct ring_map *base, const struct ring_member *member)
{
	const struct ring_member *before =
	    base == NULL ? NULL : ring_map_member(base, member->number);
	return before != NULL && ring_member_is_equal(before, member);
}

static void write_members(struct encoding *e)
{
	size_t base_count = e->base == NULL ? 0 : e->base->member_count;
	size_t forgotten = 0, changed = 0;
	for (size_t i = 0; i < base_count; i++)
		forgotten += ring_map_member(e->map, e->base->members[i].number) == NULL;
	write_u16(&e->writer, forgotten);
	for (size_t i = 0; i < base_count; i++) {
		if (ring_map_member(e->map, e->base->members[i].number) == NULL)
			write_u16(&e->writer, e->base->members[i].number);
	}
	for (size_t i = 0; i < e->map->member_count; i++)
		changed += !is_known(e->base, &e->map->members[i]);
	write_u16(&e->writer, changed);
	for (size_t i = 0; i < e->map->member_count; i++) {
		if (!is_known(e->base, &e->map->members[i]))
			write_member(&e->writer, &e->map->members[i]);
	}
}

/* ---- Blocks ------------------------------------------------------------------------ */

static int numbering_init(struct numbering *numbering, size_t count)
{
	*numbering = (struct numbering){
	    .new_of = malloc((count + 1) * sizeof(*numbering->new_of)),
	    .old_of = malloc((count + 1) * sizeof(*numbering->old_of)),
	};
	if (numbering->new_of == NULL || numbering->old_of == NULL)
		return DHT_ENOMEM;
	memset(numbering->new_of, 0xff, (count + 1) * sizeof(*numbering->new_of));
	return 0;
}

static uint16_t number_of(struct numbering *numbering, uint16_t old)
{
	if (numbering->new_of[old] == INTERN_MAX) {
		numbering->old_of[numbering->count] = old;
		numbering->new_of[old] = numbering->count++;
	}
	return numbering->new_of[old];
}

static bool is_as_in_base(const struct encoding *e, uint32_t block)
{
	struct ring_block now, before;
	if (e->base == NULL)
		return false;
	ring_map_get_block(e->map, block, &now);
	ring_map_get_block(e->base, block, &before);
	return now.phase == before.phase && now.version == before.version &&
	       now.start == before.start && memcmp(&now.old, &before.old, sizeof(now.old)) == 0 &&
	       memcmp(&now.next, &before.next, sizeof(now.next)) == 0 &&
	       memcmp(now.old_since, before.old_since, sizeof(now.old_since)) == 0 &&
	       memcmp(now.next_since, before.next_since, sizeof(now.next_since)) == 0;
}

static void find_runs(struct encoding *e)
{
	const struct ring_map *map = e->map;
	uint32_t end = 0; /* of the run before */
	for (uint32_t block = 0; block < map->blocks; block++) {
		if (is_as_in_base(e, block))
			continue;
		uint16_t state = number_of(&e->states, map->state_of[block]);
		struct run *last = e->run_count > 0 ? &e->runs[e->run_count - 1] : NULL;
		if (last != NULL && end == block && last->state == state)
			last->blocks++;
		else
			e->runs[e->run_count++] = (struct run){(uint16_t)(block - end), 1, state};
		end = block + 1;
	}
	for (uint16_t i = 0; i < e->states.count; i++) {
		const struct ring_kept *states = map->states.items;
		const struct ring_kept *kept = &states[e->states.old_of[i]];
		number_of(&e->lists, kept->old);
		if (kept->phase == RING_JOINT)
			number_of(&e->lists, kept->next);
	}
}

static void write_replicas(struct encoding *e, uint16_t list, const uint32_t *since)
{
	write_u16(&e->writer, e->lists.new_of[list]);
	for (uint16_t i = 0; i < ring_map_list(e->map, list)->count; i++)
		write_u32(&e->writer, since[i]);
}

static void write_states(struct encoding *e)
{
	const struct ring_kept *states = e->map->states.items;
	write_u16(&e->writer, e->states.count);
	for (uint16_t i = 0; i < e->states.count; i++) {
		const struct ring_kept *kept = &states[e->states.old_of[i]];
		write_u8(&e->writer, (uint8_t)kept->phase);
		write_u32(&e->writer, kept->version);
		write_u32(&e->writer, kept->start);
		write_replicas(e, kept->old, kept->since[0]);
		if (kept->phase == RING_JOINT)
			write_replicas(e, kept->next, kept->since[1]);
	}
}

static void write_lists(struct encoding *e)
{
	write_u16(&e->writer, e->lists.count);
	for (uint16_t i = 0; i < e->lists.count; i++) {
		const struct ring_replicas *list = ring_map_list(e->map, e->lists.old_of[i]);
		write_u16(&e->writer, list->count);
		for (uint16_t k = 0; k < list->count; k++)
			write_u16(&e->writer, list->members[k]);
	}
}

static void write_runs(struct encoding *e)
{
	write_u16(&e->writer, e->run_count);
	for (size_t i = 0; i < e->run_count; i++) {
		write_u16(&e->writer, e->runs[i].skipped);
		write_u16(&e->writer, e->runs[i].blocks - 1u);
		write_u16(&e->writer, e->runs[i].state);
	}
}

/* ---- The whole --------------------------------------------------------------------- */

static void write_change(struct writer *w, const struct ring_change *change)
{
	write_u8(w, (uint8_t)change->kind);
	if (change->kind == RING_NO_CHANGE)
		return;
	write_u8(w, change->is_cancelled);
	write_u16(w, change->member);
	write_u16(w, change->other);
	write_u64(w, change->id);
	write_u64(w, change->began_ms);
	write_u32(w, change->weight);
	write_text(w, change->zone);
}

static void write_head(struct encoding *e)
{
	const struct ring_map *map = e->map;
	bool is_recovered = map->lineage_before != 0;
	write_u8(&e->writer, is_recovered ? CODE_FORMAT_RECOVERED : CODE_FORMAT);
	write_u64(&e->writer, map->epoch);
	write_u64(&e->writer, e->base == NULL ? CODE_NO_BASE : e->base->epoch);
	write_bytes(&e->writer, map->lineage, sizeof(map->lineage));
	if (is_recovered)
		write_u64(&e->writer, map->lineage_before);
	write_u32(&e->writer, map->blocks);
	write_u16(&e->writer, map->replicas);
	write_u16(&e->writer, map->voters.count);
	for (uint16_t i = 0; i < map->voters.count; i++)
		write_u16(&e->writer, map->voters.members[i]);
	write_u64(&e->writer, map->hash_seed);
	write_change(&e->writer, &map->change);
}

static int encode(struct encoding *e)
{
	int rc = numbering_init(&e->lists, e->map->lists.count);
	if (rc == 0)
		rc = numbering_init(&e->states, e->map->states.count);
	if (rc == 0 && e->runs == NULL)
		rc = DHT_ENOMEM;
	if (rc != 0)
		return rc;
	find_runs(e);
	write_head(e);
	write_members(e);
	write_lists(e);
	write_states(e);
	write_runs(e);
	return e->writer.rc;
}

int ring_map_encode(const struct ring_map *map, const struct ring_map *base, struct buffer *out)
{
	DHT_ASSERT(base == NULL ||
		   (base->blocks == map->blocks &&
		    memcmp(base->lineage, map->lineage, sizeof(map->lineage)) == 0));
	struct encoding e = {
	    .map = map,
	    .base = base,
	    .writer = {.out = out},
	    .runs = calloc(map->blocks, sizeof(*e.runs)),
	};
	int rc = encode(&e);
	free(e.lists.new_of);
	free(e.lists.old_of);
	free(e.states.new_of);
	free(e.states.old_of);
	free(e.runs);
	return rc;
}
