/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "world.h"

/* ---- Copies -------------------------------------------------------------------------- */

static void *copy(const void *data, size_t size)
{
	void *block = malloc(size + 1);
	DHT_ASSERT(block != NULL);
	if (size > 0)
		memcpy(block, data, size);
	return block;
}

static struct world_post *post_create(const struct member_message *m)
{
	struct world_post *post = calloc(1, sizeof(*post));
	DHT_ASSERT(post != NULL);
	post->message = *m;
	post->message.map.data = m->map.len > 0 ? copy(m->map.data, m->map.len) : NULL;
	post->message.fins =
	    m->fin_count > 0 ? copy(m->fins, m->fin_count * sizeof(*m->fins)) : NULL;
	post->message.news =
	    m->news_count > 0 ? copy(m->news, m->news_count * sizeof(*m->news)) : NULL;
	if (m->answer != NULL)
		post->message.answer = copy(m->answer, sizeof(*m->answer));
	if (m->request != NULL) {
		struct member_request *request = copy(m->request, sizeof(*request));
		if (request->member.name != NULL)
			DHT_ASSERT(ring_member_copy(&request->member, &m->request->member) == 0);
		post->message.request = request;
	}
	return post;
}

void world_post_free(struct world_post *post)
{
	if (post == NULL)
		return;
	free((void *)(uintptr_t)post->message.map.data);
	free((void *)(uintptr_t)post->message.fins);
	free((void *)(uintptr_t)post->message.news);
	free((void *)(uintptr_t)post->message.answer);
	if (post->message.request != NULL) {
		struct member_request *request = (void *)(uintptr_t)post->message.request;
		ring_member_fini(&request->member);
		free(request);
	}
	free(post);
}

/* ---- Sizes --------------------------------------------------------------------------- */

static size_t varint(uint64_t value)
{
	size_t size = 1;
	for (; value >= 128; value >>= 7)
		size++;
	return size;
}

/* A field of protobuf: one byte of key, fields that are 0 are left out. */
static size_t field(uint64_t value)
{
	return value == 0 ? 0 : 1 + varint(value);
}

static size_t bytes_field(size_t len)
{
	return len == 0 ? 0 : 1 + varint(len) + len;
}

static size_t member_size(const struct ring_member *member)
{
	size_t size = member->name == NULL ? 0
					   : 18 + 8 + bytes_field(strlen(member->name)) +
						 bytes_field(strlen(member->zone));
	for (size_t i = 0; i < member->client_count; i++)
		size += 6 + strlen(member->clients[i].host);
	for (size_t i = 0; i < member->peer_count; i++)
		size += 6 + strlen(member->peers[i].host);
	return size;
}

size_t world_size(const struct member_message *m)
{
	enum { FRAME = 16 /* length, type, call, checksum */ };
	size_t size = FRAME + field(m->from) + 9 + field(m->epoch) + field(m->ballot.round) +
		      field(m->ballot.member) + field(m->accepted.round) +
		      field(m->accepted.member) + field(m->is_ok) + bytes_field(m->map.len) +
		      field(m->reach) + (m->lineage_before != 0 ? 9 : 0) + field(m->beat) +
		      field(m->counter) + field(m->clock_ms) + field(m->progress) +
		      field(m->held_bytes) + field(m->is_full) + field(m->tag);
	for (size_t i = 0; i < m->fin_count; i++)
		size += 2 + field(m->fins[i].block) + field(m->fins[i].version);
	for (size_t i = 0; i < m->news_count; i++)
		size += 2 + field(m->news[i].member) + field(m->news[i].is_down) +
			field(m->news[i].beat);
	if (m->request != NULL)
		size += 24 + member_size(&m->request->member);
	if (m->answer != NULL)
		size += 12 + bytes_field(strlen(m->answer->text));
	return size;
}

/* ---- The network --------------------------------------------------------------------- */

static bool is_cut(const struct world *w, int a, int b)
{
	return w->nodes[a].cut_until_us > w->now_us || w->nodes[b].cut_until_us > w->now_us;
}

static uint64_t draw_delay(struct world *w)
{
	uint64_t delay_us =
	    w->options.delay_us / 2 + random_below(&w->random, w->options.delay_us + 1);
	if (random_chance(&w->random, w->options.late))
		delay_us *= 1 + random_below(&w->random, 100);
	return delay_us;
}

static void leave_at(struct world *w, struct world_post *post)
{
	world_push(w, (struct world_event){
			  .at_us = w->now_us + draw_delay(w), .kind = WORLD_POST, .post = post});
}

static void leave(struct world_node *node, struct world_post *post)
{
	struct world *w = node->world;
	w->messages++;
	node->sent++;
	node->sent_bytes += world_size(&post->message);
	if (w->options.is_judged)
		judge_sends(w->judge, node->index, &post->message);
	if (random_chance(&w->random, w->options.duplicate)) {
		struct world_post *again = post_create(&post->message);
		again->from = post->from;
		again->to = post->to;
		again->is_guest = post->is_guest;
		leave_at(w, again);
	}
	if (is_cut(w, post->from, post->to) || random_chance(&w->random, w->options.loss))
		world_post_free(post);
	else
		leave_at(w, post);
}

void world_send(struct world_node *node, uint32_t peer, const struct member_message *m,
		uint64_t rests_on)
{
	bool is_guest = peer >= MEMBER_GUEST;
	int to = is_guest ? (int)(peer - MEMBER_GUEST) : node->node_of[peer];
	if (to == WORLD_NO_NODE || to == node->index)
		return;
	DHT_ASSERT(member_message_is_valid(m));
	struct world_post *post = post_create(m);
	post->from = node->index;
	post->to = to;
	post->is_guest = is_guest;
	post->rests_on = rests_on;
	if (node->held_count == node->held_cap) {
		node->held_cap = node->held_cap == 0 ? 64 : 2 * node->held_cap;
		node->held = realloc(node->held, node->held_cap * sizeof(*node->held));
		DHT_ASSERT(node->held != NULL);
	}
	node->held[node->held_count++] = post;
}

void world_release(struct world_node *node)
{
	size_t kept = 0;
	for (size_t i = 0; i < node->held_count; i++) {
		struct world_post *post = node->held[i];
		if (post->rests_on == NODE_RESTS_ON_MAP)
			post->rests_on = node->map_end;
		if (post->rests_on > node->durable)
			node->held[kept++] = post;
		else
			leave(node, post);
	}
	node->held_count = kept;
}

/* As a handshake finds it: a member by its number, anybody else is a guest. Who left knows those
 * that it asks, and is a guest to them. */
static uint32_t peer_of(const struct world_node *node, const struct world_post *post)
{
	bool is_guest = post->is_guest && member_number(node->member) != MEMBER_NOBODY;
	for (uint32_t number = 0; !is_guest && number < RING_MEMBERS_MAX; number++) {
		if (node->node_of[number] == post->from)
			return number;
	}
	return (uint32_t)(MEMBER_GUEST + post->from);
}

void world_deliver(struct world *w, struct world_post *post)
{
	struct world_node *node = &w->nodes[post->to];
	if (node->member != NULL && !is_cut(w, post->from, post->to)) {
		struct member_step step = world_step(node);
		node->got++;
		node->got_bytes += world_size(&post->message);
		uint32_t peer = post->message.from < RING_MEMBERS_MAX && !post->is_guest &&
					node->node_of[post->message.from] == post->from
				    ? post->message.from
				    : peer_of(node, post);
		member_handle(node->member, &step, peer, &post->message);
		world_settle(node);
	}
	world_post_free(post);
}
