/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_vote.h"

#include "base/error.h"
#include "node/member_maps.h"
#include "paxos/variant.h"

/* A note: u64 lineage, u64 epoch, two ballots of u32 round and u16 member, u32 bytes of the value,
 * the value. */
enum { NOTE_HEAD = 32 };

static void put_ballot(uint8_t *at, struct member_ballot ballot)
{
	put_u32(at, ballot.round);
	put_u16(at + 4, ballot.member);
}

static struct member_ballot get_ballot(const uint8_t *at)
{
	return (struct member_ballot){get_u32(at), get_u16(at + 4)};
}

int member_vote_restore(struct member *m, struct bytes note)
{
	if (note.len == 0 || PAXOS_BROKEN(VOTER_FORGETS))
		return 0;
	if (note.len < NOTE_HEAD || get_u32(note.data + 28) != note.len - NOTE_HEAD)
		return DHT_EPROTO;
	m->vote.lineage = get_u64(note.data);
	m->vote.epoch = get_u64(note.data + 8);
	m->vote.promised = get_ballot(note.data + 16);
	m->vote.accepted = get_ballot(note.data + 22);
	return buffer_append(&m->vote.value, note.data + NOTE_HEAD, note.len - NOTE_HEAD,
			     MEMBER_VALUE_MAX);
}

/* Stores the register as it is to be, then makes it so. */
static bool store(struct member *m, const struct member_step *step, struct member_ballot promised,
		  struct member_ballot accepted, struct bytes value)
{
	struct member_register *vote = &m->vote;
	struct buffer note = BUFFER_EMPTY;
	uint8_t head[NOTE_HEAD];
	uint64_t end;
	put_u64(head, m->lineage);
	put_u64(head + 8, m->map->epoch + 1);
	put_ballot(head + 16, promised);
	put_ballot(head + 22, accepted);
	put_u32(head + 28, (uint32_t)value.len);
	int rc = buffer_append(&note, head, sizeof(head), MEMBER_VALUE_MAX + NOTE_HEAD);
	if (rc == 0)
		rc = buffer_append(&note, value.data, value.len, MEMBER_VALUE_MAX + NOTE_HEAD);
	if (rc == 0)
		rc = step->effects->store_vote(step->effects->ctx, bytes_of(note.data, note.len),
					       &end);
	if (rc != 0) {
		buffer_reset(&note);
		return false;
	}
	/* The note's own bytes become the register's. */
	buffer_reset(&vote->value);
	buffer_consume(&note, NOTE_HEAD);
	*vote = (struct member_register){.lineage = m->lineage,
					 .epoch = m->map->epoch + 1,
					 .promised = promised,
					 .accepted = accepted,
					 .value = note,
					 .end = end};
	return true;
}

static bool is_current(const struct member *m)
{
	return m->vote.lineage == m->lineage && m->vote.epoch == m->map->epoch + 1;
}

/* The register of the next epoch; an older one says nothing about it. */
static struct bytes value_of(const struct member *m)
{
	const struct buffer *value = &m->vote.value;
	return is_current(m) ? bytes_of(buffer_head(value), value->len) : (struct bytes){0};
}

static struct member_ballot promised_of(const struct member *m)
{
	return is_current(m) ? m->vote.promised : (struct member_ballot){0};
}

static struct member_ballot accepted_of(const struct member *m)
{
	return is_current(m) ? m->vote.accepted : (struct member_ballot){0};
}

bool member_vote_promise(struct member *m, const struct member_step *step,
			 struct member_ballot ballot)
{
	if (member_ballot_compare(ballot, promised_of(m)) <= 0)
		return false;
	return store(m, step, ballot, accepted_of(m), value_of(m));
}

bool member_vote_accept(struct member *m, const struct member_step *step,
			struct member_ballot ballot, struct bytes value)
{
	if (member_ballot_compare(ballot, promised_of(m)) < 0)
		return false;
	if (member_ballot_compare(ballot, accepted_of(m)) == 0)
		return true;
	return store(m, step, ballot, ballot, value);
}

/* ---- Messages ------------------------------------------------------------------------ */

static void answer(struct member *m, const struct member_step *step, uint32_t peer,
		   const struct member_message *question, bool is_ok)
{
	struct member_message reply = member_message_of(
	    m, question->kind == MEMBER_PREPARE ? MEMBER_PROMISE : MEMBER_ACCEPTED);
	reply.epoch = question->epoch;
	reply.ballot = question->ballot;
	reply.is_ok = is_ok;
	reply.accepted = is_ok ? accepted_of(m) : promised_of(m);
	if (is_ok && question->kind == MEMBER_PREPARE)
		reply.map = value_of(m);
	step->effects->send(step->effects->ctx, peer, &reply, is_current(m) ? m->vote.end : 0);
}

/* The broken one: it has adopted the map, and forgot what it accepted for it. */
static void answer_as_empty(struct member *m, const struct member_step *step, uint32_t peer,
			    const struct member_message *question)
{
	struct member_message reply = member_message_of(
	    m, question->kind == MEMBER_PREPARE ? MEMBER_PROMISE : MEMBER_ACCEPTED);
	reply.epoch = question->epoch;
	reply.ballot = question->ballot;
	reply.is_ok = true;
	step->effects->send(step->effects->ctx, peer, &reply, 0);
}

void member_vote_handle(struct member *m, const struct member_step *step, uint32_t peer,
			const struct member_message *message)
{
	if (message->epoch <= m->map->epoch) {
		if (PAXOS_BROKEN(VOTER_DROPS))
			answer_as_empty(m, step, peer, message);
		else
			member_maps_tell(m, step, peer, message->epoch - 1);
		return;
	}
	if (message->epoch > m->map->epoch + 1 ||
	    (m->vote.lineage == m->lineage && m->vote.epoch > message->epoch)) {
		member_maps_want(m, step, peer);
		return;
	}
	if (!member_is_voter(m) || message->ballot.round == 0 ||
	    message->ballot.member != message->from)
		return;
	bool is_ok;
	if (message->kind == MEMBER_PREPARE) {
		is_ok = member_vote_promise(m, step, message->ballot);
	} else {
		if (!member_maps_is_next(m, message->map))
			return;
		is_ok = member_vote_accept(m, step, message->ballot, message->map);
	}
	if (is_ok || member_ballot_compare(promised_of(m), message->ballot) > 0)
		answer(m, step, peer, message, is_ok);
	if (is_ok && PAXOS_BROKEN(MAP_UNDECIDED) && message->kind == MEMBER_ACCEPT)
		member_maps_decided(m, step, message->map);
}
