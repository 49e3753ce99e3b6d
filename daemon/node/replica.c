/* SPDX-License-Identifier: Apache-2.0 */
#include "node/replica.h"

#include "base/error.h"
#include "node/coordinator.h"
#include "paxos/variant.h"

enum { IDENTITY_PERMILLE = 300 }; /* of refused LEARNs that start an identity round */

/* ---- The own seat ---------------------------------------------------------------- */

struct acceptor_answer replica_prepare(struct node *node, struct entry *entry, struct ballot b)
{
	struct acceptor_answer answer =
	    acceptor_prepare(&entry->block->acceptor, &entry->acceptor, b);
	if (answer.is_ok)
		entry_save_promise(node, entry);
	return answer;
}

/* Writes down what a step did, which began with the key as it was `before`. */
static int save(struct node *node, struct node_step *step, struct entry *entry,
		enum acceptor_effect effect, const struct acceptor_key *before)
{
	int rc = entry_save(node, step, entry, effect);
	if (rc != 0)
		entry->acceptor = *before;
	else if (effect == ACCEPTOR_STORE)
		entry->acceptor.record = entry_paxos_record(&entry->hit.record);
	return rc;
}

int replica_accept(struct node *node, struct node_step *step, struct entry *entry,
		   const struct paxos_record *record, struct ballot next,
		   struct acceptor_answer *answer)
{
	struct acceptor_key before = entry->acceptor;
	*answer = acceptor_accept(&entry->block->acceptor, &entry->acceptor, record, next);
	if (!answer->is_ok)
		return 0;
	int rc = save(node, step, entry, answer->effect, &before);
	if (rc == 0 || rc == DHT_EAGAIN)
		return rc;
	*answer = (struct acceptor_answer){.is_ok = false};
	return 0;
}

int replica_learn(struct node *node, struct node_step *step, struct entry *entry,
		  const struct paxos_record *record, enum acceptor_learnt *learnt)
{
	struct acceptor_key before = entry->acceptor;
	*learnt = acceptor_learn(&entry->block->acceptor, &entry->acceptor, record);
	if (*learnt != ACCEPTOR_VOTED && *learnt != ACCEPTOR_COPIED)
		return 0;
	return save(node, step, entry, ACCEPTOR_STORE, &before);
}

int replica_erase(struct node *node, struct node_step *step, struct entry *entry, struct ballot t)
{
	struct acceptor_key before = entry->acceptor;
	if (acceptor_erase(&entry->block->acceptor, &entry->acceptor, t) != ACCEPTOR_DROP)
		return 0;
	return save(node, step, entry, ACCEPTOR_DROP, &before);
}

int replica_copy(struct node *node, struct node_step *step, struct entry *entry,
		 const struct paxos_record *record, bool *stored)
{
	struct acceptor_key before = entry->acceptor;
	enum acceptor_effect effect =
	    acceptor_copy(&entry->block->acceptor, &entry->acceptor, record);
	*stored = effect == ACCEPTOR_STORE;
	return *stored ? save(node, step, entry, effect, &before) : 0;
}

/* ---- Answers --------------------------------------------------------------------- */

static struct message answer_to(const struct node *node, const struct message *m,
				enum message_kind kind)
{
	return (struct message){.kind = kind,
				.from = node->number,
				.block = m->block,
				.version = m->version,
				.tag = m->tag,
				.key = m->key,
				.b = m->b};
}

static void answer_with(struct node_step *step, const struct message *m,
			const struct message *answer, uint64_t rests_on)
{
	step->effects->send(step->effects->ctx, &m->from, 1, answer, rests_on);
}

void replica_tell_record(const struct entry *entry, struct ballot named, struct message *m)
{
	m->record = entry->acceptor.record;
	m->location = entry->hit.is_fetched ? 0 : entry->hit.location;
	if (ballot_is_absent(named) || !ballot_equal(m->record.acc, named))
		return;
	m->is_omitted = true;
	m->record.value = bytes_of(NULL, 0);
	m->location = 0;
}

static void on_prepare(struct node *node, struct node_step *step, struct entry *entry,
		       const struct message *m)
{
	struct message answer = answer_to(node, m, MESSAGE_PROMISE);
	struct acceptor_answer said = replica_prepare(node, entry, m->b);
	answer.is_ok = said.is_ok;
	answer.bound = said.ballot;
	if (said.is_ok)
		replica_tell_record(entry, m->named, &answer);
	answer_with(step, m, &answer, entry_rests_on(node, entry));
}

/* The broken fast path: what is accepted here was never promised, if it names the record that
 * is here and nothing else was promised since. */
static bool is_fast_refused(const struct entry *entry, const struct message *m)
{
	const struct acceptor_key *key = &entry->acceptor;
	return PAXOS_BROKEN(FAST_PREVIOUS) && !ballot_is_absent(m->named) &&
	       (!key->has_entry || !ballot_equal(key->record.acc, key->promised) ||
		!ballot_equal(key->record.acc, m->named));
}

static int on_accept(struct node *node, struct node_step *step, struct entry *entry,
		     const struct message *m)
{
	struct message answer = answer_to(node, m, MESSAGE_OK);
	struct acceptor_answer said = {
	    .ballot = acceptor_bound(&entry->block->acceptor, &entry->acceptor)};
	int rc = 0;
	if (!is_fast_refused(entry, m))
		rc = replica_accept(node, step, entry, &m->record, m->next, &said);
	if (rc != 0)
		return rc;
	answer.is_ok = said.is_ok;
	answer.bound = said.ballot;
	answer_with(step, m, &answer, entry_rests_on(node, entry));
	return 0;
}

static void on_read(struct node *node, struct node_step *step, struct entry *entry,
		    const struct message *m)
{
	struct message answer = answer_to(node, m, MESSAGE_VALUE);
	replica_tell_record(entry, m->named, &answer);
	answer_with(step, m, &answer, PAXOS_BROKEN(READ_DIRTY) ? 0 : entry_rests_on(node, entry));
}

/* A message that only tells something is lost where it finds no room: it will be told again. */
static int lose_without_room(int rc)
{
	return rc == DHT_EAGAIN ? rc : 0;
}

static int on_learn(struct node *node, struct node_step *step, struct entry *entry,
		    const struct message *m)
{
	enum acceptor_learnt learnt;
	int rc = replica_learn(node, step, entry, &m->record, &learnt);
	if (rc != 0 || learnt != ACCEPTOR_REFUSED)
		return lose_without_room(rc);
	if (step->random % 1000 >= IDENTITY_PERMILLE)
		return 0;
	return coordinator_identity(node, step, &entry->key);
}

static void on_holds(struct node *node, struct node_step *step, struct entry *entry,
		     const struct message *m)
{
	struct message answer = answer_to(node, m, MESSAGE_HELD);
	answer.holding = acceptor_holds(&entry->block->acceptor, &entry->acceptor, m->b);
	answer_with(step, m, &answer, entry_rests_on(node, entry));
}

int replica_handle(struct node *node, struct node_step *step, const struct store_key *key,
		   const struct message *m)
{
	struct entry entry;
	int rc = entry_load(node, step, key, &entry);
	if (rc != 0)
		return rc;
	switch (m->kind) {
	case MESSAGE_PREPARE:
		on_prepare(node, step, &entry, m);
		return 0;
	case MESSAGE_ACCEPT:
		return on_accept(node, step, &entry, m);
	case MESSAGE_READ:
		on_read(node, step, &entry, m);
		return 0;
	case MESSAGE_LEARN:
		return on_learn(node, step, &entry, m);
	case MESSAGE_HOLDS:
		on_holds(node, step, &entry, m);
		return 0;
	case MESSAGE_ERASE:
		return lose_without_room(replica_erase(node, step, &entry, m->b));
	case MESSAGE_PROMISE:
	case MESSAGE_OK:
	case MESSAGE_VALUE:
	case MESSAGE_HELD:
	case MESSAGE_PULL:
	case MESSAGE_CHUNK:
	case MESSAGE_COMPARE:
	case MESSAGE_DIFFER:
	case MESSAGE_STALE:
	case MESSAGE_FORWARD:
	case MESSAGE_RESULT:
	case MESSAGE_LIST:
	case MESSAGE_LISTED:
	case MESSAGE_COUNT:
	case MESSAGE_COUNTED:
	case MESSAGE_KIND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

/* ---- Promises without a record --------------------------------------------------- */

/* Drops one. True: it is gone, and another one may stand in its place. */
static bool forget_promise(struct node *node, struct node_step *step, const struct store_key *key,
			   int *rc)
{
	struct entry entry;
	*rc = entry_load(node, step, key, &entry);
	if (*rc != 0 || !acceptor_drop_promise(&entry.block->acceptor, &entry.acceptor))
		return false;
	*rc = entry_save(node, step, &entry, ACCEPTOR_DROP);
	return *rc == 0;
}

int replica_forget_promises(struct node *node, struct node_step *step, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	struct store_key key = {.block = number};
	uint32_t at = 0;
	if (block->promises.count == 0 || step->now_us < block->turned_us + TASK_DEADLINE_MAX_US)
		return 0;
	while (promises_next_old(&block->promises, &at, &key.key, &key.hash)) {
		int rc = 0;
		if (!forget_promise(node, step, &key, &rc))
			at++;
		if (rc != 0 && rc != DHT_EAGAIN)
			return rc;
	}
	promises_turn(&block->promises);
	block->turned_us = step->now_us;
	return 0;
}
