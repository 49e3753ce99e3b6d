/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_propose.h"

#include "node/member_maps.h"
#include "node/member_vote.h"
#include "paxos/quorum.h"
#include "ring/code.h"

enum {
	BACK_OFF_US = 20000, /* at most, after the first failure; twice as much after each */
	BACK_OFFS_MAX = 6,
};

bool member_propose_may(const struct member *m, uint64_t now_us)
{
	return m->proposal.phase == MEMBER_IDLE && member_is_voter(m) &&
	       now_us >= m->proposal.retry_us &&
	       !(m->vote.lineage == m->lineage && m->vote.epoch > m->map->epoch + 1);
}

/* A round that was too short once is a little longer for a while. */
void member_propose_drop(struct member *m)
{
	struct member_proposal *p = &m->proposal;
	unsigned failures = p->failures > 0 ? p->failures - 1 : 0;
	buffer_reset(&p->value);
	*p = (struct member_proposal){.retry_us = p->retry_us, .failures = failures};
}

static uint64_t deadline(const struct member *m, const struct member_step *step)
{
	return step->now_us + (m->times.round_us << m->proposal.failures);
}

/* One's own voter has promised something higher, or cannot store. */
static void fail(struct member *m, const struct member_step *step)
{
	struct member_proposal *p = &m->proposal;
	unsigned failures = p->failures < BACK_OFFS_MAX ? p->failures + 1 : BACK_OFFS_MAX;
	uint32_t round = p->round;
	member_propose_drop(m);
	p->failures = failures;
	p->round = round;
	p->retry_us =
	    step->now_us + 1000 + member_chance(step, m->number, (uint64_t)BACK_OFF_US << failures);
}

static void ask(struct member *m, const struct member_step *step, enum member_message_kind kind)
{
	const struct member_proposal *p = &m->proposal;
	struct member_message message = member_message_of(m, kind);
	message.epoch = p->epoch;
	message.ballot = p->ballot;
	if (kind == MEMBER_ACCEPT)
		message.map = bytes_of(buffer_head(&p->value), p->value.len);
	for (uint16_t i = 0; i < m->map->voters.count; i++) {
		if (m->map->voters.members[i] != m->number)
			step->effects->send(step->effects->ctx, m->map->voters.members[i], &message,
					    m->vote.end);
	}
}

static uint32_t higher_round(const struct member *m)
{
	uint32_t round = m->proposal.round;
	if (m->vote.lineage == m->lineage && m->vote.epoch == m->map->epoch + 1 &&
	    m->vote.promised.round > round)
		round = m->vote.promised.round;
	return round + 1;
}

void member_propose(struct member *m, const struct member_step *step, const struct ring_map *next)
{
	struct member_proposal *p = &m->proposal;
	DHT_ASSERT(p->phase == MEMBER_IDLE && next->epoch == m->map->epoch + 1);
	p->ballot = (struct member_ballot){higher_round(m), m->number};
	p->best = (struct member_ballot){0};
	p->epoch = next->epoch;
	p->answered = 0;
	buffer_reset(&p->value);
	if (ring_map_encode(next, m->map, &p->value) != 0 || p->value.len > MEMBER_VALUE_MAX ||
	    !member_vote_promise(m, step, p->ballot)) {
		fail(m, step);
		return;
	}
	p->phase = MEMBER_PREPARING;
	p->own_end = m->vote.end;
	p->deadline_us = deadline(m, step);
	/* What one's own voter has accepted is known at once; it counts when it is durable. */
	if (m->vote.accepted.round > 0) {
		p->best = m->vote.accepted;
		buffer_reset(&p->value);
		if (buffer_append(&p->value, buffer_head(&m->vote.value), m->vote.value.len,
				  MEMBER_VALUE_MAX) != 0) {
			fail(m, step);
			return;
		}
	}
	ask(m, step, MEMBER_PREPARE);
}

static void begin_accepting(struct member *m, const struct member_step *step)
{
	struct member_proposal *p = &m->proposal;
	p->phase = MEMBER_ACCEPTING;
	p->answered = 0;
	if (!member_vote_accept(m, step, p->ballot,
				bytes_of(buffer_head(&p->value), p->value.len))) {
		fail(m, step);
		return;
	}
	p->own_end = m->vote.end;
	p->deadline_us = deadline(m, step);
	ask(m, step, MEMBER_ACCEPT);
}

static void decide(struct member *m, const struct member_step *step)
{
	struct buffer value = m->proposal.value;
	m->proposal.value = BUFFER_EMPTY;
	member_propose_drop(m);
	m->proposal.retry_us = 0;
	member_maps_decided(m, step, bytes_of(buffer_head(&value), value.len));
	buffer_reset(&value);
}

static void count(struct member *m, const struct member_step *step, uint16_t place)
{
	struct member_proposal *p = &m->proposal;
	p->answered |= (uint16_t)(1u << place);
	if (!quorum_is_majority((uint16_t)((1u << m->map->voters.count) - 1), p->answered))
		return;
	if (p->phase == MEMBER_PREPARING)
		begin_accepting(m, step);
	else
		decide(m, step);
}

static bool take_value(struct member *m, const struct member_message *message)
{
	struct member_proposal *p = &m->proposal;
	if (member_ballot_compare(message->accepted, p->best) <= 0)
		return true;
	if (!member_maps_is_next(m, message->map))
		return false;
	buffer_reset(&p->value);
	p->best = message->accepted;
	return buffer_append(&p->value, message->map.data, message->map.len, MEMBER_VALUE_MAX) == 0;
}

void member_propose_handle(struct member *m, const struct member_step *step,
			   const struct member_message *message)
{
	struct member_proposal *p = &m->proposal;
	uint16_t place = member_voter_place(m->map, message->from);
	if (p->phase == MEMBER_IDLE || message->epoch != p->epoch ||
	    place == m->map->voters.count || message->from == m->number ||
	    member_ballot_compare(message->ballot, p->ballot) != 0 ||
	    (message->kind == MEMBER_PROMISE) != (p->phase == MEMBER_PREPARING))
		return;
	if (!message->is_ok) {
		if (message->accepted.round > p->round)
			p->round = message->accepted.round;
		fail(m, step);
	} else if (message->kind == MEMBER_PROMISE && !take_value(m, message)) {
		fail(m, step);
	} else {
		count(m, step, place);
	}
}

void member_propose_durable(struct member *m, const struct member_step *step, uint64_t position)
{
	struct member_proposal *p = &m->proposal;
	if (p->phase == MEMBER_IDLE || p->own_end == 0 || position < p->own_end)
		return;
	/* Another's ballot was promised meanwhile: then that note is what is durable. */
	p->own_end = 0;
	count(m, step, member_voter_place(m->map, m->number));
}

void member_propose_tick(struct member *m, const struct member_step *step)
{
	if (m->proposal.phase != MEMBER_IDLE && step->now_us >= m->proposal.deadline_us)
		fail(m, step);
}
