/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/handshake_code.h"

#include "base/error.h"
#include "peer.pb-c.h"
#include "wire/node_id.h"
#include "wire/peer_address.h"
#include "wire/protobuf.h"

enum {
	HELLO_MAX = 512, /* of ours */
};

#define X(name, text)                                                                              \
	_Static_assert((int)HANDSHAKE_##name == (int)DHTD__PEER__HELLO__PURPOSE__##name,           \
		       "the numbers of proto/peer.proto");
HANDSHAKE_PURPOSES(X)
#undef X
#define X(name, text)                                                                              \
	_Static_assert((int)HANDSHAKE_##name == (int)DHTD__PEER__REFUSAL__CODE__##name,            \
		       "the numbers of proto/peer.proto");
HANDSHAKE_CODES(X)
#undef X
_Static_assert((int)HELLO_FLAG_HAS_SECRET == (int)DHTD__PEER__HELLO__FLAG__HAS_SECRET,
	       "the numbers of proto/peer.proto");

#define NUMBER(number)  PROTOBUF_TAG(number, PROTOBUF_VARINT)
#define FIXED64(number) PROTOBUF_TAG(number, PROTOBUF_64_BITS)
#define BYTES(number)   PROTOBUF_TAG(number, PROTOBUF_BYTES)

/* ---- HELLO and CHALLENGE ------------------------------------------------------------- */

static uint8_t *put_lineage(uint8_t *p, const struct handshake_self *self)
{
	static const uint8_t none[RING_LINEAGE_SIZE];
	if (memcmp(self->lineage, none, sizeof(none)) != 0)
		p = protobuf_put_bytes(p, HELLO_LINEAGE, bytes_of(self->lineage, sizeof(none)));
	if (self->lineage_before != 0)
		p = protobuf_put_fixed64(p, HELLO_LINEAGE_BEFORE, self->lineage_before);
	return p;
}

size_t handshake_code_hello(uint8_t out[HANDSHAKE_MESSAGE_MAX], const struct handshake_self *self,
			    enum handshake_purpose purpose,
			    const uint8_t nonce[HANDSHAKE_NONCE_SIZE])
{
	uint8_t *p = out, id[NODE_ID_SIZE];
	struct bytes cluster = bytes_of_text(self->cluster);
	DHT_ASSERT(cluster.len <= HANDSHAKE_CLUSTER_MAX);
	node_id_pack(self->id, id);
	p = protobuf_put_number(p, HELLO_PROTOCOL, self->protocol_max);
	p = protobuf_put_bytes(p, HELLO_CLUSTER, cluster);
	p = protobuf_put_bytes(p, HELLO_NODE_ID, bytes_of(id, sizeof(id)));
	p = put_lineage(p, self);
	p = protobuf_put_nonzero(p, HELLO_EPOCH, self->epoch);
	if (self->number != MEMBER_NOBODY)
		p = protobuf_put_number(p, HELLO_MEMBER, self->number);
	p = protobuf_put_nonzero(p, HELLO_FEATURES, self->features);
	p = protobuf_put_number(p, HELLO_PURPOSE, purpose);
	p = protobuf_put_bytes(p, HELLO_NONCE, bytes_of(nonce, HANDSHAKE_NONCE_SIZE));
	if (self->protocol_min != self->protocol_max)
		p = protobuf_put_number(p, HELLO_PROTOCOL_MIN, self->protocol_min);
	p = protobuf_put_nonzero(p, HELLO_FLAGS, self->secret.len > 0 ? HELLO_FLAG_HAS_SECRET : 0);
	p = protobuf_put_fixed64(p, HELLO_RUN, self->run);
	if (self->address != NULL)
		p = peer_address_put(p, HELLO_ADDRESS, self->address);
	DHT_ASSERT(p - out <= HELLO_MAX);
	return (size_t)(p - out);
}

size_t handshake_code_challenge(uint8_t out[HANDSHAKE_MESSAGE_MAX],
				const struct handshake_self *self, enum handshake_purpose purpose,
				const uint8_t nonce[HANDSHAKE_NONCE_SIZE])
{
	uint8_t hello[HANDSHAKE_MESSAGE_MAX];
	size_t len = handshake_code_hello(hello, self, purpose, nonce);
	return (size_t)(protobuf_put_bytes(out, CHALLENGE_HELLO, bytes_of(hello, len)) - out);
}

static bool take_u32(const struct protobuf_field *field, uint32_t *number)
{
	*number = (uint32_t)field->value;
	return field->value <= UINT32_MAX;
}

static bool take_u64(const struct protobuf_field *field, uint64_t *number)
{
	*number = field->value;
	return true;
}

static bool take_array(const struct protobuf_field *field, uint8_t *out, size_t size)
{
	if (field->bytes.len != size)
		return false;
	memcpy(out, field->bytes.data, size);
	return true;
}

static bool take_cluster(const struct protobuf_field *field, struct bytes *cluster)
{
	*cluster = field->bytes;
	return cluster->len <= HANDSHAKE_CLUSTER_MAX && peer_text_is_printable(*cluster);
}

static bool take_id(const struct protobuf_field *field, char id[RING_ID_SIZE])
{
	if (field->bytes.len != NODE_ID_SIZE)
		return false;
	node_id_unpack(field->bytes.data, id);
	return true;
}

static bool take_number(const struct protobuf_field *field, uint16_t *number)
{
	*number = (uint16_t)field->value;
	return field->value < RING_MEMBERS_MAX;
}

static bool take_hello_field(const struct protobuf_field *field, struct handshake_hello *hello,
			     bool *has_nonce)
{
	switch (field->tag) {
	case NUMBER(HELLO_PROTOCOL):
		return take_u32(field, &hello->protocol_max);
	case BYTES(HELLO_CLUSTER):
		return take_cluster(field, &hello->cluster);
	case BYTES(HELLO_NODE_ID):
		return take_id(field, hello->id);
	case BYTES(HELLO_LINEAGE):
		return take_array(field, hello->lineage, sizeof(hello->lineage));
	case NUMBER(HELLO_EPOCH):
		return take_u64(field, &hello->epoch);
	case NUMBER(HELLO_MEMBER):
		return take_number(field, &hello->number);
	case NUMBER(HELLO_FEATURES):
		return take_u64(field, &hello->features);
	case NUMBER(HELLO_PURPOSE):
		return take_u64(field, &hello->purpose);
	case BYTES(HELLO_NONCE):
		*has_nonce = true;
		return take_array(field, hello->nonce, sizeof(hello->nonce));
	case NUMBER(HELLO_PROTOCOL_MIN):
		return take_u32(field, &hello->protocol_min);
	case NUMBER(HELLO_FLAGS):
		return take_u64(field, &hello->flags);
	case FIXED64(HELLO_RUN):
		return take_u64(field, &hello->run);
	case FIXED64(HELLO_LINEAGE_BEFORE):
		return take_u64(field, &hello->lineage_before);
	case BYTES(HELLO_ADDRESS):
		return peer_address_take(field->bytes, &hello->host, &hello->port);
	default:
		return field->tag >> 3 > HELLO_ADDRESS;
	}
}

bool handshake_code_take_hello(struct bytes message, struct handshake_hello *hello)
{
	struct protobuf_field field;
	bool has_nonce = false;
	*hello = (struct handshake_hello){.number = MEMBER_NOBODY};
	while (message.len > 0) {
		if (protobuf_next(&message, &field) != 0 ||
		    !take_hello_field(&field, hello, &has_nonce))
			return false;
	}
	if (hello->protocol_min == 0)
		hello->protocol_min = hello->protocol_max;
	return has_nonce && hello->id[0] != '\0' && hello->protocol_min > 0 &&
	       hello->protocol_min <= hello->protocol_max;
}

/* Finds the last field of bytes of this number; false: what is there is no message. */
static bool find_bytes(struct bytes message, uint32_t number, struct bytes *found)
{
	struct protobuf_field field;
	*found = (struct bytes){0};
	while (message.len > 0) {
		if (protobuf_next(&message, &field) != 0)
			return false;
		if (field.tag == BYTES(number))
			*found = field.bytes;
		else if (field.tag >> 3 == number)
			return false;
	}
	return true;
}

bool handshake_code_take_challenge(struct bytes message, struct handshake_hello *hello)
{
	struct bytes body;
	return find_bytes(message, CHALLENGE_HELLO, &body) &&
	       handshake_code_take_hello(body, hello);
}

/* ---- Frames -------------------------------------------------------------------------- */

int handshake_code_frame(struct buffer *out, enum peer_frame_type type, struct bytes message)
{
	size_t size = PEER_FRAME_HEADER + message.len;
	DHT_ASSERT(message.len <= HANDSHAKE_MESSAGE_MAX);
	int rc = buffer_reserve(out, size, SIZE_MAX);
	if (rc != 0)
		return rc;
	uint8_t *start = buffer_tail(out);
	peer_frame_put_header(start, type, 0, 0, message.len, size);
	protobuf_put_raw(start + PEER_FRAME_HEADER, message);
	struct bytes frame = bytes_of(start, size);
	peer_frame_seal(start, &frame, 1);
	out->len += size;
	return 0;
}

int handshake_code_proof(struct buffer *out, struct bytes hmac)
{
	uint8_t message[2 + HMAC_SIZE], *end = message;
	DHT_ASSERT(hmac.len == 0 || hmac.len == HMAC_SIZE);
	if (hmac.len > 0)
		end = protobuf_put_bytes(end, PROOF_HMAC, hmac);
	return handshake_code_frame(out, PEER_PROOF, bytes_of(message, (size_t)(end - message)));
}

bool handshake_code_take_proof(struct bytes message, struct bytes *hmac)
{
	return find_bytes(message, PROOF_HMAC, hmac) && (hmac->len == 0 || hmac->len == HMAC_SIZE);
}

int handshake_code_refusal(struct buffer *out, const struct handshake_refusal *refusal)
{
	uint8_t message[2 + 3 + HANDSHAKE_REASON_SIZE], *end = message;
	end = protobuf_put_number(end, REFUSAL_CODE, refusal->code);
	end = protobuf_put_bytes(end, REFUSAL_REASON, bytes_of_text(refusal->reason));
	return handshake_code_frame(out, PEER_REFUSAL, bytes_of(message, (size_t)(end - message)));
}

bool handshake_code_take_refusal(struct bytes message, struct handshake_refusal *refusal)
{
	struct protobuf_field field;
	*refusal = (struct handshake_refusal){.code = HANDSHAKE_OTHER};
	while (message.len > 0) {
		if (protobuf_next(&message, &field) != 0)
			return false;
		if (field.tag == NUMBER(REFUSAL_CODE)) {
			bool is_known = field.value != 0 && field.value < HANDSHAKE_CODE_COUNT;
			refusal->code =
			    is_known ? (enum handshake_code)field.value : HANDSHAKE_OTHER;
		} else if (field.tag == BYTES(REFUSAL_REASON)) {
			if (field.bytes.len >= HANDSHAKE_REASON_SIZE ||
			    !peer_text_is_printable(field.bytes))
				return false;
			memset(refusal->reason, 0, sizeof(refusal->reason));
			memcpy(refusal->reason, field.bytes.data, field.bytes.len);
		} else if (field.tag >> 3 <= REFUSAL_REASON) {
			return false;
		}
	}
	return true;
}
