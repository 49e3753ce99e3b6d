/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_peer - any bytes as what arrives on a link between nodes: as a message with its
 * payload, and as a stream of frames, parts among them.
 *
 * Nothing breaks. What decodes is within the bounds, its bytes can be read, and encoded again
 * it gives the same message. As no input hits a checksum, a stream is read once more with those
 * that are right.
 *
 * The first two bytes of an input are the length of the message, the payload is the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/task.h"
#include "ring/slot.h"
#include "wire/peer.h"
#include "wire/peer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 64, LENGTH_SIZE = 2, FROM = 3, BUDGET = 4 * 1024 * 1024 };

static struct wire_peer_decoder decoder, second;
static struct peer_budget budget = {.max = BUDGET}; /* small, so that inputs reach beyond it */
static volatile uint8_t sink;

/* Reads every byte: a sanitizer sees what points elsewhere. */
static void read_bytes(struct bytes bytes)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum ^= bytes.data[i];
	sink = sum;
}

static void check_record(const struct paxos_record *record)
{
	DHT_ASSERT(record->value.len <= RECORD_VALUE_MAX);
	DHT_ASSERT(record->value.len == 0 ||
		   (paxos_record_is_there(record) && !record->is_tombstone));
	read_bytes(record->value);
}

static void check_op(const struct message *m, const struct op *op)
{
	DHT_ASSERT(op->kind <= OP_TTL && op->expiry <= OP_EXPIRY_AT);
	DHT_ASSERT(op->conditions < 2 * OP_IF_EARLIER && op->value_max <= RECORD_VALUE_MAX);
	DHT_ASSERT(op->delta_float == op->delta_float);
	DHT_ASSERT(bytes_equal(op->key.key, m->key));
	read_bytes(op->value);
	read_bytes(op->expected);
}

static void check_result(const struct op_result *result)
{
	DHT_ASSERT(result->status <= 0 && result->status != DHT_EDAMAGED);
	DHT_ASSERT(result->location == 0 && result->cold == 0 && result->end == 0);
	read_bytes(result->value);
}

static void check_message(const struct message *m)
{
	DHT_ASSERT(m->kind < MESSAGE_KIND_COUNT && m->from == FROM && m->location == 0);
	DHT_ASSERT(m->key.len <= RECORD_KEY_MAX && m->holding <= ACCEPTOR_BEHIND);
	DHT_ASSERT(m->from_hash <= m->until_hash && m->until_hash <= STORE_HASH_END);
	DHT_ASSERT(m->item_count <= MESSAGE_ITEMS_MAX && m->op_count <= WIRE_OPS_MAX);
	DHT_ASSERT(m->deadline_us <= TASK_DEADLINE_MAX_US);
	read_bytes(m->key);
	check_record(&m->record);
	if (m->kind == MESSAGE_ACCEPT || m->kind == MESSAGE_LEARN)
		DHT_ASSERT(paxos_record_is_there(&m->record) && !m->is_omitted);
	for (size_t i = 0; i < m->item_count; i++) {
		DHT_ASSERT(m->items[i].key.len <= RECORD_KEY_MAX);
		DHT_ASSERT(paxos_record_is_there(&m->items[i].record));
		read_bytes(m->items[i].key);
		check_record(&m->items[i].record);
	}
	DHT_ASSERT(m->count_count == 0 || m->kind == MESSAGE_COUNTED);
	for (size_t i = 0; i < m->count_count; i++) {
		DHT_ASSERT(m->counts[i].block < RING_BLOCKS_MAX);
		DHT_ASSERT(i == 0 || m->counts[i].block > m->counts[i - 1].block);
	}
	for (size_t i = 0; i < m->op_count; i++) {
		if (m->kind == MESSAGE_FORWARD)
			check_op(m, &m->ops[i]);
		else
			check_result(&m->results[i]);
	}
	DHT_ASSERT((m->whole != NULL) == (m->kind == MESSAGE_RESULT));
	if (m->whole != NULL)
		check_result(m->whole);
}

static struct buffer encode(const struct message *m)
{
	struct buffer bytes = BUFFER_EMPTY;
	struct wire_frame frame;
	int rc = wire_peer_encode(m, 0, &bytes, SIZE_MAX, &frame);
	DHT_ASSERT(rc == 0 && frame.size == bytes.len);
	return bytes;
}

static void parse(const struct buffer *bytes, struct peer_frame *frame)
{
	size_t size;
	struct bytes all = bytes_of(buffer_head(bytes), bytes->len);
	int rc = all.len > PEER_FRAME_MAX ? peer_frame_parse_whole(all, frame) + 1
					  : peer_frame_parse(all, frame, &size);
	DHT_ASSERT(rc == 1);
}

/* Encoded, decoded and encoded once more it is the same bytes. */
static void check_again(const struct message *m)
{
	struct buffer once = encode(m);
	struct peer_frame frame;
	struct message same;
	parse(&once, &frame);
	int rc = wire_peer_decode(&second, &frame, FROM, &same);
	DHT_ASSERT(rc == 0);
	struct buffer twice = encode(&same);
	DHT_ASSERT(once.len == twice.len &&
		   memcmp(buffer_head(&once), buffer_head(&twice), once.len) == 0);
	buffer_reset(&once);
	buffer_reset(&twice);
}

static void decode(const struct peer_frame *frame)
{
	struct message m;
	if (frame->type != PEER_MESSAGE)
		return;
	int rc = wire_peer_decode(&decoder, frame, FROM, &m);
	DHT_ASSERT((rc == 0) == (decoder.why == NULL));
	if (rc != 0) {
		DHT_ASSERT(rc == DHT_EPROTO);
		return;
	}
	check_message(&m);
	check_again(&m);
}

static void decode_one(const uint8_t *data, size_t size)
{
	struct peer_frame frame = {.type = PEER_MESSAGE};
	if (size < LENGTH_SIZE || get_u16(data) > size - LENGTH_SIZE)
		return;
	size_t len = get_u16(data);
	data += LENGTH_SIZE;
	frame.message = bytes_of(data, len);
	frame.payload = bytes_of(data + len, size - LENGTH_SIZE - len);
	decode(&frame);
}

/* Returns false when the link would be closed. */
static bool take_frame(struct peer_parts *parts, const struct peer_frame *frame)
{
	struct peer_whole whole;
	if (frame->type != PEER_PART) {
		decode(frame);
		return true;
	}
	int rc = peer_parts_add(parts, frame, &whole);
	if (rc == 1) {
		decode(&whole.frame);
		peer_whole_release(&whole);
	}
	DHT_ASSERT(budget.used <= BUDGET && parts->bytes <= PEER_STREAMS_BYTES_MAX);
	return rc >= 0;
}

static void decode_stream(struct bytes data)
{
	struct peer_parts parts;
	struct peer_frame frame;
	peer_parts_init(&parts, &budget);
	for (int i = 0; i < FRAMES_MAX; i++) {
		size_t size;
		int rc = peer_frame_parse(data, &frame, &size);
		DHT_ASSERT(rc != 0 || size > data.len);
		if (rc != 1)
			break;
		DHT_ASSERT(size <= data.len);
		if (!take_frame(&parts, &frame))
			break;
		data = bytes_of(data.data + size, data.len - size);
	}
	peer_parts_fini(&parts);
	DHT_ASSERT(budget.used == 0);
}

/* Gives the frames of a stream their checksums. */
static void seal_all(uint8_t *data, size_t size)
{
	enum { AT_LENGTH = 4 };
	while (size >= PEER_FRAME_HEADER) {
		size_t len = get_u32(data + AT_LENGTH);
		if (len < PEER_FRAME_HEADER || len > size || len > PEER_FRAME_MAX)
			return;
		struct bytes frame = bytes_of(data, len);
		peer_frame_seal(data, &frame, 1);
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode_one(data, size);
	decode_stream(bytes_of(data, size));
	if (size == 0)
		return 0;
	uint8_t *sealed = malloc(size);
	memcpy(sealed, data, size);
	seal_all(sealed, size);
	decode_stream(bytes_of(sealed, size));
	free(sealed);
	wire_peer_decoder_fini(&decoder);
	wire_peer_decoder_fini(&second);
	return 0;
}
