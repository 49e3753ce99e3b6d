/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_resp - resp/parser and resp/writer on arbitrary bytes.
 *
 * The first bytes of an input choose the limits and how the rest, what a client sends,
 * is cut into pieces. Checked: the pieces give the same requests, and the same verdict
 * behind the same byte, as the whole; the parser reads only bytes that are there (each
 * piece is a block of its own) and waits for no more than the limits allow; the writer
 * turns every request into bytes that the parser reads back as that request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "resp/parser.h"
#include "resp/writer.h"

enum { HEAD_LEN = 6, TRANSCRIPT_MAX = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out of a stream: each request, and how it ended. */
struct outcome {
	struct buffer requests;
	size_t consumed;
	int rc;
	char error[RESP_ERROR_MAX];
};

static void add(struct outcome *outcome, const void *data, size_t len)
{
	DHT_ASSERT(buffer_append(&outcome->requests, data, len, TRANSCRIPT_MAX) == 0);
}

static void add_request(struct outcome *outcome, const struct resp_request *request)
{
	DHT_ASSERT(request->argc > 0);
	add(outcome, &request->argc, sizeof(request->argc));
	for (size_t i = 0; i < request->argc; i++) {
		add(outcome, &request->args[i].len, sizeof(request->args[i].len));
		add(outcome, request->args[i].data, request->args[i].len);
	}
}

/* Writes a request as an array of bulk strings and reads it back. */
static void check_round_trip(const struct resp_request *request)
{
	static const struct resp_limits limits = {RESP_ARGS_MAX, RESP_REQUEST_MAX,
						  RESP_REQUEST_MAX};
	struct resp_out out;
	resp_out_init(&out, RESP_REQUEST_MAX);
	resp_write_array(&out, request->argc);
	for (size_t i = 0; i < request->argc; i++)
		resp_write_bulk(&out, request->args[i]);
	DHT_ASSERT(out.error == 0);
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request again;
	resp_request_init(&again);
	int rc = resp_parser_next(&parser, bytes_of(out.data, out.len), &limits, &again);
	DHT_ASSERT(rc == 0 && again.argc == request->argc && again.consumed == out.len);
	for (size_t i = 0; i < request->argc; i++)
		DHT_ASSERT(bytes_equal(again.args[i], request->args[i]));
	resp_request_fini(&again);
	resp_out_fini(&out);
}

/* Takes every request from a copy of input that ends where the memory ends. */
static int drain(struct resp_parser *parser, struct bytes input, const struct resp_limits *limits,
		 struct resp_request *request, struct outcome *outcome)
{
	uint8_t *block = malloc(input.len > 0 ? input.len : 1);
	DHT_ASSERT(block != NULL);
	if (input.len > 0)
		memcpy(block, input.data, input.len);
	size_t at = 0;
	int rc;
	do {
		rc =
		    resp_parser_next(parser, bytes_of(block + at, input.len - at), limits, request);
		at += request->consumed;
		DHT_ASSERT(at <= input.len);
		if (rc == 0) {
			add_request(outcome, request);
			check_round_trip(request);
		}
	} while (rc == 0);
	DHT_ASSERT(rc == DHT_EAGAIN || rc == DHT_EPROTO);
	if (rc == DHT_EAGAIN) {
		DHT_ASSERT(parser->need <= limits->request_bytes_max);
		DHT_ASSERT(at == input.len || parser->need > input.len - at);
	}
	outcome->consumed += at;
	free(block);
	return rc;
}

/* Feeds stream in pieces of 1 to step_max bytes; in one piece when that is 0. */
static struct outcome feed(struct bytes stream, size_t step_max, unsigned seed,
			   const struct resp_limits *limits)
{
	struct outcome outcome = {0};
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	size_t arrived = 0;
	do {
		seed = seed * 1103515245u + 12345u;
		size_t step = step_max == 0 ? stream.len : 1 + (seed >> 8) % step_max;
		arrived = stream.len - arrived > step ? arrived + step : stream.len;
		struct bytes input =
		    bytes_of(stream.data + outcome.consumed, arrived - outcome.consumed);
		outcome.rc = drain(&parser, input, limits, &request, &outcome);
	} while (outcome.rc == DHT_EAGAIN && arrived < stream.len);
	if (outcome.rc == DHT_EPROTO)
		memcpy(outcome.error, request.error, sizeof(outcome.error));
	resp_request_fini(&request);
	return outcome;
}

static struct bytes requests_of(const struct outcome *outcome)
{
	if (outcome->requests.len == 0)
		return bytes_of(NULL, 0);
	return bytes_of(buffer_head(&outcome->requests), outcome->requests.len);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
	DHT_ASSERT(a->rc == b->rc && a->consumed == b->consumed);
	DHT_ASSERT(strcmp(a->error, b->error) == 0);
	DHT_ASSERT(bytes_equal(requests_of(a), requests_of(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEAD_LEN)
		return 0;
	/* Small limits, so that short inputs reach them; 0xff stands for the real one. */
	struct resp_limits limits = {
	    .args_max = data[0] == 0xff ? RESP_ARGS_MAX : data[0],
	    .arg_bytes_max = data[1] == 0xff ? RESP_REQUEST_MAX : data[1],
	    .request_bytes_max = data[2] == 0xff ? RESP_REQUEST_MAX : 1u + data[2] * 4u,
	};
	size_t step_max = 1u + data[3];
	unsigned seed = get_u16(data + 4);
	struct bytes stream = bytes_of(data + HEAD_LEN, size - HEAD_LEN);
	struct outcome whole = feed(stream, 0, seed, &limits);
	struct outcome pieces = feed(stream, step_max, seed, &limits);
	struct outcome bytewise = feed(stream, 1, seed, &limits);
	check_same(&whole, &pieces);
	check_same(&whole, &bytewise);
	buffer_reset(&whole.requests);
	buffer_reset(&pieces.requests);
	buffer_reset(&bytewise.requests);
	return 0;
}
