/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_control - any bytes as a message of the control plane with its payload.
 *
 * Nothing breaks. What decodes is valid, its bytes can be read, and encoded again it gives the
 * same message.
 *
 * The first two bytes of an input are the length of the message, the payload is the rest.
 */
#include "base/error.h"
#include "wire/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LENGTH_SIZE = 2 };

static struct wire_control_decoder decoder, second;
static volatile uint8_t sink;

/* Reads every byte: a sanitizer sees what points elsewhere. */
static void read_bytes(struct bytes bytes)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum ^= bytes.data[i];
	sink = sum;
}

static void check_text(const char *text)
{
	for (; *text != '\0'; text++)
		DHT_ASSERT((uint8_t)*text >= 0x20 && *text != 0x7f);
}

static void check_addresses(const struct ring_address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		DHT_ASSERT(addresses[i].port != 0);
		check_text(addresses[i].host);
	}
}

static void check_message(const struct member_message *m)
{
	DHT_ASSERT(member_message_is_valid(m));
	read_bytes(m->map);
	read_bytes(bytes_of(m->fins, m->fin_count * sizeof(*m->fins)));
	DHT_ASSERT((m->request != NULL) == (m->kind == MEMBER_REQUEST));
	DHT_ASSERT((m->answer != NULL) == (m->kind == MEMBER_ANSWER));
	if (m->answer != NULL)
		check_text(m->answer->text);
	if (m->request != NULL && m->request->member.name != NULL) {
		const struct ring_member *member = &m->request->member;
		check_text(member->name);
		check_text(member->zone);
		check_addresses(member->clients, member->client_count);
		check_addresses(member->peers, member->peer_count);
	}
}

static struct buffer encode(const struct member_message *m)
{
	struct buffer bytes = BUFFER_EMPTY;
	struct wire_frame frame;
	int rc = wire_control_encode(m, 0, &bytes, SIZE_MAX, &frame);
	DHT_ASSERT(rc == 0 && frame.size == bytes.len);
	return bytes;
}

/* Encoded, decoded and encoded once more it is the same bytes. */
static void check_again(const struct member_message *m)
{
	struct buffer once = encode(m);
	struct peer_frame frame;
	struct member_message same;
	size_t size;
	struct bytes all = bytes_of(buffer_head(&once), once.len);
	int rc = all.len > PEER_FRAME_MAX ? peer_frame_parse_whole(all, &frame) + 1
					  : peer_frame_parse(all, &frame, &size);
	DHT_ASSERT(rc == 1);
	rc = wire_control_decode(&second, &frame, &same);
	DHT_ASSERT(rc == 0);
	struct buffer twice = encode(&same);
	DHT_ASSERT(once.len == twice.len &&
		   memcmp(buffer_head(&once), buffer_head(&twice), once.len) == 0);
	buffer_reset(&once);
	buffer_reset(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer_frame frame = {.type = PEER_CONTROL};
	struct member_message m;
	if (size < LENGTH_SIZE || get_u16(data) > size - LENGTH_SIZE)
		return 0;
	size_t len = get_u16(data);
	data += LENGTH_SIZE;
	frame.message = bytes_of(data, len);
	frame.payload = bytes_of(data + len, size - LENGTH_SIZE - len);
	int rc = wire_control_decode(&decoder, &frame, &m);
	DHT_ASSERT((rc == 0) == (decoder.why == NULL) && (rc == 0 || rc == DHT_EPROTO));
	if (rc == 0) {
		check_message(&m);
		check_again(&m);
	}
	return 0;
}
