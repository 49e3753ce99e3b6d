/* SPDX-License-Identifier: Apache-2.0
 *
 * Every field comes from outside. A message is read twice where it has items, ops or results: their
 * ballots count from the version, which may stand behind them, and their number says how
 * much memory they take.
 */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/task.h"
#include "peer.pb-c.h"
#include "ring/slot.h"
#include "wire/peer.h"
#include "wire/peer_fields.h"
#include "wire/peer_status.h"
#include "wire/protobuf.h"

enum {
	MEMORY_KEPT = 64 * 1024, /* of a decoder, between messages */
	FLOAT_EXPONENT_MAX = 32767,
	CONDITIONS = OP_IF_ABSENT | OP_IF_PRESENT | OP_IF_EQUAL | OP_IF_EXPIRING |
		     OP_IF_NOT_EXPIRING | OP_IF_LATER | OP_IF_EARLIER,
	FLAGS_OF_RECORD =
	    DHTD__PEER__PEER_MESSAGE__FLAG__TOMBSTONE | DHTD__PEER__PEER_MESSAGE__FLAG__COPY,
	FLAGS = FLAGS_OF_RECORD | DHTD__PEER__PEER_MESSAGE__FLAG__IS_OK |
		DHTD__PEER__PEER_MESSAGE__FLAG__OMITTED | DHTD__PEER__PEER_MESSAGE__FLAG__SAME |
		DHTD__PEER__PEER_MESSAGE__FLAG__WATCHED,
	OP_FLAGS = DHTD__PEER__OP__FLAG__WANTS_VALUE | DHTD__PEER__OP__FLAG__NEGATIVE |
		   DHTD__PEER__OP__FLAG__INFINITE,
};

/* What travels as it is. */
#define SAME_NUMBER(ours, theirs)                                                                  \
	_Static_assert((int)(ours) == (int)(theirs), "the numbers of proto/peer.proto")
SAME_NUMBER(OP_IF_ABSENT, DHTD__PEER__OP__CONDITION__IF_ABSENT);
SAME_NUMBER(OP_IF_PRESENT, DHTD__PEER__OP__CONDITION__IF_PRESENT);
SAME_NUMBER(OP_IF_EQUAL, DHTD__PEER__OP__CONDITION__IF_EQUAL);
SAME_NUMBER(OP_IF_EXPIRING, DHTD__PEER__OP__CONDITION__IF_EXPIRING);
SAME_NUMBER(OP_IF_NOT_EXPIRING, DHTD__PEER__OP__CONDITION__IF_NOT_EXPIRING);
SAME_NUMBER(OP_IF_LATER, DHTD__PEER__OP__CONDITION__IF_LATER);
SAME_NUMBER(OP_IF_EARLIER, DHTD__PEER__OP__CONDITION__IF_EARLIER);
SAME_NUMBER(OP_EXPIRY_CLEAR, DHTD__PEER__OP__EXPIRY__CLEAR);
SAME_NUMBER(OP_EXPIRY_KEEP, DHTD__PEER__OP__EXPIRY__KEEP);
SAME_NUMBER(OP_EXPIRY_AT, DHTD__PEER__OP__EXPIRY__AT);
SAME_NUMBER(ACCEPTOR_HOLDS, DHTD__PEER__PEER_MESSAGE__HOLDING__HOLDS_IT);
SAME_NUMBER(ACCEPTOR_GONE, DHTD__PEER__PEER_MESSAGE__HOLDING__GONE);
SAME_NUMBER(ACCEPTOR_BEHIND, DHTD__PEER__PEER_MESSAGE__HOLDING__BEHIND);

/* ---- Fields -------------------------------------------------------------------------- */

/* A ballot as it travels; its order and its age come in any order. */
struct raw_ballot {
	uint64_t order;
	uint32_t age;
	bool has_order, has_age;
};

enum { BALLOTS = FIELD_PVER - FIELD_B + 1 }; /* of the message */
_Static_assert(FIELD_PVER_AGE - FIELD_B_AGE + 1 == BALLOTS, "in the same order");

struct reading {
	struct wire_peer_decoder *decoder;
	const struct peer_frame *frame;
	struct message *m;
	struct bytes payload; /* what no value was taken off yet */
	struct raw_ballot ballots[BALLOTS], watched;
	uint32_t flags;
	uint32_t value_size;
	size_t items, ops, results;
	bool has_whole;
	struct bytes whole, counts;
	bool has_counts;
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

/* A number of at most max. */
static int take_number(struct reading *r, const struct protobuf_field *field, uint64_t max,
		       uint32_t *number)
{
	if (field->value > max)
		return refuse(r, "a number is out of range");
	*number = (uint32_t)field->value;
	return 0;
}

static int take_order(struct raw_ballot *raw, const struct protobuf_field *field)
{
	raw->order = field->value;
	raw->has_order = true;
	return 0;
}

static int take_age(struct reading *r, const struct protobuf_field *field, struct raw_ballot *raw)
{
	raw->has_age = true;
	return take_number(r, field, UINT32_MAX, &raw->age);
}

/* A ballot is of the counter's 52 bits and the member's 12 by its form. */
static int resolve(struct reading *r, const struct raw_ballot *raw, struct ballot otherwise,
		   struct ballot *b)
{
	*b = otherwise;
	if (raw->has_order)
		*b = (struct ballot){.order = raw->order, .version = r->m->version - raw->age};
	else if (raw->has_age)
		return refuse(r, "a ballot has an age alone");
	return 0;
}

static int take_value(struct reading *r, size_t size, struct bytes *value)
{
	if (size > r->payload.len)
		return refuse(r, "a value is cut short");
	*value = bytes_of(r->payload.data, size);
	protobuf_skip(&r->payload, size);
	return 0;
}

#define NUMBER(number)  PROTOBUF_TAG(number, PROTOBUF_VARINT)
#define FIXED64(number) PROTOBUF_TAG(number, PROTOBUF_64_BITS)
#define BYTES(number)   PROTOBUF_TAG(number, PROTOBUF_BYTES)

/* What was not known: a field of a later version, or a known one in a form that it has not. */
static int pass_over(struct reading *r, const struct protobuf_field *field, uint32_t last_known)
{
	return field->tag >> 3 <= last_known ? no_message(r) : 0;
}

/* ---- Items --------------------------------------------------------------------------- */

enum { ITEM_BALLOTS = ITEM_PVER - ITEM_ACC + 1 };

struct raw_item {
	struct raw_ballot ballots[ITEM_BALLOTS]; /* acc, ver, pver */
	uint32_t flags, value_size;
};

static int take_item_field(struct reading *r, const struct protobuf_field *field,
			   struct raw_item *raw, struct message_item *item)
{
	uint64_t number = field->tag >> 3;
	switch (field->tag) {
	case BYTES(ITEM_KEY):
		item->key = field->bytes;
		return 0;
	case FIXED64(ITEM_ACC):
	case FIXED64(ITEM_VER):
	case FIXED64(ITEM_PVER):
		return take_order(&raw->ballots[number - ITEM_ACC], field);
	case NUMBER(ITEM_ACC_AGE):
	case NUMBER(ITEM_VER_AGE):
	case NUMBER(ITEM_PVER_AGE):
		return take_age(r, field, &raw->ballots[number - ITEM_ACC_AGE]);
	case NUMBER(ITEM_FLAGS):
		return take_number(r, field, FLAGS_OF_RECORD, &raw->flags);
	case NUMBER(ITEM_VALUE_SIZE):
		return take_number(r, field, RECORD_VALUE_MAX, &raw->value_size);
	case NUMBER(ITEM_EXPIRES_MS):
		item->record.expires_ms = field->value;
		return 0;
	default:
		return pass_over(r, field, ITEM_PVER_AGE);
	}
}

/* Fills in what flags and ballots say. */
static int finish_record(struct reading *r, const struct raw_ballot ballots[ITEM_BALLOTS],
			 struct ballot usual_acc, uint32_t flags, struct paxos_record *record)
{
	if (resolve(r, &ballots[0], usual_acc, &record->acc) != 0 ||
	    resolve(r, &ballots[1], record->acc, &record->ver) != 0 ||
	    resolve(r, &ballots[2], BALLOT_ABSENT, &record->pver) != 0)
		return DHT_EPROTO;
	record->is_tombstone = (flags & DHTD__PEER__PEER_MESSAGE__FLAG__TOMBSTONE) != 0;
	record->is_copy = (flags & DHTD__PEER__PEER_MESSAGE__FLAG__COPY) != 0;
	if (record->value.len > 0 && (record->is_tombstone || !paxos_record_is_there(record)))
		return refuse(r, "a record has a value where there is none");
	return 0;
}

static int take_item(struct reading *r, struct bytes body, struct message_item *item)
{
	struct raw_item raw = {0};
	struct protobuf_field field;
	*item = (struct message_item){0};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_item_field(r, &field, &raw, item) != 0)
			return DHT_EPROTO;
	}
	if ((raw.flags & ~(uint32_t)FLAGS_OF_RECORD) != 0)
		return refuse(r, "an item has a flag that is not known");
	if (item->key.len > RECORD_KEY_MAX)
		return refuse(r, "a key is too long");
	if (r->m->kind == MESSAGE_DIFFER && raw.value_size > 0)
		return refuse(r, "a DIFFER has a value");
	if (r->m->is_omitted && raw.value_size > 0)
		return refuse(r, "a value is omitted and there");
	if (take_value(r, raw.value_size, &item->record.value) != 0 ||
	    finish_record(r, raw.ballots, BALLOT_ABSENT, raw.flags, &item->record) != 0)
		return DHT_EPROTO;
	return paxos_record_is_there(&item->record) ? 0 : refuse(r, "an item has no record");
}

/* ---- Operations ---------------------------------------------------------------------- */

struct raw_op {
	uint32_t kind, flags, conditions, value_size, expected_size, expiry, value_max;
	struct raw_ballot expected_version;
	uint64_t mantissa;
	int64_t exponent;
};

static int take_op_field(struct reading *r, const struct protobuf_field *field, struct raw_op *raw,
			 struct op *op)
{
	switch (field->tag) {
	case NUMBER(OP_FIELD_KIND):
		return take_number(r, field, UINT8_MAX, &raw->kind);
	case NUMBER(OP_FIELD_FLAGS):
		return take_number(r, field, OP_FLAGS, &raw->flags);
	case NUMBER(OP_FIELD_CONDITIONS):
		return take_number(r, field, CONDITIONS, &raw->conditions);
	case NUMBER(OP_FIELD_VALUE_SIZE):
		return take_number(r, field, RECORD_VALUE_MAX, &raw->value_size);
	case NUMBER(OP_FIELD_EXPECTED_SIZE):
		return take_number(r, field, RECORD_VALUE_MAX, &raw->expected_size);
	case FIXED64(OP_FIELD_EXPECTED_VERSION):
		return take_order(&raw->expected_version, field);
	case NUMBER(OP_FIELD_EXPECTED_VERSION_AGE):
		return take_age(r, field, &raw->expected_version);
	case NUMBER(OP_FIELD_DELTA):
		op->delta = protobuf_unzigzag(field->value);
		return 0;
	case FIXED64(OP_FIELD_FLOAT_MANTISSA):
		raw->mantissa = field->value;
		return 0;
	case NUMBER(OP_FIELD_FLOAT_EXPONENT):
		raw->exponent = protobuf_unzigzag(field->value);
		return 0;
	case NUMBER(OP_FIELD_VALUE_MAX):
		return take_number(r, field, RECORD_VALUE_MAX, &raw->value_max);
	case NUMBER(OP_FIELD_EXPIRY):
		return take_number(r, field, OP_EXPIRY_AT, &raw->expiry);
	case NUMBER(OP_FIELD_EXPIRES_MS):
		op->expires_ms = field->value;
		return 0;
	default:
		return pass_over(r, field, OP_FIELD_EXPIRES_MS);
	}
}

static int take_op_kind(struct reading *r, uint32_t kind, struct op *op)
{
	switch ((Dhtd__Peer__Op__Kind)kind) {
#define X(name, writes)                                                                            \
	case DHTD__PEER__OP__KIND__##name:                                                         \
		op->kind = OP_##name;                                                              \
		return 0;
		OP_KINDS(X)
#undef X
	default:
		return refuse(r, "an operation is of no kind that is known");
	}
}

static int take_float(struct reading *r, const struct raw_op *raw, struct op *op)
{
	bool is_infinite = (raw->flags & DHTD__PEER__OP__FLAG__INFINITE) != 0;
	if (raw->exponent < -FLOAT_EXPONENT_MAX - 1 || raw->exponent > FLOAT_EXPONENT_MAX ||
	    (is_infinite && raw->mantissa != 0))
		return refuse(r, "a float is out of range");
	long double number = ldexpl((long double)raw->mantissa, (int)raw->exponent);
	if (isinf(number))
		return refuse(r, "a float is out of range");
	if (is_infinite)
		number = (long double)INFINITY;
	op->delta_float = raw->flags & DHTD__PEER__OP__FLAG__NEGATIVE ? -number : number;
	return 0;
}

static int take_op(struct reading *r, struct bytes body, struct op *op)
{
	struct raw_op raw = {0};
	struct protobuf_field field;
	*op = (struct op){.key.key = r->m->key, .key.block = r->m->block};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_op_field(r, &field, &raw, op) != 0)
			return DHT_EPROTO;
	}
	op->conditions = raw.conditions;
	op->wants_value = (raw.flags & DHTD__PEER__OP__FLAG__WANTS_VALUE) != 0;
	op->expiry = (enum op_expiry)raw.expiry;
	op->value_max = raw.value_max;
	if (take_op_kind(r, raw.kind, op) != 0 || take_float(r, &raw, op) != 0 ||
	    resolve(r, &raw.expected_version, BALLOT_ABSENT, &op->expected_version) != 0 ||
	    take_value(r, raw.value_size, &op->value) != 0)
		return DHT_EPROTO;
	return take_value(r, raw.expected_size, &op->expected);
}

/* ---- Results ------------------------------------------------------------------------- */

struct raw_result {
	uint32_t status, flags, value_size;
	struct raw_ballot version;
};

static int take_result_field(struct reading *r, const struct protobuf_field *field,
			     struct raw_result *raw, struct op_result *result)
{
	switch (field->tag) {
	case NUMBER(RESULT_STATUS):
		return take_number(r, field, UINT8_MAX, &raw->status);
	case NUMBER(RESULT_FLAGS):
		return take_number(r, field, DHTD__PEER__RESULT__FLAG__EXISTED, &raw->flags);
	case NUMBER(RESULT_VALUE_SIZE):
		return take_number(r, field, RECORD_VALUE_MAX, &raw->value_size);
	case FIXED64(RESULT_VERSION):
		return take_order(&raw->version, field);
	case NUMBER(RESULT_VERSION_AGE):
		return take_age(r, field, &raw->version);
	case NUMBER(RESULT_EXPIRES_MS):
		result->expires_ms = field->value;
		return 0;
	case NUMBER(RESULT_SIZE):
		result->size = field->value;
		return 0;
	case NUMBER(RESULT_NUMBER):
		result->number = protobuf_unzigzag(field->value);
		return 0;
	default:
		return pass_over(r, field, RESULT_NUMBER);
	}
}

static int take_result(struct reading *r, struct bytes body, struct op_result *result)
{
	struct raw_result raw = {0};
	struct protobuf_field field;
	*result = (struct op_result){0};
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_result_field(r, &field, &raw, result) != 0)
			return DHT_EPROTO;
	}
	result->existed = raw.flags != 0;
	if (!peer_status_of(raw.status, &result->status))
		return refuse(r, "a status is none of a result");
	if (resolve(r, &raw.version, BALLOT_ABSENT, &result->version) != 0)
		return DHT_EPROTO;
	return take_value(r, raw.value_size, &result->value);
}

/* ---- The message --------------------------------------------------------------------- */

static int take_kind(struct reading *r, const struct protobuf_field *field)
{
	switch (field->value) {
#define X(name, old)                                                                               \
	case DHTD__PEER__PEER_MESSAGE__KIND__##name:                                               \
		r->m->kind = MESSAGE_##name;                                                       \
		return 0;
		MESSAGE_KINDS(X)
#undef X
	default:
		return refuse(r, "it is of no kind that is known");
	}
}

/* One field has all of them. */
static int take_packed_counts(struct reading *r, struct bytes packed)
{
	if (r->has_counts)
		return refuse(r, "it has counts twice");
	r->has_counts = true;
	r->counts = packed;
	return 0;
}

static int take_field(struct reading *r, const struct protobuf_field *field)
{
	struct message *m = r->m;
	uint64_t number = field->tag >> 3;
	uint32_t holding = 0, count = 0;
	int rc;
	switch (field->tag) {
	case NUMBER(FIELD_KIND):
		return take_kind(r, field);
	case NUMBER(FIELD_BLOCK):
		return take_number(r, field, UINT32_MAX, &m->block);
	case NUMBER(FIELD_VERSION):
		return take_number(r, field, UINT32_MAX, &m->version);
	case FIXED64(FIELD_TAG):
		m->tag = field->value;
		return 0;
	case BYTES(FIELD_KEY):
		m->key = field->bytes;
		return 0;
	case FIXED64(FIELD_B):
	case FIXED64(FIELD_NEXT):
	case FIXED64(FIELD_BOUND):
	case FIXED64(FIELD_NAMED):
	case FIXED64(FIELD_ACC):
	case FIXED64(FIELD_VER):
	case FIXED64(FIELD_PVER):
		return take_order(&r->ballots[number - FIELD_B], field);
	case NUMBER(FIELD_B_AGE):
	case NUMBER(FIELD_NEXT_AGE):
	case NUMBER(FIELD_BOUND_AGE):
	case NUMBER(FIELD_NAMED_AGE):
	case NUMBER(FIELD_ACC_AGE):
	case NUMBER(FIELD_VER_AGE):
	case NUMBER(FIELD_PVER_AGE):
		return take_age(r, field, &r->ballots[number - FIELD_B_AGE]);
	case NUMBER(FIELD_FLAGS):
		return take_number(r, field, FLAGS, &r->flags);
	case NUMBER(FIELD_VALUE_SIZE):
		return take_number(r, field, RECORD_VALUE_MAX, &r->value_size);
	case NUMBER(FIELD_EXPIRES_MS):
		m->record.expires_ms = field->value;
		return 0;
	case NUMBER(FIELD_HOLDING):
		rc = take_number(r, field, ACCEPTOR_BEHIND, &holding);
		m->holding = (enum acceptor_holding)holding;
		return rc;
	case NUMBER(FIELD_FROM_HASH):
		return take_number(r, field, STORE_HASH_END, &m->from_hash);
	case NUMBER(FIELD_UNTIL_HASH):
		return take_number(r, field, STORE_HASH_END, &m->until_hash);
	case FIXED64(FIELD_DIGEST):
		m->digest = field->value;
		return 0;
	case NUMBER(FIELD_COUNT):
		return take_number(r, field, UINT32_MAX, &m->count);
	case BYTES(FIELD_ITEMS):
		r->items++;
		return 0;
	case NUMBER(FIELD_EPOCH):
		m->epoch = field->value;
		return 0;
	case BYTES(FIELD_OPS):
		r->ops++;
		return 0;
	case FIXED64(FIELD_WATCHED):
		return take_order(&r->watched, field);
	case NUMBER(FIELD_WATCHED_AGE):
		return take_age(r, field, &r->watched);
	case NUMBER(FIELD_DEADLINE_US):
		m->deadline_us = field->value;
		return 0;
	case BYTES(FIELD_WHOLE):
		r->whole = field->bytes;
		r->has_whole = true;
		return 0;
	case BYTES(FIELD_RESULTS):
		r->results++;
		return 0;
	case NUMBER(FIELD_LIMIT):
		return take_number(r, field, UINT32_MAX, &m->limit);
	case BYTES(FIELD_COUNTS):
		return take_packed_counts(r, field->bytes);
	case NUMBER(FIELD_ASKED):
		rc = take_number(r, field, UINT8_MAX, &count);
		m->asked = (uint8_t)count;
		return rc;
	case NUMBER(FIELD_ANSWERED):
		rc = take_number(r, field, UINT8_MAX, &count);
		m->answered = (uint8_t)count;
		return rc;
	default:
		return pass_over(r, field, FIELD_ANSWERED);
	}
}

static int finish_ballots(struct reading *r)
{
	struct message *m = r->m;
	const struct raw_ballot *raw = r->ballots;
	if (resolve(r, &raw[0], BALLOT_ABSENT, &m->b) != 0 ||
	    resolve(r, &raw[FIELD_NEXT - FIELD_B], peer_usual_next(m), &m->next) != 0 ||
	    resolve(r, &raw[FIELD_BOUND - FIELD_B], BALLOT_ABSENT, &m->bound) != 0 ||
	    resolve(r, &raw[FIELD_NAMED - FIELD_B], BALLOT_ABSENT, &m->named) != 0)
		return DHT_EPROTO;
	return resolve(r, &r->watched, BALLOT_ABSENT, &m->watched);
}

static int finish_own_record(struct reading *r)
{
	struct message *m = r->m;
	bool is_needed = m->kind == MESSAGE_ACCEPT || m->kind == MESSAGE_LEARN;
	if (!peer_has_record(m->kind))
		return r->value_size == 0 ? 0
					  : refuse(r, "a value is in a message without a record");
	if (m->is_omitted && (r->value_size > 0 || is_needed))
		return refuse(r, "a value is omitted and there, or needed");
	if (take_value(r, r->value_size, &m->record.value) != 0 ||
	    finish_record(r, &r->ballots[FIELD_ACC - FIELD_B], peer_usual_acc(m), r->flags,
			  &m->record) != 0)
		return DHT_EPROTO;
	if (is_needed && !paxos_record_is_there(&m->record))
		return refuse(r, "the record is missing");
	return 0;
}

/* What follows from the fields of the message itself. */
static int finish_head(struct reading *r)
{
	struct message *m = r->m;
	m->is_ok = (r->flags & DHTD__PEER__PEER_MESSAGE__FLAG__IS_OK) != 0;
	m->is_omitted = (r->flags & DHTD__PEER__PEER_MESSAGE__FLAG__OMITTED) != 0;
	m->is_same = (r->flags & DHTD__PEER__PEER_MESSAGE__FLAG__SAME) != 0;
	m->is_watched = (r->flags & DHTD__PEER__PEER_MESSAGE__FLAG__WATCHED) != 0;
	if (m->kind == MESSAGE_KIND_COUNT)
		return refuse(r, "it has no kind");
	if (m->key.len > RECORD_KEY_MAX)
		return refuse(r, "a key is too long");
	if (m->from_hash > m->until_hash)
		return refuse(r, "a range ends before it begins");
	if (m->deadline_us > TASK_DEADLINE_MAX_US)
		return refuse(r, "a deadline is too far away");
	return finish_ballots(r) != 0 ? DHT_EPROTO : finish_own_record(r);
}

/* ---- Its parts ----------------------------------------------------------------------- */

static int check_parts(struct reading *r)
{
	enum message_kind kind = r->m->kind;
	bool is_result = kind == MESSAGE_RESULT;
	if (r->items > (peer_has_items(kind) && !r->m->is_same ? MESSAGE_ITEMS_MAX : 0))
		return refuse(r, "it has too many items");
	if (r->ops > (kind == MESSAGE_FORWARD ? WIRE_OPS_MAX : 0))
		return refuse(r, "it has too many operations");
	if (r->has_counts && kind != MESSAGE_COUNTED)
		return refuse(r, "it has counts");
	if (r->results > (is_result ? WIRE_OPS_MAX : 0) || r->has_whole != is_result)
		return refuse(r, "it has too many results, or none of all");
	return 0;
}

/* Gives the message memory for its parts; that of earlier ones is reused. */
static int reserve(struct wire_peer_decoder *decoder, size_t size)
{
	if (size <= decoder->size)
		return 0;
	wire_peer_decoder_fini(decoder);
	size_t rounded = size < MEMORY_KEPT ? MEMORY_KEPT : size;
	decoder->memory = malloc(rounded);
	if (decoder->memory == NULL)
		return DHT_ENOMEM;
	decoder->size = rounded;
	return 0;
}

/* Calls the right one for every part. The fields were all read once. */
static int take_parts(struct reading *r, struct message_item *items, struct op *ops,
		      struct op_result *results)
{
	struct bytes body = r->frame->message;
	struct protobuf_field field;
	int rc = 0;
	while (body.len > 0 && rc == 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (field.tag == BYTES(FIELD_ITEMS))
			rc = take_item(r, field.bytes, items++);
		else if (field.tag == BYTES(FIELD_OPS))
			rc = take_op(r, field.bytes, ops++);
		else if (field.tag == BYTES(FIELD_RESULTS))
			rc = take_result(r, field.bytes, results++);
	}
	return rc;
}

static int take_items(struct reading *r)
{
	struct message *m = r->m;
	int rc = reserve(r->decoder, r->items * sizeof(*m->items));
	if (rc != 0 || r->items == 0)
		return rc;
	m->items = r->decoder->memory;
	m->item_count = r->items;
	return take_parts(r, r->decoder->memory, NULL, NULL);
}

static int take_ops(struct reading *r)
{
	struct message *m = r->m;
	int rc = reserve(r->decoder, r->ops * sizeof(*m->ops));
	if (rc != 0 || r->ops == 0)
		return rc;
	m->ops = r->decoder->memory;
	m->op_count = r->ops;
	return take_parts(r, NULL, r->decoder->memory, NULL);
}

/* The whole's result lies in front of the others. */
static int take_results(struct reading *r)
{
	struct message *m = r->m;
	int rc = reserve(r->decoder, (1 + r->results) * sizeof(*m->results));
	if (rc != 0)
		return rc;
	struct op_result *whole = r->decoder->memory;
	m->whole = whole;
	m->results = whole + 1;
	m->op_count = r->results;
	rc = take_result(r, r->whole, whole);
	if (rc == 0 && whole->value.len > 0)
		return refuse(r, "the result of all has a value");
	return rc != 0 ? rc : take_parts(r, NULL, NULL, whole + 1);
}

static int take_count(struct reading *r, struct bytes *packed, uint64_t max, uint32_t *number)
{
	uint64_t value;
	size_t n = protobuf_get_varint(*packed, &value);
	if (n == 0 || value > max)
		return refuse(r, "a count is none");
	protobuf_skip(packed, n);
	*number = (uint32_t)value;
	return 0;
}

static int take_counts(struct reading *r)
{
	struct message *m = r->m;
	struct bytes packed = r->counts;
	/* Each has at least two bytes. */
	size_t max = packed.len / 2 < RING_BLOCKS_MAX ? packed.len / 2 : RING_BLOCKS_MAX;
	int rc = reserve(r->decoder, max * sizeof(*m->counts));
	struct message_count *counts = r->decoder->memory;
	size_t count = 0;
	for (; rc == 0 && packed.len > 0; count++) {
		if (count == max)
			return refuse(r, "it has too many counts");
		rc = take_count(r, &packed, RING_BLOCKS_MAX - 1, &counts[count].block);
		if (rc == 0)
			rc = take_count(r, &packed, UINT32_MAX, &counts[count].keys);
		if (rc == 0 && count > 0 && counts[count].block <= counts[count - 1].block)
			return refuse(r, "its counts are in no order");
	}
	m->counts = counts;
	m->count_count = count;
	return rc;
}

static int decode(struct reading *r)
{
	struct bytes body = r->frame->message;
	struct protobuf_field field;
	int rc;
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return no_message(r);
		if (take_field(r, &field) != 0)
			return DHT_EPROTO;
	}
	if (finish_head(r) != 0 || check_parts(r) != 0)
		return DHT_EPROTO;
	if (peer_has_items(r->m->kind))
		rc = take_items(r);
	else if (r->m->kind == MESSAGE_FORWARD)
		rc = take_ops(r);
	else if (r->m->kind == MESSAGE_RESULT)
		rc = take_results(r);
	else if (r->m->kind == MESSAGE_COUNTED)
		rc = take_counts(r);
	else
		rc = 0;
	if (rc == 0 && r->payload.len > 0)
		return refuse(r, "bytes are left over");
	return rc;
}

int wire_peer_decode(struct wire_peer_decoder *decoder, const struct peer_frame *frame,
		     uint16_t from, struct message *m)
{
	struct reading r = {.decoder = decoder, .frame = frame, .m = m, .payload = frame->payload};
	DHT_ASSERT(frame->type == PEER_MESSAGE);
	*m = (struct message){.kind = MESSAGE_KIND_COUNT, .from = from};
	decoder->why = NULL;
	if (decoder->size > MEMORY_KEPT)
		wire_peer_decoder_fini(decoder);
	return decode(&r);
}

void wire_peer_decoder_fini(struct wire_peer_decoder *decoder)
{
	free(decoder->memory);
	decoder->memory = NULL;
	decoder->size = 0;
}
