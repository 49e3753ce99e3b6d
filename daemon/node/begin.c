/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the tasks that wait for a key are the next batch, and how that begins.
 */
#include "node/rounds.h"

#include "base/error.h"
#include "paxos/variant.h"

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
	int rc = PAXOS_BROKEN(FAST_FRESH) ? rounds_draw(node, step, a, &b) : 0;
	if (rc == 0)
		rc = node_see(node, step, ballot_successor(b));
	if (rc != 0)
		return rc;
	active_take(a);
	rc = active_name(node, a, entry);
	if (rc != 0) {
		rounds_fail_for(node, step, a, rc);
		return 0;
	}
	round_hot(&a->round, &a->named, b);
	a->state = ACTIVE_PROPOSES;
	rc = rounds_propose_over(node, step, a, entry);
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
	    !ballot_equal(own->record.acc, own->promised) || rounds_draw(node, step, a, &b) != 0 ||
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
	*rc = rounds_propose_over(node, step, a, entry);
	return true;
}

int rounds_begin(struct node *node, struct node_step *step, struct active *a)
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
