/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "paxos/quorum.h"
#include "ring/check.h"
#include "ring/code.h"

enum { EPOCHS_MAX = 4096, NOTE_HEAD = 32 };

/* What a voter accepted, once. */
struct accepted {
	uint64_t epoch;
	struct member_ballot ballot;
	int node;
	uint8_t *value;
	size_t len;
};

struct judge {
	struct world *world;
	uint64_t first, last; /* epochs */
	struct ring_map *maps[EPOCHS_MAX];
	struct accepted *accepted;
	size_t count, cap;
	/* Of each node: the highest ballot that it has given its word on, and for which epoch. */
	struct {
		uint64_t epoch;
		struct member_ballot ballot;
	} * words;
};

struct judge *judge_create(struct world *w)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	DHT_ASSERT(judge != NULL);
	judge->world = w;
	judge->words = calloc((size_t)w->count, sizeof(*judge->words));
	DHT_ASSERT(judge->words != NULL);
	return judge;
}

void judge_destroy(struct judge *judge)
{
	if (judge == NULL)
		return;
	for (size_t i = 0; i < EPOCHS_MAX; i++)
		ring_map_destroy(judge->maps[i]);
	for (size_t i = 0; i < judge->count; i++)
		free(judge->accepted[i].value);
	free(judge->accepted);
	free(judge->words);
	free(judge);
}

static const struct ring_map *map_of(const struct judge *judge, uint64_t epoch)
{
	return epoch < EPOCHS_MAX ? judge->maps[epoch] : NULL;
}

const struct ring_map *judge_latest(const struct judge *judge)
{
	return map_of(judge, judge->last);
}

static bool is_same(const struct ring_map *a, const struct ring_map *b)
{
	struct buffer x = BUFFER_EMPTY, y = BUFFER_EMPTY;
	DHT_ASSERT(ring_map_encode(a, NULL, &x) == 0 && ring_map_encode(b, NULL, &y) == 0);
	bool is_same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	buffer_reset(&x);
	buffer_reset(&y);
	return is_same;
}

bool judge_is_ours(const struct judge *judge, const struct ring_map *map)
{
	return memcmp(judge_latest(judge)->lineage, map->lineage, sizeof(map->lineage)) == 0;
}

/* ---- Voters -------------------------------------------------------------------------- */

void judge_note(struct judge *judge, int node, struct bytes note)
{
	struct accepted a = {
	    .epoch = get_u64(note.data + 8),
	    .ballot = {get_u32(note.data + 22), get_u16(note.data + 26)},
	    .node = node,
	    .len = note.len - NOTE_HEAD,
	};
	if (a.ballot.round == 0 || get_u64(note.data) != get_u64(judge_latest(judge)->lineage))
		return;
	for (size_t i = judge->count; i-- > 0;) {
		const struct accepted *b = &judge->accepted[i];
		if (b->node == node && b->epoch == a.epoch &&
		    member_ballot_compare(b->ballot, a.ballot) == 0)
			return;
	}
	a.value = malloc(a.len);
	DHT_ASSERT(a.value != NULL);
	memcpy(a.value, note.data + NOTE_HEAD, a.len);
	if (judge->count == judge->cap) {
		judge->cap = judge->cap == 0 ? 64 : 2 * judge->cap;
		judge->accepted = realloc(judge->accepted, judge->cap * sizeof(a));
		DHT_ASSERT(judge->accepted != NULL);
	}
	judge->accepted[judge->count++] = a;
}

static bool is_value(const struct judge *judge, const struct accepted *a,
		     const struct ring_map *map)
{
	struct ring_map *value;
	if (ring_map_decode(bytes_of(a->value, a->len), map_of(judge, a->epoch - 1), &value) != 0)
		return false;
	bool same = is_same(value, map);
	ring_map_destroy(value);
	return same;
}

/* True if a majority of the voters of the map before has accepted it with one ballot. */
static bool is_decided(const struct judge *judge, const struct ring_map *map)
{
	const struct ring_map *before = map_of(judge, map->epoch - 1);
	for (size_t i = 0; i < judge->count; i++) {
		const struct accepted *a = &judge->accepted[i];
		uint16_t voters = 0;
		if (a->epoch != map->epoch || !is_value(judge, a, map))
			continue;
		for (size_t k = 0; k < judge->count; k++) {
			const struct accepted *b = &judge->accepted[k];
			if (b->epoch != a->epoch ||
			    member_ballot_compare(a->ballot, b->ballot) != 0)
				continue;
			for (uint16_t v = 0; v < before->voters.count; v++)
				voters |= (uint16_t)((before->voters.members[v] ==
						      world_number(judge->world, before, b->node))
						     << v);
		}
		if (quorum_is_majority((uint16_t)((1u << before->voters.count) - 1), voters))
			return true;
	}
	return false;
}

void judge_sends(struct judge *judge, int node, const struct member_message *m)
{
	if ((m->kind != MEMBER_PROMISE && m->kind != MEMBER_ACCEPTED) || !m->is_ok ||
	    m->lineage != get_u64(judge_latest(judge)->lineage))
		return;
	if (judge->words[node].epoch == m->epoch &&
	    member_ballot_compare(m->ballot, judge->words[node].ballot) < 0)
		world_fail(judge->world, "n%d broke its word on epoch %" PRIu64, node, m->epoch);
	if (judge->words[node].epoch <= m->epoch) {
		judge->words[node].epoch = m->epoch;
		judge->words[node].ballot = m->ballot;
	}
}

/* ---- Steps --------------------------------------------------------------------------- */

static bool is_in_sync(const struct judge *judge, const struct ring_map *map, uint32_t block,
		       uint16_t number, uint32_t version)
{
	for (int i = 0; i < judge->world->count; i++) {
		const struct world_node *node = &judge->world->nodes[i];
		if (world_number(judge->world, map, i) != number)
			continue;
		for (size_t k = 0; k < node->fin_count; k++) {
			if (node->fins[k].block == block && node->fins[k].version == version)
				return true;
		}
	}
	return false;
}

static const char *judge_end(const struct judge *judge, const struct ring_map *before,
			     const struct ring_block *a, const struct ring_block *b, uint32_t block)
{
	if (b->start != a->start)
		return "a phase that ends has another start";
	if (ring_replicas_are_same_set(&b->old, &a->old))
		return NULL; /* cancelled */
	if (!ring_replicas_are_same_set(&b->old, &a->next))
		return "a joint phase ends with other replicas";
	unsigned in_sync = 0;
	for (uint16_t i = 0; i < a->next.count; i++)
		in_sync += is_in_sync(judge, before, block, a->next.members[i], a->version);
	return 2 * in_sync > a->next.count ? NULL : "a joint phase ends without a majority in sync";
}

static const char *judge_step(const struct judge *judge, const struct ring_map *before,
			      const struct ring_map *map, uint32_t block)
{
	struct ring_block a, b;
	ring_map_get_block(before, block, &a);
	ring_map_get_block(map, block, &b);
	if (a.version == b.version)
		return a.phase == b.phase && ring_replicas_are_same_set(&a.old, &b.old) &&
			       ring_replicas_are_same_set(&a.next, &b.next)
			   ? NULL
			   : "a block changed without a version";
	if (b.version != a.version + 1)
		return "a version was left out";
	if (a.phase == RING_STABLE && b.phase == RING_JOINT)
		return b.start == b.version && ring_replicas_are_same_set(&a.old, &b.old)
			   ? NULL
			   : "a joint phase begins with other replicas";
	if (a.phase == RING_JOINT && b.phase == RING_STABLE)
		return judge_end(judge, before, &a, &b, block);
	return "a block took a step that there is not";
}

static void judge_new(struct judge *judge, const struct ring_map *map)
{
	const struct ring_map *before = map_of(judge, map->epoch - 1);
	struct world *w = judge->world;
	struct ring_fault fault;
	if (before == NULL) {
		world_fail(w, "epoch %" PRIu64 " comes before the one it follows", map->epoch);
		return;
	}
	if (!is_decided(judge, map))
		world_fail(w, "epoch %" PRIu64 " was adopted and not decided", map->epoch);
	if (ring_map_check(map, &fault) != 0)
		world_fail(w, "epoch %" PRIu64 ": %s", map->epoch, fault.text);
	for (uint32_t block = 0; block < map->blocks; block++) {
		const char *text = judge_step(judge, before, map, block);
		if (text != NULL)
			world_fail(w, "epoch %" PRIu64 ", block %" PRIu32 ": %s", map->epoch, block,
				   text);
	}
}

void judge_adopts(struct judge *judge, int node, const struct ring_map *map)
{
	struct world *w = judge->world;
	if (judge->last > 0 && !judge_is_ours(judge, map))
		return; /* a cluster of one */
	if (map->epoch >= EPOCHS_MAX) {
		world_fail(w, "more epochs than there is room for");
		return;
	}
	const struct ring_map *known = map_of(judge, map->epoch);
	if (known != NULL) {
		if (!is_same(known, map))
			world_fail(w, "n%d adopts another map of epoch %" PRIu64, node, map->epoch);
		return;
	}
	if (judge->last > 0)
		judge_new(judge, map);
	DHT_ASSERT(ring_map_copy(map, map->epoch, &judge->maps[map->epoch]) == 0);
	judge->last = map->epoch > judge->last ? map->epoch : judge->last;
	w->epochs++;
}
