/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations of a node: section 3 of the register protocol around paxos/round.
 */
#include "cluster.h"
#include "node.h"

static void follow(struct node *n, unsigned key, enum round_step step);

static void arm(struct node *n, unsigned key, enum coordinator_state state, uint32_t delay_us)
{
	struct coordinator *co = &n->coordinators[key];
	co->state = state;
	co->generation++;
	cluster_timer(n->cluster, n, key,
		      delay_us / 2 + random_below(&n->cluster->random, delay_us));
}

/* ---- Asking -------------------------------------------------------------------------- */

static enum message_type question_of(enum round_phase phase)
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

static void ask(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	const struct round *r = &co->round;
	struct message m = {.type = question_of(r->phase),
			    .key = (uint8_t)key,
			    .version = r->version,
			    .tag = r->tag,
			    .named = co->named.acc};
	if (r->phase != ROUND_READING)
		m.b = r->b;
	if (r->phase == ROUND_ACCEPTING) {
		m.record = r->base;
		m.next = PAXOS_BROKEN(FAST_PREVIOUS) ? r->b : r->next;
		m.is_fast = co->is_fast;
	}
	/* A proposal, and what it names, has not to be durable here to be asked for. */
	node_send_to(n, &m, quorum_all(&r->quorum), n->map_position);
}

/* A new round: what it names is kept as it is now. */
static void ask_first(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	co->named = n->keys[key].record;
	co->was_omitted = false;
	co->is_fast = false;
	co->erased = BALLOT_ABSENT;
	ask(n, key);
	arm(n, key, COORDINATOR_ASKS, cluster_round_us(n->cluster));
}

static void begin_read(struct node *n, unsigned key)
{
	struct round *r = &n->coordinators[key].round;
	if (round_read(r, node_tag(n)))
		ask_first(n, key);
	else
		follow(n, key, round_give_up(r));
}

static bool draw_ballot(struct node *n, unsigned key, struct ballot *b)
{
	uint32_t version = n->coordinators[key].round.version;
	if (PAXOS_BROKEN(NO_VERSION))
		version = 0;
	return counter_draw(&n->counter, version, b) == 0;
}

static void begin_prepare(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct ballot b;
	if (!draw_ballot(n, key, &b)) {
		arm(n, key, COORDINATOR_IS_SHORT, cluster_round_us(n->cluster));
		return;
	}
	node_see(n, b);
	n->keys[key].hot = false;
	if (round_prepare(&co->round, node_tag(n), b))
		ask_first(n, key);
	else
		follow(n, key, round_give_up(&co->round));
}

/* The proposal is made: r->base. */
static void send_proposal(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct cluster *c = n->cluster;
	node_see(n, co->round.next);
	cluster_fail(c, (int)key,
		     lineage_propose(&c->lineage, key, co->round.b, co->parent, &co->round.quorum));
	ask(n, key);
	arm(n, key, COORDINATOR_ASKS, cluster_round_us(c));
}

/* r->base is what the change starts from. Returns false if it leaves it as it is. */
static bool propose_change(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct round *r = &co->round;
	struct paxos_record made;
	co->parent = r->base.acc;
	bool is_erased = !paxos_record_is_there(&r->base) ||
			 (r->base.is_tombstone && ballot_compare(co->erased, co->parent) > 0);
	if (is_erased)
		co->parent = co->erased;
	bool changed = operation_change(&co->op, &r->base, &n->cluster->values, &made, &co->result);
	if (changed)
		co->results[r->attempt_count] = co->result;
	round_propose(r, node_tag(n), &made, changed);
	return changed;
}

/* ---- The begin and the end of an operation ------------------------------------------- */

static bool may_read_first(struct node *n, const struct operation *op)
{
	switch (op->kind) {
	case OPERATION_GET:
		return true;
	case OPERATION_DELETE:
	case OPERATION_SET_IF_ABSENT:
	case OPERATION_COMPARE_AND_SET:
		return random_chance(&n->cluster->random, n->cluster->options.read_first);
	case OPERATION_PUT:
	case OPERATION_APPEND:
	case OPERATION_IDENTITY:
		break;
	}
	return false;
}

static void begin_hot(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct ballot b = n->keys[key].promised;
	if (PAXOS_BROKEN(FAST_FRESH) && !draw_ballot(n, key, &b)) {
		begin_prepare(n, key);
		return;
	}
	n->keys[key].hot = false;
	round_hot(&co->round, &n->keys[key].record, b);
	co->is_fast = false;
	co->erased = BALLOT_ABSENT;
	propose_change(n, key);
	n->cluster->count.hot++;
	send_proposal(n, key);
}

/* Only in the broken variant. Returns false if it cannot be tried. */
static bool begin_fast(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	const struct acceptor_key *own = &n->keys[key];
	struct ballot b;
	if (!PAXOS_BROKEN(FAST_PREVIOUS) || n->cluster->is_healing || !own->has_entry ||
	    !paxos_record_is_there(&own->record) || !ballot_equal(own->record.acc, own->promised) ||
	    !draw_ballot(n, key, &b))
		return false;
	round_hot(&co->round, &own->record, b);
	co->erased = BALLOT_ABSENT;
	if (!propose_change(n, key))
		return false;
	co->is_fast = true;
	co->named = own->record;
	send_proposal(n, key);
	return true;
}

static void begin(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	const struct map *map = node_map(n);
	round_init(&co->round, &map->replicas, n->block.version, n->block.start);
	bool is_hot = n->keys[key].hot && co->op.kind != OPERATION_IDENTITY;
	if (co->op.kind == OPERATION_GET || (!is_hot && may_read_first(n, &co->op)))
		begin_read(n, key);
	else if (is_hot)
		begin_hot(n, key);
	else if (co->op.kind == OPERATION_IDENTITY || !begin_fast(n, key))
		begin_prepare(n, key);
}

static void begin_next(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	if (co->state != COORDINATOR_IDLE || co->queued == 0)
		return;
	co->op = co->queue[0];
	co->queued--;
	memmove(co->queue, co->queue + 1, co->queued * sizeof(co->queue[0]));
	co->begun_us = n->cluster->now_us;
	co->op.decided_before = lineage_decided(&n->cluster->lineage, key);
	begin(n, key);
}

static void end(struct node *n, unsigned key, enum outcome outcome, uint64_t result)
{
	struct coordinator *co = &n->coordinators[key];
	co->state = COORDINATOR_IDLE;
	co->generation++;
	if (co->op.history != OPERATION_OF_NOBODY)
		cluster_answer(n->cluster, co->op.history, outcome, result);
	begin_next(n, key);
}

/* ---- What a round says --------------------------------------------------------------- */

/* The broken variant fills in what was omitted from the record as it is now. */
static void fill_in_late(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	if (PAXOS_BROKEN(OMITTED_LATE) && co->was_omitted &&
	    ballot_equal(co->round.base.acc, co->named.acc)) {
		co->round.base.value = n->keys[key].record.value;
		co->round.base.is_tombstone = n->keys[key].record.is_tombstone;
	}
}

static void on_read_done(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct cluster *c = n->cluster;
	struct paxos_record made;
	uint64_t result;
	if (operation_change(&co->op, &co->round.base, &c->values, &made, &result)) {
		begin_prepare(n, key);
		return;
	}
	c->count.read++;
	cluster_fail(c, (int)key,
		     lineage_read(&c->lineage, key, co->round.base.acc, co->op.decided_before,
				  co->round.version));
	end(n, key, OUTCOME_DONE, result);
}

static void on_decided(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct acceptor_key *own = &n->keys[key];
	n->cluster->count.decided++;
	own->hot = own->has_entry && round_makes_hot(&co->round, &own->record, own->promised);
	end(n, key, OUTCOME_DONE, co->result);
}

static void follow(struct node *n, unsigned key, enum round_step step)
{
	struct coordinator *co = &n->coordinators[key];
	switch (step) {
	case ROUND_WAITS:
		break;
	case ROUND_READ_DONE:
		fill_in_late(n, key);
		on_read_done(n, key);
		break;
	case ROUND_CHANGE:
		fill_in_late(n, key);
		propose_change(n, key);
		send_proposal(n, key);
		break;
	case ROUND_TOOK:
		fill_in_late(n, key);
		co->parent = co->round.base.acc;
		co->result = co->results[co->round.took];
		round_propose_again(&co->round, node_tag(n));
		send_proposal(n, key);
		break;
	case ROUND_DECIDED:
		on_decided(n, key);
		break;
	case ROUND_RETRY:
		if (n->cluster->now_us >= co->op.deadline_us)
			follow(n, key, round_give_up(&co->round));
		else
			arm(n, key, COORDINATOR_BACKS_OFF, n->cluster->options.back_off_us);
		break;
	case ROUND_NOT_DONE:
		end(n, key, OUTCOME_NOT_DONE, 0);
		break;
	case ROUND_UNKNOWN:
		end(n, key, OUTCOME_UNKNOWN, 0);
		break;
	}
}

static struct paxos_record whole_record(struct coordinator *co, const struct message *m)
{
	struct paxos_record record = m->record;
	if (m->is_omitted) {
		co->was_omitted = true;
		record.value = co->named.value;
	}
	return record;
}

static enum round_step on_promise(struct coordinator *co, const struct message *m)
{
	if (m->tag == co->round.tag && !paxos_record_is_there(&m->record))
		co->erased = ballot_max(co->erased, m->erased);
	struct paxos_record record = whole_record(co, m);
	return round_on_promise(&co->round, m->from, m->tag, m->b, &record, m->bound);
}

static enum round_step on_answer(struct node *n, const struct message *m)
{
	struct coordinator *co = &n->coordinators[m->key];
	if (m->type == MESSAGE_VALUE) {
		struct paxos_record record = whole_record(co, m);
		return round_on_value(&co->round, m->from, m->tag, &record);
	}
	if (!m->is_ok) {
		n->keys[m->key].hot = false;
		return round_on_nack(&co->round, m->from, m->tag);
	}
	if (m->type == MESSAGE_PROMISE)
		return on_promise(co, m);
	return round_on_ok(&co->round, m->from, m->tag, m->b, m->bound);
}

void coordinator_handle(struct node *n, const struct message *m)
{
	struct coordinator *co = &n->coordinators[m->key];
	if (co->state != COORDINATOR_ASKS || m->tag != co->round.tag) {
		if (m->type != MESSAGE_VALUE && !m->is_ok)
			n->keys[m->key].hot = false;
		return;
	}
	follow(n, m->key, on_answer(n, m));
}

/* ---- What ends a round from outside -------------------------------------------------- */

void node_timer(struct node *n, unsigned key, uint32_t generation)
{
	struct coordinator *co = &n->coordinators[key];
	struct cluster *c = n->cluster;
	if (!n->is_up || co->generation != generation)
		return;
	switch (co->state) {
	case COORDINATOR_IDLE:
		return;
	case COORDINATOR_ASKS:
		if (random_chance(&c->random, c->options.repeat)) {
			ask(n, key);
			arm(n, key, COORDINATOR_ASKS, cluster_round_us(c));
		} else {
			follow(n, key, round_on_timeout(&co->round));
		}
		return;
	case COORDINATOR_BACKS_OFF:
	case COORDINATOR_IS_SHORT:
		if (c->now_us >= co->op.deadline_us)
			follow(n, key, round_give_up(&co->round));
		else
			begin_prepare(n, key);
		return;
	}
}

void coordinator_ceiling_is_higher(struct node *n)
{
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		if (n->coordinators[key].state == COORDINATOR_IS_SHORT)
			begin_prepare(n, key);
	}
}

void coordinator_submit(struct node *n, unsigned key, const struct operation *op)
{
	struct coordinator *co = &n->coordinators[key];
	DHT_ASSERT(co->queued < NODE_QUEUE_MAX);
	co->queue[co->queued] = *op;
	co->queue[co->queued++].deadline_us = n->cluster->now_us + cluster_deadline_us(n->cluster);
	begin_next(n, key);
}

void coordinator_identity(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	struct operation op = {.kind = OPERATION_IDENTITY, .history = OPERATION_OF_NOBODY};
	if (co->state == COORDINATOR_IDLE && node_is_replica(n))
		coordinator_submit(n, key, &op);
}

/* No replica any more: what has attempts ends as unknown, the rest was not done. */
static void leave(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	for (uint32_t i = 0; i < co->queued; i++) {
		if (co->queue[i].history != OPERATION_OF_NOBODY)
			cluster_answer(n->cluster, co->queue[i].history, OUTCOME_NOT_DONE, 0);
	}
	co->queued = 0;
	if (co->state != COORDINATOR_IDLE)
		follow(n, key, round_give_up(&co->round));
}

static void move(struct node *n, unsigned key)
{
	struct coordinator *co = &n->coordinators[key];
	if (!node_is_replica(n)) {
		leave(n, key);
		return;
	}
	if (co->state == COORDINATOR_IDLE || PAXOS_BROKEN(OLD_VERSIONS))
		return;
	enum round_phase phase =
	    round_move(&co->round, &node_map(n)->replicas, n->block.version, n->block.start);
	if (phase == ROUND_READING)
		begin_read(n, key);
	else
		begin_prepare(n, key);
}

void coordinator_move(struct node *n)
{
	for (unsigned key = 0; key < SIM_KEYS; key++)
		move(n, key);
}

void coordinator_crash(struct node *n)
{
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		struct coordinator *co = &n->coordinators[key];
		if (co->state != COORDINATOR_IDLE && co->op.history != OPERATION_OF_NOBODY)
			cluster_answer(n->cluster, co->op.history, OUTCOME_UNKNOWN, 0);
		for (uint32_t i = 0; i < co->queued; i++) {
			if (co->queue[i].history != OPERATION_OF_NOBODY)
				cluster_answer(n->cluster, co->queue[i].history, OUTCOME_UNKNOWN,
					       0);
		}
		co->queued = 0;
		co->state = COORDINATOR_IDLE;
		co->generation++;
	}
}
