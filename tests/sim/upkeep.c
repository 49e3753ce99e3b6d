/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node does without a client: the collector of section 4, the repair of section 5,
 * the puller of section 6 of the register protocol.
 */
#include "cluster.h"
#include "node.h"

/* ---- Collection ---------------------------------------------------------------------- */

static void send_learn(struct node *n, unsigned key, unsigned to)
{
	struct message m = {.type = MESSAGE_LEARN,
			    .to = (uint8_t)to,
			    .key = (uint8_t)key,
			    .version = n->block.version,
			    .record = n->keys[key].record};
	node_send(n, &m, node_rests_on(n, key));
}

static void collect_tombstone(struct node *n, unsigned key)
{
	struct collector *collector = &n->collectors[key];
	const struct map *map = node_map(n);
	*collector =
	    (struct collector){.is_on = true, .t = n->keys[key].record.acc, .tag = node_tag(n)};
	struct message m = {.type = MESSAGE_HOLDS,
			    .key = (uint8_t)key,
			    .version = n->block.version,
			    .tag = collector->tag,
			    .b = collector->t};
	node_send_to(n, &m, quorum_all(&map->replicas), node_rests_on(n, key));
}

/* A promise without a record goes once nobody can carry on with it. */
static void forget_promise(struct node *n, unsigned key)
{
	const struct cluster *c = n->cluster;
	uint64_t age_us = c->now_us - n->promised_us[key];
	bool is_old = age_us > 2 * (uint64_t)cluster_deadline_us(c) || c->options.forgets_early;
	if (is_old && n->coordinators[key].state == COORDINATOR_IDLE)
		acceptor_drop_promise(&n->block, &n->keys[key]);
}

void node_collect(struct node *n, unsigned key)
{
	const struct acceptor_key *own = &n->keys[key];
	if (!n->is_up || !node_is_replica(n) || !own->has_entry)
		return;
	if (!paxos_record_is_there(&own->record)) {
		forget_promise(n, key);
		return;
	}
	bool is_stable = !quorum_is_joint(&node_map(n)->replicas) || PAXOS_BROKEN(ERASE_JOINT);
	if (!own->record.is_tombstone || !is_stable)
		return;
	if (!acceptor_is_vote(&n->block, &own->record) && !PAXOS_BROKEN(ERASE_OLD))
		coordinator_identity(n, key);
	else
		collect_tombstone(n, key);
}

static bool is_held(const struct node *n, uint16_t held)
{
	const struct quorum *replicas = &node_map(n)->replicas;
	if (PAXOS_BROKEN(ERASE_MAJORITY))
		return quorum_is_majority(replicas->old, held);
	return (held & replicas->old) == replicas->old;
}

static void on_held(struct node *n, const struct message *m)
{
	struct collector *collector = &n->collectors[m->key];
	if (!collector->is_on || collector->tag != m->tag)
		return;
	switch ((enum acceptor_holding)m->holding) {
	case ACCEPTOR_GONE:
		collector->is_on = false;
		return;
	case ACCEPTOR_BEHIND:
		if (ballot_equal(n->keys[m->key].record.acc, collector->t))
			send_learn(n, m->key, m->from);
		return;
	case ACCEPTOR_HOLDS:
		collector->held |= (uint16_t)(1u << m->from);
	}
	if (!is_held(n, collector->held))
		return;
	collector->is_on = false;
	struct message erase = {
	    .type = MESSAGE_ERASE, .key = m->key, .version = n->block.version, .b = collector->t};
	node_send_to(n, &erase, quorum_all(&node_map(n)->replicas), n->map_position);
}

/* ---- Repair -------------------------------------------------------------------------- */

void node_repair(struct node *n, unsigned key, unsigned other)
{
	if (n->is_up && node_is_replica(n) && map_has(node_map(n), other) &&
	    paxos_record_is_there(&n->keys[key].record))
		send_learn(n, key, other);
}

/* ---- Sync ---------------------------------------------------------------------------- */

static bool needs_sync(const struct node *n)
{
	const struct quorum *replicas = &node_map(n)->replicas;
	return n->is_up && (replicas->next >> n->number & 1) != 0 && !n->puller.is_fin;
}

static void send_pull(struct node *n)
{
	struct puller *puller = &n->puller;
	struct message m = {.type = MESSAGE_PULL,
			    .to = puller->from,
			    .key = puller->position,
			    .version = n->block.version,
			    .tag = puller->tag};
	puller->asked_us = n->cluster->now_us;
	node_send(n, &m, n->map_position);
}

void node_pull(struct node *n, unsigned from)
{
	struct puller *puller = &n->puller;
	const struct cluster *c = n->cluster;
	bool is_source = (node_map(n)->replicas.old & ~puller->pulled) >> from & 1;
	bool is_waiting = puller->is_on && c->now_us < puller->asked_us + cluster_round_us(c);
	if (!needs_sync(n) || !is_source || is_waiting)
		return;
	puller->is_on = true;
	puller->from = (uint8_t)from;
	puller->position = 0;
	puller->tag = node_tag(n);
	send_pull(n);
}

static void take_record(struct node *n, const struct message *m)
{
	n->erased[m->key] = ballot_max(n->erased[m->key], m->erased);
	if (!paxos_record_is_there(&m->record))
		return;
	if (acceptor_copy(&n->block, &n->keys[m->key], &m->record) == ACCEPTOR_STORE)
		node_store(n, m->key);
}

static void end_pull(struct node *n)
{
	struct puller *puller = &n->puller;
	puller->is_on = false;
	puller->pulled |= (uint16_t)(1u << puller->from);
	if (!quorum_is_majority(node_map(n)->replicas.old, puller->pulled))
		return;
	puller->is_fin = true;
	struct disk_append append = {.kind = DISK_FIN, .version = n->block.version};
	uint64_t position;
	node_append(n, &append, &position);
}

static void on_chunk(struct node *n, const struct message *m)
{
	struct puller *puller = &n->puller;
	if (!needs_sync(n) || !puller->is_on || m->tag != puller->tag || m->key != puller->position)
		return;
	acceptor_raise_floor(&n->block, m->bound);
	if (puller->position == n->cluster->options.keys) {
		end_pull(n);
		return;
	}
	take_record(n, m);
	puller->position++;
	send_pull(n);
}

void upkeep_handle(struct node *n, const struct message *m)
{
	if (m->type == MESSAGE_HELD)
		on_held(n, m);
	else
		on_chunk(n, m);
}

void upkeep_move(struct node *n)
{
	n->puller = (struct puller){0};
	for (unsigned key = 0; key < SIM_KEYS; key++)
		n->collectors[key].is_on = false;
}
