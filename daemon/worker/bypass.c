/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/bypass.h"

#include <stdlib.h>

#include "base/log.h"
#include "io/clock.h"
#include "worker/cluster.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/links.h"
#include "worker/peers.h"
#include "worker/worker.h"

enum {
	LOOK_US = 20000, /* between two looks at a member that is silent */
	/* Of suspect_after, in which it writes nothing: a disk that has much to do may stall for
	 * a while, and what is forwarded meanwhile is only late. */
	HUNG_TIMES = 6,
};

static bool is_write(const struct message *m)
{
	for (size_t i = 0; i < m->op_count; i++) {
		if (op_writes(m->ops[i].kind))
			return true;
	}
	return false;
}

/* What a message asks for, if it does, or answers, where the question is not known any more. */
static enum silence_kind kind_of(const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_READ:
	case MESSAGE_PREPARE:
	case MESSAGE_VALUE:
	case MESSAGE_PROMISE:
	case MESSAGE_STALE:
		return SILENCE_READ;
	case MESSAGE_ACCEPT:
	case MESSAGE_OK:
		return SILENCE_ACCEPT;
	case MESSAGE_FORWARD:
		return is_write(m) ? SILENCE_FORWARD : SILENCE_READ;
	case MESSAGE_RESULT:
		return SILENCE_FORWARD;
	case MESSAGE_LEARN:
	case MESSAGE_HOLDS:
	case MESSAGE_HELD:
	case MESSAGE_ERASE:
	case MESSAGE_PULL:
	case MESSAGE_CHUNK:
	case MESSAGE_COMPARE:
	case MESSAGE_DIFFER:
	case MESSAGE_LIST:
	case MESSAGE_LISTED:
	case MESSAGE_COUNT:
	case MESSAGE_COUNTED:
	case MESSAGE_KIND_COUNT:
		break;
	}
	return SILENCE_KINDS;
}

bool bypass_is_question(enum message_kind kind)
{
	return kind == MESSAGE_PREPARE || kind == MESSAGE_ACCEPT || kind == MESSAGE_READ ||
	       kind == MESSAGE_FORWARD;
}

bool bypass_is_answer(enum message_kind kind)
{
	return kind == MESSAGE_PROMISE || kind == MESSAGE_OK || kind == MESSAGE_VALUE ||
	       kind == MESSAGE_RESULT || kind == MESSAGE_STALE;
}

static void set_slow(struct link *link, bool is_slow)
{
	struct node *node = exec_of(link->worker)->node;
	if (node_is_slow(node, link->member) == is_slow)
		return;
	node_set_slow(node, link->member, is_slow);
	LOG_DEBUG("links", "msg=\"%s\" member=%u", is_slow ? "bypassed" : "not bypassed any more",
		  (unsigned)link->member);
	if (is_slow && link->has_forwarded)
		cluster_bypass(link->worker, link->member);
}

void bypass_end(struct link *link)
{
	silence_end(&link->silence);
	set_slow(link, false);
}

static void look_by(struct links *links, uint64_t at_us)
{
	if (at_us < links->look_us)
		links->look_us = at_us;
}

void bypass_note_question(struct worker *w, struct link *link, const struct message *m,
			  uint64_t now_us)
{
	struct links *links = &w->links;
	enum silence_kind kind = kind_of(m);
	if (silence_ask(&link->silence, kind, now_us))
		look_by(links, silence_doubt_us(&link->silence, &link->usual));
	if (links->asked == NULL)
		links->asked = calloc(LINKS_ASKED, sizeof(*links->asked));
	if (links->asked != NULL)
		links->asked[m->tag % LINKS_ASKED] = (struct links_asked){m->tag, now_us, kind};
}

void bypass_note_answer(struct link *link, const struct message *m, const struct links_asked *asked,
			uint64_t now_us)
{
	bool is_known = asked->tag == m->tag;
	silence_answer(&link->silence, is_known ? asked->kind : kind_of(m),
		       is_known ? asked->at_us : 0, now_us);
	if (node_is_slow(exec_of(link->worker)->node, link->member) &&
	    silence_due_us(&link->silence, &link->usual) > now_us)
		set_slow(link, false);
}

static void doubt(struct worker *w, uint16_t member)
{
	struct peers *peers = w->shared->peers;
	atomic_fetch_or_explicit(&peers->doubts[member / 64], UINT64_C(1) << member % 64,
				 memory_order_relaxed);
	if (!atomic_exchange(&peers->has_doubts, true))
		wake_signal(w->shared->dispatcher_wake);
}

/* It is alive, and neither writes nor lets a write that it was forwarded come to an end: its disk
 * hangs. Where this node's own has hung, too, both will go on. One that has no quorum writes. */
static void leave_hung(struct worker *w, struct link *link, uint64_t now_us)
{
	uint64_t since_us = silence_of_writes_us(&link->silence);
	if (now_us < since_us + HUNG_TIMES * w->shared->peers->suspect_after_us ||
	    !link->has_forwarded || committer_was_slow(w->shared->committer, since_us * NS_PER_US))
		return;
	LOG_WARN("links", "msg=\"gave up what a member was forwarded\" member=%u",
		 (unsigned)link->member);
	link->has_forwarded = false;
	silence_leave_writes(&link->silence, now_us);
	cluster_lose(w, link->member);
}

/* Returns when the link is to be looked at again. */
static uint64_t look_at(struct worker *w, struct link *link, uint64_t now_us)
{
	uint64_t due_us = silence_due_us(&link->silence, &link->usual);
	uint64_t doubt_us = silence_doubt_us(&link->silence, &link->usual);
	if (doubt_us > now_us)
		return doubt_us;
	/* Nobody waits for longer than that; who is down is asked last anyway. */
	if (now_us - silence_since_us(&link->silence) > TASK_DEADLINE_MAX_US ||
	    node_is_down(exec_of(w)->node, link->member)) {
		bypass_end(link);
		return UINT64_MAX;
	}
	doubt(w, link->member);
	if (due_us <= now_us) {
		set_slow(link, true);
		leave_hung(w, link, now_us);
	}
	return now_us + LOOK_US;
}

void bypass_tick(struct worker *w)
{
	struct links *links = &w->links;
	uint64_t now_us = w->now_ns / NS_PER_US;
	if (now_us < links->look_us)
		return;
	links->look_us = UINT64_MAX;
	for (size_t i = 0; i < links->own_cap; i++) {
		if (links->own[i] != NULL)
			look_by(links, look_at(w, links->own[i], now_us));
	}
}
