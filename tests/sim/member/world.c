/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "judge.h"
#include "ring/code.h"
#include "ring/planner.h"
#include "ring/voters.h"

/* ---- Events -------------------------------------------------------------------------- */

static bool is_before(const struct world_event *a, const struct world_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void world_push(struct world *w, struct world_event event)
{
	event.order = w->order++;
	if (w->heap_count == w->heap_cap) {
		w->heap_cap = w->heap_cap == 0 ? 1024 : 2 * w->heap_cap;
		w->heap = realloc(w->heap, w->heap_cap * sizeof(event));
		DHT_ASSERT(w->heap != NULL);
	}
	size_t at = w->heap_count++;
	for (; at > 0 && is_before(&event, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = event;
}

static bool pop(struct world *w, struct world_event *event)
{
	if (w->heap_count == 0)
		return false;
	*event = w->heap[0];
	struct world_event last = w->heap[--w->heap_count];
	size_t at = 0;
	for (size_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
		if (child + 1 < w->heap_count && is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_before(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
	}
	w->heap[at] = last;
	return true;
}

void world_act_in(struct world *w, uint64_t delay_us)
{
	world_push(w, (struct world_event){.at_us = w->now_us + delay_us, .kind = WORLD_ACT});
}

void world_fail(struct world *w, const char *format, ...)
{
	va_list args;
	if (w->failure[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
}

/* ---- Disks --------------------------------------------------------------------------- */

static uint64_t append(struct world_node *node, bool is_map, const void *data, size_t len)
{
	if (node->log_count == node->log_cap) {
		node->log_cap = node->log_cap == 0 ? 16 : 2 * node->log_cap;
		node->log = realloc(node->log, node->log_cap * sizeof(*node->log));
		DHT_ASSERT(node->log != NULL);
	}
	struct world_record record = {is_map, ++node->log_end, malloc(len + 1), len};
	DHT_ASSERT(record.data != NULL);
	memcpy(record.data, data, len);
	node->log[node->log_count++] = record;
	return record.position;
}

static void begin_sync(struct world_node *node)
{
	struct world *w = node->world;
	if (node->is_syncing || node->durable == node->log_end)
		return;
	node->is_syncing = true;
	world_push(w,
		   (struct world_event){.at_us = w->now_us + w->options.sync_us / 2 +
						 random_below(&w->random, w->options.sync_us + 1),
					.kind = WORLD_SYNC,
					.node = node->index,
					.incarnation = node->incarnation,
					.position = node->log_end});
}

/* The latest record of a kind that is durable; NULL: there is none. */
static const struct world_record *latest(const struct world_node *node, bool is_map)
{
	const struct world_record *found = NULL;
	for (size_t i = 0; i < node->log_count; i++) {
		if (node->log[i].is_map == is_map && node->log[i].position <= node->durable)
			found = &node->log[i];
	}
	return found;
}

/* What a later record of its kind has replaced is compacted away. */
static void compact(struct world_node *node)
{
	const struct world_record *map = latest(node, true), *vote = latest(node, false);
	uint64_t map_at = map != NULL ? map->position : 0;
	uint64_t vote_at = vote != NULL ? vote->position : 0;
	size_t kept = 0;
	for (size_t i = 0; i < node->log_count; i++) {
		struct world_record record = node->log[i];
		if (record.position > node->durable || record.position == map_at ||
		    record.position == vote_at)
			node->log[kept++] = record;
		else
			free(record.data);
	}
	node->log_count = kept;
}

static void become_durable(struct world_node *node, uint64_t position)
{
	for (size_t i = 0; i < node->log_count; i++) {
		const struct world_record *record = &node->log[i];
		if (!record->is_map && record->position > node->durable &&
		    record->position <= position && node->world->options.is_judged)
			judge_note(node->world->judge, node->index,
				   bytes_of(record->data, record->len));
	}
	if (position > node->durable)
		node->durable = position;
}

static void on_sync(struct world_node *node, uint64_t position)
{
	node->is_syncing = false;
	become_durable(node, position);
	compact(node);
	struct member_step step = world_step(node);
	member_durable(node->member, &step, node->durable);
	world_settle(node);
	begin_sync(node);
}

/* ---- Effects ------------------------------------------------------------------------- */

static void on_send(void *ctx, uint32_t peer, const struct member_message *m, uint64_t rests_on)
{
	world_send(ctx, peer, m, rests_on);
}

static int on_store_vote(void *ctx, struct bytes note, uint64_t *end)
{
	*end = append(ctx, false, note.data, note.len);
	return 0;
}

static void learn_numbers(struct world_node *node, const struct ring_map *map)
{
	for (size_t i = 0; i < map->member_count; i++)
		node->node_of[map->members[i].number] = atoi(map->members[i].id + 26);
}

/* The data plane: blocks that it has to get in sync with are, some time later. */
static void begin_blocks(struct world_node *node, const struct ring_map *map)
{
	struct world *w = node->world;
	uint16_t number = world_number(w, map, node->index);
	for (uint32_t block = 0; block < map->blocks; block++) {
		const struct ring_kept *kept = ring_map_kept(map, block);
		if (kept->phase == RING_STABLE)
			continue;
		const struct ring_replicas *who =
		    ring_map_list(map, kept->phase == RING_JOINT ? kept->next : kept->old);
		if (ring_replicas_find(who, number) == who->count)
			continue;
		world_push(w, (struct world_event){
				  .at_us = w->now_us + w->options.fin_us / 2 +
					   random_below(&w->random, w->options.fin_us + 1),
				  .kind = WORLD_FIN,
				  .node = node->index,
				  .incarnation = node->incarnation,
				  .fin = {block, kept->version}});
	}
}

static void on_adopt(void *ctx, const struct ring_map *map)
{
	struct world_node *node = ctx;
	struct buffer code = BUFFER_EMPTY;
	struct world *w = node->world;
	if (w->options.is_judged)
		judge_adopts(w->judge, node->index, map);
	DHT_ASSERT(ring_map_encode(map, NULL, &code) == 0);
	node->map_end = append(node, true, buffer_head(&code), code.len);
	buffer_reset(&code);
	learn_numbers(node, map);
	begin_blocks(node, map);
	if (w->trace != NULL)
		fprintf(w->trace, "%9.3f n%d adopts epoch %lu\n", (double)w->now_us / 1e6,
			node->index, (unsigned long)map->epoch);
	if (w->adopted != NULL)
		w->adopted(w, node);
}

static void on_set_down(void *ctx, uint16_t member, bool is_down)
{
	(void)ctx, (void)member, (void)is_down;
}

static void on_heard(void *ctx, uint16_t member, uint64_t counter, int64_t skew_ms)
{
	(void)ctx, (void)member, (void)counter, (void)skew_ms;
}

static void on_answered(void *ctx, uint64_t token, const struct member_answer *answer)
{
	struct world_node *node = ctx;
	(void)token;
	node->answers++;
	node->last_status = answer->status;
	node->is_spare |=
	    answer->status != 0 && node->lineage == get_u64(member_map(node->member)->lineage);
	if (node->world->trace != NULL)
		fprintf(node->world->trace, "%9.3f n%d is answered: %s %s, job %lu\n",
			(double)node->world->now_us / 1e6, node->index,
			dht_error_text(answer->status), answer->text, (unsigned long)answer->job);
}

struct member_step world_step(struct world_node *node)
{
	static struct member_effects effects;
	DHT_ASSERT(!node->is_in_step);
	node->is_in_step = true;
	effects = (struct member_effects){.ctx = node,
					  .send = on_send,
					  .store_vote = on_store_vote,
					  .adopt = on_adopt,
					  .set_down = on_set_down,
					  .heard = on_heard,
					  .answered = on_answered};
	return (struct member_step){.now_us = node->world->now_us,
				    .now_ms = 1700000000000 + node->world->now_us / 1000,
				    .random = random_next(&node->world->random),
				    .progress = node->progress,
				    .effects = &effects};
}

void world_settle(struct world_node *node)
{
	struct world *w = node->world;
	node->is_in_step = false;
	begin_sync(node);
	world_release(node);
	uint64_t wake_us = member_wake_us(node->member);
	if (wake_us <= w->now_us)
		wake_us = w->now_us + 1;
	if (node->wake_us > w->now_us && node->wake_us <= wake_us)
		return;
	node->wake_us = wake_us;
	world_push(w, (struct world_event){.at_us = wake_us,
					   .kind = WORLD_WAKE,
					   .node = node->index,
					   .incarnation = node->incarnation});
}

/* ---- Nodes --------------------------------------------------------------------------- */

struct ring_member world_describe(int node, char text[3][32], struct ring_address *address)
{
	snprintf(text[0], 32, "n%d", node);
	snprintf(text[1], 32, "z%d", node % 3);
	snprintf(text[2], 32, "10.0.%d.%d", node / 250, node % 250);
	*address = (struct ring_address){text[2], 7402};
	struct ring_member member = {
	    .name = text[0], .zone = text[1], .weight = 100, .peers = address, .peer_count = 1};
	snprintf(member.id, sizeof(member.id), "%026x%06d", 0xabc, node);
	return member;
}

uint16_t world_number(const struct world *w, const struct ring_map *map, int node)
{
	for (size_t i = 0; i < map->member_count; i++) {
		if (memcmp(map->members[i].id, w->nodes[node].id, RING_ID_SIZE) == 0)
			return map->members[i].number;
	}
	return MEMBER_NOBODY;
}

static void add_founder(struct ring_map *map, int node)
{
	char text[3][32];
	struct ring_address address;
	struct ring_member member = world_describe(node, text, &address);
	member.number = (uint16_t)node;
	DHT_ASSERT(ring_map_add_member(map, &member) == 0);
}

static struct ring_map *found(const struct world *w, int first, int members, uint64_t lineage)
{
	struct ring_map *map;
	struct ring_candidate *candidates = calloc((size_t)members, sizeof(*candidates));
	struct ring_replicas *plan = calloc(w->options.blocks, sizeof(*plan));
	DHT_ASSERT(candidates != NULL && plan != NULL);
	DHT_ASSERT(ring_map_create(w->options.blocks, 1, &map) == 0);
	put_u64(map->lineage, lineage);
	map->replicas = w->options.replicas;
	for (int i = 0; i < members; i++)
		add_founder(map, first + i);
	for (int i = 0; i < members; i++) {
		const struct ring_member *member = &map->members[i];
		candidates[i] =
		    (struct ring_candidate){member->number, member->weight, member->zone, false};
	}
	struct ring_plan_input input = {candidates, (size_t)members, map->blocks, map->replicas,
					NULL};
	DHT_ASSERT(ring_plan(&input, plan) == 0);
	for (uint32_t block = 0; block < map->blocks; block++)
		DHT_ASSERT(ring_map_set_replicas(map, block, &plan[block]) == 0);
	ring_voters_choose(map);
	free(candidates);
	free(plan);
	return map;
}

static void restart_blocks(struct world_node *node)
{
	const struct ring_map *map = member_map(node->member);
	for (size_t i = 0; i < node->fin_count; i++)
		member_set_fin(node->member, node->fins[i].block, node->fins[i].version);
	begin_blocks(node, map);
}

void world_start(struct world *w, int index)
{
	struct world_node *node = &w->nodes[index];
	const struct world_record *map_record = latest(node, true), *vote = latest(node, false);
	struct ring_map *map;
	DHT_ASSERT(node->member == NULL && map_record != NULL && !node->is_lost);
	DHT_ASSERT(ring_map_decode(bytes_of(map_record->data, map_record->len), NULL, &map) == 0);
	node->map_end = map_record->position;
	struct bytes note = vote != NULL ? bytes_of(vote->data, vote->len) : (struct bytes){0};
	DHT_ASSERT(member_create(node->id, map, note, ++node->starts, &w->options.times, w->now_us,
				 &node->member) == 0);
	learn_numbers(node, map);
	restart_blocks(node);
	ring_map_destroy(map);
	node->wake_us = 0;
	node->is_in_step = true;
	world_settle(node);
}

void world_crash(struct world *w, int index, uint64_t start_in_us)
{
	struct world_node *node = &w->nodes[index];
	w->crashes++;
	node->incarnation++;
	member_destroy(node->member);
	node->member = NULL;
	for (size_t i = 0; i < node->held_count; i++)
		world_post_free(node->held[i]);
	node->held_count = 0;
	/* Some of what was not synced may be there nevertheless: a prefix. */
	uint64_t left =
	    node->durable + random_below(&w->random, (uint32_t)(node->log_end - node->durable) + 1);
	become_durable(node, left);
	size_t kept = 0;
	for (size_t i = 0; i < node->log_count; i++) {
		if (node->log[i].position <= left)
			node->log[kept++] = node->log[i];
		else
			free(node->log[i].data);
	}
	node->log_count = kept;
	node->log_end = left;
	node->is_syncing = false;
	node->is_lost = start_in_us == 0;
	if (!node->is_lost)
		world_push(w, (struct world_event){.at_us = w->now_us + start_in_us,
						   .kind = WORLD_START,
						   .node = index,
						   .incarnation = node->incarnation});
}

static void init_node(struct world *w, int index, const struct ring_map *map)
{
	struct world_node *node = &w->nodes[index];
	struct buffer code = BUFFER_EMPTY;
	char text[3][32];
	struct ring_address address;
	*node = (struct world_node){.index = index, .world = w};
	memcpy(node->id, world_describe(index, text, &address).id, RING_ID_SIZE);
	node->node_of = malloc(RING_MEMBERS_MAX * sizeof(*node->node_of));
	DHT_ASSERT(node->node_of != NULL);
	for (size_t i = 0; i < RING_MEMBERS_MAX; i++)
		node->node_of[i] = WORLD_NO_NODE;
	DHT_ASSERT(ring_map_encode(map, NULL, &code) == 0);
	append(node, true, buffer_head(&code), code.len);
	node->durable = node->log_end;
	buffer_reset(&code);
}

void world_init(struct world *w, uint64_t seed, const struct world_options *options, int count,
		int members)
{
	*w = (struct world){.options = *options, .count = count};
	random_init(&w->random, seed);
	w->nodes = calloc((size_t)count, sizeof(*w->nodes));
	DHT_ASSERT(w->nodes != NULL);
	struct ring_map *map = found(w, 0, members, 0xC0FFEE);
	if (options->is_judged) {
		w->judge = judge_create(w);
		judge_adopts(w->judge, 0, map);
	}
	for (int i = 0; i < count; i++) {
		struct ring_map *alone =
		    i < members ? NULL : found(w, i, 1, 0xA10E0000u + (unsigned)i);
		init_node(w, i, alone != NULL ? alone : map);
		ring_map_destroy(alone);
		w->nodes[i].is_spare = i >= members;
		world_start(w, i);
		w->nodes[i].lineage =
		    i < members ? 0 : get_u64(member_map(w->nodes[i].member)->lineage);
	}
	ring_map_destroy(map);
}

void world_fini(struct world *w)
{
	for (int i = 0; i < w->count; i++) {
		struct world_node *node = &w->nodes[i];
		member_destroy(node->member);
		for (size_t k = 0; k < node->held_count; k++)
			world_post_free(node->held[k]);
		for (size_t k = 0; k < node->log_count; k++)
			free(node->log[k].data);
		free(node->held);
		free(node->log);
		free(node->fins);
		free(node->node_of);
	}
	for (size_t i = 0; i < w->heap_count; i++)
		world_post_free(w->heap[i].post);
	free(w->heap);
	free(w->nodes);
	judge_destroy(w->judge);
}

void world_request(struct world *w, int index, const struct member_request *request)
{
	struct member_step step = world_step(&w->nodes[index]);
	int rc = member_request(w->nodes[index].member, &step, request, 1);
	DHT_ASSERT(rc == 0 || rc == DHT_EFULL);
	world_settle(&w->nodes[index]);
}

void world_join(struct world *w, int index, int through, const struct member_request *request)
{
	struct member_step step = world_step(&w->nodes[index]);
	w->nodes[index].is_spare = false;
	int rc = member_join(w->nodes[index].member, &step, (uint32_t)(MEMBER_GUEST + through),
			     request, 1);
	DHT_ASSERT(rc == 0 || rc == DHT_EFULL);
	world_settle(&w->nodes[index]);
}

/* ---- Running ------------------------------------------------------------------------- */

static void on_fin(struct world_node *node, struct member_fin fin)
{
	const struct ring_map *map = member_map(node->member);
	if (fin.block >= map->blocks || ring_map_version(map, fin.block) != fin.version)
		return;
	if (node->fin_count == node->fin_cap) {
		node->fin_cap = node->fin_cap == 0 ? 64 : 2 * node->fin_cap;
		node->fins = realloc(node->fins, node->fin_cap * sizeof(fin));
		DHT_ASSERT(node->fins != NULL);
	}
	node->fins[node->fin_count++] = fin;
	node->progress++;
	member_set_fin(node->member, fin.block, fin.version);
}

static void handle(struct world *w, const struct world_event *event)
{
	struct world_node *node = &w->nodes[event->node];
	if (event->kind == WORLD_ACT) {
		w->act(w);
		return;
	}
	if (event->kind == WORLD_POST) {
		world_deliver(w, event->post);
		return;
	}
	if (event->incarnation != node->incarnation)
		return;
	if (event->kind == WORLD_START) {
		world_start(w, event->node);
	} else if (event->kind == WORLD_SYNC) {
		on_sync(node, event->position);
	} else if (event->kind == WORLD_FIN) {
		on_fin(node, event->fin);
	} else if (node->wake_us == event->at_us) {
		struct member_step step = world_step(node);
		node->wake_us = 0;
		member_tick(node->member, &step);
		world_settle(node);
	}
}

void world_run(struct world *w, uint64_t until_us)
{
	struct world_event event;
	while (w->heap_count > 0 && w->heap[0].at_us <= until_us && w->failure[0] == '\0') {
		if (!pop(w, &event))
			break;
		w->now_us = event.at_us;
		handle(w, &event);
	}
	if (w->failure[0] == '\0')
		w->now_us = until_us;
}
