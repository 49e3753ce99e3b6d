/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/resp_parser - nanoseconds per request of resp/parser, on one core.
 *
 *     bench_resp_parser [ROUNDS]
 *
 * A line per kind of traffic: requests of one kind back to back in 16 KiB, as a
 * pipelining client makes a worker read them. `cut` hands over the same bytes so
 * that every request is seen incomplete once. The figure is the best of ROUNDS
 * rounds, because what disturbs a round only ever makes it slower.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "resp/parser.h"

enum { INPUT_SIZE = 16 * 1024, REPEATS = 2000, ROUNDS_DEFAULT = 7, SEED = 1 };

static const struct resp_limits limits = {RESP_ARGS_MAX, RESP_REQUEST_MAX, RESP_REQUEST_MAX};

struct traffic {
	const char *name;
	size_t args;
	size_t arg_len[3]; /* the last one is that of all further arguments */
	size_t spread;     /* so many bytes more, at most, has the last argument */
	size_t cut;        /* offset of the cut in a request; 0: none */
};

static const struct traffic traffics[] = {
    {"PING", 1, {4, 0, 0}, 0, 0},
    {"GET, 16-byte key", 2, {3, 16, 0}, 0, 0},
    {"GET, 6- to 40-byte keys", 2, {3, 6, 0}, 34, 0},
    {"GET, 16-byte key, cut", 2, {3, 16, 0}, 0, 20},
    {"SET, 16-byte key, 100-byte value", 3, {3, 16, 100}, 0, 0},
    {"SET, 16-byte key, 50- to 1050-byte values", 3, {3, 16, 50}, 1000, 0},
    {"SET, 16-byte key, 100-byte value, cut", 3, {3, 16, 100}, 0, 60},
    {"SET, 16-byte key, 4000-byte value", 3, {3, 16, 4000}, 0, 0},
    {"MGET, 50 16-byte keys", 51, {4, 16, 16}, 0, 0},
    {"MGET, 200 16-byte keys", 201, {4, 16, 16}, 0, 0},
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Appends one request to input; returns the new length, or len when it does not fit. */
static size_t add_request(const struct traffic *traffic, uint8_t *input, size_t len)
{
	static uint8_t out[INPUT_SIZE];
	uint8_t *p = out;
	p += sprintf((char *)p, "*%zu\r\n", traffic->args);
	for (size_t i = 0; i < traffic->args; i++) {
		size_t arg_len = traffic->arg_len[i < 2 ? i : 2];
		if (i + 1 == traffic->args && traffic->spread > 0)
			arg_len += (size_t)rand() % (traffic->spread + 1);
		p += sprintf((char *)p, "$%zu\r\n", arg_len);
		memset(p, 'a' + (int)(i % 26), arg_len);
		p += arg_len;
		*p++ = '\r';
		*p++ = '\n';
	}
	size_t request_len = (size_t)(p - out);
	if (request_len > INPUT_SIZE - len)
		return len;
	memcpy(input + len, out, request_len);
	return len + request_len;
}

/* Reads every request of input once; returns their number. */
static size_t read_all(struct bytes input, size_t cut, struct resp_request *request)
{
	struct resp_parser parser = RESP_PARSER_START;
	size_t requests = 0;
	while (input.len > 0) {
		if (cut > 0 &&
		    resp_parser_next(&parser, bytes_of(input.data, cut), &limits, request) == 0)
			abort();
		if (resp_parser_next(&parser, input, &limits, request) != 0)
			abort();
		/* The optimiser must not see that nobody reads the arguments. */
		__asm__ volatile("" : : "r"(request->args) : "memory");
		input.data += request->consumed;
		input.len -= request->consumed;
		requests++;
	}
	return requests;
}

static void measure(const struct traffic *traffic, long rounds)
{
	static uint8_t input[INPUT_SIZE];
	struct resp_request request;
	resp_request_init(&request);
	srand(SEED);
	size_t len = 0, before;
	do {
		before = len;
		len = add_request(traffic, input, len);
	} while (len > before);
	double best = 0;
	for (long round = 0; round < rounds; round++) {
		size_t requests = 0;
		uint64_t start = now_ns();
		for (int i = 0; i < REPEATS; i++)
			requests += read_all(bytes_of(input, len), traffic->cut, &request);
		double ns = (double)(now_ns() - start) / (double)requests;
		if (round == 0 || ns < best)
			best = ns;
	}
	printf("%-40s %8.1f ns/request\n", traffic->name, best);
	resp_request_fini(&request);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
	if (rounds < 1) {
		fprintf(stderr, "usage: %s [ROUNDS]\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < DHT_ARRAY_LEN(traffics); i++)
		measure(&traffics[i], rounds);
	return 0;
}
