/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_handshake - any bytes as what arrives while a link is opened, at either end.
 *
 * Nothing breaks. It ends or waits for more, with little said, and it is the same however the
 * bytes are cut. As no input hits a checksum, the frames are given those that are right.
 *
 * The first byte of an input says which end, with or without a secret, and what for.
 */
#include <stdlib.h>

#include "base/error.h"
#include "wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IS_OPENER = 1, HAS_SECRET = 2, HAS_EXPECTED = 4, PURPOSE = 8 };

static const uint8_t lineage[RING_LINEAGE_SIZE] = {1, 2, 3};

static struct handshake_self self_of(uint8_t options)
{
	struct handshake_self self = {.cluster = "dht",
				      .id = "0123456789abcdef0123456789abcdef",
				      .number = 1,
				      .lineage = lineage,
				      .epoch = 9,
				      .run = 77,
				      .protocol_min = 1,
				      .protocol_max = 2,
				      .features = UINT64_MAX};
	if (options & HAS_SECRET)
		self.secret = bytes_of_text("secret");
	return self;
}

static void begin(struct handshake *h, uint8_t options, const struct handshake_self *self,
		  struct buffer *out)
{
	static const uint8_t nonce[HANDSHAKE_NONCE_SIZE] = {42};
	static const char expected[] = "00000000000000000000000000000001";
	if ((options & IS_OPENER) == 0) {
		handshake_accept(h, nonce);
		return;
	}
	unsigned purpose = 1 + options / PURPOSE % (HANDSHAKE_PURPOSE_COUNT - 1);
	int rc = handshake_open(h, self, (enum handshake_purpose)purpose,
				options & HAS_EXPECTED ? expected : NULL, nonce, out);
	DHT_ASSERT(rc == 0);
}

static void check_end(const struct handshake *h, const struct handshake_self *self, int rc,
		      const struct buffer *out)
{
	/* HELLO or CHALLENGE, PROOF or REFUSAL. */
	DHT_ASSERT(out->len <= 2 * HANDSHAKE_FRAME_MAX);
	DHT_ASSERT((rc == 1) == (h->step == HANDSHAKE_IS_DONE));
	DHT_ASSERT((rc == DHT_EDENIED) == (h->step == HANDSHAKE_IS_REFUSED));
	DHT_ASSERT(rc == 0 || rc == 1 || rc == DHT_EDENIED);
	if (rc == DHT_EDENIED) {
		const char *reason = h->refusal.reason;
		DHT_ASSERT(h->refusal.code > HANDSHAKE_NO_CODE &&
			   h->refusal.code < HANDSHAKE_CODE_COUNT && reason[0] != '\0');
		for (; *reason != '\0'; reason++)
			DHT_ASSERT((uint8_t)*reason >= 0x20 && *reason != 0x7f);
	} else if (rc == 1) {
		DHT_ASSERT(memcmp(h->peer.id, self->id, RING_ID_SIZE) != 0);
		DHT_ASSERT(h->peer.number <= MEMBER_NOBODY);
		DHT_ASSERT(h->peer.protocol >= 1 && h->peer.protocol <= 2);
	}
}

/* Gives the bytes, so many at a time; returns how many were taken in all. */
static size_t run(uint8_t options, struct bytes data, size_t piece, struct handshake *h,
		  struct buffer *out)
{
	struct handshake_self self = self_of(options);
	size_t arrived = 0, at = 0;
	int rc = 0;
	begin(h, options, &self, out);
	do {
		size_t rest = data.len - arrived, taken;
		arrived += rest < piece ? rest : piece;
		rc = handshake_take(h, &self, bytes_of(data.data + at, arrived - at), &taken, out);
		DHT_ASSERT(taken <= arrived - at);
		at += taken;
	} while (rc == 0 && arrived < data.len);
	check_end(h, &self, rc, out);
	return at;
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
	static struct handshake at_once, one_by_one;
	struct buffer out[2] = {BUFFER_EMPTY, BUFFER_EMPTY};
	if (size < 2)
		return 0;
	uint8_t *sealed = malloc(size - 1);
	memcpy(sealed, data + 1, size - 1);
	seal_all(sealed, size - 1);
	struct bytes arrived = bytes_of(sealed, size - 1);
	size_t taken = run(data[0], arrived, arrived.len, &at_once, &out[0]);
	size_t same = run(data[0], arrived, 1, &one_by_one, &out[1]);
	DHT_ASSERT(taken == same && at_once.step == one_by_one.step);
	DHT_ASSERT(at_once.refusal.code == one_by_one.refusal.code);
	DHT_ASSERT(bytes_equal(bytes_of(buffer_head(&out[0]), out[0].len),
			       bytes_of(buffer_head(&out[1]), out[1].len)));
	buffer_reset(&out[0]);
	buffer_reset(&out[1]);
	free(sealed);
	return 0;
}
