/* SPDX-License-Identifier: Apache-2.0
 *
 * What the control plane tells: messages, its vote's note, who answers.
 *
 * Persist before send: a message is encoded at once, and waits here until the log is durable as
 * far as it rests on it, or the map that it rests on is adopted.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/control.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/peers.h"

#define COUNT_NS NS_PER_S /* between two looks at how much the store holds */

enum { FRAME_MAX = MEMBER_VALUE_MAX + PEER_FRAME_MAX };

/* ---- Messages ------------------------------------------------------------------------ */

/* What a message rests on; NODE_RESTS_ON_MAP: on a map that is not adopted yet. */
static uint64_t end_of(const struct control *c, const struct control_held *held)
{
	if (held->rests_on != NODE_RESTS_ON_MAP)
		return held->rests_on;
	return c->adopted >= held->adoption ? node_map_end(c->given.exec->node) : NODE_RESTS_ON_MAP;
}

static bool may_go(const struct control *c, const struct control_held *held, uint64_t mark)
{
	return end_of(c, held) <= mark;
}

bool control_waits_for_log(const struct control *c)
{
	uint64_t mark = committer_mark(c->given.committer);
	for (struct list *link = c->held.next; link != &c->held; link = link->next) {
		uint64_t end = end_of(c, LIST_ENTRY(link, struct control_held, link));
		if (end != NODE_RESTS_ON_MAP && end > mark)
			return true;
	}
	return false;
}

static void forget(struct control *c, struct control_held *held)
{
	c->held_bytes -= held->frame.len;
	list_remove(&held->link);
	buffer_reset(&held->frame);
	free(held);
}

static void on_send(void *ctx, uint32_t peer, const struct member_message *m, uint64_t rests_on)
{
	struct control *c = ctx;
	struct wire_frame frame;
	struct control_held *held = calloc(1, sizeof(*held));
	if (held == NULL)
		return;
	*held = (struct control_held){.peer = peer, .rests_on = rests_on, .adoption = c->wanted};
	list_push_tail(&c->held, &held->link);
	int rc = wire_control_encode(m, 0, &held->frame, FRAME_MAX, &frame);
	c->held_bytes += held->frame.len;
	/* Lost, as on a link that breaks: whoever waits for it asks again. */
	if (rc != 0 || c->held_bytes > CONTROL_HELD_MAX) {
		LOG_DEBUG("control", "msg=\"message lost\" kind=%s peer=%" PRIu32 " error=\"%s\"",
			  member_message_name(m->kind), peer,
			  dht_error_text(rc != 0 ? rc : DHT_EFULL));
		forget(c, held);
		return;
	}
	if (!may_go(c, held, committer_mark(c->given.committer)))
		return;
	control_send(c, peer, bytes_of(buffer_head(&held->frame), held->frame.len));
	forget(c, held);
}

void control_release(struct control *c)
{
	uint64_t mark = committer_mark(c->given.committer);
	if (mark != c->mark) {
		struct member_step step = control_step(c);
		c->mark = mark;
		member_durable(c->member, &step, mark);
	}
	LIST_FOREACH_SAFE(link, next, &c->held)
	{
		struct control_held *held = LIST_ENTRY(link, struct control_held, link);
		if (!may_go(c, held, mark))
			continue;
		control_send(c, held->peer, bytes_of(buffer_head(&held->frame), held->frame.len));
		forget(c, held);
	}
}

/* ---- The vote ------------------------------------------------------------------------ */

static int on_store_vote(void *ctx, struct bytes note, uint64_t *end)
{
	struct control *c = ctx;
	struct exec *exec = c->given.exec;
	groups_lock(&exec->groups, 0);
	int rc = store_put_note(exec->store, COMMITTER_CONTROL_APPENDER, RECORD_VOTE, 0,
				member_map(c->member)->epoch, note, end);
	groups_unlock(&exec->groups, 0);
	/* It wants to know when that is durable; without room it tries again. */
	atomic_store(&c->awaits, true);
	committer_advance(c->given.committer);
	return rc;
}

/* ---- Who answers --------------------------------------------------------------------- */

/* What waits for the member is not to wait any longer. */
static void tell_workers(struct control *c)
{
	atomic_fetch_add_explicit(&c->given.shared->peers->silenced, 1, memory_order_release);
	for (unsigned i = 0; i < c->given.worker_count; i++)
		wake_signal(&c->given.workers[i].wake);
}

static void on_set_down(void *ctx, uint16_t member, bool is_down)
{
	struct control *c = ctx;
	const struct ring_member *of = ring_map_member(member_map(c->member), member);
	if (node_is_down(c->given.exec->node, member) == is_down)
		return;
	node_set_down(c->given.exec->node, member, is_down);
	if (is_down) {
		tell_workers(c);
		LOG_WARN("control", "msg=\"a member does not answer\" member=%u name=%s", member,
			 of != NULL ? of->name : "?");
	} else {
		peers_note_back(c->given.shared->peers, member);
		LOG_INFO("control", "msg=\"a member answers again\" member=%u name=%s", member,
			 of != NULL ? of->name : "?");
	}
}

static void on_heard(void *ctx, uint16_t member, uint64_t counter, int64_t skew_ms)
{
	struct control *c = ctx;
	int64_t max_ms = (int64_t)atomic_load(&c->max_skew_ms);
	bool was_off = llabs(c->skews_ms[member]) > max_ms;
	if (counter <= BALLOT_COUNTER_MAX) {
		int rc = counter_raise(&c->given.exec->node->counter, ballot_make(0, counter, 0));
		(void)rc; /* nothing is drawn or answered by it */
	}
	c->skews_ms[member] = skew_ms;
	if (!was_off && llabs(skew_ms) > max_ms)
		LOG_WARN("control", "msg=\"the clock of a member is off\" member=%u ms=%" PRId64,
			 member, skew_ms);
}

/* ---- The rest ------------------------------------------------------------------------ */

static void on_adopt(void *ctx, const struct ring_map *map)
{
	struct control *c = ctx;
	(void)map; /* the member keeps it */
	c->wanted++;
}

static void on_answered(void *ctx, uint64_t token, const struct member_answer *answer)
{
	struct control *c = ctx;
	if (token == 0)
		control_join_answered(c, answer);
	else
		control_ticket_answer(c, token, answer);
}

static uint64_t draw(struct control *c)
{
	c->random += 0x9E3779B97F4A7C15ull;
	uint64_t x = (c->random ^ (c->random >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

/* It goes over all blocks. */
static uint64_t held_bytes(struct control *c, uint64_t now_ns)
{
	struct store_counts counts;
	if (now_ns < c->held_ns)
		return c->kept_bytes;
	c->held_ns = now_ns + COUNT_NS;
	store_count(c->given.exec->store, &counts);
	c->kept_bytes = counts.bytes;
	return c->kept_bytes;
}

struct member_step control_step(struct control *c)
{
	uint64_t now_ns = clock_monotonic_ns();
	const struct node *node = c->given.exec->node;
	return (struct member_step){
	    .now_us = now_ns / NS_PER_US,
	    .now_ms = clock_wall_ms(),
	    .random = draw(c),
	    .counter = counter_value(&node->counter),
	    .progress = atomic_load_explicit(&node->synced_bytes, memory_order_relaxed),
	    .held_bytes = held_bytes(c, now_ns),
	    .is_full = store_is_full(c->given.exec->store),
	    .effects = &c->effects,
	};
}

void control_effects_init(struct control *c)
{
	c->effects = (struct member_effects){
	    .ctx = c,
	    .send = on_send,
	    .store_vote = on_store_vote,
	    .adopt = on_adopt,
	    .set_down = on_set_down,
	    .heard = on_heard,
	    .answered = on_answered,
	};
	list_init(&c->held);
}
