/* SPDX-License-Identifier: Apache-2.0
 *
 * A message becomes bytes in one go: the heads are written where they stay, as there is room for
 * the longest ones. Packing structs of the generated kind takes several times as long, because
 * every field of the schema is looked at, twice (bench/peer_codec).
 */
#include <math.h>

#include "base/error.h"
#include "peer.pb-c.h"
#include "ring/slot.h"
#include "wire/peer.h"
#include "wire/peer_fields.h"
#include "wire/protobuf.h"

enum {
	HEAD_MAX = 320, /* of a message without key, items, ops and results */
	PART_MAX = 128, /* of one of these, without its key */
	COUNT_MAX = 2 * 5,
};

/* Values of a message, as many as there are, in their order. */
typedef void (*visit_fn)(void *ctx, struct bytes value, uint64_t location);

static void visit_values(const struct message *m, visit_fn visit, void *ctx)
{
	if (peer_has_record(m->kind)) {
		visit(ctx, m->record.value, m->location);
	} else if (peer_has_whole_items(m->kind)) {
		for (size_t i = 0; i < m->item_count; i++)
			visit(ctx, m->items[i].record.value, m->items[i].location);
	} else if (m->kind == MESSAGE_FORWARD) {
		for (size_t i = 0; i < m->op_count; i++) {
			visit(ctx, m->ops[i].value, 0);
			visit(ctx, m->ops[i].expected, 0);
		}
	} else if (m->kind == MESSAGE_RESULT) {
		for (size_t i = 0; i < m->op_count; i++)
			visit(ctx, m->results[i].value, m->results[i].location);
	}
}

/* ---- How long it may get ------------------------------------------------------------- */

struct plan {
	struct wire_frame *frame;
	size_t copied, pinned; /* bytes of values */
};

static bool may_be_piece(struct bytes value, uint64_t location)
{
	return location != 0 && value.len >= WIRE_PIECE_MIN;
}

static void plan_value(void *ctx, struct bytes value, uint64_t location)
{
	struct plan *plan = ctx;
	struct wire_frame *frame = plan->frame;
	DHT_ASSERT(value.len <= RECORD_VALUE_MAX);
	if (may_be_piece(value, location) && frame->piece_count < frame->piece_max) {
		frame->pieces[frame->piece_count++] =
		    (struct wire_piece){.value = value, .location = location};
		plan->pinned += value.len;
	} else {
		plan->copied += value.len;
	}
}

static size_t heads_max(const struct message *m)
{
	size_t max = HEAD_MAX + (peer_has_key(m->kind) ? m->key.len : 0);
	if (peer_has_items(m->kind)) {
		for (size_t i = 0; i < m->item_count; i++)
			max += PART_MAX + m->items[i].key.len;
	} else if (m->kind == MESSAGE_FORWARD || m->kind == MESSAGE_RESULT) {
		max += (1 + m->op_count) * PART_MAX;
	}
	if (m->kind == MESSAGE_COUNTED)
		max += m->count_count * COUNT_MAX;
	return max;
}

/* ---- Heads --------------------------------------------------------------------------- */

static uint8_t *put_ballot(uint8_t *p, uint32_t number, uint32_t age_number, struct ballot b,
			   uint32_t version)
{
	p = protobuf_put_fixed64(p, number, b.order);
	return protobuf_put_nonzero(p, age_number, version - b.version);
}

/* A ballot that is left out if it is what is taken then. */
static uint8_t *put_unless(uint8_t *p, uint32_t number, uint32_t age_number, struct ballot b,
			   struct ballot otherwise, uint32_t version)
{
	if (ballot_equal(b, otherwise))
		return p;
	return put_ballot(p, number, age_number, b, version);
}

static uint8_t *put_flags_of_record(uint8_t *p, uint32_t number, const struct paxos_record *record,
				    uint32_t others)
{
	uint32_t flags = others;
	if (record->is_tombstone)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__TOMBSTONE;
	if (record->is_copy)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__COPY;
	return protobuf_put_nonzero(p, number, flags);
}

static uint8_t *put_record(uint8_t *p, const struct message *m)
{
	const struct paxos_record *record = &m->record;
	p = put_unless(p, FIELD_ACC, FIELD_ACC_AGE, record->acc, peer_usual_acc(m), m->version);
	p = put_unless(p, FIELD_VER, FIELD_VER_AGE, record->ver, record->acc, m->version);
	p = put_unless(p, FIELD_PVER, FIELD_PVER_AGE, record->pver, BALLOT_ABSENT, m->version);
	p = protobuf_put_nonzero(p, FIELD_VALUE_SIZE, record->value.len);
	return protobuf_put_nonzero(p, FIELD_EXPIRES_MS, record->expires_ms);
}

static uint8_t *put_ballots(uint8_t *p, const struct message *m)
{
	uint32_t version = m->version;
	p = put_unless(p, FIELD_B, FIELD_B_AGE, m->b, BALLOT_ABSENT, version);
	p = put_unless(p, FIELD_NEXT, FIELD_NEXT_AGE, m->next, peer_usual_next(m), version);
	p = put_unless(p, FIELD_BOUND, FIELD_BOUND_AGE, m->bound, BALLOT_ABSENT, version);
	return put_unless(p, FIELD_NAMED, FIELD_NAMED_AGE, m->named, BALLOT_ABSENT, version);
}

static uint8_t *put_flags(uint8_t *p, const struct message *m)
{
	uint32_t flags = 0;
	if (m->is_ok)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__IS_OK;
	if (m->is_omitted)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__OMITTED;
	if (m->is_same)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__SAME;
	if (m->is_watched)
		flags |= DHTD__PEER__PEER_MESSAGE__FLAG__WATCHED;
	return put_flags_of_record(p, FIELD_FLAGS, &m->record, flags);
}

/* A message in the message, whose fields are `body`, and in front of them a key if it has one. */
static uint8_t *put_part(uint8_t *p, uint32_t number, const struct bytes *key, struct bytes body)
{
	uint8_t key_head[1 + PROTOBUF_VARINT_MAX];
	size_t key_head_len = 0;
	DHT_ASSERT(body.len < PART_MAX - 2 * PROTOBUF_VARINT_MAX);
	if (key != NULL) {
		uint8_t *end =
		    protobuf_put_varint(key_head, PROTOBUF_TAG(ITEM_KEY, PROTOBUF_BYTES));
		key_head_len = (size_t)(protobuf_put_varint(end, key->len) - key_head);
	}
	size_t len = body.len + key_head_len + (key != NULL ? key->len : 0);
	p = protobuf_put_varint(p, PROTOBUF_TAG(number, PROTOBUF_BYTES));
	p = protobuf_put_varint(p, len);
	p = protobuf_put_raw(p, bytes_of(key_head, key_head_len));
	if (key != NULL)
		p = protobuf_put_raw(p, *key);
	return protobuf_put_raw(p, body);
}

static uint8_t *put_item(uint8_t *p, const struct message *m, const struct message_item *item)
{
	uint8_t body[PART_MAX], *end = body;
	const struct paxos_record *record = &item->record;
	DHT_ASSERT(item->key.len <= RECORD_KEY_MAX);
	end = put_unless(end, ITEM_ACC, ITEM_ACC_AGE, record->acc, BALLOT_ABSENT, m->version);
	if (peer_has_whole_items(m->kind)) {
		end = put_unless(end, ITEM_VER, ITEM_VER_AGE, record->ver, record->acc, m->version);
		end = put_unless(end, ITEM_PVER, ITEM_PVER_AGE, record->pver, BALLOT_ABSENT,
				 m->version);
		end = put_flags_of_record(end, ITEM_FLAGS, record, 0);
		end = protobuf_put_nonzero(end, ITEM_VALUE_SIZE, record->value.len);
		end = protobuf_put_nonzero(end, ITEM_EXPIRES_MS, record->expires_ms);
	}
	return put_part(p, FIELD_ITEMS, &item->key, bytes_of(body, (size_t)(end - body)));
}

static uint8_t *put_range(uint8_t *p, const struct message *m)
{
	p = protobuf_put_nonzero(p, FIELD_FROM_HASH, m->from_hash);
	p = protobuf_put_nonzero(p, FIELD_UNTIL_HASH, m->until_hash);
	p = protobuf_put_fixed64(p, FIELD_DIGEST, m->digest);
	p = protobuf_put_nonzero(p, FIELD_COUNT, m->count);
	p = protobuf_put_nonzero(p, FIELD_LIMIT, m->limit);
	if (!peer_has_items(m->kind))
		return p;
	DHT_ASSERT(m->item_count <= MESSAGE_ITEMS_MAX);
	for (size_t i = 0; i < m->item_count; i++)
		p = put_item(p, m, &m->items[i]);
	return p;
}

static const uint8_t wire_op_kinds[] = {
#define X(name, writes) [OP_##name] = DHTD__PEER__OP__KIND__##name,
    OP_KINDS(X)
#undef X
};

/* A float is mantissa * 2^exponent: exactly, as a long double has 64 bits of it. */
static uint8_t *put_float(uint8_t *p, long double number)
{
	enum { MANTISSA_BITS = 64 };
	int exponent = 0;
	DHT_ASSERT(!isnan(number));
	if (isinf(number) || number == 0)
		return p;
	long double part = frexpl(fabsl(number), &exponent);
	p = protobuf_put_fixed64(p, OP_FIELD_FLOAT_MANTISSA, (uint64_t)ldexpl(part, MANTISSA_BITS));
	return protobuf_put_nonzero(p, OP_FIELD_FLOAT_EXPONENT,
				    protobuf_zigzag(exponent - MANTISSA_BITS));
}

static uint32_t flags_of_op(const struct op *op)
{
	uint32_t flags = op->wants_value ? DHTD__PEER__OP__FLAG__WANTS_VALUE : 0;
	if (signbit(op->delta_float))
		flags |= DHTD__PEER__OP__FLAG__NEGATIVE;
	if (isinf(op->delta_float))
		flags |= DHTD__PEER__OP__FLAG__INFINITE;
	return flags;
}

static uint8_t *put_op(uint8_t *p, const struct message *m, const struct op *op)
{
	uint8_t body[PART_MAX], *end = body;
	end = protobuf_put_number(end, OP_FIELD_KIND, wire_op_kinds[op->kind]);
	end = protobuf_put_nonzero(end, OP_FIELD_FLAGS, flags_of_op(op));
	end = protobuf_put_nonzero(end, OP_FIELD_CONDITIONS, op->conditions);
	end = protobuf_put_nonzero(end, OP_FIELD_VALUE_SIZE, op->value.len);
	end = protobuf_put_nonzero(end, OP_FIELD_EXPECTED_SIZE, op->expected.len);
	end = put_unless(end, OP_FIELD_EXPECTED_VERSION, OP_FIELD_EXPECTED_VERSION_AGE,
			 op->expected_version, BALLOT_ABSENT, m->version);
	end = protobuf_put_nonzero(end, OP_FIELD_DELTA, protobuf_zigzag(op->delta));
	end = put_float(end, op->delta_float);
	end = protobuf_put_nonzero(end, OP_FIELD_VALUE_MAX, op->value_max);
	end = protobuf_put_nonzero(end, OP_FIELD_EXPIRY, op->expiry);
	end = protobuf_put_nonzero(end, OP_FIELD_EXPIRES_MS, op->expires_ms);
	return put_part(p, FIELD_OPS, NULL, bytes_of(body, (size_t)(end - body)));
}

static uint8_t *put_forward(uint8_t *p, const struct message *m)
{
	DHT_ASSERT(m->op_count <= WIRE_OPS_MAX);
	p = protobuf_put_nonzero(p, FIELD_DEADLINE_US, m->deadline_us);
	p = put_unless(p, FIELD_WATCHED, FIELD_WATCHED_AGE, m->watched, BALLOT_ABSENT, m->version);
	for (size_t i = 0; i < m->op_count; i++)
		p = put_op(p, m, &m->ops[i]);
	return p;
}

static uint8_t *put_result(uint8_t *p, uint32_t number, const struct message *m,
			   const struct op_result *result, size_t value_size)
{
	uint8_t body[PART_MAX], *end = body;
	end = protobuf_put_nonzero(end, RESULT_STATUS, (uint32_t)-result->status);
	end = protobuf_put_nonzero(end, RESULT_FLAGS,
				   result->existed ? DHTD__PEER__RESULT__FLAG__EXISTED : 0);
	end = protobuf_put_nonzero(end, RESULT_VALUE_SIZE, value_size);
	end = put_unless(end, RESULT_VERSION, RESULT_VERSION_AGE, result->version, BALLOT_ABSENT,
			 m->version);
	end = protobuf_put_nonzero(end, RESULT_EXPIRES_MS, result->expires_ms);
	end = protobuf_put_nonzero(end, RESULT_SIZE, result->size);
	end = protobuf_put_nonzero(end, RESULT_NUMBER, protobuf_zigzag(result->number));
	return put_part(p, number, NULL, bytes_of(body, (size_t)(end - body)));
}

static uint8_t *put_results(uint8_t *p, const struct message *m)
{
	DHT_ASSERT(m->op_count <= WIRE_OPS_MAX);
	p = protobuf_put_nonzero(p, FIELD_ASKED, m->asked);
	p = protobuf_put_nonzero(p, FIELD_ANSWERED, m->answered);
	p = put_result(p, FIELD_WHOLE, m, m->whole, 0);
	for (size_t i = 0; i < m->op_count; i++) {
		const struct op_result *result = &m->results[i];
		p = put_result(p, FIELD_RESULTS, m, result, result->value.len);
	}
	return p;
}

static size_t varint_size(uint64_t v)
{
	uint8_t unused[PROTOBUF_VARINT_MAX];
	return (size_t)(protobuf_put_varint(unused, v) - unused);
}

static uint8_t *put_counts(uint8_t *p, const struct message *m)
{
	size_t len = 0;
	DHT_ASSERT(m->count_count <= RING_BLOCKS_MAX);
	for (size_t i = 0; i < m->count_count; i++)
		len += varint_size(m->counts[i].block) + varint_size(m->counts[i].keys);
	if (len == 0)
		return p;
	p = protobuf_put_varint(p, PROTOBUF_TAG(FIELD_COUNTS, PROTOBUF_BYTES));
	p = protobuf_put_varint(p, len);
	for (size_t i = 0; i < m->count_count; i++) {
		p = protobuf_put_varint(p, m->counts[i].block);
		p = protobuf_put_varint(p, m->counts[i].keys);
	}
	return p;
}

static const uint8_t wire_kinds[] = {
#define X(name, old) [MESSAGE_##name] = DHTD__PEER__PEER_MESSAGE__KIND__##name,
    MESSAGE_KINDS(X)
#undef X
};

static uint8_t *put_head(uint8_t *p, const struct message *m)
{
	p = protobuf_put_number(p, FIELD_KIND, wire_kinds[m->kind]);
	p = protobuf_put_nonzero(p, FIELD_BLOCK, m->block);
	p = protobuf_put_nonzero(p, FIELD_VERSION, m->version);
	p = protobuf_put_fixed64(p, FIELD_TAG, m->tag);
	if (peer_has_key(m->kind))
		p = protobuf_put_bytes(p, FIELD_KEY, m->key);
	p = put_ballots(p, m);
	if (peer_has_record(m->kind))
		p = put_record(p, m);
	p = put_flags(p, m);
	if (peer_has_range(m->kind))
		p = put_range(p, m);
	else if (m->kind == MESSAGE_HELD)
		p = protobuf_put_nonzero(p, FIELD_HOLDING, m->holding);
	else if (m->kind == MESSAGE_STALE)
		p = protobuf_put_nonzero(p, FIELD_EPOCH, m->epoch);
	else if (m->kind == MESSAGE_FORWARD)
		p = put_forward(p, m);
	else if (m->kind == MESSAGE_RESULT)
		p = put_results(p, m);
	else if (m->kind == MESSAGE_COUNTED)
		p = put_counts(p, m);
	return p;
}

/* ---- Values, and the frame ----------------------------------------------------------- */

struct writing {
	uint8_t *start, *end;
	struct wire_frame *frame;
	unsigned next; /* piece */
};

static void write_value(void *ctx, struct bytes value, uint64_t location)
{
	struct writing *w = ctx;
	/* What may be a piece is one, in this order, until as many are as could be. */
	if (may_be_piece(value, location) && w->next < w->frame->piece_count)
		w->frame->pieces[w->next++].at = (size_t)(w->end - w->start);
	else
		w->end = protobuf_put_raw(w->end, value);
}

int wire_peer_encode(const struct message *m, unsigned piece_max, struct buffer *out, size_t max,
		     struct wire_frame *frame)
{
	struct plan plan = {.frame = frame};
	DHT_ASSERT(piece_max <= WIRE_PIECES_MAX && m->key.len <= RECORD_KEY_MAX);
	frame->piece_count = 0;
	frame->piece_max = piece_max;
	visit_values(m, plan_value, &plan);
	size_t heads = heads_max(m);
	if (heads + plan.copied + plan.pinned > PEER_WHOLE_MAX)
		return DHT_ETOOBIG;
	int rc = buffer_reserve(out, PEER_FRAME_HEADER + heads + plan.copied, max);
	if (rc != 0)
		return rc;
	uint8_t *start = buffer_tail(out), *head = start + PEER_FRAME_HEADER;
	struct writing w = {.start = start, .end = put_head(head, m), .frame = frame};
	size_t head_len = (size_t)(w.end - head);
	DHT_ASSERT(head_len <= heads);
	visit_values(m, write_value, &w);
	frame->copied = (size_t)(w.end - start);
	frame->size = frame->copied + plan.pinned;
	peer_frame_put_header(start, PEER_MESSAGE, 0, 0, head_len, frame->size);
	wire_frame_seal(frame, start);
	out->len += frame->copied;
	return 0;
}

unsigned wire_frame_slices(const struct wire_frame *frame, const uint8_t *copied,
			   struct bytes slices[WIRE_SLICES_MAX])
{
	unsigned count = 0;
	size_t at = 0;
	for (unsigned i = 0; i < frame->piece_count; i++) {
		const struct wire_piece *piece = &frame->pieces[i];
		if (piece->at > at)
			slices[count++] = bytes_of(copied + at, piece->at - at);
		slices[count++] = piece->value;
		at = piece->at;
	}
	if (frame->copied > at)
		slices[count++] = bytes_of(copied + at, frame->copied - at);
	return count;
}

void wire_frame_seal(const struct wire_frame *frame, uint8_t *copied)
{
	struct bytes slices[WIRE_SLICES_MAX];
	if (frame->size > PEER_FRAME_MAX)
		return;
	unsigned count = wire_frame_slices(frame, copied, slices);
	peer_frame_seal(copied, slices, count);
}
