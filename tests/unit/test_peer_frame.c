/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer_frame.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "unit.h"

enum { MESSAGE_LEN = 30, PAYLOAD_LEN = 50, SIZE = PEER_FRAME_HEADER + MESSAGE_LEN + PAYLOAD_LEN };

static void make_frame(uint8_t frame[SIZE])
{
	for (size_t i = 0; i < SIZE; i++)
		frame[i] = (uint8_t)i;
	peer_frame_put_header(frame, PEER_MESSAGE, 0, 77, MESSAGE_LEN, SIZE);
	struct bytes all = bytes_of(frame, SIZE);
	peer_frame_seal(frame, &all, 1);
}

/* Parses exactly these bytes, which a sanitizer guards. */
static int parse(const uint8_t *data, size_t len, struct peer_frame *frame, size_t *size)
{
	uint8_t *copy = malloc(len + 1);
	memcpy(copy + 1, data, len);
	int rc = peer_frame_parse(bytes_of(copy + 1, len), frame, size);
	if (rc == 1) {
		UNIT_REQUIRE(frame->message.data == copy + 1 + PEER_FRAME_HEADER);
		UNIT_REQUIRE(frame->payload.data == frame->message.data + frame->message.len);
	}
	free(copy);
	return rc;
}

START_TEST(a_frame_is_there_once_its_last_byte_is)
{
	uint8_t data[SIZE + 1] = {0};
	struct peer_frame frame;
	size_t size;
	make_frame(data);
	for (size_t len = 0; len < SIZE; len++) {
		ck_assert_int_eq(parse(data, len, &frame, &size), 0);
		ck_assert_uint_eq(size, len < PEER_FRAME_HEADER ? PEER_FRAME_HEADER : SIZE);
	}
	for (size_t more = 0; more < 2; more++) {
		ck_assert_int_eq(parse(data, SIZE + more, &frame, &size), 1);
		ck_assert_uint_eq(size, SIZE);
		ck_assert(frame.type == PEER_MESSAGE && frame.flags == 0 && frame.call == 77);
		ck_assert_uint_eq(frame.message.len, MESSAGE_LEN);
		ck_assert_uint_eq(frame.payload.len, PAYLOAD_LEN);
	}
}
END_TEST

START_TEST(the_header_is_as_described)
{
	uint8_t data[SIZE];
	make_frame(data);
	ck_assert_uint_eq(get_u32(data), (uint32_t)hash_bytes(data + 4, SIZE - 4));
	ck_assert_uint_eq(get_u32(data + 4), SIZE);
	ck_assert_uint_eq(get_u32(data + 8), 77);
	ck_assert_uint_eq(get_u32(data + 12), MESSAGE_LEN);
	ck_assert_mem_eq(data + 16, "\5\0\0\0", 4);
}
END_TEST

START_TEST(no_byte_of_a_frame_may_change)
{
	uint8_t data[SIZE];
	struct peer_frame frame;
	size_t size;
	make_frame(data);
	for (size_t i = 0; i < SIZE; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			data[i] ^= (uint8_t)(1u << bit);
			UNIT_REQUIRE(parse(data, SIZE, &frame, &size) != 1);
			data[i] ^= (uint8_t)(1u << bit);
		}
	}
	data[SIZE - 1] ^= 1;
	ck_assert_int_eq(parse(data, SIZE, &frame, &size), DHT_ECORRUPT);
}
END_TEST

/* A header with one field changed, refused before anything else has arrived. */
static int look_at_header(size_t at, uint32_t value, size_t width)
{
	uint8_t data[SIZE];
	struct peer_frame frame;
	size_t size;
	make_frame(data);
	memcpy(data + at, &value, width);
	return parse(data, PEER_FRAME_HEADER, &frame, &size);
}

START_TEST(a_header_that_is_none_is_refused_at_once)
{
	ck_assert_int_eq(look_at_header(4, PEER_FRAME_MAX, 4), 0);
	ck_assert_int_eq(look_at_header(4, PEER_FRAME_MAX + 1, 4), DHT_ETOOBIG);
	ck_assert_int_eq(look_at_header(4, UINT32_MAX, 4), DHT_ETOOBIG);
	ck_assert_int_eq(look_at_header(4, 0, 4), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(4, PEER_FRAME_HEADER - 1, 4), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(4, PEER_FRAME_HEADER + MESSAGE_LEN - 1, 4), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(12, UINT32_MAX, 4), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(12, SIZE - PEER_FRAME_HEADER + 1, 4), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(12, SIZE - PEER_FRAME_HEADER, 4), 0);
	ck_assert_int_eq(look_at_header(16, PEER_NO_FRAME, 1), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(16, PEER_FRAME_TYPE_COUNT, 1), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(16, PEER_PART, 1), DHT_EPROTO); /* it has a message */
	ck_assert_int_eq(look_at_header(17, PEER_FLAG_FIRST, 1), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(18, 1, 1), DHT_EPROTO);
	ck_assert_int_eq(look_at_header(19, 1, 1), DHT_EPROTO);
}
END_TEST

START_TEST(a_frame_can_be_in_pieces)
{
	uint8_t data[SIZE], head[SIZE], *tail = malloc(SIZE);
	make_frame(data);
	for (size_t cut = PEER_FRAME_HEADER; cut < SIZE; cut++) {
		memcpy(head, data, cut);
		memset(head, 0, 4);
		memcpy(tail, data + cut, SIZE - cut);
		struct bytes pieces[] = {bytes_of(head, cut), bytes_of(tail, 0),
					 bytes_of(tail, SIZE - cut)};
		peer_frame_seal(head, pieces, 3);
		ck_assert_uint_eq(get_u32(head), get_u32(data));
	}
	free(tail);
}
END_TEST

UNIT_MAIN("peer_frame", 10, a_frame_is_there_once_its_last_byte_is, the_header_is_as_described,
	  no_byte_of_a_frame_may_change, a_header_that_is_none_is_refused_at_once,
	  a_frame_can_be_in_pieces)
