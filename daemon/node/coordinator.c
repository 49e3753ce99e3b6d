/* SPDX-License-Identifier: Apache-2.0 */
#include "node/coordinator.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/active.h"
#include "node/collect.h"
#include "node/forward.h"
#include "node/local.h"
#include "node/replica.h"
#include "paxos/variant.h"

enum {
	ROUND_SHIFT_MAX = 6, /* the time of a round doubles with each try, so often */
};

static struct node_block *block_of(struct node *node, const struct active *a)
{
	return &node->blocks[a->key.block];
}

/* ---- The end of tasks ------------------------------------------------------------------ */

void coordinator_end(struct node *node, struct node_step *step, struct task *task)
{
	if (task->end != NULL)
		task->end(node, step, task);
	else
		step->effects->done(step->effects->ctx, task);
}

void coordinator_fail(struct node *node, struct node_step *step, struct task *task, int status)
{
	task->whole = (struct op_result){.status = status};
	coordinator_end(node, step, task);
}

static struct task *leave_batch(struct active *a)
{
	struct list *link = list_first(&a->batch);
	if (link == NULL)
		return NULL;
	list_remove(link);
	a->batch_count--;
	return LIST_ENTRY(link, struct task, link);
}

static void fail(struct node *node, struct node_step *step, struct active *a, struct task *task,
		 int status)
{
	const struct round *r = &a->round;
	task->asked = (uint8_t)quorum_count(quorum_all(&r->quorum));
	task->answered = (uint8_t)quorum_count(r->agreed | r->refused);
	coordinator_fail(node, step, task, status);
}

/* Ends the whole batch. */
static void fail_batch(struct node *node, struct node_step *step, struct active *a, int status)
{
	struct task *task;
	while ((task = leave_batch(a)) != NULL)
		fail(node, step, a, task, status);
	a->state = ACTIVE_IDLE;
}

/* The same for a reason of this node's own, which is not the whole truth where a change may
 * have been sent. */
static void fail_for(struct node *node, struct node_step *step, struct active *a, int status)
{
	fail_batch(node, step, a, a->round.attempt_count > 0 ? DHT_EUNCERTAIN : status);
}

/* The task was decided: its results are what it is told. */
static void settle(struct node *node, struct active *a, struct task *task)
{
	active_keep_value(node, a, task);
	task->whole.end = a->rests_on;
}

/* ---- Time ------------------------------------------------------------------------------ */

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
	a->until_us = step->now_us +
		      (node->times.round_us << (tries < ROUND_SHIFT_MAX ? tries : ROUND_SHIFT_MAX));
}

/* At random, so that two coordinators do not go on refusing each other; longer with each try. */
static void back_off(struct node *node, struct node_step *step, struct active *a)
{
	uint64_t mean_us = node->times.back_off_us * a->round.rounds;
	a->state = ACTIVE_BACKS_OFF;
	a->until_us = step->now_us + mean_us / 2 + draw_random(step, a) % (mean_us + 1);
}

static void alarm_by(struct node *node, struct node_step *step, struct active *a, uint64_t at_us)
{
	if (a->alarm != 0 && a->alarm_us <= at_us)
		return;
	a->alarm = node_tag(node);
	a->alarm_us = at_us;
	struct node_timer timer = {.block = a->key.block, .hash = a->key.hash, .tag = a->alarm};
	step->effects->timer(step->effects->ctx, &timer,
			     at_us > step->now_us ? at_us - step->now_us : 0);
}

static uint64_t earliest_deadline(const struct list *tasks, uint64_t at_us)
{
	for (struct list *link = tasks->next; link != tasks; link = link->next) {
		uint64_t deadline_us = LIST_ENTRY(link, struct task, link)->deadline_us;
		at_us = deadline_us < at_us ? deadline_us : at_us;
	}
	return at_us;
}

/* Makes sure that an alarm goes off in time for what is waited for, and for each deadline. */
static void set_alarm(struct node *node, struct node_step *step, struct active *a, uint64_t at_us)
{
	if (a->alarm != 0 && a->alarm_us <= at_us)
		return;
	at_us = earliest_deadline(&a->queue, earliest_deadline(&a->batch, at_us));
	alarm_by(node, step, a, at_us);
}

static bool has_late_task(const struct node_step *step, const struct active *a)
{
	return earliest_deadline(&a->batch, UINT64_MAX) <= step->now_us;
}

static void expire_tasks(struct node *node, struct node_step *step, struct active *a,
			 struct list *tasks)
{
	LIST_FOREACH_SAFE(link, following, tasks)
	{
		struct task *task = LIST_ENTRY(link, struct task, link);
		if (task->deadline_us > step->now_us)
			continue;
		list_remove(link);
		a->batch_count -= tasks == &a->batch;
		fail(node, step, a, task, DHT_ENOQUORUM);
	}
}

/* Ends what has taken too long. Once its change was sent a batch stands or falls as a whole. */
static void expire(struct node *node, struct node_step *step, struct active *a)
{
	expire_tasks(node, step, a, &a->queue);
	if (a->round.attempt_count == 0)
		expire_tasks(node, step, a, &a->batch);
	else if (has_late_task(step, a))
		fail_batch(node, step, a, DHT_EUNCERTAIN);
	if (a->batch_count == 0)
		a->state = ACTIVE_IDLE;
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
		settle(node, a, task);
		coordinator_end(node, step, leave_batch(a));
	}
	a->state = ACTIVE_IDLE;
}

/* Lets this node write next without preparing, if that is so. */
static void heat(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	if (entry_load(node, step, &a->key, &entry) != 0 || entry.hit.location == 0)
		return;
	struct acceptor_key *own = &entry.acceptor;
	bool hot = round_makes_hot(&a->round, &own->record, own->promised);
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
	while ((task = leave_batch(a)) != NULL)
		coordinator_end(node, step, task);
	a->state = ACTIVE_IDLE;
	return a->round.base.is_tombstone ? collect_key(node, step, &a->key) : 0;
}

/* Returns 0 or DHT_EDAMAGED. */
static int follow(struct node *node, struct node_step *step, struct active *a, enum round_step said)
{
	switch (said) {
	case ROUND_WAITS:
		return 0;
	case ROUND_READ_DONE:
		on_read_done(node, step, a);
		return 0;
	case ROUND_CHANGE:
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
		fail_batch(node, step, a, DHT_ENOQUORUM);
		return 0;
	case ROUND_UNKNOWN:
		fail_batch(node, step, a, DHT_EUNCERTAIN);
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
		m.is_same = a->is_fast;
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

static int begin_read(struct node *node, struct node_step *step, struct active *a)
{
	struct node_block *block = block_of(node, a);
	struct entry entry;
	int rc = entry_load(node, step, &a->key, &entry);
	if (rc != 0)
		return rc;
	rc = active_name(node, a, &entry);
	if (rc != 0) {
		fail_for(node, step, a, rc);
		return 0;
	}
	enum round_step said = ROUND_WAITS;
	if (!round_read(&a->round, node_tag(node)))
		return follow(node, step, a, round_give_up(&a->round));
	wait_for_answers(node, step, a);
	if (own_seat_answers(block))
		said = round_on_value(&a->round, block->self, a->round.tag, &a->named);
	if (said == ROUND_WAITS)
		ask(node, step, a, NULL);
	return follow(node, step, a, said);
}

static int draw_ballot(struct node *node, struct node_step *step, const struct active *a,
		       struct ballot *b)
{
	int rc = counter_draw(&node->counter, PAXOS_BROKEN(NO_VERSION) ? 0 : a->round.version, b);
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	return rc;
}

/* A refusal: the next ballot that is drawn is above its bound. What is told with an error here
 * is told again by that draw. */
static void see_bound(struct node *node, struct ballot bound)
{
	if (!ballot_is_absent(bound) && counter_raise(&node->counter, bound) != 0)
		return;
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
	see_bound(node, answer.ballot);
	return round_on_nack(r, block->self, r->tag);
}

static int begin_prepare(struct node *node, struct node_step *step, struct active *a)
{
	struct ballot b;
	struct entry entry;
	int rc = entry_load(node, step, &a->key, &entry);
	if (rc == 0)
		rc = draw_ballot(node, step, a, &b);
	if (rc != 0)
		return rc;
	rc = active_name(node, a, &entry);
	if (rc != 0) {
		fail_for(node, step, a, rc);
		return 0;
	}
	if (!round_prepare(&a->round, node_tag(node), b))
		return follow(node, step, a, round_give_up(&a->round));
	wait_for_answers(node, step, a);
	enum round_step said = prepare_own(node, a, &entry);
	if (said == ROUND_WAITS)
		ask(node, step, a, NULL);
	return follow(node, step, a, said);
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
	fail_batch(node, step, a, rc);
}

static enum round_step count_own(struct node *node, struct active *a,
				 const struct acceptor_answer *answer)
{
	struct round *r = &a->round;
	unsigned self = block_of(node, a)->self;
	if (answer->is_ok)
		return round_on_ok(r, self, r->tag, r->b, answer->ballot);
	see_bound(node, answer->ballot);
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
	}
	wait_for_answers(node, step, a);
	ask(node, step, a, stored);
	return follow(node, step, a, said);
}

/* What an ACCEPT at the round's ballot needs first. */
static int load_for_accept(struct node *node, struct node_step *step, const struct active *a,
			   struct entry *entry)
{
	int rc = entry_load(node, step, &a->key, entry);
	return rc != 0 ? rc : node_see(node, step, ballot_successor(a->round.b));
}

static int propose_over(struct node *node, struct node_step *step, struct active *a,
			struct entry *entry)
{
	struct round before = a->round;
	struct paxos_record made;
	fill_in_late(a, entry);
	bool changed = active_compose(a, step->now_ms, &made);
	round_propose(&a->round, node_tag(node), &made, changed);
	return accept(node, step, a, entry, &before);
}

static int propose(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	int rc = load_for_accept(node, step, a, &entry);
	return rc != 0 ? rc : propose_over(node, step, a, &entry);
}

static int propose_again(struct node *node, struct node_step *step, struct active *a)
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

/* ---- The begin of a batch ------------------------------------------------------------------ */

static bool has_waiting_write(const struct active *a)
{
	for (struct list *link = a->queue.next; link != &a->queue; link = link->next) {
		if (series_writes(&LIST_ENTRY(link, struct task, link)->series))
			return true;
	}
	return false;
}

/* True for an operation that may find nothing to change. */
static bool may_leave(const struct op *op)
{
	switch (op->kind) {
	case OP_GET:
	case OP_TTL:
	case OP_DEL:
	case OP_EXPIRE:
	case OP_CAS_VALUE:
	case OP_CAS_VERSION:
		return true;
	case OP_PUT:
		return op->conditions != OP_ALWAYS;
	case OP_INCR:
	case OP_INCR_FLOAT:
	case OP_APPEND:
		return false;
	}
	DHT_UNREACHABLE();
}

static bool may_leave_all(const struct series *series)
{
	for (size_t i = 0; i < series->count; i++) {
		if (!may_leave(&series->ops[i]))
			return false;
	}
	return true;
}

/* True if a READ round is worth its trip: for what only reads, and for what would change nothing
 * of the record as this node knows it, which is most likely the latest. */
static bool reads_first(const struct node_step *step, struct task *task, const struct record *own)
{
	struct series *series = &task->series;
	struct op_result whole = {0};
	struct change change;
	if (task->kind == TASK_IDENTITY)
		return false;
	if (!series_writes(series))
		return true;
	if (!series->is_watched && !may_leave_all(series))
		return false;
	series_set_time(series, step->now_ms);
	series_apply(series, own, &change, &whole);
	return !change.changes;
}

static struct record own_record(const struct entry *entry)
{
	if (entry->hit.location != 0)
		return entry->hit.record;
	return (struct record){.kind = RECORD_TOMBSTONE};
}

/* Takes the first task, and with it all behind it that read, too, if it does. */
static void take_batch(const struct node_step *step, struct active *a, const struct entry *entry)
{
	struct record own = own_record(entry);
	struct task *task = active_take(a);
	a->state = ACTIVE_PREPARES;
	if (!reads_first(step, task, &own))
		return;
	a->state = ACTIVE_READS;
	while (!list_is_empty(&a->queue) && a->batch_count < ACTIVE_BATCH_MAX &&
	       reads_first(step, LIST_ENTRY(list_first(&a->queue), struct task, link), &own))
		active_take(a);
}

/* The ballot was reserved: what waits is proposed at once. */
static int begin_hot(struct node *node, struct node_step *step, struct active *a,
		     struct entry *entry)
{
	struct ballot b = entry->acceptor.promised;
	int rc = PAXOS_BROKEN(FAST_FRESH) ? draw_ballot(node, step, a, &b) : 0;
	if (rc == 0)
		rc = node_see(node, step, ballot_successor(b));
	if (rc != 0)
		return rc;
	active_take(a);
	rc = active_name(node, a, entry);
	if (rc != 0) {
		fail_for(node, step, a, rc);
		return 0;
	}
	round_hot(&a->round, &a->named, b);
	a->state = ACTIVE_PROPOSES;
	rc = propose_over(node, step, a, entry);
	if (rc == DHT_EAGAIN) {
		active_give_back(a, 0);
		active_clear(node, a);
	}
	return rc;
}

/* Only in a broken variant. True if it was tried; *rc says what came of it. */
static bool begin_fast(struct node *node, struct node_step *step, struct active *a,
		       struct entry *entry, int *rc)
{
	const struct acceptor_key *own = &entry->acceptor;
	struct paxos_record made;
	struct ballot b;
	*rc = 0;
	if (!PAXOS_BROKEN(FAST_PREVIOUS) || !paxos_record_is_there(&own->record) ||
	    !ballot_equal(own->record.acc, own->promised) || draw_ballot(node, step, a, &b) != 0 ||
	    node_see(node, step, ballot_successor(b)) != 0 || active_name(node, a, entry) != 0)
		return false;
	round_hot(&a->round, &a->named, b);
	if (!active_compose(a, step->now_ms, &made)) {
		active_give_back(a, 1);
		round_init(&a->round, &entry->block->quorum, entry->block->acceptor.version,
			   entry->block->acceptor.start);
		return false;
	}
	a->is_fast = true;
	a->state = ACTIVE_PROPOSES;
	*rc = propose_over(node, step, a, entry);
	return true;
}

static int begin(struct node *node, struct node_step *step, struct active *a)
{
	struct entry entry;
	int rc = entry_load(node, step, &a->key, &entry);
	if (rc != 0)
		return rc;
	active_clear(node, a);
	struct task *first = LIST_ENTRY(list_first(&a->queue), struct task, link);
	if (entry.acceptor.hot && first->kind != TASK_IDENTITY && has_waiting_write(a))
		return begin_hot(node, step, a, &entry);
	take_batch(step, a, &entry);
	if (a->state == ACTIVE_PREPARES && first->kind != TASK_IDENTITY &&
	    begin_fast(node, step, a, &entry, &rc))
		return rc;
	return 0;
}

/* ---- What drives it ---------------------------------------------------------------------- */

/* Goes on until answers or time are waited for, or nothing is left to do: then a is gone. Each
 * turn ends a task, begins one of ROUND_MAX rounds of a batch, or waits. */
static int drive(struct node *node, struct node_step *step, struct active *a)
{
	for (;;) {
		int rc = 0;
		switch (a->state) {
		case ACTIVE_IDLE:
			if (list_is_empty(&a->queue)) {
				active_destroy(node, a);
				return 0;
			}
			rc = begin(node, step, a);
			break;
		case ACTIVE_READS:
			rc = begin_read(node, step, a);
			break;
		case ACTIVE_PREPARES:
			rc = begin_prepare(node, step, a);
			break;
		case ACTIVE_PROPOSES:
			rc = propose(node, step, a);
			break;
		case ACTIVE_REPEATS:
			rc = propose_again(node, step, a);
			break;
		case ACTIVE_ASKS:
		case ACTIVE_BACKS_OFF:
			set_alarm(node, step, a, a->until_us);
			return 0;
		}
		if (rc != 0)
			return rc;
	}
}

/* The same for a key that goes on by itself if it has to wait and nobody repeats the call. */
static int advance(struct node *node, struct node_step *step, struct active *a)
{
	int rc = drive(node, step, a);
	if (rc == DHT_EAGAIN)
		set_alarm(node, step, a, step->now_us + node->times.round_us);
	return rc;
}

/* The one replica asks nobody: the whole round is this step. */
static int run_alone(struct node *node, struct node_step *step, struct task *task)
{
	struct op_result *whole = &task->whole;
	*whole = (struct op_result){0};
	series_set_time(&task->series, step->now_ms);
	task->series.fetched = step->fetched;
	local_run_series(node, step->appender, &task->series, whole);
	task->series.fetched = NULL;
	if (whole->status == DHT_EDAMAGED)
		return DHT_EDAMAGED;
	if (whole->status == DHT_EAGAIN) {
		step->waits_for = whole->cold != 0 ? NODE_WAITS_FOR_RECORD : NODE_WAITS_FOR_COMMIT;
		step->cold = whole->cold;
		return DHT_EAGAIN;
	}
	uint64_t map_end = node_map_end(node);
	whole->end = whole->end > map_end ? whole->end : map_end;
	if (whole->location != 0 && !whole->is_pinned) {
		store_pin(node->store, whole->location);
		whole->is_pinned = true;
	}
	coordinator_end(node, step, task);
	return 0;
}

int coordinator_submit(struct node *node, struct node_step *step, struct task *task)
{
	struct node_block *block = &node->blocks[task->series.key.block];
	DHT_ASSERT(node_block_is_replica(block));
	struct active *a = active_find(block, &task->series.key);
	if (a != NULL) {
		list_push_tail(&a->queue, &task->link);
		alarm_by(node, step, a, task->deadline_us);
		return 0;
	}
	if (node_block_is_alone(block) && task->kind == TASK_OPERATIONS)
		return run_alone(node, step, task);
	a = active_create(block, &task->series.key);
	if (a == NULL) {
		coordinator_fail(node, step, task, DHT_ENOMEM);
		return 0;
	}
	list_push_tail(&a->queue, &task->link);
	int rc = drive(node, step, a);
	if (rc != 0) {
		list_remove(&task->link);
		active_destroy(node, a);
	}
	return rc;
}

/* ---- Answers ----------------------------------------------------------------------------- */

/* A refusal, also a late one: what is reserved here does not help any more. */
static void cool(struct node *node, struct node_step *step, const struct store_key *key,
		 struct ballot bound)
{
	struct entry entry;
	see_bound(node, bound);
	if (entry_load(node, step, key, &entry) != 0 || !entry.acceptor.hot)
		return;
	entry.acceptor.hot = false;
	entry_save_promise(node, &entry);
}

/* The record that an answer tells, its value included. False: the answer makes no sense. */
static bool take_record(struct active *a, const struct message *m, struct paxos_record *record)
{
	*record = m->record;
	if (!m->is_omitted)
		return true;
	if (!ballot_equal(record->acc, a->named.acc))
		return false;
	record->value = a->named.value;
	a->was_omitted = true;
	return true;
}

/* True if this promise will be counted, and its record is the highest so far. */
static bool is_highest(const struct active *a, unsigned seat, const struct message *m)
{
	const struct round *r = &a->round;
	return ballot_equal(m->b, r->b) && (r->agreed >> seat & 1) == 0 &&
	       ballot_compare(m->record.acc, r->base.acc) > 0;
}

static enum round_step on_promise(struct node *node, struct active *a, unsigned seat,
				  const struct message *m)
{
	struct paxos_record record;
	if (!take_record(a, m, &record))
		return ROUND_WAITS;
	if (!m->is_omitted && is_highest(a, seat, m)) {
		/* Without memory for it, the answer is lost. */
		if (active_hold_found(node, a, record.value) != 0)
			return ROUND_WAITS;
		record.value = a->found.bytes;
	}
	return round_on_promise(&a->round, seat, m->tag, m->b, &record, m->bound);
}

static enum round_step on_value(struct active *a, unsigned seat, const struct message *m)
{
	struct paxos_record record;
	if (!take_record(a, m, &record))
		return ROUND_WAITS;
	return round_on_value(&a->round, seat, m->tag, &record);
}

static enum round_step on_answer(struct node *node, struct active *a, const struct message *m)
{
	unsigned seat = node_block_seat(block_of(node, a), m->from);
	if (seat == NODE_NO_SEAT)
		return ROUND_WAITS;
	if (m->kind == MESSAGE_VALUE)
		return on_value(a, seat, m);
	if (!m->is_ok)
		return round_on_nack(&a->round, seat, m->tag);
	if (m->kind == MESSAGE_PROMISE)
		return on_promise(node, a, seat, m);
	return round_on_ok(&a->round, seat, m->tag, m->b, m->bound);
}

static bool is_answer_to(const struct active *a, const struct message *m)
{
	return a->state == ACTIVE_ASKS && m->tag == a->round.tag;
}

int coordinator_handle(struct node *node, struct node_step *step, const struct message *m)
{
	struct store_key key = node_key(node, m->key);
	if (m->kind != MESSAGE_VALUE && !m->is_ok)
		cool(node, step, &key, m->bound);
	struct active *a = active_find(&node->blocks[key.block], &key);
	if (a == NULL)
		return 0;
	int rc = is_answer_to(a, m) ? follow(node, step, a, on_answer(node, a, m)) : 0;
	return rc != 0 ? rc : advance(node, step, a);
}

/* ---- Other events ------------------------------------------------------------------------ */

static int on_time(struct node *node, struct node_step *step, struct active *a)
{
	expire(node, step, a);
	if (a->until_us > step->now_us)
		return 0;
	if (a->state == ACTIVE_ASKS)
		return follow(node, step, a, round_on_timeout(&a->round));
	if (a->state == ACTIVE_BACKS_OFF)
		a->state = ACTIVE_PREPARES;
	return 0;
}

bool coordinator_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer,
			  int *rc)
{
	struct active *a = active_find_alarm(&node->blocks[timer->block], timer);
	if (a == NULL)
		return false;
	a->alarm = 0;
	*rc = on_time(node, step, a);
	if (*rc == 0)
		*rc = drive(node, step, a);
	if (*rc == DHT_EAGAIN) { /* the call is repeated */
		a->alarm = timer->tag;
		a->alarm_us = step->now_us;
	}
	return true;
}

static void end_identity(struct node *node, struct node_step *step, struct task *task)
{
	(void)node, (void)step;
	task_fini(task);
	free(task);
}

int coordinator_identity(struct node *node, struct node_step *step, const struct store_key *key)
{
	struct node_block *block = &node->blocks[key->block];
	if (!node_block_is_replica(block) || active_find(block, key) != NULL)
		return 0;
	struct task *task = malloc(sizeof(*task));
	if (task == NULL)
		return 0; /* there will be another occasion */
	task_init(task, TASK_IDENTITY);
	task->end = end_identity;
	task->series.key = *key;
	task->deadline_us = step->now_us + TASK_DEADLINE_MAX_US;
	int rc = coordinator_submit(node, step, task);
	if (rc != 0)
		end_identity(node, step, task);
	return rc;
}

/* ---- A new version of the block ------------------------------------------------------------ */

/* No replica any more: what was sent as a change has an unknown outcome, the rest is somebody
 * else's to do. */
static void leave(struct node *node, struct node_step *step, struct active *a)
{
	struct list tasks;
	if (a->round.attempt_count > 0)
		fail_batch(node, step, a, DHT_EUNCERTAIN);
	list_init(&tasks);
	active_give_back(a, 0);
	list_splice_tail(&tasks, &a->queue);
	active_destroy(node, a);
	LIST_FOREACH_SAFE(link, following, &tasks)
	{
		list_remove(link);
		forward_task(node, step, LIST_ENTRY(link, struct task, link));
	}
}

static void move_round(struct active *a, const struct node_block *block)
{
	const struct acceptor_block *now = &block->acceptor;
	bool reads = a->state == ACTIVE_READS;
	if (a->state == ACTIVE_IDLE || a->round.version == now->version)
		return;
	enum round_phase next = round_move(&a->round, &block->quorum, now->version, now->start);
	a->state = reads || next == ROUND_READING ? ACTIVE_READS : ACTIVE_PREPARES;
}

struct move {
	struct node *node;
	struct node_step *step;
	struct node_block *block;
	int rc;
};

static void move(void *ctx, struct table_link *link)
{
	struct move *m = ctx;
	struct active *a = DHT_CONTAINER_OF(link, struct active, link);
	if (!node_block_is_replica(m->block)) {
		leave(m->node, m->step, a);
		return;
	}
	if (PAXOS_BROKEN(OLD_VERSIONS))
		return;
	move_round(a, m->block);
	int rc = advance(m->node, m->step, a);
	if (rc != 0 && rc != DHT_EAGAIN)
		m->rc = rc;
}

int coordinator_move(struct node *node, struct node_step *step, uint32_t block)
{
	struct move m = {.node = node, .step = step, .block = &node->blocks[block]};
	table_visit(&m.block->active, move, &m);
	return m.rc;
}

static void forget_tasks(struct node *node, struct list *tasks)
{
	LIST_FOREACH_SAFE(link, following, tasks)
	{
		struct task *task = LIST_ENTRY(link, struct task, link);
		list_remove(link);
		if (task->end != NULL)
			task->end(node, NULL, task);
	}
}

static void forget(void *ctx, struct table_link *link)
{
	struct node *node = ctx;
	struct active *a = DHT_CONTAINER_OF(link, struct active, link);
	forget_tasks(node, &a->batch);
	forget_tasks(node, &a->queue);
	active_destroy(node, a);
}

void coordinator_fini(struct node *node, uint32_t block)
{
	struct table *active = &node->blocks[block].active;
	table_visit(active, forget, node);
	table_fini(active);
}
