/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_draw.h"
#include "node/task.h"
#include "peer.pb-c.h"
#include "ring/slot.h"
#include "unit.h"
#include "wire/peer_fields.h"
#include "wire/peer_parts.h"

enum { ROUNDS = 3000, FROM = 9 };

/* ---- Random messages ----------------------------------------------------------------- */

static struct bytes any_bytes(size_t max)
{
	static uint8_t filling[1 << 16];
	if (filling[1] == 0) {
		for (size_t i = 0; i < sizeof(filling); i++)
			filling[i] = (uint8_t)(i * 31 + i / 256);
	}
	size_t len = chance(20) ? below(max + 1) : below(40);
	return bytes_of(filling + below(sizeof(filling) - len), len);
}

static struct ballot any_ballot(uint32_t version)
{
	if (chance(4))
		return BALLOT_ABSENT;
	if (chance(8))
		return (struct ballot){.order = chance(2) ? 0 : draw(),
				       .version = (uint32_t)any_number()};
	return ballot_make(version, any_number() & BALLOT_COUNTER_MAX,
			   (uint32_t)below(BALLOT_MEMBER_TOP + 1));
}

static struct ballot any_ballot_that_is_there(uint32_t version)
{
	struct ballot b = any_ballot(version);
	return ballot_is_absent(b) ? ballot_make(version, 5, 1) : b;
}

static void fill_record(struct paxos_record *record, uint32_t version, struct ballot acc)
{
	record->acc = acc;
	record->ver = chance(2) ? acc : any_ballot(version);
	record->pver = any_ballot(version);
	record->is_tombstone = chance(4);
	record->is_copy = chance(4);
	record->expires_ms = chance(2) ? 0 : any_number();
	if (!record->is_tombstone && !ballot_is_absent(acc))
		record->value = any_bytes(30000);
}

static struct message_item items[MESSAGE_ITEMS_MAX];
static struct op ops[40];
static struct op_result whole, results[40];

static void fill_items(struct message *m)
{
	m->items = items;
	m->item_count = chance(10) ? below(MESSAGE_ITEMS_MAX + 1) : below(6);
	for (size_t i = 0; i < m->item_count; i++) {
		struct message_item *item = &items[i];
		*item = (struct message_item){.key = any_bytes(300)};
		item->record.acc = any_ballot_that_is_there(m->version);
		if (peer_has_whole_items(m->kind))
			fill_record(&item->record, m->version, item->record.acc);
		else
			item->record.ver = item->record.acc;
		if (m->is_omitted)
			item->record.value = bytes_of(NULL, 0);
	}
}

static long double any_float(void)
{
	static const long double some[] = {0, -0.0L, 1, -1, 0.1L, 3e4000L, -2e-4940L, 1e-4949L};
	if (chance(10))
		return chance(2) ? INFINITY : -INFINITY;
	if (chance(2))
		return some[below(DHT_ARRAY_LEN(some))];
	return ldexpl((long double)draw(), (int)below(200) - 100);
}

static void fill_op(struct op *op, const struct message *m)
{
	*op = (struct op){
	    .kind = (enum op_kind)below(OP_TTL + 1),
	    .conditions = chance(2) ? 0 : (unsigned)below(2 * OP_IF_EARLIER),
	    .wants_value = chance(2),
	    .key = {.key = m->key, .block = m->block},
	    .value = any_bytes(20000),
	    .expected = any_bytes(20000),
	    .expected_version = any_ballot(m->version),
	    .delta = (int64_t)any_number(),
	    .delta_float = any_float(),
	    .value_max = below(RECORD_VALUE_MAX + 1),
	    .expiry = (enum op_expiry)below(OP_EXPIRY_AT + 1),
	    .expires_ms = any_number(),
	};
}

static void fill_result(struct op_result *result, uint32_t version, bool has_value)
{
	static const int statuses[] = {0, DHT_ENOTFOUND, DHT_EPRECOND, DHT_ETYPE, DHT_EUNCERTAIN};
	*result = (struct op_result){
	    .status = statuses[below(DHT_ARRAY_LEN(statuses))],
	    .existed = chance(2),
	    .value = has_value ? any_bytes(20000) : bytes_of(NULL, 0),
	    .version = any_ballot(version),
	    .expires_ms = any_number(),
	    .size = any_number(),
	    .number = (int64_t)draw(),
	};
}

static void fill_forward(struct message *m)
{
	m->deadline_us = below(TASK_DEADLINE_MAX_US + 1);
	m->is_watched = chance(2);
	m->watched = any_ballot(m->version);
	m->ops = ops;
	m->op_count = below(DHT_ARRAY_LEN(ops));
	for (size_t i = 0; i < m->op_count; i++)
		fill_op(&ops[i], m);
}

static void fill_results(struct message *m)
{
	m->whole = &whole;
	m->results = results;
	m->op_count = below(DHT_ARRAY_LEN(results));
	fill_result(&whole, m->version, false);
	m->asked = (uint8_t)draw();
	m->answered = (uint8_t)draw();
	for (size_t i = 0; i < m->op_count; i++)
		fill_result(&results[i], m->version, true);
}

static void fill_range(struct message *m)
{
	m->until_hash = (uint32_t)below(STORE_HASH_END + 1);
	m->from_hash = (uint32_t)below(m->until_hash + 1);
	m->digest = draw();
	m->count = (uint32_t)any_number();
	if (m->kind == MESSAGE_LIST || m->kind == MESSAGE_LISTED)
		m->is_omitted = chance(2);
	if (m->kind == MESSAGE_LIST) {
		m->is_same = chance(2);
		m->limit = (uint32_t)any_number();
	}
	if (peer_has_items(m->kind)) {
		m->is_same = chance(4);
		if (!m->is_same)
			fill_items(m);
	}
}

static struct message_count counts[RING_BLOCKS_MAX];

static void fill_counts(struct message *m)
{
	size_t max = chance(10) ? RING_BLOCKS_MAX : below(10);
	m->counts = counts;
	for (uint32_t block = 0; block < RING_BLOCKS_MAX && m->count_count < max; block++) {
		if (max == RING_BLOCKS_MAX || chance(2))
			counts[m->count_count++] =
			    (struct message_count){block, (uint32_t)any_number()};
	}
}

static void fill_own_record(struct message *m)
{
	bool is_needed = m->kind == MESSAGE_ACCEPT || m->kind == MESSAGE_LEARN;
	struct ballot acc = any_ballot(m->version);
	if (m->kind == MESSAGE_ACCEPT && chance(2))
		acc = m->b;
	if (is_needed && ballot_is_absent(acc))
		acc = any_ballot_that_is_there(m->version);
	fill_record(&m->record, m->version, acc);
	if (!is_needed && chance(4)) {
		m->is_omitted = true;
		m->record.value = bytes_of(NULL, 0);
	}
}

static struct message any_message(enum message_kind kind)
{
	struct message m = {
	    .kind = kind,
	    .from = FROM,
	    .block = (uint32_t)any_number(),
	    .version = (uint32_t)any_number(),
	    .tag = draw(),
	    .is_ok = chance(2),
	};
	if (peer_has_key(kind))
		m.key = any_bytes(RECORD_KEY_MAX / 2);
	m.b = any_ballot_that_is_there(m.version);
	m.next = chance(2) && ballot_counter(m.b) < BALLOT_COUNTER_MAX ? ballot_successor(m.b)
								       : any_ballot(m.version);
	m.bound = any_ballot(m.version);
	m.named = any_ballot(m.version);
	if (peer_has_record(kind))
		fill_own_record(&m);
	if (peer_has_range(kind))
		fill_range(&m);
	if (kind == MESSAGE_HELD)
		m.holding = (enum acceptor_holding)below(ACCEPTOR_BEHIND + 1);
	if (kind == MESSAGE_STALE)
		m.epoch = any_number();
	if (kind == MESSAGE_FORWARD)
		fill_forward(&m);
	if (kind == MESSAGE_RESULT)
		fill_results(&m);
	if (kind == MESSAGE_COUNTED)
		fill_counts(&m);
	return m;
}

/* ---- Comparing ----------------------------------------------------------------------- */

static void require_same_record(const struct paxos_record *a, const struct paxos_record *b)
{
	UNIT_REQUIRE(ballot_equal(a->acc, b->acc) && ballot_equal(a->ver, b->ver) &&
		     ballot_equal(a->pver, b->pver));
	UNIT_REQUIRE(a->is_tombstone == b->is_tombstone && a->is_copy == b->is_copy);
	UNIT_REQUIRE(a->expires_ms == b->expires_ms && bytes_equal(a->value, b->value));
}

static void require_same_op(const struct op *a, const struct op *b)
{
	UNIT_REQUIRE(a->kind == b->kind && a->conditions == b->conditions);
	UNIT_REQUIRE(a->wants_value == b->wants_value && a->key.block == b->key.block);
	UNIT_REQUIRE(bytes_equal(a->key.key, b->key.key) && bytes_equal(a->value, b->value));
	UNIT_REQUIRE(bytes_equal(a->expected, b->expected));
	UNIT_REQUIRE(ballot_equal(a->expected_version, b->expected_version));
	UNIT_REQUIRE(a->delta == b->delta && a->delta_float == b->delta_float);
	UNIT_REQUIRE(signbit(a->delta_float) == signbit(b->delta_float));
	UNIT_REQUIRE(a->value_max == b->value_max && a->expiry == b->expiry);
	UNIT_REQUIRE(a->expires_ms == b->expires_ms);
}

static void require_same_result(const struct op_result *a, const struct op_result *b)
{
	UNIT_REQUIRE(a->status == b->status && a->existed == b->existed);
	UNIT_REQUIRE(bytes_equal(a->value, b->value) && ballot_equal(a->version, b->version));
	UNIT_REQUIRE(a->expires_ms == b->expires_ms && a->size == b->size);
	UNIT_REQUIRE(a->number == b->number);
}

static void require_same(const struct message *a, const struct message *b)
{
	UNIT_REQUIRE(a->kind == b->kind && a->from == b->from && a->block == b->block);
	UNIT_REQUIRE(a->version == b->version && a->tag == b->tag && bytes_equal(a->key, b->key));
	UNIT_REQUIRE(a->is_ok == b->is_ok && a->is_omitted == b->is_omitted);
	UNIT_REQUIRE(a->is_same == b->is_same && a->is_watched == b->is_watched);
	UNIT_REQUIRE(ballot_equal(a->b, b->b) && ballot_equal(a->next, b->next));
	UNIT_REQUIRE(ballot_equal(a->bound, b->bound) && ballot_equal(a->named, b->named));
	UNIT_REQUIRE(ballot_equal(a->watched, b->watched) && a->holding == b->holding);
	require_same_record(&a->record, &b->record);
	UNIT_REQUIRE(a->from_hash == b->from_hash && a->until_hash == b->until_hash);
	UNIT_REQUIRE(a->digest == b->digest && a->count == b->count && a->epoch == b->epoch);
	UNIT_REQUIRE(a->deadline_us == b->deadline_us && a->limit == b->limit);
	UNIT_REQUIRE(a->count_count == b->count_count);
	UNIT_REQUIRE(a->asked == b->asked && a->answered == b->answered);
	for (size_t i = 0; i < a->count_count; i++) {
		UNIT_REQUIRE(a->counts[i].block == b->counts[i].block);
		UNIT_REQUIRE(a->counts[i].keys == b->counts[i].keys);
	}
	UNIT_REQUIRE(a->item_count == b->item_count && a->op_count == b->op_count);
	for (size_t i = 0; i < a->item_count; i++) {
		UNIT_REQUIRE(bytes_equal(a->items[i].key, b->items[i].key));
		require_same_record(&a->items[i].record, &b->items[i].record);
	}
	for (size_t i = 0; i < a->op_count; i++) {
		if (a->kind == MESSAGE_FORWARD)
			require_same_op(&a->ops[i], &b->ops[i]);
		else
			require_same_result(&a->results[i], &b->results[i]);
	}
	UNIT_REQUIRE((a->whole != NULL) == (b->whole != NULL));
	if (a->whole != NULL)
		require_same_result(a->whole, b->whole);
}

/* ---- Encoding and decoding ----------------------------------------------------------- */

static struct wire_peer_decoder decoder;

/* Encodes without pieces; the buffer is to be reset. */
static struct buffer encode(const struct message *m)
{
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	UNIT_REQUIRE(wire_peer_encode(m, 0, &out, SIZE_MAX, &frame) == 0);
	UNIT_REQUIRE(frame.size == out.len && frame.copied == out.len && frame.piece_count == 0);
	return out;
}

static void parse(const struct buffer *bytes, struct peer_frame *frame)
{
	size_t size;
	struct bytes all = bytes_of(buffer_head(bytes), bytes->len);
	if (all.len > PEER_FRAME_MAX) {
		UNIT_REQUIRE(peer_frame_parse_whole(all, frame) == 0);
		return;
	}
	UNIT_REQUIRE(peer_frame_parse(all, frame, &size) == 1 && size == all.len);
}

START_TEST(every_kind_comes_back_as_it_was)
{
	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
			struct message sent = any_message((enum message_kind)kind), got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			UNIT_REQUIRE(wire_peer_decode(&decoder, &frame, FROM, &got) == 0);
			require_same(&sent, &got);
			buffer_reset(&bytes);
		}
	}
	wire_peer_decoder_fini(&decoder);
}
END_TEST

/* Asserts that our number of a field is that of the schema. */
static void check_field(const ProtobufCMessageDescriptor *message, const char *name,
			unsigned number)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field_by_name(message, name);
	ck_assert_msg(field != NULL && field->id == number, "%s.%s", message->name, name);
}

START_TEST(fields_have_the_numbers_of_the_schema)
{
	unsigned count = 0;
#define X(NAME, name, number)                                                                      \
	check_field(&dhtd__peer__peer_message__descriptor, #name, number), count++;
	PEER_MESSAGE_FIELDS(X)
#undef X
	ck_assert_uint_eq(count, dhtd__peer__peer_message__descriptor.n_fields);
	count = 0;
#define X(NAME, name, number) check_field(&dhtd__peer__item__descriptor, #name, number), count++;
	PEER_ITEM_FIELDS(X)
#undef X
	ck_assert_uint_eq(count, dhtd__peer__item__descriptor.n_fields);
	count = 0;
#define X(NAME, name, number) check_field(&dhtd__peer__op__descriptor, #name, number), count++;
	PEER_OP_FIELDS(X)
#undef X
	ck_assert_uint_eq(count, dhtd__peer__op__descriptor.n_fields);
	count = 0;
#define X(NAME, name, number) check_field(&dhtd__peer__result__descriptor, #name, number), count++;
	PEER_RESULT_FIELDS(X)
#undef X
	ck_assert_uint_eq(count, dhtd__peer__result__descriptor.n_fields);
}
END_TEST

/* The generated code reads what was encoded, knows all of it, and writes what decodes to the
 * same: two readings of the schema that agree. */
START_TEST(the_generated_code_agrees)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
			struct message sent = any_message((enum message_kind)kind), got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			Dhtd__Peer__PeerMessage *m = dhtd__peer__peer_message__unpack(
			    NULL, frame.message.len, frame.message.data);
			UNIT_REQUIRE(m != NULL && m->base.n_unknown_fields == 0);
			UNIT_REQUIRE(m->kind == (Dhtd__Peer__PeerMessage__Kind)(kind + 1));
			UNIT_REQUIRE(m->block == sent.block && m->tag == sent.tag);
			UNIT_REQUIRE(m->has_b && m->b == sent.b.order);
			UNIT_REQUIRE(m->version - m->b_age == sent.b.version);
			UNIT_REQUIRE(m->value_size == sent.record.value.len);
			UNIT_REQUIRE(m->n_items == sent.item_count);
			UNIT_REQUIRE(m->n_ops + m->n_results == sent.op_count);
			size_t len = dhtd__peer__peer_message__get_packed_size(m);
			uint8_t *packed = malloc(len);
			UNIT_REQUIRE(dhtd__peer__peer_message__pack(m, packed) == len);
			UNIT_REQUIRE(len == frame.message.len);
			frame.message = bytes_of(packed, len);
			UNIT_REQUIRE(wire_peer_decode(&decoder, &frame, FROM, &got) == 0);
			require_same(&sent, &got);
			dhtd__peer__peer_message__free_unpacked(m, NULL);
			free(packed);
			buffer_reset(&bytes);
		}
	}
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(a_stream_is_read_byte_by_byte)
{
	enum { MESSAGES = 2 * MESSAGE_KIND_COUNT };
	struct buffer all = BUFFER_EMPTY, arrived = BUFFER_EMPTY;
	uint64_t tags[MESSAGES];
	size_t count = 0;
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct wire_frame encoded;
		struct message m = any_message((enum message_kind)(i % MESSAGE_KIND_COUNT));
		tags[i] = m.tag;
		ck_assert_int_eq(wire_peer_encode(&m, 0, &all, SIZE_MAX, &encoded), 0);
		if (encoded.size > PEER_FRAME_MAX)
			all.len -= encoded.copied, i--;
	}
	for (size_t i = 0; i < all.len; i++) {
		struct peer_frame frame;
		struct message m;
		size_t size;
		UNIT_REQUIRE(buffer_append(&arrived, all.data + i, 1, SIZE_MAX) == 0);
		int rc =
		    peer_frame_parse(bytes_of(buffer_head(&arrived), arrived.len), &frame, &size);
		UNIT_REQUIRE(rc >= 0 && (rc == 1 ? size == arrived.len : size > arrived.len));
		if (rc == 0)
			continue;
		UNIT_REQUIRE(wire_peer_decode(&decoder, &frame, FROM, &m) == 0);
		UNIT_REQUIRE(count < MESSAGES && m.tag == tags[count++]);
		buffer_consume(&arrived, size);
	}
	ck_assert(count == MESSAGES && arrived.len == 0);
	buffer_reset(&all);
	buffer_reset(&arrived);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

/* Decodes exactly these bytes, which a sanitizer guards. */
static int decode_alone(struct bytes message, struct bytes payload, struct message *m)
{
	uint8_t *a = malloc(message.len + 1), *b = malloc(payload.len + 1);
	struct peer_frame frame = {.type = PEER_MESSAGE};
	if (message.len > 0)
		memcpy(a + 1, message.data, message.len);
	if (payload.len > 0)
		memcpy(b + 1, payload.data, payload.len);
	frame.message = bytes_of(a + 1, message.len);
	frame.payload = bytes_of(b + 1, payload.len);
	int rc = wire_peer_decode(&decoder, &frame, FROM, m);
	UNIT_REQUIRE(rc == 0 || (rc == DHT_EPROTO && decoder.why != NULL));
	free(a);
	free(b);
	return rc;
}

static bool is_message(struct bytes bytes)
{
	Dhtd__Peer__PeerMessage *m = dhtd__peer__peer_message__unpack(NULL, bytes.len, bytes.data);
	if (m != NULL)
		dhtd__peer__peer_message__free_unpacked(m, NULL);
	return m != NULL;
}

START_TEST(what_is_cut_short_or_too_long_is_refused)
{
	for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
		for (int i = 0; i < 10; i++) {
			struct message sent = any_message((enum message_kind)kind), got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			size_t len = frame.message.len < 1000 ? frame.message.len : 1000;
			/* At the end of a field it is another message, without those behind. */
			for (size_t k = 0; k < len; k++) {
				struct bytes cut = bytes_of(frame.message.data, k);
				int rc = decode_alone(cut, frame.payload, &got);
				UNIT_REQUIRE(rc == DHT_EPROTO || is_message(cut));
			}
			if (frame.payload.len > 0) {
				frame.payload.len--;
				ck_assert_int_eq(decode_alone(frame.message, frame.payload, &got),
						 DHT_EPROTO);
				frame.payload.len++;
			}
			uint8_t *longer = malloc(frame.payload.len + 1);
			memset(longer, 0, frame.payload.len + 1);
			frame.payload = bytes_of(longer, frame.payload.len + 1);
			ck_assert_int_eq(decode_alone(frame.message, frame.payload, &got),
					 DHT_EPROTO);
			free(longer);
			buffer_reset(&bytes);
		}
	}
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(no_changed_byte_breaks_anything)
{
	for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
		for (int i = 0; i < 20; i++) {
			struct message sent = any_message((enum message_kind)kind), got;
			struct buffer bytes = encode(&sent);
			struct peer_frame frame;
			parse(&bytes, &frame);
			uint8_t *message = buffer_head(&bytes) + PEER_FRAME_HEADER;
			size_t len = frame.message.len < 300 ? frame.message.len : 300;
			for (size_t k = 0; k < len; k++) {
				uint8_t old = message[k];
				message[k] = (uint8_t)draw();
				(void)decode_alone(frame.message, frame.payload, &got);
				message[k] = old;
			}
			buffer_reset(&bytes);
		}
	}
	wire_peer_decoder_fini(&decoder);
}
END_TEST

/* ---- Bounds -------------------------------------------------------------------------- */

static uint8_t zeros[RECORD_VALUE_MAX + 1];

static int decode_generated(const Dhtd__Peer__PeerMessage *m, size_t payload_len)
{
	static struct message got;
	size_t len = dhtd__peer__peer_message__get_packed_size(m);
	uint8_t *packed = malloc(len + 1);
	dhtd__peer__peer_message__pack(m, packed);
	struct peer_frame frame = {.type = PEER_MESSAGE,
				   .message = bytes_of(packed, len),
				   .payload = bytes_of(zeros, payload_len)};
	int rc = wire_peer_decode(&decoder, &frame, FROM, &got);
	UNIT_REQUIRE((rc == 0) == (decoder.why == NULL));
	free(packed);
	return rc;
}

#define KIND(NAME) DHTD__PEER__PEER_MESSAGE__KIND__##NAME

/* A message of the kind that is good as it is. */
static Dhtd__Peer__PeerMessage good(Dhtd__Peer__PeerMessage__Kind kind)
{
	static Dhtd__Peer__Result result = DHTD__PEER__RESULT__INIT;
	Dhtd__Peer__PeerMessage m = DHTD__PEER__PEER_MESSAGE__INIT;
	m.has_kind = true;
	m.kind = kind;
	m.has_version = m.has_b = true;
	m.version = 3;
	m.b = 1 << BALLOT_MEMBER_BITS | 2;
	if (kind == KIND(LEARN)) {
		m.has_acc = true;
		m.acc = m.b;
	}
	if (kind == KIND(RESULT))
		m.whole = &result;
	return m;
}

#define CHECK(KIND_NAME, want, payload, ...)                                                       \
	do {                                                                                       \
		Dhtd__Peer__PeerMessage m = good(KIND(KIND_NAME));                                 \
		__VA_ARGS__;                                                                       \
		ck_assert_int_eq(decode_generated(&m, payload), want);                             \
	} while (0)

START_TEST(every_good_message_is_taken)
{
	for (int kind = KIND(PREPARE); kind <= (int)KIND(COUNTED); kind++) {
		Dhtd__Peer__PeerMessage m = good((Dhtd__Peer__PeerMessage__Kind)kind);
		ck_assert_int_eq(decode_generated(&m, 0), 0);
	}
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(fields_of_a_message_are_bounded)
{
	CHECK(NO_KIND, DHT_EPROTO, 0);
	CHECK(PREPARE, DHT_EPROTO, 0, m.has_kind = false);
	CHECK(PREPARE, DHT_EPROTO, 0, m.kind = KIND(COUNTED) + 1);
	CHECK(PREPARE, 0, 0, m.has_key = true; m.key.data = zeros; m.key.len = RECORD_KEY_MAX);
	CHECK(PREPARE, DHT_EPROTO, 0, m.has_key = true; m.key.data = zeros;
	      m.key.len = RECORD_KEY_MAX + 1);
	CHECK(ACCEPT, 0, RECORD_VALUE_MAX, m.has_value_size = true;
	      m.value_size = RECORD_VALUE_MAX);
	CHECK(ACCEPT, DHT_EPROTO, RECORD_VALUE_MAX + 1, m.has_value_size = true;
	      m.value_size = RECORD_VALUE_MAX + 1);
	CHECK(PREPARE, DHT_EPROTO, 5, m.has_value_size = true; m.value_size = 5);
	CHECK(ACCEPT, 0, 0, m.has_flags = true; m.flags = 1 | 4 | 8 | 16 | 32);
	CHECK(ACCEPT, DHT_EPROTO, 0, m.has_flags = true; m.flags = 64);
	CHECK(HELD, 0, 0, m.has_holding = true; m.holding = 2);
	CHECK(HELD, DHT_EPROTO, 0, m.has_holding = true; m.holding = 3);
	CHECK(PULL, 0, 0, m.has_until_hash = true; m.until_hash = STORE_HASH_END);
	CHECK(PULL, DHT_EPROTO, 0, m.has_until_hash = true; m.until_hash = STORE_HASH_END + 1);
	CHECK(PULL, DHT_EPROTO, 0, m.has_from_hash = true; m.from_hash = 1);
	CHECK(FORWARD, 0, 0, m.has_deadline_us = true; m.deadline_us = TASK_DEADLINE_MAX_US);
	CHECK(FORWARD, DHT_EPROTO, 0, m.has_deadline_us = true;
	      m.deadline_us = TASK_DEADLINE_MAX_US + 1);
	CHECK(PREPARE, DHT_EPROTO, 0, m.has_bound_age = true; m.bound_age = 1);
	CHECK(RESULT, 0, 0, m.has_asked = true; m.asked = 255);
	CHECK(RESULT, DHT_EPROTO, 0, m.has_asked = true; m.asked = 256);
	CHECK(RESULT, DHT_EPROTO, 0, m.has_answered = true; m.answered = 256);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(records_are_there_where_they_must_be)
{
	CHECK(LEARN, DHT_EPROTO, 0, m.has_acc = false);
	CHECK(LEARN, DHT_EPROTO, 0, m.acc = 0; m.has_acc_age = true; m.acc_age = 3);
	CHECK(ACCEPT, DHT_EPROTO, 0, m.has_b = false);
	CHECK(PROMISE, 0, 0, m.has_acc = false);
	CHECK(ACCEPT, DHT_EPROTO, 0, m.has_flags = true; m.flags = 2);
	CHECK(VALUE, 0, 0, m.has_acc = true; m.acc = 9; m.has_flags = true; m.flags = 2);
	CHECK(VALUE, 0, 1, m.has_acc = true; m.acc = 9; m.has_value_size = true; m.value_size = 1);
	CHECK(VALUE, DHT_EPROTO, 1, m.has_value_size = true; m.value_size = 1);
	CHECK(VALUE, DHT_EPROTO, 1, m.has_acc = true; m.acc = 9; m.has_value_size = true;
	      m.value_size = 1; m.has_flags = true; m.flags = 2);
	CHECK(VALUE, DHT_EPROTO, 1, m.has_acc = true; m.acc = 9; m.has_value_size = true;
	      m.value_size = 1; m.has_flags = true; m.flags = 4);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(items_are_bounded)
{
	Dhtd__Peer__Item item = DHTD__PEER__ITEM__INIT;
	static Dhtd__Peer__Item *list[MESSAGE_ITEMS_MAX + 1];
	for (size_t i = 0; i < DHT_ARRAY_LEN(list); i++)
		list[i] = &item;
	item.has_acc = true;
	item.acc = 5;
	CHECK(CHUNK, 0, 0, m.items = list; m.n_items = MESSAGE_ITEMS_MAX);
	CHECK(DIFFER, 0, 0, m.items = list; m.n_items = MESSAGE_ITEMS_MAX);
	CHECK(CHUNK, DHT_EPROTO, 0, m.items = list; m.n_items = MESSAGE_ITEMS_MAX + 1);
	CHECK(CHUNK, DHT_EPROTO, 0, m.items = list; m.n_items = 1; m.has_flags = true;
	      m.flags = 16);
	CHECK(PULL, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	item.has_flags = item.has_value_size = item.has_key = true;
	item.flags = 16;
	CHECK(CHUNK, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	item.flags = 0;
	item.value_size = 1;
	CHECK(CHUNK, 0, 3, m.items = list; m.n_items = 3);
	CHECK(CHUNK, DHT_EPROTO, 2, m.items = list; m.n_items = 3);
	CHECK(CHUNK, DHT_EPROTO, 4, m.items = list; m.n_items = 3);
	CHECK(DIFFER, DHT_EPROTO, 1, m.items = list; m.n_items = 1);
	item.flags = 4;
	CHECK(CHUNK, DHT_EPROTO, 1, m.items = list; m.n_items = 1);
	item.flags = 0;
	item.value_size = 0;
	item.key.data = zeros;
	item.key.len = RECORD_KEY_MAX + 1;
	CHECK(CHUNK, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	item.key.len = RECORD_KEY_MAX;
	CHECK(CHUNK, 0, 0, m.items = list; m.n_items = 1);
	item.has_acc = false;
	CHECK(CHUNK, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	CHECK(DIFFER, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(values_that_are_left_out_are_not_there)
{
	Dhtd__Peer__Item item = DHTD__PEER__ITEM__INIT, *list[] = {&item};
	item.has_acc = item.has_value_size = true;
	item.acc = 5;
	item.value_size = 1;
	CHECK(LISTED, 0, 1, m.items = list; m.n_items = 1);
	CHECK(LISTED, DHT_EPROTO, 1, m.items = list; m.n_items = 1; m.has_flags = true;
	      m.flags = 2);
	item.value_size = 0;
	CHECK(LISTED, 0, 0, m.items = list; m.n_items = 1; m.has_flags = true; m.flags = 2);
	CHECK(LISTED, DHT_EPROTO, 0, m.items = list; m.n_items = 1; m.has_flags = true;
	      m.flags = 16);
	CHECK(LIST, DHT_EPROTO, 0, m.items = list; m.n_items = 1);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

START_TEST(counts_are_bounded_and_in_order)
{
	static uint32_t pairs[2 * (RING_BLOCKS_MAX + 1)];
	for (uint32_t i = 0; i < RING_BLOCKS_MAX + 1; i++)
		pairs[2 * i] = i;
	CHECK(COUNTED, 0, 0, m.counts = pairs; m.n_counts = 2 * RING_BLOCKS_MAX);
	CHECK(COUNTED, DHT_EPROTO, 0, m.counts = pairs; m.n_counts = 2 * RING_BLOCKS_MAX + 2);
	CHECK(COUNTED, DHT_EPROTO, 0, m.counts = pairs; m.n_counts = 3);
	CHECK(COUNT, DHT_EPROTO, 0, m.counts = pairs; m.n_counts = 2);
	pairs[0] = RING_BLOCKS_MAX;
	CHECK(COUNTED, DHT_EPROTO, 0, m.counts = pairs; m.n_counts = 2);
	pairs[0] = 1;
	CHECK(COUNTED, DHT_EPROTO, 0, m.counts = pairs; m.n_counts = 4);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

static Dhtd__Peer__Op *many_ops[WIRE_OPS_MAX + 1];

static int decode_op(Dhtd__Peer__Op *op, size_t count)
{
	Dhtd__Peer__PeerMessage m = good(KIND(FORWARD));
	for (size_t i = 0; i < count; i++)
		many_ops[i] = op;
	m.ops = many_ops;
	m.n_ops = count;
	return decode_generated(&m, 0);
}

#define CHECK_OP(want, ...)                                                                        \
	do {                                                                                       \
		Dhtd__Peer__Op op = DHTD__PEER__OP__INIT;                                          \
		op.has_kind = op.has_flags = op.has_float_exponent = true;                         \
		op.kind = DHTD__PEER__OP__KIND__GET;                                               \
		__VA_ARGS__;                                                                       \
		ck_assert_int_eq(decode_op(&op, 1), want);                                         \
	} while (0)

START_TEST(operations_are_bounded)
{
	CHECK_OP(0);
	CHECK_OP(DHT_EPROTO, op.kind = DHTD__PEER__OP__KIND__NO_KIND);
	CHECK_OP(DHT_EPROTO, op.kind = 11);
	CHECK_OP(0, op.flags = 3);
	CHECK_OP(DHT_EPROTO, op.flags = 8);
	CHECK_OP(0, op.has_conditions = true; op.conditions = 127);
	CHECK_OP(DHT_EPROTO, op.has_conditions = true; op.conditions = 128);
	CHECK_OP(0, op.has_expiry = true; op.expiry = 2);
	CHECK_OP(DHT_EPROTO, op.has_expiry = true; op.expiry = 3);
	CHECK_OP(0, op.has_value_max = true; op.value_max = RECORD_VALUE_MAX);
	CHECK_OP(DHT_EPROTO, op.has_value_max = true; op.value_max = RECORD_VALUE_MAX + 1);
	CHECK_OP(DHT_EPROTO, op.has_value_size = true; op.value_size = 1);
	CHECK_OP(DHT_EPROTO, op.has_expected_size = true; op.expected_size = 1);
	CHECK_OP(DHT_EPROTO, op.has_expected_version_age = true);
	CHECK_OP(0, op.float_exponent = 32767);
	CHECK_OP(DHT_EPROTO, op.float_exponent = 32768);
	CHECK_OP(0, op.float_exponent = -32768);
	CHECK_OP(DHT_EPROTO, op.float_exponent = -32769);
	CHECK_OP(DHT_EPROTO, op.float_exponent = 32767; op.has_float_mantissa = true;
		 op.float_mantissa = 1);
	CHECK_OP(0, op.flags = 4);
	CHECK_OP(DHT_EPROTO, op.flags = 4; op.has_float_mantissa = true; op.float_mantissa = 1);
	Dhtd__Peer__Op op = DHTD__PEER__OP__INIT, *list[] = {&op};
	op.has_kind = true;
	op.kind = DHTD__PEER__OP__KIND__TTL;
	ck_assert_int_eq(decode_op(&op, WIRE_OPS_MAX), 0);
	ck_assert_int_eq(decode_op(&op, WIRE_OPS_MAX + 1), DHT_EPROTO);
	CHECK(RESULT, DHT_EPROTO, 0, m.ops = list; m.n_ops = 1);
	CHECK(PREPARE, DHT_EPROTO, 0, m.ops = list; m.n_ops = 1);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

/* What another node says must not make this one wait, or stop because of its disk. */
START_TEST(results_are_bounded)
{
	Dhtd__Peer__Result result = DHTD__PEER__RESULT__INIT, *list[] = {&result};
	result.has_status = result.has_flags = result.has_value_size = true;
	for (unsigned status = 0; status < 300; status++) {
		int code = -(int)status;
		bool is_known = code == 0 || strcmp(dht_error_text(code), "unknown error") != 0;
		int want = is_known && code != DHT_EAGAIN && code != DHT_EDAMAGED ? 0 : DHT_EPROTO;
		result.status = status;
		CHECK(RESULT, want, 0, m.whole = &result);
		CHECK(RESULT, want, 0, m.results = list; m.n_results = 1);
	}
	result.status = 0;
	result.flags = 2;
	CHECK(RESULT, DHT_EPROTO, 0, m.results = list; m.n_results = 1);
	result.flags = 1;
	result.value_size = 7;
	CHECK(RESULT, 0, 7, m.results = list; m.n_results = 1);
	CHECK(RESULT, DHT_EPROTO, 7, m.whole = &result);
	CHECK(RESULT, DHT_EPROTO, 0, m.whole = NULL);
	CHECK(OK, DHT_EPROTO, 0, m.whole = &result);
	CHECK(FORWARD, DHT_EPROTO, 7, m.results = list; m.n_results = 1);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

static int decode_behind_a_good_one(const char *more, size_t len)
{
	uint8_t bytes[64];
	Dhtd__Peer__PeerMessage m = good(KIND(PREPARE));
	struct message got;
	size_t at = dhtd__peer__peer_message__pack(&m, bytes);
	memcpy(bytes + at, more, len);
	return decode_alone(bytes_of(bytes, at + len), bytes_of(NULL, 0), &got);
}

START_TEST(unknown_fields_are_passed_over_and_known_ones_are_not)
{
	/* Number 100, of every type. */
	ck_assert_int_eq(decode_behind_a_good_one("\xa0\x06\x05", 3), 0);
	ck_assert_int_eq(decode_behind_a_good_one("\xa1\x06xxxxxxxx", 10), 0);
	ck_assert_int_eq(decode_behind_a_good_one("\xa2\x06\x03xxx", 6), 0);
	ck_assert_int_eq(decode_behind_a_good_one("\xa5\x06xxxx", 6), 0);
	ck_assert_int_eq(decode_behind_a_good_one("\xa3\x06", 2), DHT_EPROTO); /* a group */
	ck_assert_int_eq(decode_behind_a_good_one("\xa2\x06\x04xxx", 6), DHT_EPROTO);
	ck_assert_int_eq(decode_behind_a_good_one("\x35xxxx", 5), DHT_EPROTO); /* b in 32 bits */
	ck_assert_int_eq(decode_behind_a_good_one("\x28\x01", 2), DHT_EPROTO); /* key, a number */
	ck_assert_int_eq(decode_behind_a_good_one("\x00\x01", 2), DHT_EPROTO); /* number 0 */
	/* A version beyond 32 bits, and a number of more than 10 bytes. */
	ck_assert_int_eq(decode_behind_a_good_one("\x18\xff\xff\xff\xff\x0f", 6), 0);
	ck_assert_int_eq(decode_behind_a_good_one("\x18\xff\xff\xff\xff\x1f", 6), DHT_EPROTO);
	ck_assert_int_eq(
	    decode_behind_a_good_one("\xa0\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13),
	    DHT_EPROTO);
}
END_TEST

/* ---- Pieces, sizes, memory ----------------------------------------------------------- */

static struct message with_value(size_t len)
{
	struct ballot b = ballot_make(3, 1000000, 2);
	return (struct message){.kind = MESSAGE_ACCEPT,
				.from = FROM,
				.block = 700,
				.version = 3,
				.tag = 1ull << 50,
				.key = bytes_of_text("0123456789abcdef"),
				.b = b,
				.next = ballot_successor(b),
				.record = {.acc = b,
					   .ver = b,
					   .pver = ballot_make(3, 999, 1),
					   .value = bytes_of(zeros, len)},
				.location = 77};
}

START_TEST(hot_messages_are_small_and_take_no_memory)
{
	struct message m = with_value(100), got;
	struct buffer bytes = encode(&m);
	struct peer_frame frame;
	parse(&bytes, &frame);
	ck_assert_int_eq(wire_peer_decode(&decoder, &frame, FROM, &got), 0);
	ck_assert_uint_eq(bytes.len, 16 + 100 + 58);
	ck_assert(got.record.value.data == frame.payload.data);
	ck_assert_ptr_null(decoder.memory);
	buffer_reset(&bytes);
}
END_TEST

static void check_pieces(size_t len, unsigned want)
{
	struct message m = with_value(len);
	struct buffer out = BUFFER_EMPTY, copied = encode(&m);
	struct wire_frame frame;
	struct bytes slices[WIRE_SLICES_MAX];
	size_t at = 0;
	ck_assert_int_eq(buffer_append(&out, "front", 5, SIZE_MAX), 0);
	ck_assert_int_eq(wire_peer_encode(&m, WIRE_PIECES_MAX, &out, SIZE_MAX, &frame), 0);
	ck_assert_uint_eq(frame.piece_count, want);
	ck_assert_uint_eq(out.len, 5 + frame.copied);
	ck_assert_uint_eq(frame.size, copied.len);
	if (want > 0) {
		ck_assert_ptr_eq(frame.pieces[0].value.data, zeros);
		ck_assert(frame.pieces[0].location == 77 && frame.pieces[0].at == frame.copied);
	}
	unsigned count = wire_frame_slices(&frame, buffer_head(&out) + 5, slices);
	for (unsigned i = 0; i < count; i++) {
		ck_assert_int_eq(memcmp(copied.data + at, slices[i].data, slices[i].len), 0);
		at += slices[i].len;
	}
	ck_assert_uint_eq(at, copied.len);
	buffer_reset(&out);
	buffer_reset(&copied);
}

START_TEST(large_values_stay_where_they_are)
{
	check_pieces(0, 0);
	check_pieces(WIRE_PIECE_MIN - 1, 0);
	check_pieces(WIRE_PIECE_MIN, 1);
	check_pieces(PEER_FRAME_MAX, 1);
	check_pieces(RECORD_VALUE_MAX, 1);
}
END_TEST

START_TEST(items_are_pieces_as_long_as_there_are_any_left)
{
	struct message m = {.kind = MESSAGE_CHUNK, .until_hash = 1, .items = items}, got;
	struct bytes slices[WIRE_SLICES_MAX];
	uint8_t *all = malloc(PEER_WHOLE_MAX);
	for (m.item_count = 0; m.item_count < 3 * WIRE_PIECES_MAX; m.item_count++) {
		size_t i = m.item_count;
		items[i] = (struct message_item){.key = any_bytes(9), .location = i % 3};
		items[i].record.acc = items[i].record.ver = ballot_make(0, i + 1, 1);
		items[i].record.value = bytes_of(zeros + i, i % 2 ? WIRE_PIECE_MIN + i : i);
	}
	for (unsigned max = 0; max <= WIRE_PIECES_MAX; max++) {
		struct buffer out = BUFFER_EMPTY;
		struct wire_frame encoded;
		struct peer_frame frame;
		size_t size = 0;
		ck_assert_int_eq(wire_peer_encode(&m, max, &out, SIZE_MAX, &encoded), 0);
		ck_assert_uint_eq(encoded.piece_count, max);
		unsigned count = wire_frame_slices(&encoded, buffer_head(&out), slices);
		for (unsigned i = 0; i < count; i++) {
			memcpy(all + size, slices[i].data, slices[i].len);
			size += slices[i].len;
		}
		ck_assert_uint_eq(size, encoded.size);
		ck_assert_int_eq(peer_frame_parse_whole(bytes_of(all, size), &frame), 0);
		ck_assert_int_eq(wire_peer_decode(&decoder, &frame, 0, &got), 0);
		require_same(&m, &got);
		buffer_reset(&out);
	}
	free(all);
	wire_peer_decoder_fini(&decoder);
}
END_TEST

/* Room is reserved for the longest form of every field: that is asserted inside. */
START_TEST(the_longest_heads_fit)
{
	struct ballot b = {.order = UINT64_MAX, .version = 1};
	struct paxos_record record = {.acc = b,
				      .ver = {.order = UINT64_MAX - 1, .version = 1},
				      .pver = b,
				      .is_tombstone = true,
				      .expires_ms = UINT64_MAX};
	struct message_item item = {.record = record};
	struct op op = {.kind = OP_TTL,
			.conditions = 127,
			.wants_value = true,
			.value = bytes_of(zeros, RECORD_VALUE_MAX),
			.expected = bytes_of(zeros, RECORD_VALUE_MAX),
			.expected_version = b,
			.delta = INT64_MIN,
			.delta_float = -1e-4949L,
			.value_max = UINT64_MAX,
			.expiry = OP_EXPIRY_AT,
			.expires_ms = UINT64_MAX};
	struct op_result result = {.status = INT32_MIN + 1,
				   .existed = true,
				   .value = bytes_of(zeros, RECORD_VALUE_MAX),
				   .version = b,
				   .expires_ms = UINT64_MAX,
				   .size = UINT64_MAX,
				   .number = INT64_MIN};
	for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
		struct message m = {.kind = (enum message_kind)kind,
				    .block = UINT32_MAX,
				    .tag = UINT64_MAX,
				    .is_ok = true,
				    .is_omitted = true,
				    .is_same = true,
				    .is_watched = true,
				    .holding = ACCEPTOR_BEHIND,
				    .b = b,
				    .next = b,
				    .bound = b,
				    .named = b,
				    .record = record,
				    .from_hash = UINT32_MAX,
				    .until_hash = UINT32_MAX,
				    .digest = UINT64_MAX,
				    .count = UINT32_MAX,
				    .items = &item,
				    .item_count = 1,
				    .epoch = UINT64_MAX,
				    .ops = &op,
				    .op_count = 1,
				    .watched = b,
				    .deadline_us = UINT64_MAX,
				    .whole = &result,
				    .results = &result};
		struct buffer bytes = encode(&m);
		buffer_reset(&bytes);
	}
}
END_TEST

START_TEST(what_does_not_fit_changes_nothing)
{
	struct message m = with_value(100);
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	ck_assert_int_eq(buffer_append(&out, "front", 5, SIZE_MAX), 0);
	ck_assert_int_eq(wire_peer_encode(&m, 0, &out, 100, &frame), DHT_EFULL);
	ck_assert_uint_eq(out.len, 5);
	/* Five of the longest values are longer than any frame. */
	m = (struct message){.kind = MESSAGE_CHUNK, .items = items, .item_count = 5};
	for (size_t i = 0; i < m.item_count; i++) {
		items[i] = (struct message_item){.location = i % 2};
		items[i].record.acc = ballot_make(0, 1, 1);
		items[i].record.value = bytes_of(zeros, RECORD_VALUE_MAX);
	}
	ck_assert_int_eq(wire_peer_encode(&m, 9, &out, SIZE_MAX, &frame), DHT_ETOOBIG);
	ck_assert_uint_eq(out.len, 5);
	m.item_count = 4;
	ck_assert_int_eq(wire_peer_encode(&m, 9, &out, SIZE_MAX, &frame), 0);
	buffer_reset(&out);
}
END_TEST

START_TEST(a_decoder_keeps_little_memory)
{
	struct message m = {.kind = MESSAGE_CHUNK, .until_hash = 1, .items = items}, got;
	struct wire_frame encoded;
	struct peer_frame frame;
	struct buffer bytes = BUFFER_EMPTY;
	Dhtd__Peer__Op op = DHTD__PEER__OP__INIT;
	op.has_kind = true;
	op.kind = DHTD__PEER__OP__KIND__TTL;
	ck_assert_int_eq(decode_op(&op, WIRE_OPS_MAX), 0);
	size_t most = decoder.size;
	ck_assert_int_eq(wire_peer_encode(&m, 0, &bytes, SIZE_MAX, &encoded), 0);
	parse(&bytes, &frame);
	ck_assert_int_eq(wire_peer_decode(&decoder, &frame, 0, &got), 0);
	ck_assert_uint_lt(decoder.size, most);
	wire_peer_decoder_fini(&decoder);
	buffer_reset(&bytes);
}
END_TEST

UNIT_MAIN("wire_peer", 120, every_kind_comes_back_as_it_was, fields_have_the_numbers_of_the_schema,
	  the_generated_code_agrees, a_stream_is_read_byte_by_byte,
	  what_is_cut_short_or_too_long_is_refused, no_changed_byte_breaks_anything,
	  every_good_message_is_taken, fields_of_a_message_are_bounded,
	  records_are_there_where_they_must_be, items_are_bounded,
	  values_that_are_left_out_are_not_there, counts_are_bounded_and_in_order,
	  operations_are_bounded, results_are_bounded,
	  unknown_fields_are_passed_over_and_known_ones_are_not,
	  hot_messages_are_small_and_take_no_memory, large_values_stay_where_they_are,
	  items_are_pieces_as_long_as_there_are_any_left, the_longest_heads_fit,
	  what_does_not_fit_changes_nothing, a_decoder_keeps_little_memory)
