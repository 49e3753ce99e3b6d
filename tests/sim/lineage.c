/* SPDX-License-Identifier: Apache-2.0 */
#include "lineage.h"

#include <stddef.h>

void lineage_init(struct lineage *l, bool began_alone)
{
	l->began_alone = began_alone;
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		l->keys[key].count = l->keys[key].value_count = 0;
		l->keys[key].latest = -1;
		l->keys[key].is_full = false;
	}
}

static int find_proposal(const struct lineage_of_key *of, struct ballot b)
{
	for (int i = of->count - 1; i >= 0; i--) {
		if (ballot_equal(of->proposals[i].b, b))
			return i;
	}
	return -1;
}

static int find_value(const struct lineage_of_key *of, struct ballot ver)
{
	for (int i = of->value_count - 1; i >= 0; i--) {
		if (ballot_equal(of->values[i].ver, ver))
			return i;
	}
	return -1;
}

static bool is_descendant(const struct lineage_of_key *of, int value, int ancestor)
{
	while (value >= 0 && value != ancestor)
		value = of->values[value].parent;
	return value == ancestor;
}

/* ---- Proposals ----------------------------------------------------------------------- */

/* The tombstone that was accepted last below b, whose history may have been erased. */
static int erased_below(const struct lineage_of_key *of, struct ballot b, struct ballot bound)
{
	int found = -1;
	for (int i = 0; i < of->count; i++) {
		const struct proposal *p = &of->proposals[i];
		if (!p->was_accepted || !of->values[p->value].is_tombstone ||
		    ballot_compare(p->b, b) >= 0 ||
		    ballot_compare(of->values[p->value].ver, bound) > 0)
			continue;
		if (found < 0 || ballot_compare(p->b, of->proposals[found].b) > 0)
			found = i;
	}
	return found < 0 ? -1 : of->proposals[found].value;
}

static int add_value(struct lineage_of_key *of, struct ballot ver, int parent, bool is_tombstone)
{
	if (of->value_count == LINEAGE_MAX) {
		of->is_full = true;
		return -1;
	}
	of->values[of->value_count] = (struct lineage_value){
	    .ver = ver, .parent = (int16_t)parent, .is_tombstone = is_tombstone};
	return of->value_count++;
}

/* A bound stands for what was erased; each proposal on one has a base of its own. As long as
 * a replica is alone from the beginning on it needs no bounds (node/adopt.c), and leaves none. */
static int base_of(const struct lineage *l, struct lineage_of_key *of,
		   const struct paxos_record *record)
{
	struct ballot bound = record->pver;
	int base = find_value(of, bound);
	if (base >= 0)
		return base;
	if (l->began_alone && ballot_is_absent(bound))
		bound = ballot_make(0, BALLOT_COUNTER_MAX, BALLOT_MEMBER_TOP);
	return ballot_is_absent(bound) ? -1 : erased_below(of, record->acc, bound);
}

static int value_of_record(const struct lineage *l, struct lineage_of_key *of,
			   const struct paxos_record *record)
{
	int value = find_value(of, record->ver);
	bool is_changed = ballot_equal(record->ver, record->acc);
	if (value >= 0 && (!is_changed || of->is_full))
		return value;
	return add_value(of, record->ver, base_of(l, of, record), record->is_tombstone);
}

const char *lineage_propose(struct lineage *l, unsigned key, const struct paxos_record *record,
			    const struct quorum *quorum)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, record->acc);
	if (of->is_full)
		return NULL;
	if (i >= 0)
		return ballot_equal(of->values[of->proposals[i].value].ver, record->ver) ||
			       !ballot_equal(record->ver, record->acc)
			   ? NULL
			   : "a ballot is proposed twice";
	int value = value_of_record(l, of, record);
	if (value < 0 || of->count == LINEAGE_MAX) {
		of->is_full = true;
		return NULL;
	}
	of->proposals[of->count++] =
	    (struct proposal){.b = record->acc, .value = (int16_t)value, .quorum = *quorum};
	return NULL;
}

/* ---- What becomes of them ------------------------------------------------------------- */

void lineage_forget(struct lineage *l, unsigned key, struct ballot b, unsigned member)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, b);
	if (i >= 0)
		of->proposals[i].accepted &= (uint16_t) ~(1u << member);
}

const char *lineage_accept(struct lineage *l, unsigned key, struct ballot b, unsigned member)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, b);
	if (of->is_full)
		return NULL;
	if (i < 0)
		return "a record is accepted that nobody proposed";
	bool was_accepted = of->proposals[i].accepted != 0;
	of->proposals[i].was_accepted = true;
	of->proposals[i].accepted |= (uint16_t)(1u << member);
	if (was_accepted)
		return NULL;
	int value = of->proposals[i].value;
	for (int d = 0; d < of->count; d++) {
		const struct proposal *other = &of->proposals[d];
		bool was_read = other->read > 0 && b.version + 1 >= other->read;
		if ((!other->is_decided && !was_read) || ballot_compare(b, other->b) <= 0 ||
		    is_descendant(of, value, other->value))
			continue;
		return other->is_decided
			   ? "a ballot is accepted that forgets a lower one that is decided"
			   : "a ballot is accepted that forgets what a read has returned";
	}
	return NULL;
}

static const char *decide(struct lineage_of_key *of, int d)
{
	of->proposals[d].is_decided = true;
	if (of->latest < 0 || ballot_compare(of->proposals[d].b, of->proposals[of->latest].b) > 0)
		of->latest = (int16_t)d;
	for (int i = 0; i < of->count; i++) {
		const struct proposal *other = &of->proposals[i];
		if (other->accepted != 0 && ballot_compare(other->b, of->proposals[d].b) > 0 &&
		    !is_descendant(of, other->value, of->proposals[d].value))
			return "a ballot is decided that a higher one, accepted, forgets";
	}
	return NULL;
}

const char *lineage_ack(struct lineage *l, unsigned key, struct ballot b, unsigned member)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, b);
	if (of->is_full)
		return NULL;
	if (i < 0)
		return "a ballot is accepted that nobody proposed";
	struct proposal *p = &of->proposals[i];
	p->acked |= (uint16_t)(1u << member);
	return p->is_decided || !quorum_is_met(&p->quorum, p->acked) ? NULL : decide(of, i);
}

/* The one that was read is this one, or one below it with the same value. */
static struct proposal *highest_accepted(struct lineage_of_key *of, int value)
{
	struct proposal *highest = NULL;
	for (int i = 0; i < of->count; i++) {
		struct proposal *p = &of->proposals[i];
		if (p->value == value && p->was_accepted &&
		    (highest == NULL || ballot_compare(p->b, highest->b) > 0))
			highest = p;
	}
	return highest;
}

const char *lineage_read(struct lineage *l, unsigned key, struct ballot ver, uint16_t before,
			 uint32_t version)
{
	struct lineage_of_key *of = &l->keys[key];
	/* A value that another one has replaced within one change has a ballot of nobody. */
	if (ballot_is_absent(ver) || ballot_member(ver) == BALLOT_MEMBER_TOP || of->is_full)
		return NULL;
	int value = find_value(of, ver);
	struct proposal *p = value >= 0 ? highest_accepted(of, value) : NULL;
	if (p == NULL)
		return "a read returns what nobody has accepted";
	if (p->read == 0)
		p->read = version + 1;
	return before == 0 || is_descendant(of, value, of->proposals[before - 1].value)
		   ? NULL
		   : "a read misses a decided value";
}

uint16_t lineage_decided(const struct lineage *l, unsigned key)
{
	return (uint16_t)(l->keys[key].latest + 1);
}
