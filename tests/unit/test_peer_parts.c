/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer_parts.h"

#include <stdlib.h>

#include "base/error.h"
#include "unit.h"

enum { MESSAGE_LEN = 100, SLICES = 8 };

static struct peer_budget budget = {.max = PEER_STREAMS_BYTES_MAX};

/* A whole frame of `size` bytes whose content depends on seed. */
static uint8_t *make_whole(size_t size, unsigned seed)
{
	uint8_t *whole = malloc(size);
	for (size_t i = 0; i < size; i++)
		whole[i] = (uint8_t)(i * 7 + i / 251 + seed);
	peer_frame_put_header(whole, PEER_MESSAGE, 0, 0, MESSAGE_LEN, size);
	return whole;
}

/* The next part of a stream as the receiver sees it. Returns its size, 0 at the end. */
static size_t next_part(struct peer_cut *cut, unsigned max, uint8_t *out)
{
	struct bytes slices[SLICES];
	size_t size = PEER_FRAME_HEADER;
	unsigned count = peer_cut_next(cut, out, slices, max);
	if (count == 0)
		return 0;
	UNIT_REQUIRE(count <= max);
	for (unsigned i = 0; i < count; i++) {
		memcpy(out + size, slices[i].data, slices[i].len);
		size += slices[i].len;
	}
	UNIT_REQUIRE(size <= PEER_FRAME_MAX);
	return size;
}

static int add(struct peer_parts *parts, const uint8_t *part, size_t size, struct peer_whole *whole)
{
	struct peer_frame frame;
	size_t needed;
	int rc = peer_frame_parse(bytes_of(part, size), &frame, &needed);
	UNIT_REQUIRE(rc == 1 && needed == size && frame.type == PEER_PART);
	return peer_parts_add(parts, &frame, whole);
}

static void check_whole(struct peer_whole *whole, const uint8_t *sent, size_t size)
{
	ck_assert_uint_eq(whole->size, size);
	ck_assert_int_eq(memcmp(whole->memory, sent, size), 0);
	ck_assert(whole->frame.type == PEER_MESSAGE && whole->frame.message.len == MESSAGE_LEN);
	ck_assert_uint_eq(whole->frame.payload.len, size - PEER_FRAME_HEADER - MESSAGE_LEN);
	peer_whole_release(whole);
}

START_TEST(what_was_cut_is_whole_again)
{
	enum { MIB = 1024 * 1024 };
	size_t sizes[] = {PEER_FRAME_HEADER + MESSAGE_LEN, PEER_FRAME_MAX - PEER_FRAME_HEADER,
			  PEER_FRAME_MAX, PEER_FRAME_MAX + 1, 3 * MIB + 17};
	uint8_t *part = malloc(PEER_FRAME_MAX);
	struct peer_parts parts;
	peer_parts_init(&parts, &budget);
	for (size_t i = 0; i < DHT_ARRAY_LEN(sizes); i++) {
		uint8_t *sent = make_whole(sizes[i], (unsigned)i);
		struct bytes piece = bytes_of(sent, sizes[i]);
		struct peer_whole whole;
		struct peer_cut cut;
		size_t size, count = 0;
		int rc = 0;
		peer_cut_begin(&cut, 5, &piece, 1);
		while ((size = next_part(&cut, SLICES, part)) > 0) {
			ck_assert_int_eq(rc, 0);
			rc = add(&parts, part, size, &whole);
			count++;
		}
		ck_assert_int_eq(rc, 1);
		size_t content = PEER_FRAME_MAX - PEER_FRAME_HEADER;
		ck_assert_uint_eq(count, (sizes[i] + content - 1) / content);
		check_whole(&whole, sent, sizes[i]);
		ck_assert(parts.bytes == 0 && budget.used == 0);
		free(sent);
	}
	free(part);
	peer_parts_fini(&parts);
}
END_TEST

START_TEST(pieces_may_be_of_any_size_and_slices_few)
{
	enum { SIZE = 700000 };
	uint8_t *part = malloc(PEER_FRAME_MAX), *sent = make_whole(SIZE, 3);
	struct bytes pieces[] = {
	    bytes_of(sent, 20),
	    bytes_of(sent + 20, 0),
	    bytes_of(sent + 20, 300000),
	    bytes_of(sent + 300020, 1),
	    bytes_of(sent + 300021, SIZE - 300021),
	};
	struct peer_parts parts;
	peer_parts_init(&parts, &budget);
	for (unsigned max = 1; max <= SLICES; max++) {
		struct peer_whole whole;
		struct peer_cut cut;
		size_t size;
		int rc = 0;
		peer_cut_begin(&cut, max, pieces, DHT_ARRAY_LEN(pieces));
		while ((size = next_part(&cut, max, part)) > 0)
			rc = add(&parts, part, size, &whole);
		ck_assert_int_eq(rc, 1);
		check_whole(&whole, sent, SIZE);
	}
	free(part);
	free(sent);
	peer_parts_fini(&parts);
}
END_TEST

START_TEST(streams_are_interleaved)
{
	enum { SIZE = 2000000 };
	uint8_t *part = malloc(PEER_FRAME_MAX), *sent[PEER_STREAMS_MAX];
	struct bytes pieces[PEER_STREAMS_MAX];
	struct peer_cut cuts[PEER_STREAMS_MAX];
	struct peer_parts parts;
	unsigned done = 0;
	peer_parts_init(&parts, &budget);
	for (unsigned i = 0; i < PEER_STREAMS_MAX; i++) {
		sent[i] = make_whole(SIZE + i, i);
		pieces[i] = bytes_of(sent[i], SIZE + i);
		peer_cut_begin(&cuts[i], i * 1000, &pieces[i], 1);
	}
	for (unsigned i = 0; done < PEER_STREAMS_MAX; i = (i + 7) % PEER_STREAMS_MAX) {
		struct peer_whole whole;
		size_t size = next_part(&cuts[i], SLICES, part);
		int rc = size > 0 ? add(&parts, part, size, &whole) : 0;
		ck_assert_int_ge(rc, 0);
		if (rc == 1) {
			check_whole(&whole, sent[i], SIZE + i);
			done++;
		}
	}
	for (unsigned i = 0; i < PEER_STREAMS_MAX; i++)
		free(sent[i]);
	free(part);
	ck_assert_uint_eq(budget.used, 0);
	peer_parts_fini(&parts);
}
END_TEST

/* A PART of a stream with the start of a frame of `size` bytes, of which `have` are here. */
static int add_start(struct peer_parts *parts, uint32_t stream, size_t size, size_t have)
{
	uint8_t content[1000] = {0};
	struct peer_whole whole;
	peer_frame_put_header(content, PEER_MESSAGE, 0, 0, 0, size);
	struct peer_frame part = {.type = PEER_PART,
				  .flags = PEER_FLAG_FIRST,
				  .call = stream,
				  .payload = bytes_of(content, have)};
	return peer_parts_add(parts, &part, &whole);
}

static int add_more(struct peer_parts *parts, uint32_t stream, size_t have)
{
	uint8_t content[1000] = {0};
	struct peer_whole whole;
	struct peer_frame part = {
	    .type = PEER_PART, .call = stream, .payload = bytes_of(content, have)};
	int rc = peer_parts_add(parts, &part, &whole);
	if (rc == 1)
		peer_whole_release(&whole);
	return rc;
}

START_TEST(what_no_node_sends_is_refused)
{
	struct peer_parts parts;
	peer_parts_init(&parts, &budget);
	ck_assert_int_eq(add_more(&parts, 1, 10), DHT_EPROTO);
	ck_assert_int_eq(add_start(&parts, 1, 500, PEER_FRAME_HEADER - 1), DHT_EPROTO);
	ck_assert_int_eq(add_start(&parts, 1, 500, 501), DHT_EPROTO);
	peer_parts_fini(&parts);
	ck_assert_int_eq(add_start(&parts, 1, 500, 100), 0);
	ck_assert_int_eq(add_start(&parts, 1, 500, 100), DHT_EPROTO);
	ck_assert_int_eq(add_more(&parts, 2, 100), DHT_EPROTO);
	ck_assert_int_eq(add_more(&parts, 1, 0), DHT_EPROTO);
	ck_assert_int_eq(add_more(&parts, 1, 401), DHT_EPROTO);
	ck_assert_int_eq(add_more(&parts, 1, 399), 0);
	ck_assert_int_eq(add_more(&parts, 1, 1), 1);
	ck_assert_int_eq(add_more(&parts, 1, 1), DHT_EPROTO);
	ck_assert_uint_eq(budget.used, 0);
	peer_parts_fini(&parts);
}
END_TEST

START_TEST(a_frame_in_parts_is_a_frame)
{
	struct peer_parts parts;
	struct peer_whole whole;
	uint8_t content[100] = {0};
	struct peer_frame part = {.type = PEER_PART,
				  .flags = PEER_FLAG_FIRST,
				  .payload = bytes_of(content, sizeof(content))};
	peer_parts_init(&parts, &budget);
	struct {
		size_t at;
		uint32_t value;
		int rc;
	} changes[] = {{4, PEER_WHOLE_MAX + 1, DHT_ETOOBIG},
		       {4, 19, DHT_EPROTO},
		       {12, 81, DHT_EPROTO},
		       {16, PEER_PART, DHT_EPROTO},
		       {16, 200, DHT_EPROTO},
		       {0, 1, DHT_EPROTO},
		       {16, 0x10000 | PEER_MESSAGE, DHT_EPROTO}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(changes); i++) {
		peer_frame_put_header(content, PEER_MESSAGE, 0, 0, 80, sizeof(content));
		put_u32(content + changes[i].at, changes[i].value);
		ck_assert_int_eq(peer_parts_add(&parts, &part, &whole), changes[i].rc);
	}
	ck_assert_uint_eq(parts.bytes, 0);
	peer_parts_fini(&parts);
}
END_TEST

START_TEST(a_link_has_its_bounds)
{
	struct peer_parts parts;
	peer_parts_init(&parts, &budget);
	for (uint32_t i = 0; i < PEER_STREAMS_MAX; i++)
		ck_assert_int_eq(add_start(&parts, i, 500, 100), 0);
	ck_assert_int_eq(add_start(&parts, PEER_STREAMS_MAX, 500, 100), DHT_EFULL);
	ck_assert_int_eq(add_more(&parts, 3, 400), 1);
	ck_assert_int_eq(add_start(&parts, PEER_STREAMS_MAX, 500, 100), 0);
	peer_parts_fini(&parts);
	ck_assert_int_eq(add_start(&parts, 1, PEER_WHOLE_MAX, 100), 0);
	ck_assert_int_eq(add_start(&parts, 2, PEER_STREAMS_BYTES_MAX - PEER_WHOLE_MAX, 100), 0);
	ck_assert_int_eq(add_start(&parts, 3, 500, 100), DHT_EFULL);
	ck_assert_uint_eq(budget.used, PEER_STREAMS_BYTES_MAX);
	peer_parts_fini(&parts);
	ck_assert_uint_eq(budget.used, 0);
}
END_TEST

START_TEST(without_budget_a_stream_is_forgotten)
{
	struct peer_budget little = {.max = 800};
	struct peer_parts one, other;
	peer_parts_init(&one, &little);
	peer_parts_init(&other, &little);
	ck_assert_int_eq(add_start(&one, 1, 500, 100), 0);
	ck_assert_int_eq(add_start(&other, 1, 500, 100), 0);
	ck_assert(one.forgotten == 0 && other.forgotten == 1);
	/* Its parts are passed over, and the number is free afterwards. */
	ck_assert_int_eq(add_more(&other, 1, 399), 0);
	ck_assert_int_eq(add_more(&other, 1, 2), DHT_EPROTO);
	ck_assert_int_eq(add_more(&other, 1, 1), 0);
	ck_assert_int_eq(add_more(&other, 1, 1), DHT_EPROTO);
	ck_assert_int_eq(add_more(&one, 1, 400), 1);
	ck_assert_int_eq(add_start(&other, 1, 500, 100), 0);
	ck_assert_uint_eq(other.forgotten, 1);
	peer_parts_fini(&one);
	peer_parts_fini(&other);
	ck_assert_uint_eq(little.used, 0);
}
END_TEST

UNIT_MAIN("peer_parts", 30, what_was_cut_is_whole_again, pieces_may_be_of_any_size_and_slices_few,
	  streams_are_interleaved, what_no_node_sends_is_refused, a_frame_in_parts_is_a_frame,
	  a_link_has_its_bounds, without_budget_a_stream_is_forgotten)
