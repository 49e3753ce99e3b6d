/* SPDX-License-Identifier: Apache-2.0 */
#include "node/rounds.h"

#include "base/error.h"
#include "node/collect.h"
#include "node/coordinator.h"
#include "node/replica.h"
#include "paxos/variant.h"

enum {
	ROUND_SHIFT_MAX = 6,    /* the time of a round doubles with each try, so often */
	BACK_OFF_PART = 4,      /* the first pause is a fourth of what it may be, and it doubles, */
	BACK_OFF_SHIFT_MAX = 5, /* so often */
	LEAD = 64,              /* of a ballot over one that it was refused for */
	ROUND_BYTES_A_US = 32,  /* of a value: its way, and a sync of it */
};

static struct node_block *block_of(struct node *node, const struct active *a)
{
	return &node->blocks[a->key.block];
}

/* ---- The end of a batch ---------------------------------------------------------------- */

struct task *rounds_leave(struct active *a)
{
	struct list *link = list_first(&a->batch);
	if (link == NULL)
		return NULL;
	list_remove(link);
	a->batch_count--;
	return LIST_ENTRY(link, struct task, link);
}

void rounds_fail_task(struct node *node, struct node_step *step, struct active *a,
		      struct task *task, int status)
{
	const struct round *r = &a->round;
	task->asked = (uint8_t)quorum_count(quorum_all(&r->quorum));
	task->answered = (uint8_t)quorum_count(r->agreed | r->refused);
	coordinator_fail(node, step, task, status);
}

void rounds_fail(struct node *node, struct node_step *step, struct active *a, int status)
{
	struct task *task;
	while ((task = rounds_leave(a)) != NULL)
		rounds_fail_task(node, step, a, task, status);
	a->state = ACTIVE_IDLE;
}

void rounds_fail_for(struct node *node, struct node_step *step, struct active *a, int status)
{
	rounds_fail(node, step, a, a->round.attempt_count > 0 ? DHT_EUNCERTAIN : status);
}

/* The task was decided: its results are what it is told. */
static void settle(struct node *node, struct active *a, struct task *task)
{
	active_keep_value(node, a, task);
	task->whole.end = a->rests_on;
}

/* ---- Waiting ------------------------------------------------------------------------------- */

static uint64_t draw_random(const struct node_step *step, const struct active *a)
{
	uint64_t x = step->random ^ a->key.hash ^ a->round.tag * 0x9E3779B97F4A7C15ull;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	return x ^ (x >> 31);
}

static void wait_for_answers(struct node *node, struct node_step *step, struct active *a)
{
	unsigned tries = a->round.rounds - 1u;
	a->state = ACTIVE_ASKS;
	size_t told = a->round.base.value.len, own = a->named.value.len;
	a->until_us = step->now_us + (told > own ? told : own) / ROUND_BYTES_A_US +
		      (node->times.round_us << (tries < ROUND_SHIFT_MAX ? tries : ROUND_SHIFT_MAX));
}

/* At random, so that two coordinators do not go on refusing each other; longer with each try: soon
 * one of them has the time that a round takes. The first one is short: once the other one has
 * written twice, nobody could tell what became of an attempt. */
static void back_off(struct node *node, struct node_step *step, struct active *a)
{
	unsigned tries = a->round.rounds - 1u;
	unsigned shift = tries < BACK_OFF_SHIFT_MAX ? tries : BACK_OFF_SHIFT_MAX;
	uint64_t mean_us = (node->times.back_off_us << shift) / BACK_OFF_PART;
	a->state = ACTIVE_BACKS_OFF;
	a->until_us = step->now_us + mean_us / 2 + draw_random(step, a) % (mean_us + 1);
}

/* ---- What a round says ------------------------------------------------------------------- */

/* The broken variant fills in what was omitted from the record as it is now. */
static void fill_in_late(struct active *a, const struct entry *entry)
{
	struct paxos_record *base = &a->round.base;
	if (!PAXOS_BROKEN(OMITTED_LATE) || !a->was_omitted ||
	    !ballot_equal(base->acc, a->named.acc))
		return;
	base->value = entry->acceptor.record.value;
	base->is_tombstone = entry->acceptor.record.is_tombstone;
}

static void fill_in_read_late(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	if (PAXOS_BROKEN(OMITTED_LATE) && entry_load(node, step, &a->key, &entry) == 0)
		fill_in_late(a, &entry);
}

/* Answers from what was read, as long as nothing is to be changed. */
static void on_read_done(struct node *node, struct node_step *step, struct active *a)
{
	struct record base = entry_record(&a->round.base, a->key.key);
	struct list *link;
	while ((link = list_first(&a->batch)) != NULL) {
		struct task *task = LIST_ENTRY(link, struct task, link);
		struct change change;
		series_set_time(&task->series, step->now_ms);
		task->whole = (struct op_result){0};
		series_apply(&task->series, &base, &change, &task->whole);
		if (change.changes) {
			a->state = ACTIVE_PREPARES;
			return;
		}
		series_written(&task->series, &task->whole);
		settle(node, a, task);
		coordinator_end(node, step, rounds_leave(a));
	}
	a->state = ACTIVE_IDLE;
}

/* Lets this node write next without preparing, if that is so. Where another one may write by way of
 * the others meanwhile, that would be an attempt of which nobody could tell what became of it. */
static void heat(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	if (entry_load(node, step, &a->key, &entry) != 0 || entry.hit.location == 0)
		return;
	struct acceptor_key *own = &entry.acceptor;
	bool hot = round_makes_hot(&a->round, &own->record, own->promised) && !a->is_contended;
	if (hot == own->hot)
		return;
	own->hot = hot;
	entry_save_promise(node, &entry);
}

static int on_decided(struct node *node, struct node_step *step, struct active *a)
{
	struct task *task;
	heat(node, step, a);
	/* One may show what another one wrote, which goes with that one's owner. */
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next)
		settle(node, a, LIST_ENTRY(link, struct task, link));
	while ((task = rounds_leave(a)) != NULL)
		coordinator_end(node, step, task);
	a->state = ACTIVE_IDLE;
	return a->round.base.is_tombstone ? collect_key(node, step, &a->key) : 0;
}

/* True if the record was written by a coordinator that this node does not hear, but others may: it
 * may write on, and this node would not know of it. */
static bool is_of_one_away(const struct node *node, const struct paxos_record *base)
{
	uint16_t by = (uint16_t)ballot_member(base->ver);
	return !ballot_is_absent(base->ver) && by != node->number && by < RING_MEMBERS_MAX &&
	       (node_is_down(node, by) || node_is_slow(node, by));
}

/* Returns 0 or DHT_EDAMAGED. */
int rounds_follow(struct node *node, struct node_step *step, struct active *a, enum round_step said)
{
	switch (said) {
	case ROUND_WAITS:
		return 0;
	case ROUND_READ_DONE:
		fill_in_read_late(node, step, a);
		on_read_done(node, step, a);
		return 0;
	case ROUND_CHANGE:
		a->is_contended = is_of_one_away(node, &a->round.base);
		a->state = ACTIVE_PROPOSES;
		return 0;
	case ROUND_TOOK:
		active_recall(a, a->round.took);
		a->state = ACTIVE_REPEATS;
		return 0;
	case ROUND_DECIDED:
		return on_decided(node, step, a);
	case ROUND_RETRY:
		if (a->round.phase == ROUND_READING)
			a->state = ACTIVE_PREPARES;
		else
			back_off(node, step, a);
		return 0;
	case ROUND_NOT_DONE:
		rounds_fail(node, step, a, DHT_ENOQUORUM);
		return 0;
	case ROUND_UNKNOWN:
		rounds_fail(node, step, a, DHT_EUNCERTAIN);
		return 0;
	}
	DHT_UNREACHABLE();
}

/* ---- Asking ------------------------------------------------------------------------------ */

static enum message_kind question_of(enum round_phase phase)
{
	switch (phase) {
	case ROUND_READING:
		return MESSAGE_READ;
	case ROUND_PREPARING:
		return MESSAGE_PREPARE;
	case ROUND_ACCEPTING:
		return MESSAGE_ACCEPT;
	case ROUND_IDLE:
		break;
	}
	DHT_UNREACHABLE();
}

/* Asks the other replicas. A proposal that is stored here is read from there, or it is NULL. */
static void ask(struct node *node, struct node_step *step, struct active *a,
		const struct store_hit *stored)
{
	const struct round *r = &a->round;
	struct message m = {
	    .kind = question_of(r->phase),
	    .from = node->number,
	    .block = a->key.block,
	    .version = r->version,
	    .tag = r->tag,
	    .key = a->key.key,
	};
	if (r->phase != ROUND_READING)
		m.b = r->b;
	if (r->phase != ROUND_ACCEPTING || a->is_fast)
		m.named = a->named.acc;
	if (r->phase == ROUND_ACCEPTING) {
		m.record = r->base;
		m.next = PAXOS_BROKEN(FAST_PREVIOUS) ? r->b : r->next;
	}
	if (stored != NULL) {
		m.record.value = stored->record.value;
		m.location = stored->location;
	}
	uint16_t to[QUORUM_SEATS];
	unsigned count = node_block_others(block_of(node, a), quorum_all(&r->quorum), to);
	if (count > 0)
		step->effects->send(step->effects->ctx, to, count, &m, node_map_end(node));
}

static bool own_seat_answers(const struct node_block *block)
{
	return !node_block_is_recovering(block);
}

int rounds_read(struct node *node, struct node_step *step, struct active *a)
{
	struct node_block *block = block_of(node, a);
	struct entry entry;
	int rc = entry_load(node, step, &a->key, &entry);
	if (rc != 0)
		return rc;
	rc = active_name(node, a, &entry);
	if (rc != 0) {
		rounds_fail_for(node, step, a, rc);
		return 0;
	}
	enum round_step said = ROUND_WAITS;
	if (!round_read(&a->round, node_tag(node)))
		return rounds_follow(node, step, a, round_give_up(&a->round));
	wait_for_answers(node, step, a);
	if (own_seat_answers(block))
		said = round_on_value(&a->round, block->self, a->round.tag, &a->named);
	if (said == ROUND_WAITS)
		ask(node, step, a, NULL);
	return rounds_follow(node, step, a, said);
}

int rounds_draw(struct node *node, struct node_step *step, const struct active *a, struct ballot *b)
{
	int rc = counter_draw(&node->counter, PAXOS_BROKEN(NO_VERSION) ? 0 : a->round.version, b);
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	return rc;
}

/* Who has refused may go on to promise others while this node backs off: one that only follows
 * would always come too late against a coordinator that writes on and on. */
void rounds_see_bound(struct node *node, struct ballot bound)
{
	uint64_t counter = ballot_counter(bound);
	if (ballot_is_absent(bound))
		return;
	counter = counter < BALLOT_COUNTER_MAX - LEAD ? counter + LEAD : counter;
	int rc = counter_raise(&node->counter, ballot_make(bound.version, counter, 0));
	(void)rc; /* whoever draws next is told the same */
}

static enum round_step prepare_own(struct node *node, struct active *a, struct entry *entry)
{
	struct node_block *block = block_of(node, a);
	struct round *r = &a->round;
	if (!own_seat_answers(block))
		return ROUND_WAITS;
	struct acceptor_answer answer = replica_prepare(node, entry, r->b);
	if (answer.is_ok)
		return round_on_promise(r, block->self, r->tag, r->b, &a->named, answer.ballot);
	rounds_see_bound(node, answer.ballot);
	return round_on_nack(r, block->self, r->tag);
}

int rounds_prepare(struct node *node, struct node_step *step, struct active *a)
{
	struct ballot b;
	struct entry entry;
	int rc = entry_load(node, step, &a->key, &entry);
	if (rc == 0)
		rc = rounds_draw(node, step, a, &b);
	if (rc != 0)
		return rc;
	rc = active_name(node, a, &entry);
	if (rc != 0) {
		rounds_fail_for(node, step, a, rc);
		return 0;
	}
	if (!round_prepare(&a->round, node_tag(node), b))
		return rounds_follow(node, step, a, round_give_up(&a->round));
	wait_for_answers(node, step, a);
	enum round_step said = prepare_own(node, a, &entry);
	if (said == ROUND_WAITS)
		ask(node, step, a, NULL);
	return rounds_follow(node, step, a, said);
}

/* ---- Proposals --------------------------------------------------------------------------- */

/* Only in a broken variant: what is accepted here was never promised. */
static bool refuses_fast(const struct active *a, const struct entry *entry)
{
	const struct acceptor_key *own = &entry->acceptor;
	return PAXOS_BROKEN(FAST_PREVIOUS) && a->is_fast &&
	       (!own->has_entry || !ballot_equal(own->record.acc, own->promised) ||
		!ballot_equal(own->record.acc, a->named.acc));
}

/* This node's own log has no room for the change, which nobody has heard of. One that frees
 * room may still find it: so each task for itself. */
static void refuse_for_room(struct node *node, struct node_step *step, struct active *a, int rc)
{
	if (a->batch_count > 1) {
		active_give_back(a, 1);
		a->is_single = true;
		return;
	}
	rounds_fail(node, step, a, rc);
}

static enum round_step count_own(struct node *node, struct active *a,
				 const struct acceptor_answer *answer)
{
	struct round *r = &a->round;
	unsigned self = block_of(node, a)->self;
	if (answer->is_ok)
		return round_on_ok(r, self, r->tag, r->b, answer->ballot);
	rounds_see_bound(node, answer->ballot);
	return round_on_nack(r, self, r->tag);
}

/* Stores the proposal in the own seat, then sends it. before is the round as it was before it
 * was proposed, where it goes back to if that cannot be yet. */
static int accept(struct node *node, struct node_step *step, struct active *a, struct entry *entry,
		  const struct round *before)
{
	struct round *r = &a->round;
	struct acceptor_answer answer = {.is_ok = false};
	enum round_step said = ROUND_WAITS;
	const struct store_hit *stored = NULL;
	int rc = 0;
	entry->acceptor.hot = false;
	const struct acceptor_key unstored = entry->acceptor;
	if (own_seat_answers(entry->block) && !refuses_fast(a, entry)) {
		answer = acceptor_accept(&entry->block->acceptor, &entry->acceptor, &r->base,
					 PAXOS_BROKEN(FAST_PREVIOUS) ? r->b : r->next);
		rc = entry_save(node, step, entry, answer.effect);
	}
	if (rc == DHT_EAGAIN) {
		*r = *before;
		return rc;
	}
	if (rc != 0 && before->attempt_count == 0 && r->attempt_count > 0) {
		*r = *before;
		refuse_for_room(node, step, a, rc);
		return 0;
	}
	if (rc == 0) {
		a->rests_on = entry_rests_on(node, entry);
		if (own_seat_answers(entry->block))
			said = count_own(node, a, &answer);
		if (answer.effect == ACCEPTOR_STORE)
			stored = &entry->hit;
	} else {
		/* It goes out without the own vote: the ballot is not to be used again. */
		entry->acceptor = unstored;
		entry_save_promise(node, entry);
	}
	wait_for_answers(node, step, a);
	ask(node, step, a, stored);
	return rounds_follow(node, step, a, said);
}

/* What an ACCEPT at the round's ballot needs first. */
static int load_for_accept(struct node *node, struct node_step *step, const struct active *a,
			   struct entry *entry)
{
	int rc = entry_load(node, step, &a->key, entry);
	return rc != 0 ? rc : node_see(node, step, ballot_successor(a->round.b));
}

int rounds_propose_over(struct node *node, struct node_step *step, struct active *a,
			struct entry *entry)
{
	struct round before = a->round;
	struct paxos_record made;
	fill_in_late(a, entry);
	bool changed = active_compose(a, step->now_ms, &made);
	round_propose(&a->round, node_tag(node), &made, changed);
	return accept(node, step, a, entry, &before);
}

int rounds_propose(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	int rc = load_for_accept(node, step, a, &entry);
	return rc != 0 ? rc : rounds_propose_over(node, step, a, &entry);
}

int rounds_propose_again(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	int rc = load_for_accept(node, step, a, &entry);
	if (rc != 0)
		return rc;
	struct round before = a->round;
	fill_in_late(a, &entry);
	round_propose_again(&a->round, node_tag(node));
	return accept(node, step, a, &entry, &before);
}
