/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_member.h"

#include <check.h>
#include <string.h>

#include "base/error.h"
#include "unit.h"

/* ---- Effects ------------------------------------------------------------------------- */

static void on_send(void *ctx, uint32_t peer, const struct member_message *m, uint64_t rests_on)
{
	struct helper_member *h = ctx;
	UNIT_REQUIRE(h->sent_count < HELPER_SENT_MAX);
	size_t at = h->sent_count++;
	h->sent[at].peer = peer;
	h->sent[at].rests_on = rests_on;
	h->sent[at].message = *m;
	buffer_reset(&h->sent[at].map);
	UNIT_REQUIRE(buffer_append(&h->sent[at].map, m->map.data, m->map.len, MEMBER_VALUE_MAX) ==
		     0);
	h->sent[at].message.map = bytes_of(buffer_head(&h->sent[at].map), m->map.len);
	if (m->news_count > 0)
		memcpy(h->sent[at].news, m->news, m->news_count * sizeof(*m->news));
	h->sent[at].message.news = h->sent[at].news;
	if (m->kind == MEMBER_ANSWER)
		h->answer = *m->answer;
}

static int on_store_vote(void *ctx, struct bytes note, uint64_t *end)
{
	struct helper_member *h = ctx;
	if (h->store_rc != 0)
		return h->store_rc;
	buffer_reset(&h->note);
	UNIT_REQUIRE(buffer_append(&h->note, note.data, note.len, SIZE_MAX / 2) == 0);
	*end = ++h->end;
	return 0;
}

static void on_adopt(void *ctx, const struct ring_map *map)
{
	struct helper_member *h = ctx;
	UNIT_REQUIRE(map->epoch > 0);
	h->adopted++;
}

static void on_set_down(void *ctx, uint16_t member, bool is_down)
{
	(void)ctx, (void)member, (void)is_down;
}

static void on_heard(void *ctx, uint16_t member, uint64_t counter, int64_t skew_ms)
{
	struct helper_member *h = ctx;
	(void)member, (void)counter;
	h->skew_ms = skew_ms;
}

static void on_answered(void *ctx, uint64_t token, const struct member_answer *answer)
{
	struct helper_member *h = ctx;
	(void)token;
	h->answers++;
	h->answer = *answer;
}

/* ---- The helper ---------------------------------------------------------------------- */

struct member_step helper_member_step(struct helper_member *h)
{
	static struct member_effects effects;
	effects = (struct member_effects){.ctx = h,
					  .send = on_send,
					  .store_vote = on_store_vote,
					  .adopt = on_adopt,
					  .set_down = on_set_down,
					  .heard = on_heard,
					  .answered = on_answered};
	h->random = h->random * 6364136223846793005u + 1442695040888963407u;
	return (struct member_step){.now_us = h->now_us,
				    .now_ms = HELPER_NOW_MS,
				    .random = h->random,
				    .is_full = h->is_full,
				    .effects = &effects};
}

void helper_member_init(struct helper_member *h, const struct ring_map *map, uint16_t number)
{
	const struct member_times times = MEMBER_TIMES_DEFAULT;
	memset(h, 0, sizeof(*h));
	h->now_us = 1000000;
	ck_assert_int_eq(member_create(ring_map_member(map, number)->id, map, (struct bytes){0}, 1,
				       &times, h->now_us, &h->m),
			 0);
	ck_assert_uint_eq(member_number(h->m), number);
}

void helper_member_fini(struct helper_member *h)
{
	member_destroy(h->m);
	for (size_t i = 0; i < HELPER_SENT_MAX; i++)
		buffer_reset(&h->sent[i].map);
	buffer_reset(&h->note);
}

void helper_member_restart(struct helper_member *h)
{
	const struct member_times times = MEMBER_TIMES_DEFAULT;
	struct ring_map *map;
	char id[RING_ID_SIZE];
	memcpy(id, ring_map_member(member_map(h->m), member_number(h->m))->id, sizeof(id));
	ck_assert_int_eq(ring_map_copy(member_map(h->m), member_map(h->m)->epoch, &map), 0);
	member_destroy(h->m);
	ck_assert_int_eq(member_create(id, map, bytes_of(buffer_head(&h->note), h->note.len), 2,
				       &times, h->now_us, &h->m),
			 0);
	ring_map_destroy(map);
}

void helper_member_sync(struct helper_member *h)
{
	while (h->durable < h->end) {
		struct member_step step = helper_member_step(h);
		h->durable = h->end;
		member_durable(h->m, &step, h->durable);
	}
}

void helper_member_run(struct helper_member *h, uint64_t us)
{
	for (uint64_t end_us = h->now_us + us; h->now_us < end_us;) {
		uint64_t wake_us = member_wake_us(h->m);
		h->now_us = wake_us <= h->now_us ? h->now_us + 1000
			    : wake_us < end_us   ? wake_us
						 : end_us;
		struct member_step step = helper_member_step(h);
		member_tick(h->m, &step);
		helper_member_sync(h);
	}
}

struct member_message helper_message(const struct helper_member *h, enum member_message_kind kind,
				     uint16_t from)
{
	const struct ring_map *map = member_map(h->m);
	return (struct member_message){
	    .kind = kind, .from = from, .lineage = get_u64(map->lineage), .epoch = map->epoch};
}

void helper_member_hear(struct helper_member *h, const struct member_message *message)
{
	struct member_step step = helper_member_step(h);
	member_handle(h->m, &step, message->from == MEMBER_NOBODY ? MEMBER_GUEST : message->from,
		      message);
}

void helper_member_beat(struct helper_member *h, uint16_t from, uint64_t beat)
{
	struct member_message message = helper_message(h, MEMBER_BEAT, from);
	message.beat = beat;
	helper_member_hear(h, &message);
}

const struct member_message *helper_member_find(const struct helper_member *h, uint32_t peer,
						enum member_message_kind kind)
{
	for (size_t i = h->sent_count; i-- > 0;) {
		if (h->sent[i].peer == peer && h->sent[i].message.kind == kind)
			return &h->sent[i].message;
	}
	return NULL;
}

void helper_member_forget(struct helper_member *h)
{
	h->sent_count = 0;
}
