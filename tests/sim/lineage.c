/* SPDX-License-Identifier: Apache-2.0 */
#include "lineage.h"

#include <stddef.h>

void lineage_init(struct lineage *l)
{
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		l->keys[key].count = 0;
		l->keys[key].latest = -1;
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

static bool is_descendant(const struct lineage_of_key *of, int i, int ancestor)
{
	struct ballot target = of->proposals[ancestor].b;
	while (i >= 0 && ballot_compare(of->proposals[i].b, target) > 0)
		i = of->proposals[i].parent;
	return i == ancestor;
}

const char *lineage_propose(struct lineage *l, unsigned key, struct ballot b, struct ballot parent,
			    const struct quorum *quorum)
{
	struct lineage_of_key *of = &l->keys[key];
	if (find_proposal(of, b) >= 0)
		return "a ballot is proposed twice";
	DHT_ASSERT(of->count < LINEAGE_MAX);
	int above = ballot_is_absent(parent) ? -1 : find_proposal(of, parent);
	of->proposals[of->count++] =
	    (struct proposal){.b = b, .parent = (int16_t)above, .quorum = *quorum};
	return NULL;
}

const char *lineage_accept(struct lineage *l, unsigned key, struct ballot b)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, b);
	if (i < 0)
		return "a record is accepted that nobody proposed";
	if (of->proposals[i].is_accepted)
		return NULL;
	of->proposals[i].is_accepted = true;
	for (int d = 0; d < of->count; d++) {
		const struct proposal *other = &of->proposals[d];
		bool was_read = other->read > 0 && b.version + 1 >= other->read;
		if ((!other->is_decided && !was_read) || ballot_compare(b, other->b) <= 0 ||
		    is_descendant(of, i, d))
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
		if (other->is_accepted && ballot_compare(other->b, of->proposals[d].b) > 0 &&
		    !is_descendant(of, i, d))
			return "a ballot is decided that a higher one, accepted, forgets";
	}
	return NULL;
}

const char *lineage_ack(struct lineage *l, unsigned key, struct ballot b, unsigned node)
{
	struct lineage_of_key *of = &l->keys[key];
	int i = find_proposal(of, b);
	if (i < 0)
		return "a ballot is accepted that nobody proposed";
	struct proposal *p = &of->proposals[i];
	p->acked |= (uint16_t)(1u << node);
	return p->is_decided || !quorum_is_met(&p->quorum, p->acked) ? NULL : decide(of, i);
}

const char *lineage_read(struct lineage *l, unsigned key, struct ballot acc, uint16_t before,
			 uint32_t version)
{
	struct lineage_of_key *of = &l->keys[key];
	if (ballot_is_absent(acc))
		return NULL;
	int i = find_proposal(of, acc);
	if (i < 0)
		return "a read returns what nobody proposed";
	if (of->proposals[i].read == 0)
		of->proposals[i].read = version + 1;
	return before == 0 || is_descendant(of, i, before - 1) ? NULL
							       : "a read misses a decided value";
}

uint16_t lineage_decided(const struct lineage *l, unsigned key)
{
	return (uint16_t)(l->keys[key].latest + 1);
}
