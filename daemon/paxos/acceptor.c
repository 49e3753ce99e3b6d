/* SPDX-License-Identifier: Apache-2.0 */
#include "paxos/acceptor.h"

#include "paxos/variant.h"

struct ballot acceptor_absent_bound(const struct acceptor_block *block)
{
	return ballot_max(block->low, block->floor);
}

struct ballot acceptor_bound(const struct acceptor_block *block, const struct acceptor_key *key)
{
	return ballot_max(block->low, key->has_entry ? key->promised : block->floor);
}

bool acceptor_is_vote(const struct acceptor_block *block, const struct paxos_record *record)
{
	if (!paxos_record_is_there(record) || (record->is_copy && !PAXOS_BROKEN(READ_COPIES)))
		return false;
	return record->acc.version >= block->start || PAXOS_BROKEN(READ_OLD_VOTES);
}

/* An entry that is made starts with what may have been promised before it was there. */
static void make_entry(const struct acceptor_block *block, struct acceptor_key *key)
{
	if (key->has_entry)
		return;
	*key = (struct acceptor_key){.has_entry = true, .promised = acceptor_absent_bound(block)};
}

/* Puts a record in; the caller says what becomes of the promise. */
static void put_record(const struct acceptor_block *block, struct acceptor_key *key,
		       const struct paxos_record *record, bool is_copy)
{
	make_entry(block, key);
	key->record = *record;
	key->record.is_copy = is_copy;
	key->hot = false;
}

static struct acceptor_answer refuse(struct ballot bound)
{
	return (struct acceptor_answer){.is_ok = false, .ballot = bound};
}

struct acceptor_answer acceptor_prepare(const struct acceptor_block *block,
					struct acceptor_key *key, struct ballot b)
{
	struct ballot bound = acceptor_bound(block, key);
	if (ballot_compare(b, bound) < 0)
		return refuse(bound);
	make_entry(block, key);
	key->promised = b;
	key->hot = false;
	return (struct acceptor_answer){.is_ok = true, .ballot = acceptor_absent_bound(block)};
}

static bool is_duplicate(const struct acceptor_key *key, struct ballot b)
{
	return key->has_entry && ballot_equal(key->record.acc, b) && !key->record.is_copy;
}

/* The accept was stored before: only its reservation may be new. */
static struct acceptor_answer accept_again(const struct acceptor_block *block,
					   struct acceptor_key *key, struct ballot next)
{
	if (PAXOS_BROKEN(DUPLICATE_PROMISES))
		return (struct acceptor_answer){.is_ok = true, .ballot = next};
	if (ballot_compare(next, acceptor_bound(block, key)) >= 0)
		key->promised = ballot_max(key->promised, next);
	return (struct acceptor_answer){.is_ok = true, .ballot = key->promised};
}

struct acceptor_answer acceptor_accept(const struct acceptor_block *block, struct acceptor_key *key,
				       const struct paxos_record *record, struct ballot next)
{
	struct ballot bound = acceptor_bound(block, key);
	if (is_duplicate(key, record->acc))
		return accept_again(block, key, next);
	if (ballot_compare(record->acc, bound) < 0)
		return refuse(bound);
	put_record(block, key, record, false);
	key->promised = next;
	return (struct acceptor_answer){
	    .is_ok = true, .ballot = key->promised, .effect = ACCEPTOR_STORE};
}

/* A record that may not be a vote is input for PREPARE rounds, where a record shows that
 * nothing newer was erased. */
static enum acceptor_learnt learn_copy(const struct acceptor_block *block, struct acceptor_key *key,
				       const struct paxos_record *record)
{
	bool has_older = key->has_entry && paxos_record_is_there(&key->record) &&
			 ballot_compare(key->record.acc, record->acc) < 0;
	if (!has_older && !PAXOS_BROKEN(LEARN_ABSENT))
		return ACCEPTOR_REFUSED;
	put_record(block, key, record, true);
	return ACCEPTOR_COPIED;
}

enum acceptor_learnt acceptor_learn(const struct acceptor_block *block, struct acceptor_key *key,
				    const struct paxos_record *record)
{
	int order = ballot_compare(key->record.acc, record->acc);
	if (key->has_entry && (order > 0 || (order == 0 && acceptor_is_vote(block, &key->record))))
		return ACCEPTOR_KNOWN;
	if (!PAXOS_BROKEN(LEARN_UNGUARDED)) {
		if (record->acc.version < block->start)
			return ACCEPTOR_REFUSED;
		if (ballot_compare(record->acc, acceptor_bound(block, key)) < 0)
			return learn_copy(block, key, record);
	}
	put_record(block, key, record, false);
	key->promised = ballot_max(key->promised, record->acc);
	return ACCEPTOR_VOTED;
}

enum acceptor_holding acceptor_holds(const struct acceptor_block *block,
				     const struct acceptor_key *key, struct ballot t)
{
	if (!key->has_entry || !paxos_record_is_there(&key->record))
		return ballot_compare(acceptor_bound(block, key), t) > 0 ? ACCEPTOR_HOLDS
									 : ACCEPTOR_BEHIND;
	int order = ballot_compare(key->record.acc, t);
	bool counts = !key->record.is_copy || PAXOS_BROKEN(READ_COPIES) || PAXOS_BROKEN(ERASE_OLD);
	if (order == 0 && counts)
		return ACCEPTOR_HOLDS;
	return order > 0 ? ACCEPTOR_GONE : ACCEPTOR_BEHIND;
}

static void drop_entry(struct acceptor_key *key)
{
	*key = (struct acceptor_key){0};
}

enum acceptor_effect acceptor_erase(struct acceptor_block *block, struct acceptor_key *key,
				    struct ballot t)
{
	if (!key->has_entry || !ballot_equal(key->record.acc, t) || !key->record.is_tombstone)
		return ACCEPTOR_NOTHING;
	/* The floor covers what was promised, not only the tombstone. */
	struct ballot held = PAXOS_BROKEN(FLOOR_TOMBSTONE) ? t : ballot_max(key->promised, t);
	if (!PAXOS_BROKEN(NO_FLOOR))
		block->floor = ballot_max(block->floor, ballot_top(held));
	drop_entry(key);
	return ACCEPTOR_DROP;
}

bool acceptor_drop_promise(struct acceptor_block *block, struct acceptor_key *key)
{
	if (!key->has_entry || paxos_record_is_there(&key->record))
		return false;
	block->floor = ballot_max(block->floor, ballot_top(key->promised));
	drop_entry(key);
	return true;
}

void acceptor_raise_floor(struct acceptor_block *block, struct ballot absent_bound)
{
	if (!PAXOS_BROKEN(SYNC_NO_FLOOR))
		block->floor = ballot_max(block->floor, absent_bound);
}

enum acceptor_effect acceptor_copy(const struct acceptor_block *block, struct acceptor_key *key,
				   const struct paxos_record *record)
{
	if (key->has_entry && ballot_compare(key->record.acc, record->acc) >= 0)
		return ACCEPTOR_NOTHING;
	struct acceptor_key before = *key;
	put_record(block, key, record, true);
	if (PAXOS_BROKEN(COPY_NEW_LOW) && !before.has_entry)
		key->promised = BALLOT_ABSENT;
	if (!PAXOS_BROKEN(COPY_LOW))
		key->promised = ballot_max(key->promised, record->acc);
	if (PAXOS_BROKEN(COPY_HOT) && before.has_entry) {
		bool is_reserved =
		    paxos_record_is_there(&before.record) &&
		    ballot_equal(before.promised, ballot_successor(before.record.acc));
		key->hot = before.hot;
		if (is_reserved)
			key->promised = ballot_successor(record->acc);
	}
	return ACCEPTOR_STORE;
}

struct acceptor_key acceptor_restart_key(const struct paxos_record *record)
{
	if (!paxos_record_is_there(record))
		return (struct acceptor_key){0};
	return (struct acceptor_key){.has_entry = true, .promised = record->acc, .record = *record};
}

struct ballot acceptor_restart_low(uint32_t version, uint64_t ceiling)
{
	if (PAXOS_BROKEN(NO_LOW))
		return BALLOT_ABSENT;
	return ballot_make(version, ceiling, BALLOT_MEMBER_TOP);
}
