/* SPDX-License-Identifier: Apache-2.0
 *
 * SCAN: the keys of the cluster, some at a time; under clients.redirect: moved those of the node.
 *
 * Blocks are visited one after the other, and a block in the order of its hashes. So a
 * cursor is the place where to go on, block and hash, whatever has changed meanwhile: a key
 * that is there from the first call to the last is returned, and the server keeps nothing
 * between two calls.
 */
#include "io/clock.h"
#include "resp/glob.h"
#include "resp/options.h"
#include "resp/search.h"

enum {
	COUNT_DEFAULT = 10,
	COUNT_MAX = 4096, /* keys looked at in one call, however many are asked for */
	/* Of one call, its waits included: whoever calls goes on from there. */
	CALL_MS = 50,
};

/* What is asked for. */
struct request {
	bool has_pattern; /* otherwise all keys are wanted */
	bool wants_strings;
	struct bytes pattern;
	size_t count;
};

/* ---- Arguments --------------------------------------------------------------------- */

enum { SCAN_MATCH, SCAN_COUNT, SCAN_TYPE };

static bool accepts_count(struct resp_call *call, struct bytes arg)
{
	int64_t count;
	return resp_read_integer_from(call, arg, 1, &count);
}

static const struct resp_option rows[] = {
    [SCAN_MATCH] = {"MATCH", .has_value = true},
    [SCAN_COUNT] = {"COUNT", .has_value = true, .accepts = accepts_count},
    [SCAN_TYPE] = {"TYPE", .has_value = true},
};
static const struct resp_option_table table = {rows, DHT_ARRAY_LEN(rows), NULL};

/* Nothing at all is 0, as in Redis. */
static bool parse_cursor(struct bytes text, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = text.data[i] - (unsigned)'0';
		if (digit > 9 || __builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, digit, number))
			return false;
	}
	return true;
}

static bool read_cursor(struct resp_call *call, struct exec_cursor *cursor)
{
	uint64_t number;
	bool valid =
	    parse_cursor(call->args[1], &number) && number >> STORE_HASH_BITS <= UINT32_MAX;
	if (valid) {
		*cursor = (struct exec_cursor){
		    .block = (uint32_t)(number >> STORE_HASH_BITS),
		    .hash = (uint32_t)number & (STORE_HASH_END - 1),
		};
		valid = !exec_scan_is_over(call->worker, cursor);
	}
	if (!valid)
		resp_write_error(call->out, "ERR invalid cursor");
	return valid;
}

static bool read_request(struct resp_call *call, struct request *request)
{
	struct resp_options options;
	if (!resp_options_read(call, 2, &table, &options))
		return false;
	*request = (struct request){.count = COUNT_DEFAULT, .wants_strings = true};
	if (resp_has_option(&options, SCAN_COUNT)) {
		int64_t count = COUNT_DEFAULT;
		if (!resp_read_integer(call, options.values[SCAN_COUNT], &count))
			return false;
		request->count = count < COUNT_MAX ? (size_t)count : COUNT_MAX;
	}
	request->pattern = options.values[SCAN_MATCH];
	request->has_pattern =
	    resp_has_option(&options, SCAN_MATCH) && !resp_is_word(request->pattern, "*");
	if (request->has_pattern && !resp_check_pattern(call, request->pattern))
		return false;
	if (resp_has_option(&options, SCAN_TYPE))
		request->wants_strings = resp_is_word(options.values[SCAN_TYPE], "STRING");
	return true;
}

/* ---- Running ----------------------------------------------------------------------- */

static bool is_wanted(const void *ctx, struct bytes key)
{
	const struct request *request = ctx;
	return !request->has_pattern || glob_matches(request->pattern, key);
}

/* False: it goes on later. */
static bool run_steps(struct resp_call *call, struct resp_search *search,
		      const struct request *request)
{
	const struct resp_search_for what = {
	    .prefix = glob_prefix(request->pattern),
	    .wants = is_wanted,
	    .ctx = request,
	    .wants_cost = request->has_pattern ? request->pattern.len : 0,
	    .found_max = UINT64_MAX,
	};
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	uint64_t latest_ns = search->began_ns + CALL_MS * NS_PER_MS;
	until_ns = latest_ns < until_ns ? latest_ns : until_ns;
	do {
		uint64_t left = request->count - search->scan.looked_at;
		if (!resp_search_step(call, search, &what, (unsigned)left))
			return false;
	} while (search->keys.error == 0 && search->scan.looked_at < request->count &&
		 search->keys.len < WORKER_OUT_FLUSH &&
		 !scan_is_over(call->worker, &search->scan) && clock_monotonic_ns() < until_ns);
	return true;
}

static void reply(struct resp_call *call, struct resp_search *search)
{
	bool is_over = scan_is_over(call->worker, &search->scan);
	const struct exec_cursor *cursor = &search->scan.cursor;
	uint64_t number = (uint64_t)cursor->block << STORE_HASH_BITS | cursor->hash;
	if (is_over)
		number = 0;
	resp_write_array(call->out, 2);
	resp_write_bulk_number(call->out, number);
	resp_search_write_keys(call, search);
}

/* Values are strings: whoever asks for anything else has all there is at once. */
static void reply_nothing(struct resp_call *call)
{
	resp_write_array(call->out, 2);
	resp_write_bulk_text(call->out, "0");
	resp_write_array(call->out, 0);
}

void resp_run_scan(struct resp_call *call)
{
	struct exec_cursor cursor;
	struct request request;
	if (!read_cursor(call, &cursor) || !read_request(call, &request))
		return;
	if (!request.wants_strings) {
		reply_nothing(call);
		return;
	}
	struct resp_search *search = resp_search_begin(call, &cursor);
	if (search == NULL || !run_steps(call, search, &request))
		return;
	if (search->keys.error == 0)
		reply(call, search);
	else
		resp_reply_status(call, search->keys.error);
	resp_search_end(call->state);
}
