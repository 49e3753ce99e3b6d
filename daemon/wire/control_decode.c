/* SPDX-License-Identifier: Apache-2.0
 *
 * Every field comes from outside. The decoder has room for the most that a message may have, so
 * that a field is checked and put where it stays.
 */
#include "base/error.h"
#include "peer.pb-c.h"
#include "wire/control.h"
#include "wire/control_fields.h"
#include "wire/node_id.h"
#include "wire/peer_address.h"
#include "wire/peer_status.h"
#include "wire/protobuf.h"

struct reading {
	struct wire_control_decoder *decoder;
	struct member_message *m;
	bool has_request, has_answer;
};

static int refuse(struct reading *r, const char *why)
{
	r->decoder->why = why;
	return DHT_EPROTO;
}

static int no_message(struct reading *r)
{
	return refuse(r, "it is no message");
}

#define NUMBER(number)  PROTOBUF_TAG(number, PROTOBUF_VARINT)
#define FIXED64(number) PROTOBUF_TAG(number, PROTOBUF_64_BITS)
#define BYTES(number)   PROTOBUF_TAG(number, PROTOBUF_BYTES)

/* What was not known: a field of a later version, or a known one in a form that it has not. */
static int pass_over(struct reading *r, const struct protobuf_field *field, uint32_t last_known)
{
	return field->tag >> 3 <= last_known ? no_message(r) : 0;
}

/* A number of at most max. */
static int check_number(struct reading *r, const struct protobuf_field *field, uint64_t max)
{
	return field->value > max ? refuse(r, "a number is out of range") : 0;
}

static int take_u16(struct reading *r, const struct protobuf_field *field, uint16_t max,
		    uint16_t *number)
{
	*number = (uint16_t)field->value;
	return check_number(r, field, max);
}

static int take_u32(struct reading *r, const struct protobuf_field *field, uint32_t max,
		    uint32_t *number)
{
	*number = (uint32_t)field->value;
	return check_number(r, field, max);
}

static int take_u64(const struct protobuf_field *field, uint64_t *number)
{
	*number = field->value;
	return 0;
}

/* Makes a text of 1 to RING_TEXT_MAX bytes. */
static int take_text(struct reading *r, struct bytes text, char **out)
{
	struct wire_control_decoder *d = r->decoder;
	if (text.len == 0 || text.len > RING_TEXT_MAX || !peer_text_is_printable(text))
		return refuse(r, "a text is empty, too long or not printable");
	/* Less room than all of them take: one of them came twice. */
	if (text.len + 1 > sizeof(d->texts) - d->texts_len)
		return refuse(r, "it has too many texts");
	*out = d->texts + d->texts_len;
	memcpy(*out, text.data, text.len);
	(*out)[text.len] = '\0';
	d->texts_len += text.len + 1;
	return 0;
}

/* ---- Lists of numbers ---------------------------------------------------------------- */

/* Takes the next number off a packed field, at most max. */
static int take_packed(struct reading *r, struct bytes *packed, uint64_t max, uint64_t *number)
{
	size_t n = protobuf_get_varint(*packed, number);
	if (n == 0)
		return no_message(r);
	protobuf_skip(packed, n);
	return *number > max ? refuse(r, "a number is out of range") : 0;
}

static int take_fins(struct reading *r, struct bytes packed)
{
	struct member_message *m = r->m;
	while (packed.len > 0) {
		uint64_t block, version;
		if (m->fin_count == MEMBER_FINS_MAX)
			return refuse(r, "it has too many fins");
		if (take_packed(r, &packed, UINT32_MAX, &block) != 0 ||
		    take_packed(r, &packed, UINT32_MAX, &version) != 0)
			return DHT_EPROTO;
		r->decoder->fins[m->fin_count++] =
		    (struct member_fin){(uint32_t)block, (uint32_t)version};
	}
	m->fins = r->decoder->fins;
	return 0;
}

static int take_news(struct reading *r, struct bytes packed)
{
	struct member_message *m = r->m;
	while (packed.len > 0) {
		uint64_t who, beat;
		if (m->news_count == MEMBER_NEWS_MAX)
			return refuse(r, "it has too much news");
		if (take_packed(r, &packed, 2 * RING_MEMBERS_MAX - 1, &who) != 0 ||
		    take_packed(r, &packed, UINT64_MAX, &beat) != 0)
			return DHT_EPROTO;
		r->decoder->news[m->news_count++] = (struct member_news){
		    .member = (uint16_t)(who / 2), .is_down = who % 2 != 0, .beat = beat};
	}
	m->news = r->decoder->news;
	return 0;
}

static int take_ballot(struct reading *r, const struct protobuf_field *field,
		       struct member_ballot *ballot)
{
	ballot->round = (uint32_t)(field->value >> CONTROL_MEMBER_BITS);
	ballot->member = field->value & ((1 << CONTROL_MEMBER_BITS) - 1);
	return check_number(r, field, CONTROL_BALLOT_MAX);
}

/* ---- Requests ------------------------------------------------------------------------ */

static int take_id(struct reading *r, struct bytes raw, char id[RING_ID_SIZE])
{
	if (raw.len != NODE_ID_SIZE)
		return refuse(r, "a node's id is too short or too long");
	node_id_unpack(raw.data, id);
	return 0;
}

static int take_address(struct reading *r, struct bytes body, struct ring_address *addresses,
			size_t *count)
{
	struct bytes host;
	if (*count == RING_ADDRESSES_MAX)
		return refuse(r, "a member has too many addresses");
	struct ring_address *address = &addresses[*count];
	if (!peer_address_take(body, &host, &address->port))
		return refuse(r, "an address is none");
	++*count;
	return take_text(r, host, &address->host);
}

static int take_standing(struct reading *r, const struct protobuf_field *field,
			 enum ring_standing *standing)
{
	*standing = (enum ring_standing)field->value;
	return check_number(r, field, RING_LEAVING);
}

static int take_member_field(struct reading *r, const struct protobuf_field *field,
			     struct ring_member *member)
{
	switch (field->tag) {
	case NUMBER(MEMBER_FIELD_NUMBER):
		return take_u16(r, field, RING_MEMBERS_MAX - 1, &member->number);
	case NUMBER(MEMBER_FIELD_STANDING):
		return take_standing(r, field, &member->standing);
	case BYTES(MEMBER_FIELD_NODE_ID):
		return take_id(r, field->bytes, member->id);
	case BYTES(MEMBER_FIELD_NAME):
		return take_text(r, field->bytes, &member->name);
	case BYTES(MEMBER_FIELD_ZONE):
		return take_text(r, field->bytes, &member->zone);
	case NUMBER(MEMBER_FIELD_WEIGHT):
		return take_u32(r, field, UINT32_MAX, &member->weight);
	case BYTES(MEMBER_FIELD_CLIENTS):
		return take_address(r, field->bytes, member->clients, &member->client_count);
	case BYTES(MEMBER_FIELD_PEERS):
		return take_address(r, field->bytes, member->peers, &member->peer_count);
	default:
		return pass_over(r, field, MEMBER_FIELD_PEERS);
	}
}

static int take_member(struct reading *r, struct bytes body, struct ring_member *member)
{
	struct protobuf_field field;
	r->decoder->texts_len = 0;
	*member = (struct ring_member){.clients = r->decoder->clients, .peers = r->decoder->peers};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_member_field(r, &field, member) != 0)
			return DHT_EPROTO;
	}
	return 0;
}

#define SAME_KIND(name)                                                                            \
	_Static_assert((int)MEMBER_REQUEST_##name + 1 ==                                           \
			   (int)DHTD__PEER__MEMBER_REQUEST__KIND__##name,                          \
		       "the numbers of proto/peer.proto")
SAME_KIND(JOIN);
SAME_KIND(LEAVE);
SAME_KIND(REMOVE);
SAME_KIND(REPLACE);
SAME_KIND(ADJUST);
SAME_KIND(CANCEL);

static int take_request_kind(struct reading *r, const struct protobuf_field *field,
			     struct member_request *request)
{
	if (field->value == 0 || field->value > MEMBER_REQUEST_KIND_COUNT)
		return refuse(r, "a request is of no kind that is known");
	request->kind = (enum member_request_kind)(field->value - 1);
	return 0;
}

static int take_request_flags(struct reading *r, const struct protobuf_field *field,
			      struct member_request *request)
{
	request->has_data = (field->value & REQUEST_FLAG_HAS_DATA) != 0;
	request->is_forced = (field->value & REQUEST_FLAG_IS_FORCED) != 0;
	return check_number(r, field, REQUEST_FLAGS_ALL);
}

static int take_request_field(struct reading *r, const struct protobuf_field *field,
			      struct member_request *request, bool *has_member)
{
	switch (field->tag) {
	case NUMBER(REQUEST_KIND):
		return take_request_kind(r, field, request);
	case NUMBER(REQUEST_NUMBER):
		return take_u16(r, field, RING_MEMBERS_MAX - 1, &request->number);
	case NUMBER(REQUEST_JOB):
		return take_u64(field, &request->job);
	case BYTES(REQUEST_MEMBER):
		*has_member = true;
		return take_member(r, field->bytes, &request->member);
	case FIXED64(REQUEST_LINEAGE):
		return take_u64(field, &request->lineage);
	case NUMBER(REQUEST_FLAGS):
		return take_request_flags(r, field, request);
	default:
		return pass_over(r, field, REQUEST_FLAGS);
	}
}

static int take_request(struct reading *r, struct bytes body)
{
	struct member_request *request = &r->decoder->request;
	struct protobuf_field field;
	bool has_member = false;
	*request = (struct member_request){.kind = MEMBER_REQUEST_KIND_COUNT};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_request_field(r, &field, request, &has_member) != 0)
			return DHT_EPROTO;
	}
	if (request->kind == MEMBER_REQUEST_KIND_COUNT)
		return refuse(r, "a request is of no kind that is known");
	if (has_member != control_has_member(request->kind))
		return refuse(r, "a request has a member, or has none, against its kind");
	r->has_request = true;
	r->m->request = request;
	return 0;
}

/* ---- Answers ------------------------------------------------------------------------- */

static int take_answer_field(struct reading *r, const struct protobuf_field *field,
			     struct member_answer *answer)
{
	switch (field->tag) {
	case NUMBER(ANSWER_STATUS):
		if (!peer_status_of(field->value, &answer->status))
			return refuse(r, "a status is none of an answer");
		return 0;
	case NUMBER(ANSWER_JOB):
		return take_u64(field, &answer->job);
	case BYTES(ANSWER_TEXT):
		if (field->bytes.len >= sizeof(answer->text) ||
		    !peer_text_is_printable(field->bytes))
			return refuse(r, "a text is too long or not printable");
		memset(answer->text, 0, sizeof(answer->text));
		memcpy(answer->text, field->bytes.data, field->bytes.len);
		return 0;
	default:
		return pass_over(r, field, ANSWER_TEXT);
	}
}

static int take_answer(struct reading *r, struct bytes body)
{
	struct member_answer *answer = &r->decoder->answer;
	struct protobuf_field field;
	*answer = (struct member_answer){0};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_answer_field(r, &field, answer) != 0)
			return DHT_EPROTO;
	}
	r->has_answer = true;
	r->m->answer = answer;
	return 0;
}

/* ---- The message --------------------------------------------------------------------- */

static int take_kind(struct reading *r, const struct protobuf_field *field)
{
	switch (field->value) {
#define X(name, from_guest)                                                                        \
	case DHTD__PEER__CONTROL_MESSAGE__KIND__##name:                                            \
		r->m->kind = MEMBER_##name;                                                        \
		return 0;
		MEMBER_MESSAGE_KINDS(X)
#undef X
	default:
		return refuse(r, "it is of no kind that is known");
	}
}

static int take_flags(struct reading *r, const struct protobuf_field *field)
{
	r->m->is_ok = (field->value & CONTROL_FLAG_IS_OK) != 0;
	r->m->is_full = (field->value & CONTROL_FLAG_IS_FULL) != 0;
	return check_number(r, field, CONTROL_FLAGS_ALL);
}

static int take_field(struct reading *r, const struct protobuf_field *field)
{
	struct member_message *m = r->m;
	switch (field->tag) {
	case NUMBER(CONTROL_KIND):
		return take_kind(r, field);
	case NUMBER(CONTROL_FROM):
		return take_u16(r, field, RING_MEMBERS_MAX - 1, &m->from);
	case FIXED64(CONTROL_LINEAGE):
		return take_u64(field, &m->lineage);
	case NUMBER(CONTROL_EPOCH):
		return take_u64(field, &m->epoch);
	case NUMBER(CONTROL_FLAGS):
		return take_flags(r, field);
	case NUMBER(CONTROL_BEAT):
		return take_u64(field, &m->beat);
	case NUMBER(CONTROL_COUNTER):
		return take_u64(field, &m->counter);
	case NUMBER(CONTROL_CLOCK_MS):
		return take_u64(field, &m->clock_ms);
	case NUMBER(CONTROL_PROGRESS):
		return take_u64(field, &m->progress);
	case BYTES(CONTROL_FINS):
		return take_fins(r, field->bytes);
	case BYTES(CONTROL_NEWS):
		return take_news(r, field->bytes);
	case NUMBER(CONTROL_TAG):
		return take_u64(field, &m->tag);
	case NUMBER(CONTROL_BALLOT):
		return take_ballot(r, field, &m->ballot);
	case NUMBER(CONTROL_ACCEPTED):
		return take_ballot(r, field, &m->accepted);
	case NUMBER(CONTROL_REACH):
		return take_u16(r, field, RING_MEMBERS_MAX, &m->reach);
	case FIXED64(CONTROL_LINEAGE_BEFORE):
		return take_u64(field, &m->lineage_before);
	case BYTES(CONTROL_REQUEST):
		return take_request(r, field->bytes);
	case BYTES(CONTROL_ANSWER):
		return take_answer(r, field->bytes);
	case NUMBER(CONTROL_HELD_BYTES):
		return take_u64(field, &m->held_bytes);
	case NUMBER(CONTROL_AHEAD_MS):
		return take_u64(field, &m->ahead_ms);
	default:
		return pass_over(r, field, CONTROL_AHEAD_MS);
	}
}

/* A message has the parts of its kind. */
static int finish(struct reading *r, struct bytes payload)
{
	struct member_message *m = r->m;
	if (m->kind == MEMBER_MESSAGE_KIND_COUNT)
		return refuse(r, "it has no kind");
	if (r->has_request != (m->kind == MEMBER_REQUEST) ||
	    r->has_answer != (m->kind == MEMBER_ANSWER) ||
	    (m->fin_count + m->news_count > 0 && m->kind != MEMBER_BEAT))
		return refuse(r, "it has a part that its kind has not, or lacks one");
	if (payload.len > (control_has_map(m->kind) ? MEMBER_VALUE_MAX : 0))
		return refuse(r, "a map is too long, or in a message that has none");
	m->map = payload;
	return member_message_is_valid(m) ? 0 : refuse(r, "a member in it could be none");
}

int wire_control_decode(struct wire_control_decoder *decoder, const struct peer_frame *frame,
			struct member_message *m)
{
	struct reading r = {.decoder = decoder, .m = m};
	struct bytes body = frame->message;
	struct protobuf_field field;
	DHT_ASSERT(frame->type == PEER_CONTROL);
	*m = (struct member_message){.kind = MEMBER_MESSAGE_KIND_COUNT, .from = MEMBER_NOBODY};
	decoder->why = NULL;
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(&r);
		if (take_field(&r, &field) != 0)
			return DHT_EPROTO;
	}
	return finish(&r, frame->payload);
}
