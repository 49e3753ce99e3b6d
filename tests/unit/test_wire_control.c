/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/control.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_draw.h"
#include "peer.pb-c.h"
#include "unit.h"
#include "ring/share.h"
#include "wire/control_fields.h"
#include "wire/peer_address.h"
#include "wire/peer_parts.h"

enum { ROUNDS = 2000 };

static struct wire_control_decoder decoder;

/* ---- Random messages ----------------------------------------------------------------- */

static struct member_fin fins[MEMBER_FINS_MAX];
static struct member_news news[MEMBER_NEWS_MAX];
static struct member_request request;
static struct member_answer answer;
static struct ring_address addresses[2][RING_ADDRESSES_MAX];
static char texts[2 + 2 * RING_ADDRESSES_MAX][RING_TEXT_MAX + 1];
static uint8_t map[MEMBER_VALUE_MAX + 1];

static void fill_text(char *text, size_t max)
{
	size_t len = 1 + below(chance(5) ? max : 12);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('!' + below(90));
	text[len] = '\0';
}

static size_t fill_addresses(unsigned kind)
{
	size_t count = below(chance(10) ? RING_ADDRESSES_MAX + 1 : 4);
	for (size_t i = 0; i < count; i++) {
		char *host = texts[2 + kind * RING_ADDRESSES_MAX + i];
		fill_text(host, RING_TEXT_MAX);
		addresses[kind][i] = (struct ring_address){host, (uint16_t)(1 + below(UINT16_MAX))};
	}
	return count;
}

static void fill_request(void)
{
	request = (struct member_request){
	    .kind = (enum member_request_kind)below(MEMBER_REQUEST_KIND_COUNT),
	    .number = (uint16_t)below(RING_MEMBERS_MAX),
	    .job = any_number(),
	    .lineage = chance(2) ? draw() : 0,
	    .has_data = chance(2),
	    .is_forced = chance(2),
	};
	if (!control_has_member(request.kind))
		return;
	struct ring_member *member = &request.member;
	fill_text(texts[0], RING_TEXT_MAX);
	fill_text(texts[1], RING_TEXT_MAX);
	*member = (struct ring_member){.number = (uint16_t)below(RING_MEMBERS_MAX),
				       .standing = (enum ring_standing)below(3),
				       .name = texts[0],
				       .zone = texts[1],
				       .weight = 1 + (uint32_t)below(RING_WEIGHT_MAX),
				       .clients = addresses[0],
				       .peers = addresses[1]};
	snprintf(member->id, sizeof(member->id), "%016lx%016lx", draw(), draw());
	member->client_count = fill_addresses(0);
	member->peer_count = fill_addresses(1);
}

static void fill_answer(void)
{
	static const int statuses[] = {0, DHT_EUNSAFE, DHT_EUNCERTAIN, DHT_EFULL};
	answer = (struct member_answer){.status = statuses[below(DHT_ARRAY_LEN(statuses))],
					.job = any_number()};
	if (chance(2))
		fill_text(answer.text, MEMBER_TEXT_MAX - 1);
}

static void fill_beat(struct member_message *m)
{
	m->beat = any_number();
	m->counter = any_number();
	m->clock_ms = any_number();
	m->ahead_ms = any_number();
	m->progress = any_number();
	m->held_bytes = any_number();
	m->is_full = chance(2);
	m->fins = fins;
	m->fin_count = chance(2) ? 0 : below(MEMBER_FINS_MAX + 1);
	for (size_t i = 0; i < m->fin_count; i++)
		fins[i] = (struct member_fin){(uint32_t)any_number(), (uint32_t)any_number()};
	m->news = news;
	m->news_count = chance(2) ? 0 : below(MEMBER_NEWS_MAX + 1);
	for (size_t i = 0; i < m->news_count; i++)
		news[i] = (struct member_news){.member = (uint16_t)below(RING_MEMBERS_MAX),
					       .is_down = chance(2),
					       .beat = any_number()};
}

static struct member_ballot any_ballot(void)
{
	return (struct member_ballot){(uint32_t)any_number(), (uint16_t)below(MEMBER_NOBODY + 1)};
}

static struct member_message any_message(enum member_message_kind kind)
{
	struct member_message m = {
	    .kind = kind,
	    .from = chance(4) ? MEMBER_NOBODY : (uint16_t)below(RING_MEMBERS_MAX),
	    .lineage = draw(),
	    .epoch = any_number(),
	};
	if (kind == MEMBER_BEAT)
		fill_beat(&m);
	if (kind == MEMBER_MAP) {
		m.reach = (uint16_t)below(RING_MEMBERS_MAX + 1);
		m.lineage_before = chance(2) ? draw() : 0;
	}
	if (control_has_map(kind))
		m.map = bytes_of(map, below(chance(20) ? sizeof(map) : 2000));
	m.is_ok = chance(2);
	m.ballot = any_ballot();
	m.accepted = any_ballot();
	m.tag = any_number();
	if (kind == MEMBER_REQUEST) {
		fill_request();
		m.request = &request;
	}
	if (kind == MEMBER_ANSWER) {
		fill_answer();
		m.answer = &answer;
	}
	return m;
}

/* ---- Comparing ----------------------------------------------------------------------- */

static void require_same_request(const struct member_request *a, const struct member_request *b)
{
	UNIT_REQUIRE(a->kind == b->kind && a->number == b->number && a->job == b->job);
	UNIT_REQUIRE(a->lineage == b->lineage && a->has_data == b->has_data);
	UNIT_REQUIRE(a->is_forced == b->is_forced);
	if (!control_has_member(a->kind))
		return;
	UNIT_REQUIRE(a->member.number == b->member.number);
	UNIT_REQUIRE(a->member.standing == b->member.standing);
	UNIT_REQUIRE(ring_member_is_equal(&a->member, &b->member));
}

static void require_same(const struct member_message *a, const struct member_message *b)
{
	UNIT_REQUIRE(a->kind == b->kind && a->from == b->from && a->lineage == b->lineage);
	UNIT_REQUIRE(a->epoch == b->epoch && a->is_ok == b->is_ok && a->is_full == b->is_full);
	UNIT_REQUIRE(member_ballot_compare(a->ballot, b->ballot) == 0);
	UNIT_REQUIRE(member_ballot_compare(a->accepted, b->accepted) == 0);
	UNIT_REQUIRE(bytes_equal(a->map, b->map) && a->reach == b->reach);
	UNIT_REQUIRE(a->lineage_before == b->lineage_before && a->beat == b->beat);
	UNIT_REQUIRE(a->counter == b->counter && a->clock_ms == b->clock_ms);
	UNIT_REQUIRE(a->ahead_ms == b->ahead_ms);
	UNIT_REQUIRE(a->progress == b->progress && a->tag == b->tag);
	UNIT_REQUIRE(a->held_bytes == b->held_bytes);
	UNIT_REQUIRE(a->fin_count == b->fin_count && a->news_count == b->news_count);
	for (size_t i = 0; i < a->fin_count; i++)
		UNIT_REQUIRE(a->fins[i].block == b->fins[i].block &&
			     a->fins[i].version == b->fins[i].version);
	for (size_t i = 0; i < a->news_count; i++)
		UNIT_REQUIRE(a->news[i].member == b->news[i].member &&
			     a->news[i].is_down == b->news[i].is_down &&
			     a->news[i].beat == b->news[i].beat);
	UNIT_REQUIRE((a->request != NULL) == (b->request != NULL));
	if (a->request != NULL)
		require_same_request(a->request, b->request);
	UNIT_REQUIRE((a->answer != NULL) == (b->answer != NULL));
	if (a->answer != NULL)
		UNIT_REQUIRE(a->answer->status == b->answer->status &&
			     a->answer->job == b->answer->job &&
			     strcmp(a->answer->text, b->answer->text) == 0);
}

/* ---- Encoding and decoding ----------------------------------------------------------- */

static struct buffer encode(const struct member_message *m)
{
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	UNIT_REQUIRE(wire_control_encode(m, 0, &out, SIZE_MAX, &frame) == 0);
	UNIT_REQUIRE(frame.size == out.len && frame.copied == out.len && frame.piece_count == 0);
	return out;
}

static void parse(const struct buffer *bytes, struct peer_frame *frame)
{
	size_t size;
	struct bytes all = bytes_of(buffer_head(bytes), bytes->len);
	if (all.len > PEER_FRAME_MAX)
		UNIT_REQUIRE(peer_frame_parse_whole(all, frame) == 0);
	else
		UNIT_REQUIRE(peer_frame_parse(all, frame, &size) == 1 && size == all.len);
	UNIT_REQUIRE(frame->type == PEER_CONTROL);
}

START_TEST(every_kind_comes_back_as_it_was)
{
	for (size_t i = 0; i < sizeof(map); i++)
		map[i] = (uint8_t)(i * 31 + i / 256);
	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned kind = 0; kind < MEMBER_MESSAGE_KIND_COUNT; kind++) {
			struct member_message sent = any_message((enum member_message_kind)kind),
					      got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			UNIT_REQUIRE(wire_control_decode(&decoder, &frame, &got) == 0);
			UNIT_REQUIRE(decoder.why == NULL && member_message_is_valid(&got));
			require_same(&sent, &got);
			UNIT_REQUIRE(got.map.len == 0 || got.map.data == frame.payload.data);
			buffer_reset(&bytes);
		}
	}
}
END_TEST

static void check_field(const ProtobufCMessageDescriptor *message, const char *name,
			unsigned number)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(message, name);
	ck_assert_msg(field != NULL && field->id == number, "%s.%s", message->name, name);
}

#define CHECK_FIELDS(LIST, descriptor)                                                             \
	do {                                                                                       \
		const ProtobufCMessageDescriptor *type = &(descriptor);                            \
		unsigned count = 0;                                                                \
		LIST(X)                                                                            \
		ck_assert_uint_eq(count, type->n_fields);                                          \
	} while (0)

START_TEST(fields_have_the_numbers_of_the_schema)
{
#define X(NAME, name, number) check_field(type, #name, number), count++;
	CHECK_FIELDS(CONTROL_FIELDS, dhtd__peer__control_message__descriptor);
	CHECK_FIELDS(CONTROL_REQUEST_FIELDS, dhtd__peer__member_request__descriptor);
	CHECK_FIELDS(CONTROL_ANSWER_FIELDS, dhtd__peer__member_answer__descriptor);
	CHECK_FIELDS(CONTROL_MEMBER_FIELDS, dhtd__peer__member__descriptor);
#undef X
	check_field(&dhtd__peer__address__descriptor, "host", ADDRESS_HOST);
	check_field(&dhtd__peer__address__descriptor, "port", ADDRESS_PORT);
	ck_assert_int_eq(CONTROL_FLAG_IS_OK, DHTD__PEER__CONTROL_MESSAGE__FLAG__IS_OK);
	ck_assert_int_eq(CONTROL_FLAG_IS_FULL, DHTD__PEER__CONTROL_MESSAGE__FLAG__IS_FULL);
	ck_assert_int_eq(REQUEST_FLAG_HAS_DATA, DHTD__PEER__MEMBER_REQUEST__FLAG__HAS_DATA);
	ck_assert_int_eq(REQUEST_FLAG_IS_FORCED, DHTD__PEER__MEMBER_REQUEST__FLAG__IS_FORCED);
}
END_TEST

/* The generated code reads what was encoded, knows all of it, and writes what decodes to the
 * same: two readings of the schema that agree. */
START_TEST(the_generated_code_agrees)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		for (unsigned kind = 0; kind < MEMBER_MESSAGE_KIND_COUNT; kind++) {
			struct member_message sent = any_message((enum member_message_kind)kind),
					      got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			Dhtd__Peer__ControlMessage *m = dhtd__peer__control_message__unpack(
			    NULL, frame.message.len, frame.message.data);
			UNIT_REQUIRE(m != NULL && m->base.n_unknown_fields == 0);
			UNIT_REQUIRE(m->kind == (Dhtd__Peer__ControlMessage__Kind)(kind + 1));
			UNIT_REQUIRE(m->n_fins == 2 * sent.fin_count &&
				     m->n_news == 2 * sent.news_count);
			UNIT_REQUIRE(m->ballot ==
				     sent.ballot.round * UINT64_C(4096) + sent.ballot.member);
			size_t len = dhtd__peer__control_message__get_packed_size(m);
			uint8_t *packed = malloc(len);
			UNIT_REQUIRE(dhtd__peer__control_message__pack(m, packed) == len);
			UNIT_REQUIRE(len == frame.message.len);
			frame.message = bytes_of(packed, len);
			UNIT_REQUIRE(wire_control_decode(&decoder, &frame, &got) == 0);
			require_same(&sent, &got);
			dhtd__peer__control_message__free_unpacked(m, NULL);
			free(packed);
			buffer_reset(&bytes);
		}
	}
}
END_TEST

/* Decodes exactly these bytes, which a sanitizer guards. */
static int decode_alone(struct bytes message, struct member_message *m)
{
	uint8_t *copy = malloc(message.len + 1);
	memcpy(copy + 1, message.data, message.len);
	struct peer_frame frame = {.type = PEER_CONTROL,
				   .message = bytes_of(copy + 1, message.len)};
	int rc = wire_control_decode(&decoder, &frame, m);
	UNIT_REQUIRE(rc == 0 || (rc == DHT_EPROTO && decoder.why != NULL));
	UNIT_REQUIRE(rc != 0 || member_message_is_valid(m));
	free(copy);
	return rc;
}

static bool is_message(struct bytes bytes)
{
	Dhtd__Peer__ControlMessage *m =
	    dhtd__peer__control_message__unpack(NULL, bytes.len, bytes.data);
	if (m != NULL)
		dhtd__peer__control_message__free_unpacked(m, NULL);
	return m != NULL;
}

START_TEST(what_is_cut_short_or_changed_breaks_nothing)
{
	enum { LOOKED_AT = 600 };
	for (int i = 0; i < 20 * MEMBER_MESSAGE_KIND_COUNT; i++) {
		struct member_message sent = any_message((enum member_message_kind)(
					  i % MEMBER_MESSAGE_KIND_COUNT)),
				      got;
		struct buffer bytes = encode(&sent);
		struct peer_frame frame;
		parse(&bytes, &frame);
		size_t len = frame.message.len < LOOKED_AT ? frame.message.len : LOOKED_AT;
		uint8_t *message = buffer_head(&bytes) + PEER_FRAME_HEADER;
		for (size_t k = 0; k < len; k++) {
			struct bytes cut = bytes_of(message, k);
			UNIT_REQUIRE(decode_alone(cut, &got) == DHT_EPROTO || is_message(cut));
			uint8_t old = message[k];
			message[k] = (uint8_t)draw();
			(void)decode_alone(frame.message, &got);
			message[k] = old;
		}
		buffer_reset(&bytes);
	}
}
END_TEST

/* ---- Bounds -------------------------------------------------------------------------- */

static int decode_generated(const Dhtd__Peer__ControlMessage *m, size_t payload_len)
{
	static struct member_message got;
	size_t len = dhtd__peer__control_message__get_packed_size(m);
	uint8_t *packed = malloc(len + 1);
	dhtd__peer__control_message__pack(m, packed);
	struct peer_frame frame = {.type = PEER_CONTROL,
				   .message = bytes_of(packed, len),
				   .payload = bytes_of(map, payload_len)};
	int rc = wire_control_decode(&decoder, &frame, &got);
	UNIT_REQUIRE((rc == 0) == (decoder.why == NULL));
	UNIT_REQUIRE(rc != 0 || member_message_is_valid(&got));
	free(packed);
	return rc;
}

#define KIND(NAME) DHTD__PEER__CONTROL_MESSAGE__KIND__##NAME

static uint8_t raw_id[17];
static Dhtd__Peer__Address address = DHTD__PEER__ADDRESS__INIT;
static Dhtd__Peer__Member member = DHTD__PEER__MEMBER__INIT;
static Dhtd__Peer__MemberRequest asked = DHTD__PEER__MEMBER_REQUEST__INIT;
static Dhtd__Peer__MemberAnswer answered = DHTD__PEER__MEMBER_ANSWER__INIT;
static Dhtd__Peer__Address *many[RING_ADDRESSES_MAX + 1];
static char host[] = "10.0.0.1", name[] = "n1", zone[] = "z1", long_text[300];

/* A message of the kind that is good as it is. */
static Dhtd__Peer__ControlMessage good(Dhtd__Peer__ControlMessage__Kind kind)
{
	Dhtd__Peer__ControlMessage m = DHTD__PEER__CONTROL_MESSAGE__INIT;
	m.has_kind = true;
	m.kind = kind;
	dhtd__peer__address__init(&address);
	dhtd__peer__member__init(&member);
	dhtd__peer__member_request__init(&asked);
	dhtd__peer__member_answer__init(&answered);
	address.host = host;
	address.has_port = true;
	address.port = 7402;
	for (size_t i = 0; i < DHT_ARRAY_LEN(many); i++)
		many[i] = &address;
	member.has_node_id = true;
	member.node_id.data = raw_id;
	member.node_id.len = 16;
	member.name = name;
	member.zone = zone;
	member.has_weight = true;
	member.weight = 100;
	member.peers = many;
	member.n_peers = 1;
	asked.has_kind = true;
	asked.kind = DHTD__PEER__MEMBER_REQUEST__KIND__JOIN;
	asked.member = &member;
	if (kind == KIND(REQUEST))
		m.request = &asked;
	if (kind == KIND(ANSWER))
		m.answer = &answered;
	memset(long_text, 'x', sizeof(long_text) - 1);
	return m;
}

#define CHECK(KIND_NAME, want, payload, ...)                                                       \
	do {                                                                                       \
		Dhtd__Peer__ControlMessage m = good(KIND(KIND_NAME));                              \
		__VA_ARGS__;                                                                       \
		ck_assert_int_eq(decode_generated(&m, payload), want);                             \
	} while (0)

START_TEST(every_good_message_is_taken)
{
	for (int kind = KIND(BEAT); kind <= (int)KIND(ANSWER); kind++) {
		Dhtd__Peer__ControlMessage m = good((Dhtd__Peer__ControlMessage__Kind)kind);
		ck_assert_int_eq(decode_generated(&m, 0), 0);
	}
}
END_TEST

START_TEST(fields_of_a_message_are_bounded)
{
	static uint32_t many_fins[2 * MEMBER_FINS_MAX + 2];
	static uint64_t much_news[2 * MEMBER_NEWS_MAX + 2];
	CHECK(NO_KIND, DHT_EPROTO, 0);
	CHECK(BEAT, DHT_EPROTO, 0, m.has_kind = false);
	CHECK(BEAT, DHT_EPROTO, 0, m.kind = KIND(ANSWER) + 1);
	CHECK(BEAT, 0, 0, m.has_from = true; m.from = RING_MEMBERS_MAX - 1);
	CHECK(BEAT, DHT_EPROTO, 0, m.has_from = true; m.from = RING_MEMBERS_MAX);
	CHECK(BEAT, DHT_EPROTO, 0, m.has_flags = true; m.flags = 4);
	CHECK(BEAT, 0, 0, m.n_fins = 2 * MEMBER_FINS_MAX; m.fins = many_fins);
	CHECK(BEAT, DHT_EPROTO, 0, m.n_fins = 2 * MEMBER_FINS_MAX + 2; m.fins = many_fins);
	CHECK(BEAT, DHT_EPROTO, 0, m.n_fins = 3; m.fins = many_fins);
	CHECK(PROBE, DHT_EPROTO, 0, m.n_fins = 2; m.fins = many_fins);
	CHECK(BEAT, 0, 0, m.n_news = 2 * MEMBER_NEWS_MAX; m.news = much_news);
	CHECK(BEAT, DHT_EPROTO, 0, m.n_news = 2 * MEMBER_NEWS_MAX + 2; m.news = much_news);
	CHECK(BEAT, DHT_EPROTO, 0, m.n_news = 1; m.news = much_news);
	much_news[0] = 2 * RING_MEMBERS_MAX - 1;
	CHECK(BEAT, 0, 0, m.n_news = 2; m.news = much_news);
	much_news[0]++;
	CHECK(BEAT, DHT_EPROTO, 0, m.n_news = 2; m.news = much_news);
	CHECK(PROMISE, 0, 0, m.has_ballot = true; m.ballot = CONTROL_BALLOT_MAX);
	CHECK(PROMISE, DHT_EPROTO, 0, m.has_accepted = true; m.accepted = CONTROL_BALLOT_MAX + 1);
	CHECK(MAP, DHT_EPROTO, 0, m.has_reach = true; m.reach = RING_MEMBERS_MAX + 1);
	CHECK(MAP, 0, MEMBER_VALUE_MAX);
	CHECK(MAP, DHT_EPROTO, MEMBER_VALUE_MAX + 1);
	CHECK(PREPARE, DHT_EPROTO, 1);
	CHECK(PROBE, DHT_EPROTO, 0, m.request = &asked);
	CHECK(REQUEST, DHT_EPROTO, 0, m.request = NULL);
	CHECK(ANSWER, DHT_EPROTO, 0, m.answer = NULL);
}
END_TEST

#define REQUEST_OF(NAME) DHTD__PEER__MEMBER_REQUEST__KIND__##NAME

START_TEST(requests_are_bounded)
{
	CHECK(REQUEST, DHT_EPROTO, 0, asked.has_kind = false);
	CHECK(REQUEST, DHT_EPROTO, 0, asked.kind = REQUEST_OF(CANCEL) + 1);
	CHECK(REQUEST, DHT_EPROTO, 0, asked.member = NULL);
	CHECK(REQUEST, DHT_EPROTO, 0, asked.kind = REQUEST_OF(LEAVE));
	CHECK(REQUEST, 0, 0, asked.kind = REQUEST_OF(LEAVE); asked.member = NULL);
	CHECK(REQUEST, DHT_EPROTO, 0, asked.has_number = true; asked.number = RING_MEMBERS_MAX);
	CHECK(REQUEST, DHT_EPROTO, 0, asked.has_flags = true; asked.flags = 4);
	CHECK(REQUEST, DHT_EPROTO, 0, member.node_id.len = 15);
	CHECK(REQUEST, DHT_EPROTO, 0, member.node_id.len = 17);
	CHECK(REQUEST, DHT_EPROTO, 0, member.has_node_id = false);
	CHECK(REQUEST, DHT_EPROTO, 0, member.name = NULL);
	CHECK(REQUEST, DHT_EPROTO, 0, member.name = long_text);
	CHECK(REQUEST, 0, 0, long_text[RING_TEXT_MAX] = '\0'; member.zone = long_text);
	CHECK(REQUEST, DHT_EPROTO, 0, long_text[1] = '\n'; long_text[2] = 0;
	      member.zone = long_text);
	CHECK(REQUEST, DHT_EPROTO, 0, member.weight = 0);
	CHECK(REQUEST, DHT_EPROTO, 0, member.weight = RING_WEIGHT_MAX + 1u);
	CHECK(REQUEST, DHT_EPROTO, 0, member.has_standing = true; member.standing = 3);
	CHECK(REQUEST, 0, 0, member.n_peers = RING_ADDRESSES_MAX; member.clients = many;
	      member.n_clients = RING_ADDRESSES_MAX; long_text[RING_TEXT_MAX] = '\0';
	      member.name = member.zone = address.host = long_text);
	CHECK(REQUEST, DHT_EPROTO, 0, member.n_peers = RING_ADDRESSES_MAX + 1);
	CHECK(REQUEST, DHT_EPROTO, 0, address.port = 0);
	CHECK(REQUEST, DHT_EPROTO, 0, address.port = UINT16_MAX + 1);
	CHECK(REQUEST, DHT_EPROTO, 0, address.host = NULL);
	CHECK(REQUEST, DHT_EPROTO, 0, address.host = long_text);
}
END_TEST

START_TEST(answers_are_bounded)
{
	CHECK(ANSWER, 0, 0, answered.has_status = true; answered.status = -DHT_EUNSAFE);
	CHECK(ANSWER, DHT_EPROTO, 0, answered.has_status = true; answered.status = -DHT_EDAMAGED);
	CHECK(ANSWER, DHT_EPROTO, 0, answered.has_status = true; answered.status = 200);
	CHECK(ANSWER, DHT_EPROTO, 0, answered.has_status = true; answered.status = 256);
	CHECK(ANSWER, 0, 0, long_text[MEMBER_TEXT_MAX - 1] = '\0'; answered.text = long_text);
	CHECK(ANSWER, DHT_EPROTO, 0, long_text[MEMBER_TEXT_MAX] = '\0'; answered.text = long_text);
	CHECK(ANSWER, DHT_EPROTO, 0, long_text[0] = '\x1b'; long_text[9] = '\0';
	      answered.text = long_text);
}
END_TEST

/* ---- What is sent -------------------------------------------------------------------- */

static int try_to_encode(const struct member_message *m)
{
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	int rc = wire_control_encode(m, 0, &out, SIZE_MAX, &frame);
	ck_assert(rc == 0 || out.len == 0);
	buffer_reset(&out);
	return rc;
}

START_TEST(what_would_be_refused_is_not_sent)
{
	struct member_answer told = {.status = DHT_EDAMAGED};
	struct member_message m = {.kind = MEMBER_ANSWER, .answer = &told};
	ck_assert_int_eq(try_to_encode(&m), DHT_EINVAL);
	told = (struct member_answer){.status = -1000};
	ck_assert_int_eq(try_to_encode(&m), DHT_EINVAL);
	told = (struct member_answer){.text = "two\nlines"};
	ck_assert_int_eq(try_to_encode(&m), DHT_EINVAL);
	told = (struct member_answer){.text = "one line"};
	ck_assert_int_eq(try_to_encode(&m), 0);
	m = (struct member_message){.kind = MEMBER_BEAT, .map = bytes_of(map, 1)};
	ck_assert_int_eq(try_to_encode(&m), DHT_EINVAL);
	m = (struct member_message){.kind = MEMBER_MAP, .map = bytes_of(map, sizeof(map))};
	ck_assert_int_eq(try_to_encode(&m), DHT_EINVAL);
}
END_TEST

START_TEST(a_full_buffer_is_left_as_it_was)
{
	struct member_message m = {.kind = MEMBER_MAP, .map = bytes_of(map, 5000)};
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	ck_assert_int_eq(buffer_append(&out, "abc", 3, SIZE_MAX), 0);
	ck_assert_int_eq(wire_control_encode(&m, 0, &out, 5000, &frame), DHT_EFULL);
	ck_assert(out.len == 3 && memcmp(buffer_head(&out), "abc", 3) == 0);
	ck_assert_int_eq(wire_control_encode(&m, 0, &out, 6000, &frame), 0);
	ck_assert_uint_eq(out.len, 3 + frame.copied);
	buffer_reset(&out);
}
END_TEST

/* A large map is sent from where it lies, in parts. */
START_TEST(a_map_that_is_cut_comes_back)
{
	struct member_message sent = {.kind = MEMBER_MAP, .map = bytes_of(map, MEMBER_VALUE_MAX)},
			      got;
	struct buffer head = BUFFER_EMPTY;
	struct wire_frame encoded;
	struct peer_budget budget = {.max = PEER_WHOLE_MAX};
	struct peer_parts parts;
	struct peer_whole whole;
	struct peer_cut cut;
	struct bytes slices[WIRE_SLICES_MAX];
	uint8_t header[PEER_FRAME_HEADER];
	int rc = 0;
	for (size_t i = 0; i < sizeof(map); i++)
		map[i] = (uint8_t)(i * 31 + i / 256);
	ck_assert_int_eq(wire_control_encode(&sent, 1, &head, SIZE_MAX, &encoded), 0);
	ck_assert(encoded.piece_count == 1 && encoded.copied < 100 && head.len == encoded.copied);
	ck_assert(encoded.pieces[0].value.data == map && encoded.pieces[0].location == 0);
	unsigned count = wire_frame_slices(&encoded, buffer_head(&head), slices);
	peer_parts_init(&parts, &budget);
	peer_cut_begin(&cut, 1, slices, count);
	while (rc == 0) {
		static uint8_t part[PEER_FRAME_MAX];
		struct bytes pieces[8];
		struct peer_frame frame;
		size_t len = PEER_FRAME_HEADER, size;
		unsigned n = peer_cut_next(&cut, header, pieces, DHT_ARRAY_LEN(pieces));
		ck_assert_uint_gt(n, 0);
		memcpy(part, header, sizeof(header));
		for (unsigned i = 0; i < n; i++) {
			memcpy(part + len, pieces[i].data, pieces[i].len);
			len += pieces[i].len;
		}
		ck_assert_int_eq(peer_frame_parse(bytes_of(part, len), &frame, &size), 1);
		rc = peer_parts_add(&parts, &frame, &whole);
	}
	ck_assert_int_eq(rc, 1);
	ck_assert_int_eq(wire_control_decode(&decoder, &whole.frame, &got), 0);
	require_same(&sent, &got);
	peer_whole_release(&whole);
	peer_parts_fini(&parts);
	buffer_reset(&head);
}
END_TEST

/* With its piece behind it, a frame that need not be cut is whole, checksum and all. */
START_TEST(a_short_map_may_stay_where_it_is)
{
	struct member_message sent = {.kind = MEMBER_ACCEPT, .map = bytes_of(map, WIRE_PIECE_MIN)};
	struct buffer bytes = BUFFER_EMPTY;
	struct wire_frame encoded;
	struct peer_frame frame;
	ck_assert_int_eq(wire_control_encode(&sent, 1, &bytes, SIZE_MAX, &encoded), 0);
	ck_assert(encoded.piece_count == 1 && encoded.size == encoded.copied + WIRE_PIECE_MIN);
	ck_assert_int_eq(buffer_append(&bytes, map, WIRE_PIECE_MIN, SIZE_MAX), 0);
	parse(&bytes, &frame);
	ck_assert_uint_eq(frame.payload.len, WIRE_PIECE_MIN);
	buffer_reset(&bytes);
	sent.map.len--;
	ck_assert_int_eq(wire_control_encode(&sent, 1, &bytes, SIZE_MAX, &encoded), 0);
	ck_assert(encoded.piece_count == 0 && encoded.size == bytes.len);
	buffer_reset(&bytes);
}
END_TEST

static size_t size_of(const struct member_message *m)
{
	struct buffer bytes = encode(m);
	size_t size = bytes.len;
	buffer_reset(&bytes);
	return size;
}

/* docs/scale.md counts with these. */
START_TEST(heartbeats_are_short)
{
	enum { STARTS = 12, MONTH_OF_BEATS = 26000000 };
	struct member_message beat = {.kind = MEMBER_BEAT,
				      .from = 2,
				      .lineage = UINT64_MAX,
				      .epoch = 300,
				      .beat = (uint64_t)STARTS << 32 | MONTH_OF_BEATS,
				      .counter = 1u << 30,
				      .clock_ms = UINT64_C(1800000000000),
				      .fins = fins,
				      .news = news};
	ck_assert_uint_le(size_of(&beat), 60);
	size_t alone = size_of(&beat);
	for (size_t i = 0; i < 64; i++)
		fins[i] = (struct member_fin){(uint32_t)(1000 + i), 40};
	beat.fin_count = 64;
	ck_assert_uint_le(size_of(&beat), alone + 3 + 64 * 3);
	beat.fin_count = 0;
	for (size_t i = 0; i < MEMBER_NEWS_MAX; i++)
		news[i] = (struct member_news){(uint16_t)(900 + i), true, beat.beat};
	beat.news_count = MEMBER_NEWS_MAX;
	ck_assert_uint_le(size_of(&beat), alone + 3 + MEMBER_NEWS_MAX * 8);
}
END_TEST

UNIT_MAIN("wire_control", 120, every_kind_comes_back_as_it_was,
	  fields_have_the_numbers_of_the_schema, the_generated_code_agrees,
	  what_is_cut_short_or_changed_breaks_nothing, every_good_message_is_taken,
	  fields_of_a_message_are_bounded, requests_are_bounded, answers_are_bounded,
	  what_would_be_refused_is_not_sent, a_full_buffer_is_left_as_it_was,
	  a_map_that_is_cut_comes_back, a_short_map_may_stay_where_it_is, heartbeats_are_short)
