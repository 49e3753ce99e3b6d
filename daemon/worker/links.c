/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/links.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/dial.h"
#include "ring/map.h"
#include "wire/peer_parts.h"
#include "worker/background.h"
#include "worker/bypass.h"
#include "worker/cluster.h"
#include "worker/exec.h"
#include "worker/peers.h"
#include "worker/upkeep.h"
#include "worker/worker.h"

#define OPEN_NS      (500 * NS_PER_MS) /* for connection and handshake */
#define RETRY_MIN_NS (20 * NS_PER_MS)
#define TURN_NS      (5 * WORKER_SLICE_NS)

enum {
	RETRY_SHIFT_MAX = 6, /* the pause doubles so often */
	MEASURE_US = 1000000,
	MEASURE_MIN = 16, /* answers that say something */
	ROUND_MIN_US = 10000,
	ROUND_MAX_US = 1000000,
	ROUND_TIMES = 4, /* of the time within which 99 of 100 answers come */
	BACK_OFF_MIN_US = 1000,
};

struct link_state_of_session {
	struct link *link;
	struct peer_parts *parts; /* NULL before the first part of a large frame */
};

static struct link_state_of_session *state_of(struct session *s)
{
	return (struct link_state_of_session *)(void *)s->state;
}

static void count(_Atomic uint64_t *counter)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + 1, memory_order_relaxed);
}

/* ---- Own links --------------------------------------------------------------------- */

static struct link *find_own(const struct links *links, uint16_t member)
{
	return member < links->own_cap ? links->own[member] : NULL;
}

static bool has_place(struct links *links, uint16_t member)
{
	if (member < links->own_cap)
		return true;
	size_t cap = (size_t)member + 8;
	struct link **own = realloc(links->own, cap * sizeof(struct link *));
	if (own == NULL)
		return false;
	memset(own + links->own_cap, 0, (cap - links->own_cap) * sizeof(struct link *));
	links->own = own;
	links->own_cap = cap;
	return true;
}

/* The link to a member, made on first need; NULL: out of memory. */
static struct link *own_link(struct worker *w, uint16_t member)
{
	struct links *links = &w->links;
	struct link *link = find_own(links, member);
	if (link != NULL || !has_place(links, member))
		return link;
	link = malloc(sizeof(*link));
	if (link == NULL)
		return NULL;
	link_init(link, w, member);
	link->is_ours = true;
	links->own[member] = link;
	return link;
}

/* ---- FORWARDs that were not sent ------------------------------------------------------ */

static bool push_forward(struct link_forward **items, size_t *count, size_t *cap,
			 struct link_forward forward)
{
	if (*count == *cap) {
		size_t more = *cap == 0 ? 16 : 2 * *cap;
		struct link_forward *grown = realloc(*items, more * sizeof(**items));
		if (grown == NULL)
			return false;
		*items = grown;
		*cap = more;
	}
	(*items)[(*count)++] = forward;
	return true;
}

/* Without memory for that it ends at its deadline. */
static void note_failed(struct links *links, struct link_forward forward)
{
	(void)push_forward(&links->failed, &links->failed_count, &links->failed_cap, forward);
}

/* The link did not open: what waited for that was certainly not sent. */
static void fail_forwards(struct link *link)
{
	for (size_t i = 0; i < link->forward_count; i++)
		note_failed(&link->worker->links, link->forwards[i]);
	link->forward_count = 0;
}

static void tell_failed(struct worker *w)
{
	struct links *links = &w->links;
	/* To be told of one may lead to others. */
	for (size_t n = links->failed_count; n > 0; n--) {
		struct link_forward forward = links->failed[--links->failed_count];
		cluster_fail_forward(w, forward.block, forward.tag);
	}
}

/* ---- Opening and closing -------------------------------------------------------------- */

/* Who has the link's number now; NULL: nobody. */
static const struct ring_member *member_of(const struct worker *w, const struct link *link)
{
	const struct ring_map *map = atomic_load_explicit(&w->shared->map, memory_order_acquire);
	return map != NULL ? ring_map_member(map, link->member) : NULL;
}

static int dial(const struct worker *w, struct link *link)
{
	const struct ring_member *member = member_of(w, link);
	if (member == NULL || member->peer_count == 0)
		return DHT_EUNAVAIL;
	const struct ring_address *to = &member->peers[link->failures % member->peer_count];
	memcpy(link->id, member->id, sizeof(link->id));
	return dial_host(w->shared->peers->resolver, to->host, to->port, link->failures);
}

static void note_failure(struct link *link)
{
	unsigned shift = link->failures < RETRY_SHIFT_MAX ? link->failures : RETRY_SHIFT_MAX;
	uint64_t pause = RETRY_MIN_NS << shift;
	struct worker *w = link->worker;
	link->failures++;
	w->cluster.random += 0x9E3779B97F4A7C15ull;
	link->retry_ns = w->now_ns + pause / 2 + w->cluster.random % pause;
	link_clear(link);
	bypass_end(link);
	fail_forwards(link);
}

static int begin_session(struct worker *w, struct link *link, int fd)
{
	const struct peers_opening *opening = w->shared->peers->opening;
	struct session *s = session_create(w->shared->sessions, fd, 0, &links_protocol);
	if (s == NULL) {
		close(fd);
		return DHT_ENOMEM;
	}
	state_of(s)->link = link;
	link->opening = calloc(1, opening->state_size + 1);
	int rc = link->opening != NULL
		     ? opening->begin(opening->ctx, link->opening, link->member, &s->conn.out.bytes)
		     : DHT_ENOMEM;
	s->is_kept = true;
	if (rc == 0)
		rc = worker_keep(w, s);
	if (rc == 0) {
		link->session = s;
		link->state = LINK_OPENS;
		link->until_ns = w->now_ns + OPEN_NS;
		w->links.opening++;
		return 0;
	}
	free(link->opening);
	link->opening = NULL;
	state_of(s)->link = NULL;
	session_destroy(s);
	return rc;
}

static void open_link(struct worker *w, struct link *link)
{
	link->began_ns = w->now_ns;
	int fd = dial(w, link);
	if (fd < 0 || begin_session(w, link, fd) != 0)
		note_failure(link);
}

static void end_opening(struct link *link)
{
	free(link->opening);
	link->opening = NULL;
	link->worker->links.opening--;
}

static void opened(struct link *link)
{
	end_opening(link);
	link->state = LINK_OPEN;
	link->failures = 0;
	link->has_forwarded = link->forward_count > 0;
	link->forward_count = 0;
	links_touch(link);
	upkeep_peer_is_back(link->worker, link->member);
}

/* True if the member was heard since this link was tried: then it is there again, and waits for
 * answers that nobody sends a second time. */
static bool is_back(const struct link *link)
{
	const struct peers *peers = link->worker->shared->peers;
	return atomic_load_explicit(&peers->back_ns[link->member], memory_order_relaxed) >
	       link->began_ns;
}

/* Something has come from a member, which has proved to be one. It is news if this worker does not
 * reach it, or over a link that the member has just opened. */
static void note_heard(struct worker *w, const struct link *link)
{
	if (link->state != LINK_OPEN)
		return;
	const struct link *own = find_own(&w->links, link->member);
	if (link->worker == NULL || (own != NULL && own->failures > 0))
		peers_note_back(w->shared->peers, link->member);
}

/* The session of an own link goes. */
static void own_closed(struct link *link)
{
	struct worker *w = link->worker;
	bool was_open = link->state == LINK_OPEN;
	link->session = NULL;
	link->state = LINK_CLOSED;
	if (!was_open) {
		end_opening(link);
		if (!is_back(link) || w->draining) {
			note_failure(link);
			return;
		}
		/* What waits goes over the next connection, to another of its addresses if it
		 * has several. */
		link->failures++;
		links_touch(link);
		return;
	}
	link_clear(link);
	bypass_end(link);
	if (link->has_forwarded && !w->draining)
		cluster_lose(w, link->member);
	link->has_forwarded = false;
}

/* The connection is of no use: its next turn ends it. */
static void break_session(struct worker *w, struct session *s)
{
	s->conn.broken = true;
	worker_make_ready(w, s);
}

/* ---- Sending ---------------------------------------------------------------------------- */

void links_touch(struct link *link)
{
	if (list_is_empty(&link->dirty_link))
		list_push_tail(&link->worker->links.dirty, &link->dirty_link);
	if (link->session != NULL)
		link->session->is_kept = true;
}

bool links_are_dirty(const struct worker *w)
{
	return !list_is_empty(&w->links.dirty) || w->links.failed_count > 0;
}

/* A member that is back waits for the result of what it has forwarded, and nobody sends that a
 * second time. */
static bool may_open(const struct worker *w, const struct link *link, enum message_kind kind)
{
	uint64_t retry_ns = link->retry_ns;
	if (is_back(link))
		retry_ns = kind == MESSAGE_RESULT ? 0 : link->began_ns + RETRY_MIN_NS;
	return w->shared->peers->opening != NULL && !w->draining && w->now_ns >= retry_ns;
}

/* Notes what would have to be told if the link did not open. */
static int note_forward(struct link *link, const struct message *m)
{
	struct link_forward forward = {m->block, m->tag};
	if (m->kind != MESSAGE_FORWARD)
		return 0;
	if (link->state == LINK_OPEN) {
		link->has_forwarded = true;
		return 0;
	}
	return push_forward(&link->forwards, &link->forward_count, &link->forward_cap, forward)
		   ? 0
		   : DHT_ENOMEM;
}

static int send_over(struct worker *w, struct link *link, const struct message *m,
		     uint64_t rests_on)
{
	if (link == NULL)
		return DHT_ENOMEM;
	if (link->state == LINK_CLOSED && !may_open(w, link, m->kind))
		return DHT_EUNAVAIL;
	/* Noted first: what is queued goes out, and must not be told to be lost. */
	int rc = note_forward(link, m);
	if (rc != 0)
		return rc;
	rc = link_queue(link, m, rests_on);
	if (rc != 0 && m->kind == MESSAGE_FORWARD && link->state != LINK_OPEN)
		link->forward_count--;
	return rc;
}

void links_send(struct worker *w, struct link *answering, uint16_t member, const struct message *m,
		uint64_t rests_on, uint64_t now_us)
{
	struct links *links = &w->links;
	bool answers =
	    answering != NULL && answering->member == member && m->kind != MESSAGE_FORWARD;
	int rc = send_over(w, answers ? answering : own_link(w, member), m, rests_on);
	if (rc != 0) {
		count(&links->lost);
		if (m->kind == MESSAGE_FORWARD)
			note_failed(links, (struct link_forward){m->block, m->tag});
		return;
	}
	count(&links->sent);
	struct link *link = bypass_is_question(m->kind) ? own_link(w, member) : NULL;
	if (link != NULL)
		bypass_note_question(w, link, m, now_us);
}

void links_hold(struct worker *w)
{
	LIST_FOREACH_SAFE(at, next, &w->links.dirty)
	link_hold(LIST_ENTRY(at, struct link, dirty_link));
}

/* A session that is broken ends by itself. */
static bool is_usable(const struct link *link)
{
	return link->session != NULL && !link->session->conn.broken;
}

static void flush(struct worker *w, struct link *link)
{
	if (link->state == LINK_CLOSED && link->is_ours && !link_is_idle(link))
		open_link(w, link);
	if (link->state == LINK_OPEN && is_usable(link) && link_write(link) != 0)
		break_session(w, link->session);
	if (link->session != NULL)
		link->session->is_kept = link->is_ours || !link_is_idle(link);
}

void links_flush(struct worker *w)
{
	struct list *at;
	while ((at = list_first(&w->links.dirty)) != NULL) {
		list_remove(at);
		flush(w, LIST_ENTRY(at, struct link, dirty_link));
	}
}

/* The number of who has left may be another one's: who had it need not close its end. Who has
 * left is spoken to until then. */
static void break_outdated(struct worker *w)
{
	struct links *links = &w->links;
	const struct ring_map *map = atomic_load_explicit(&w->shared->map, memory_order_acquire);
	if (map == NULL || map->epoch == links->epoch)
		return;
	links->epoch = map->epoch;
	for (size_t i = 0; i < links->own_cap; i++) {
		struct link *link = links->own[i];
		const struct ring_member *member = link != NULL ? member_of(w, link) : NULL;
		if (member != NULL && is_usable(link) &&
		    memcmp(member->id, link->id, sizeof(link->id)) != 0)
			break_session(w, link->session);
	}
}

/* Nothing may come of what was forwarded there. The connection stays, as for a process that was
 * stopped for a moment: where packets are lost TCP gives it up (DIAL_UNACKNOWLEDGED_MS). */
static void leave_silent(struct worker *w)
{
	struct links *links = &w->links;
	uint32_t silenced = atomic_load_explicit(&w->shared->peers->silenced, memory_order_acquire);
	if (links->silenced == silenced)
		return;
	links->silenced = silenced;
	for (size_t i = 0; i < links->own_cap; i++) {
		struct link *link = links->own[i];
		if (link == NULL || !link->has_forwarded ||
		    !node_is_down(exec_of(w)->node, link->member))
			continue;
		link->has_forwarded = false;
		cluster_lose(w, link->member);
	}
}

void links_tick(struct worker *w)
{
	struct links *links = &w->links;
	leave_silent(w);
	bypass_tick(w);
	if (links->failed_count > 0)
		tell_failed(w);
	break_outdated(w);
	for (size_t i = 0; links->opening > 0 && i < links->own_cap; i++) {
		struct link *link = links->own[i];
		if (link != NULL && link->state == LINK_OPENS && w->now_ns >= link->until_ns &&
		    is_usable(link))
			break_session(w, link->session);
	}
}

uint64_t links_timeout_ns(const struct worker *w)
{
	const struct links *links = &w->links;
	uint64_t next_ns = UINT64_MAX;
	if (links_are_dirty(w))
		return 0;
	if (links->look_us < UINT64_MAX)
		next_ns = links->look_us * NS_PER_US;
	for (size_t i = 0; links->opening > 0 && i < links->own_cap; i++) {
		const struct link *link = links->own[i];
		if (link != NULL && link->state == LINK_OPENS && link->until_ns < next_ns)
			next_ns = link->until_ns;
	}
	if (next_ns == UINT64_MAX)
		return UINT64_MAX;
	return next_ns > w->now_ns ? next_ns - w->now_ns : 0;
}

/* ---- Times ------------------------------------------------------------------------------- */

static bool is_timed(enum message_kind kind)
{
	return kind == MESSAGE_PROMISE || kind == MESSAGE_OK || kind == MESSAGE_VALUE;
}

/* It rises at once and falls by a quarter a look. */
static uint64_t follow(uint64_t before_us, uint64_t us)
{
	return us < before_us ? (3 * before_us + us) / 4 : us;
}

/* Within which time 99 of 100 answers came since the last look; 0: too few came. */
static uint64_t look_at_answers(struct histogram *answers, uint64_t *usual_us)
{
	if (answers == NULL || histogram_count(answers) < MEASURE_MIN)
		return 0;
	uint64_t us = histogram_quantile_ns(answers, 990) / NS_PER_US;
	*usual_us = follow(*usual_us, us);
	histogram_clear(answers);
	return us;
}

/* The same, of the slowest member and kind. */
static uint64_t slowest_us(struct links *links)
{
	uint64_t slowest = 0;
	for (size_t i = 0; i < links->own_cap; i++) {
		struct link *link = links->own[i];
		if (link == NULL)
			continue;
		uint64_t read_us = look_at_answers(link->reads, &link->usual.read_us);
		uint64_t write_us = look_at_answers(link->accepts, &link->usual.write_us);
		slowest = read_us > slowest ? read_us : slowest;
		slowest = write_us > slowest ? write_us : slowest;
	}
	return slowest;
}

/* What rounds may take follows from what they take at the slowest worker. */
static void set_times(struct worker *w)
{
	const struct background *b = w->shared->background;
	struct node *node = exec_of(w)->node;
	uint64_t slowest = 0;
	for (unsigned i = 0; i < b->worker_count; i++) {
		uint64_t us =
		    atomic_load_explicit(&b->workers[i].links.answer_us, memory_order_relaxed);
		slowest = us > slowest ? us : slowest;
	}
	uint64_t round_us = ROUND_TIMES * slowest;
	round_us = round_us < ROUND_MIN_US ? ROUND_MIN_US : round_us;
	round_us = round_us > ROUND_MAX_US ? ROUND_MAX_US : round_us;
	atomic_store_explicit(&node->times.round_us, round_us, memory_order_relaxed);
	atomic_store_explicit(&node->times.back_off_us,
			      slowest > BACK_OFF_MIN_US ? slowest : BACK_OFF_MIN_US,
			      memory_order_relaxed);
}

static void measure(struct worker *w, uint64_t now_us)
{
	struct links *links = &w->links;
	links->measure_us = now_us + MEASURE_US;
	uint64_t us = slowest_us(links);
	if (us == 0)
		return;
	uint64_t before = atomic_load_explicit(&links->answer_us, memory_order_relaxed);
	atomic_store_explicit(&links->answer_us, follow(before, us), memory_order_relaxed);
	set_times(w);
}

void links_note_answer(struct worker *w, const struct message *m, uint64_t now_us)
{
	struct links *links = &w->links;
	count(&links->received);
	struct link *link = bypass_is_answer(m->kind) ? find_own(links, m->from) : NULL;
	if (link == NULL || links->asked == NULL)
		return;
	const struct links_asked *asked = &links->asked[m->tag % LINKS_ASKED];
	bypass_note_answer(link, m, asked, now_us);
	/* What took longer says that somebody was away, not how long answers take. */
	if (!is_timed(m->kind) || asked->tag != m->tag || now_us < asked->at_us ||
	    now_us - asked->at_us > ROUND_MAX_US)
		return;
	struct histogram **answers = m->kind == MESSAGE_OK ? &link->accepts : &link->reads;
	if (*answers == NULL) {
		*answers = malloc(sizeof(**answers));
		if (*answers == NULL)
			return;
		histogram_init(*answers);
	}
	histogram_record(*answers, (now_us - asked->at_us) * NS_PER_US);
	if (now_us >= links->measure_us)
		measure(w, now_us);
}

/* ---- The protocol of the sessions --------------------------------------------------------- */

static int take_part(struct worker *w, struct session *s, const struct peer_frame *frame,
		     const char **why)
{
	struct link_state_of_session *state = state_of(s);
	struct peer_whole whole;
	if (state->parts == NULL) {
		state->parts = malloc(sizeof(*state->parts));
		if (state->parts == NULL)
			return DHT_ENOMEM;
		peer_parts_init(state->parts, &w->shared->peers->budget);
	}
	int rc = peer_parts_add(state->parts, frame, &whole);
	if (rc <= 0)
		return rc;
	rc = whole.frame.type == PEER_MESSAGE ? cluster_receive(w, state->link, &whole.frame, why)
					      : DHT_EPROTO;
	peer_whole_release(&whole);
	return rc;
}

static int take_opening(struct worker *w, struct session *s, const struct peer_frame *frame)
{
	const struct peers_opening *opening = w->shared->peers->opening;
	struct link *link = state_of(s)->link;
	int rc =
	    opening->take_frame(opening->ctx, link->opening, link->member, frame, worker_out(w));
	if (rc != 1)
		return rc;
	/* What comes next goes behind it. */
	worker_flush(w, s);
	opened(link);
	return 0;
}

static int take_frame(struct worker *w, struct session *s, const struct peer_frame *frame,
		      const char **why)
{
	struct link *link = state_of(s)->link;
	if (link->state == LINK_OPENS)
		return take_opening(w, s, frame);
	switch (frame->type) {
	case PEER_MESSAGE:
		return cluster_receive(w, link, frame, why);
	case PEER_PART:
		return take_part(w, s, frame, why);
	case PEER_CONTROL:
	case PEER_HELLO:
	case PEER_CHALLENGE:
	case PEER_PROOF:
	case PEER_REFUSAL:
	case PEER_NO_FRAME:
	case PEER_FRAME_TYPE_COUNT:
		return DHT_EPROTO;
	}
	DHT_UNREACHABLE();
}

/* True unless the number of the member at the other end is another one's by now: an accepted link
 * of who has left need not be closed there. Looked at once for each map. */
static bool is_still_member(const struct worker *w, struct link *link)
{
	const struct ring_map *map = atomic_load_explicit(&w->shared->map, memory_order_acquire);
	if (link->is_ours || map == NULL || map->epoch == link->epoch)
		return true;
	bool is_first = link->epoch == 0;
	link->epoch = map->epoch;
	const struct ring_member *member = ring_map_member(map, link->member);
	if (member == NULL)
		return true;
	if (is_first)
		memcpy(link->id, member->id, sizeof(link->id));
	return memcmp(link->id, member->id, sizeof(link->id)) == 0;
}

static void end_bad(struct session *s, int rc, const char *why)
{
	s->conn.broken = true;
	LOG_WARN("links", "msg=\"closed a link that is of no use\" member=%u error=\"%s\"",
		 (unsigned)state_of(s)->link->member, why != NULL ? why : dht_error_text(rc));
}

static size_t links_input(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	uint64_t began_ns = clock_monotonic_ns();
	size_t used = 0;
	struct link *link = state_of(s)->link;
	if (!is_still_member(w, link)) {
		end_bad(s, DHT_EDENIED, "the member has left");
		return len;
	}
	note_heard(w, link);
	link->worker = w;
	while (used < len && !s->conn.broken) {
		struct peer_frame frame;
		const char *why = NULL;
		size_t size;
		if (clock_monotonic_ns() - began_ns >= TURN_NS) {
			s->paused = true;
			break;
		}
		int rc = peer_frame_parse(bytes_of(data + used, len - used), &frame, &size);
		if (rc == 0) {
			s->want = size;
			break;
		}
		if (rc > 0)
			rc = take_frame(w, s, &frame, &why);
		if (rc < 0)
			end_bad(s, rc, why);
		used += size;
	}
	return used < len ? used : len;
}

static void links_flushed(struct session *s)
{
	struct link *link = state_of(s)->link;
	if (!list_is_empty(&link->bulks))
		links_touch(link);
}

static void links_closed(struct session *s)
{
	struct link_state_of_session *state = state_of(s);
	struct link *link = state->link;
	if (state->parts != NULL)
		peer_parts_fini(state->parts);
	free(state->parts);
	if (link == NULL)
		return;
	if (link->worker != NULL)
		cluster_forget_link(link->worker, link);
	list_remove(&link->dirty_link);
	if (link->is_ours) {
		own_closed(link);
		return;
	}
	if (link->worker != NULL)
		link_clear(link);
	free(link);
}

const struct protocol links_protocol = {
    .name = "peer",
    .handed_kind = JOB_peer,
    .hot_kind = JOB_hot_peer,
    .state_size = sizeof(struct link_state_of_session),
    .in_max = PEER_FRAME_MAX + WORKER_READ_MAX,
    .bounds_output = true,
    .input = links_input,
    .flushed = links_flushed,
    .closed = links_closed,
};

struct session *links_accept(struct sessions *all, int fd, uint32_t watch_kind, uint16_t member)
{
	struct link *link = malloc(sizeof(*link));
	if (link == NULL)
		return NULL;
	struct session *s = session_create(all, fd, watch_kind, &links_protocol);
	if (s == NULL) {
		free(link);
		return NULL;
	}
	link_init(link, NULL, member);
	link->session = s;
	link->state = LINK_OPEN;
	state_of(s)->link = link;
	return s;
}

/* ---- Set-up --------------------------------------------------------------------------------- */

void links_init(struct worker *w)
{
	w->links = (struct links){.look_us = UINT64_MAX};
	list_init(&w->links.dirty);
}

void links_fini(struct worker *w)
{
	struct links *links = &w->links;
	for (size_t i = 0; i < links->own_cap; i++) {
		struct link *link = links->own[i];
		if (link == NULL)
			continue;
		DHT_ASSERT(link->session == NULL);
		list_remove(&link->dirty_link);
		link_clear(link);
		free(link->forwards);
		free(link->reads);
		free(link->accepts);
		free(link);
	}
	free(links->own);
	free(links->asked);
	free(links->failed);
	links_init(w);
}
