/* SPDX-License-Identifier: Apache-2.0
 *
 * The acceptor's side of a node: section 2 of the register protocol, and what it is asked by
 * collectors and pullers.
 */
#include "cluster.h"
#include "node.h"

enum { IDENTITY_PERMILLE = 300 }; /* of refused LEARNs that start an identity round */

static struct message answer_to(const struct message *m, enum message_type type)
{
	return (struct message){.type = type,
				.to = m->from,
				.key = m->key,
				.version = m->version,
				.tag = m->tag,
				.b = m->b};
}

/* The record, without the value that the asker has said it holds. */
static void put_record_into(struct node *n, const struct message *asked, struct message *answer)
{
	answer->record = n->keys[asked->key].record;
	answer->erased = n->erased[asked->key];
	if (n->cluster->options.omits_values && !ballot_is_absent(asked->named) &&
	    ballot_equal(answer->record.acc, asked->named)) {
		answer->is_omitted = true;
		answer->record.value = (struct bytes){0};
	}
}

static void on_prepare(struct node *n, const struct message *m)
{
	struct message answer = answer_to(m, MESSAGE_PROMISE);
	struct acceptor_answer said = acceptor_prepare(&n->block, &n->keys[m->key], m->b);
	answer.is_ok = said.is_ok;
	answer.bound = said.ballot;
	if (said.is_ok) {
		n->promised_us[m->key] = n->cluster->now_us;
		put_record_into(n, m, &answer);
	}
	node_send(n, &answer, node_rests_on(n, m->key));
}

/* The broken fast path: what is accepted here was never promised. */
static struct acceptor_answer accept_fast(struct node *n, const struct message *m)
{
	struct acceptor_key *key = &n->keys[m->key];
	if (!key->has_entry || !ballot_equal(key->record.acc, key->promised) ||
	    !ballot_equal(key->record.acc, m->named))
		return (struct acceptor_answer){.ballot = acceptor_bound(&n->block, key)};
	return acceptor_accept(&n->block, key, &m->record, m->next);
}

static void on_accept(struct node *n, const struct message *m)
{
	struct message answer = answer_to(m, MESSAGE_OK);
	struct acceptor_answer said =
	    m->is_fast ? accept_fast(n, m)
		       : acceptor_accept(&n->block, &n->keys[m->key], &m->record, m->next);
	answer.is_ok = said.is_ok;
	answer.bound = said.ballot;
	if (said.effect == ACCEPTOR_STORE) {
		node_store(n, m->key);
		cluster_fail(n->cluster, m->key,
			     lineage_accept(&n->cluster->lineage, m->key, m->b));
	}
	node_send(n, &answer, node_rests_on(n, m->key));
}

static void on_read(struct node *n, const struct message *m)
{
	struct message answer = answer_to(m, MESSAGE_VALUE);
	put_record_into(n, m, &answer);
	node_send(n, &answer, PAXOS_BROKEN(READ_DIRTY) ? 0 : node_rests_on(n, m->key));
}

static void on_learn(struct node *n, const struct message *m)
{
	struct cluster *c = n->cluster;
	switch (acceptor_learn(&n->block, &n->keys[m->key], &m->record)) {
	case ACCEPTOR_KNOWN:
		return;
	case ACCEPTOR_VOTED:
		node_store(n, m->key);
		cluster_fail(c, m->key, lineage_accept(&c->lineage, m->key, m->record.acc));
		return;
	case ACCEPTOR_COPIED:
		node_store(n, m->key);
		return;
	case ACCEPTOR_REFUSED:
		if (random_chance(&c->random, IDENTITY_PERMILLE))
			coordinator_identity(n, m->key);
		return;
	}
}

static void on_holds(struct node *n, const struct message *m)
{
	struct message answer = answer_to(m, MESSAGE_HELD);
	answer.holding = (uint8_t)acceptor_holds(&n->block, &n->keys[m->key], m->b);
	node_send(n, &answer, node_rests_on(n, m->key));
}

static void on_erase(struct node *n, const struct message *m)
{
	if (acceptor_erase(&n->block, &n->keys[m->key], m->b) != ACCEPTOR_DROP)
		return;
	n->erased[m->key] = ballot_max(n->erased[m->key], m->b);
	struct disk_append append = {.kind = DISK_ERASED, .key = m->key};
	node_append(n, &append, &n->key_position[m->key]);
	n->cluster->count.erased++;
}

/* One record for each position, and a last answer behind them. */
static void on_pull(struct node *n, const struct message *m)
{
	struct message answer = answer_to(m, MESSAGE_CHUNK);
	answer.bound = acceptor_absent_bound(&n->block);
	uint64_t position = n->map_position;
	if (m->key < n->cluster->options.keys) {
		answer.record = n->keys[m->key].record;
		answer.erased = n->erased[m->key];
		position = node_rests_on(n, m->key);
	}
	node_send(n, &answer, position);
}

void replica_handle(struct node *n, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_PREPARE:
		on_prepare(n, m);
		break;
	case MESSAGE_ACCEPT:
		on_accept(n, m);
		break;
	case MESSAGE_READ:
		on_read(n, m);
		break;
	case MESSAGE_LEARN:
		on_learn(n, m);
		break;
	case MESSAGE_HOLDS:
		on_holds(n, m);
		break;
	case MESSAGE_ERASE:
		on_erase(n, m);
		break;
	case MESSAGE_PULL:
		on_pull(n, m);
		break;
	default:
		DHT_UNREACHABLE();
	}
}

void replica_drop_all(struct node *n)
{
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		n->keys[key] = (struct acceptor_key){0};
		n->erased[key] = BALLOT_ABSENT;
	}
}
