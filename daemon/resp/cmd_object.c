/* SPDX-License-Identifier: Apache-2.0
 *
 * MEMORY and OBJECT: what a key takes, and what kind of value it has.
 */
#include "base/error.h"
#include "base/text.h"
#include "resp/options.h"

/* How long a value is at most that Redis keeps beside its header. */
enum { EMBEDDED_MAX = 44 };

/* Looks for the key; the result is the caller's to give back. False: it has replied, or the
 * session waits. */
static bool find(struct resp_call *call, struct bytes key, struct op_result *result)
{
	struct op op = {.kind = OP_GET, .key.key = key};
	if (!resp_check_key(call, key) || !resp_run_op(call, &op, result))
		return false;
	if (result->status == 0)
		return true;
	if (result->status == DHT_ENOTFOUND)
		resp_write_null(call->out);
	else
		resp_reply_status(call, result->status);
	resp_op_done(call, result);
	return false;
}

/* All of a value is counted, however many samples of it are asked for. */
static bool accepts_samples(struct resp_call *call, struct bytes arg)
{
	int64_t samples;
	return resp_read_integer_from(call, arg, 0, &samples);
}

static const struct resp_option usage_rows[] = {
    {"SAMPLES", .has_value = true, .accepts = accepts_samples},
};
static const struct resp_option_table usage_options = {usage_rows, DHT_ARRAY_LEN(usage_rows), NULL};

void resp_run_memory_usage(struct resp_call *call)
{
	struct op_result result;
	struct resp_options options;
	if (!resp_options_read(call, 3, &usage_options, &options) ||
	    !find(call, call->args[2], &result))
		return;
	struct store_key key = exec_key(call->worker, call->args[2]);
	resp_write_integer(call->out,
			   (int64_t)exec_stored_bytes(call->worker, call->session, &key));
	resp_op_done(call, &result);
}

/* As Redis stores a value that was SET. */
static const char *encoding_of(struct bytes value)
{
	int64_t number;
	if (text_parse_integer(value, &number))
		return "int";
	return value.len <= EMBEDDED_MAX ? "embstr" : "raw";
}

void resp_run_object_encoding(struct resp_call *call)
{
	struct op_result result;
	if (!find(call, call->args[2], &result))
		return;
	resp_write_bulk_text(call->out, encoding_of(result.value));
	resp_op_done(call, &result);
}

void resp_run_object_refcount(struct resp_call *call)
{
	struct op_result result;
	if (!find(call, call->args[2], &result))
		return;
	resp_write_integer(call->out, 1);
	resp_op_done(call, &result);
}

void resp_run_object_freq(struct resp_call *call)
{
	struct op_result result;
	if (!find(call, call->args[2], &result))
		return;
	resp_write_error(call->out,
			 "ERR An LFU maxmemory policy is not selected, access frequency not "
			 "tracked. Please note that when switching between policies at runtime "
			 "LRU and LFU data will take some time to adjust.");
	resp_op_done(call, &result);
}

/* Nothing is noted of reads, so there is no honest number. */
void resp_run_object_idletime(struct resp_call *call)
{
	struct op_result result;
	if (!find(call, call->args[2], &result))
		return;
	resp_write_error(call->out, "ERR the times of accesses are not tracked");
	resp_op_done(call, &result);
}
