/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "peer.pb-c.h"
#include "wire/control.h"
#include "wire/control_fields.h"
#include "wire/node_id.h"
#include "wire/peer_address.h"
#include "wire/peer_status.h"
#include "wire/protobuf.h"

enum {
	PART_HEAD_MAX = 2 + 5,
	HEAD_MAX = 192, /* of the numbers of a message */
	FIN_MAX = 5 + 5,
	NEWS_MAX = 2 + PROTOBUF_VARINT_MAX,
	REQUEST_MAX = 64,
	MEMBER_MAX = 64 + 2 * (3 + RING_TEXT_MAX), /* without addresses */
	ANSWER_MAX = 32 + MEMBER_TEXT_MAX,
};

static const uint8_t wire_kinds[] = {
#define X(name, from_guest) [MEMBER_##name] = DHTD__PEER__CONTROL_MESSAGE__KIND__##name,
    MEMBER_MESSAGE_KINDS(X)
#undef X
};

/* ---- What can be sent ---------------------------------------------------------------- */

static bool is_text(const char *text)
{
	return peer_text_is_printable(bytes_of_text(text));
}

static bool are_hosts(const struct ring_address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_text(addresses[i].host))
			return false;
	}
	return true;
}

static bool is_request(const struct member_request *request)
{
	const struct ring_member *member = &request->member;
	return !control_has_member(request->kind) ||
	       (is_text(member->name) && is_text(member->zone) &&
		are_hosts(member->clients, member->client_count) &&
		are_hosts(member->peers, member->peer_count));
}

static bool is_answer(const struct member_answer *answer)
{
	int status;
	return peer_status_of((uint64_t) - (int64_t)answer->status, &status) &&
	       is_text(answer->text);
}

/* What the other side would refuse is not sent: it would close the link. */
static bool is_good(const struct member_message *m)
{
	return member_message_is_valid(m) && (m->map.len == 0 || control_has_map(m->kind)) &&
	       ((m->fin_count == 0 && m->news_count == 0) || m->kind == MEMBER_BEAT) &&
	       (m->kind != MEMBER_REQUEST || is_request(m->request)) &&
	       (m->kind != MEMBER_ANSWER || is_answer(m->answer));
}

static size_t heads_max(const struct member_message *m)
{
	size_t max =
	    HEAD_MAX + 2 * PART_HEAD_MAX + m->fin_count * FIN_MAX + m->news_count * NEWS_MAX;
	if (m->kind == MEMBER_REQUEST) {
		const struct ring_member *member = &m->request->member;
		max += REQUEST_MAX + MEMBER_MAX + 2 * PART_HEAD_MAX;
		if (control_has_member(m->request->kind))
			max += (member->client_count + member->peer_count) * PEER_ADDRESS_MAX;
	} else if (m->kind == MEMBER_ANSWER) {
		max += ANSWER_MAX + PART_HEAD_MAX;
	}
	return max;
}

/* ---- Parts --------------------------------------------------------------------------- */

/* A part's length stands in front of it, and is known at its end: it is written behind room for
 * the head, and moved. */
static uint8_t *end_part(uint8_t *start, uint32_t number, uint8_t *end)
{
	const uint8_t *written = start + PART_HEAD_MAX;
	size_t len = (size_t)(end - written);
	uint8_t *body = protobuf_put_varint(start, PROTOBUF_TAG(number, PROTOBUF_BYTES));
	body = protobuf_put_varint(body, len);
	DHT_ASSERT(body <= written);
	memmove(body, written, len);
	return body + len;
}

static uint8_t *put_fins(uint8_t *p, const struct member_message *m)
{
	uint8_t *end = p + PART_HEAD_MAX;
	if (m->fin_count == 0)
		return p;
	for (size_t i = 0; i < m->fin_count; i++) {
		end = protobuf_put_varint(end, m->fins[i].block);
		end = protobuf_put_varint(end, m->fins[i].version);
	}
	return end_part(p, CONTROL_FINS, end);
}

static uint8_t *put_news(uint8_t *p, const struct member_message *m)
{
	uint8_t *end = p + PART_HEAD_MAX;
	if (m->news_count == 0)
		return p;
	for (size_t i = 0; i < m->news_count; i++) {
		const struct member_news *news = &m->news[i];
		end = protobuf_put_varint(end, 2u * news->member + (news->is_down ? 1 : 0));
		end = protobuf_put_varint(end, news->beat);
	}
	return end_part(p, CONTROL_NEWS, end);
}

_Static_assert((int)RING_IN == (int)DHTD__PEER__MEMBER__STANDING__IN &&
		   (int)RING_JOINING == (int)DHTD__PEER__MEMBER__STANDING__JOINING &&
		   (int)RING_LEAVING == (int)DHTD__PEER__MEMBER__STANDING__LEAVING,
	       "the numbers of proto/peer.proto");

static uint8_t *put_member(uint8_t *p, const struct ring_member *member)
{
	uint8_t *end = p + PART_HEAD_MAX, id[NODE_ID_SIZE];
	node_id_pack(member->id, id);
	end = protobuf_put_nonzero(end, MEMBER_FIELD_NUMBER, member->number);
	end = protobuf_put_nonzero(end, MEMBER_FIELD_STANDING, member->standing);
	end = protobuf_put_bytes(end, MEMBER_FIELD_NODE_ID, bytes_of(id, sizeof(id)));
	end = protobuf_put_bytes(end, MEMBER_FIELD_NAME, bytes_of_text(member->name));
	end = protobuf_put_bytes(end, MEMBER_FIELD_ZONE, bytes_of_text(member->zone));
	end = protobuf_put_nonzero(end, MEMBER_FIELD_WEIGHT, member->weight);
	for (size_t i = 0; i < member->client_count; i++)
		end = peer_address_put(end, MEMBER_FIELD_CLIENTS, &member->clients[i]);
	for (size_t i = 0; i < member->peer_count; i++)
		end = peer_address_put(end, MEMBER_FIELD_PEERS, &member->peers[i]);
	return end_part(p, REQUEST_MEMBER, end);
}

static uint8_t *put_request(uint8_t *p, const struct member_request *request)
{
	uint8_t *end = p + PART_HEAD_MAX;
	uint32_t flags = (request->has_data ? REQUEST_FLAG_HAS_DATA : 0) |
			 (request->is_forced ? REQUEST_FLAG_IS_FORCED : 0);
	end = protobuf_put_number(end, REQUEST_KIND, request->kind + 1u);
	end = protobuf_put_nonzero(end, REQUEST_NUMBER, request->number);
	end = protobuf_put_nonzero(end, REQUEST_JOB, request->job);
	if (control_has_member(request->kind))
		end = put_member(end, &request->member);
	if (request->lineage != 0)
		end = protobuf_put_fixed64(end, REQUEST_LINEAGE, request->lineage);
	end = protobuf_put_nonzero(end, REQUEST_FLAGS, flags);
	return end_part(p, CONTROL_REQUEST, end);
}

static uint8_t *put_answer(uint8_t *p, const struct member_answer *answer)
{
	uint8_t *end = p + PART_HEAD_MAX;
	end = protobuf_put_nonzero(end, ANSWER_STATUS, (uint32_t)-answer->status);
	end = protobuf_put_nonzero(end, ANSWER_JOB, answer->job);
	if (answer->text[0] != '\0')
		end = protobuf_put_bytes(end, ANSWER_TEXT, bytes_of_text(answer->text));
	return end_part(p, CONTROL_ANSWER, end);
}

/* ---- The message --------------------------------------------------------------------- */

static uint64_t number_of(struct member_ballot ballot)
{
	return (uint64_t)ballot.round << CONTROL_MEMBER_BITS | ballot.member;
}

static uint8_t *put_message(uint8_t *p, const struct member_message *m)
{
	uint32_t flags =
	    (m->is_ok ? CONTROL_FLAG_IS_OK : 0) | (m->is_full ? CONTROL_FLAG_IS_FULL : 0);
	p = protobuf_put_number(p, CONTROL_KIND, wire_kinds[m->kind]);
	if (m->from != MEMBER_NOBODY)
		p = protobuf_put_number(p, CONTROL_FROM, m->from);
	p = protobuf_put_fixed64(p, CONTROL_LINEAGE, m->lineage);
	p = protobuf_put_nonzero(p, CONTROL_EPOCH, m->epoch);
	p = protobuf_put_nonzero(p, CONTROL_FLAGS, flags);
	p = protobuf_put_nonzero(p, CONTROL_BEAT, m->beat);
	p = protobuf_put_nonzero(p, CONTROL_COUNTER, m->counter);
	p = protobuf_put_nonzero(p, CONTROL_CLOCK_MS, m->clock_ms);
	p = protobuf_put_nonzero(p, CONTROL_PROGRESS, m->progress);
	p = protobuf_put_nonzero(p, CONTROL_HELD_BYTES, m->held_bytes);
	p = protobuf_put_nonzero(p, CONTROL_AHEAD_MS, m->ahead_ms);
	p = put_fins(p, m);
	p = put_news(p, m);
	p = protobuf_put_nonzero(p, CONTROL_TAG, m->tag);
	p = protobuf_put_nonzero(p, CONTROL_BALLOT, number_of(m->ballot));
	p = protobuf_put_nonzero(p, CONTROL_ACCEPTED, number_of(m->accepted));
	p = protobuf_put_nonzero(p, CONTROL_REACH, m->reach);
	if (m->lineage_before != 0)
		p = protobuf_put_fixed64(p, CONTROL_LINEAGE_BEFORE, m->lineage_before);
	if (m->kind == MEMBER_REQUEST)
		p = put_request(p, m->request);
	else if (m->kind == MEMBER_ANSWER)
		p = put_answer(p, m->answer);
	return p;
}

int wire_control_encode(const struct member_message *m, unsigned piece_max, struct buffer *out,
			size_t max, struct wire_frame *frame)
{
	if (!is_good(m))
		return DHT_EINVAL;
	bool is_piece = piece_max > 0 && m->map.len >= WIRE_PIECE_MIN;
	size_t heads = heads_max(m), copied = is_piece ? 0 : m->map.len;
	int rc = buffer_reserve(out, PEER_FRAME_HEADER + heads + copied, max);
	if (rc != 0)
		return rc;
	uint8_t *start = buffer_tail(out), *head = start + PEER_FRAME_HEADER;
	uint8_t *end = put_message(head, m);
	size_t head_len = (size_t)(end - head);
	DHT_ASSERT(head_len <= heads);
	*frame = (struct wire_frame){.piece_count = is_piece ? 1 : 0, .piece_max = piece_max};
	if (is_piece)
		frame->pieces[0] =
		    (struct wire_piece){.at = PEER_FRAME_HEADER + head_len, .value = m->map};
	else
		end = protobuf_put_raw(end, m->map);
	frame->copied = (size_t)(end - start);
	frame->size = PEER_FRAME_HEADER + head_len + m->map.len;
	peer_frame_put_header(start, PEER_CONTROL, 0, 0, head_len, frame->size);
	wire_frame_seal(frame, start);
	out->len += frame->copied;
	return 0;
}
