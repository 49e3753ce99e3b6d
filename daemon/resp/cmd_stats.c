/* SPDX-License-Identifier: Apache-2.0
 *
 * SLOWLOG and LATENCY: which requests took how long.
 */
#include <string.h>

#include "base/text.h"
#include "resp/table.h"

/* ---- SLOWLOG ----------------------------------------------------------------------- */

enum { SLOWLOG_DEFAULT = 10 };

void resp_run_slowlog_get(struct resp_call *call)
{
	int64_t count = SLOWLOG_DEFAULT;
	if (call->argc > 3) {
		resp_write_errorf(call->out,
				  "ERR unknown subcommand or wrong number of arguments for "
				  "'%.*s'. Try SLOWLOG HELP.",
				  (int)call->args[1].len, (const char *)call->args[1].data);
		return;
	}
	if (call->argc == 3 && (!text_parse_integer(call->args[2], &count) || count < -1)) {
		resp_write_error(call->out, "ERR count should be greater than or equal to -1");
		return;
	}
	resp_slowlog_write(&call->port->stats.slowlog, count < 0 ? UINT64_MAX : (uint64_t)count,
			   call->out);
}

void resp_run_slowlog_len(struct resp_call *call)
{
	resp_write_integer(call->out, (int64_t)resp_slowlog_count(&call->port->stats.slowlog));
}

void resp_run_slowlog_reset(struct resp_call *call)
{
	resp_slowlog_clear(&call->port->stats.slowlog);
	resp_write_ok(call->out);
}

/* ---- LATENCY HISTOGRAM --------------------------------------------------------------- */

enum { POWER_MIN = 10, POWER_MAX = 43 }; /* buckets: from 2^10 ns on, doubling */

/* The bucket's name is its bound in microseconds, as the histograms of Redis round it. */
static int64_t bound_us(unsigned power)
{
	return (int64_t)(((UINT64_C(1) << power) + (UINT64_C(1) << (power - 7)) - 1) / 1000);
}

/* The number of buckets that change the sum. */
static size_t count_buckets(const struct histogram *times)
{
	size_t buckets = 0;
	uint64_t seen = 0;
	for (unsigned power = POWER_MIN; power <= POWER_MAX; power++) {
		uint64_t below = histogram_count_below(times, power);
		buckets += below > seen;
		seen = below;
	}
	return buckets;
}

static void write_histogram(struct resp_call *call, const struct resp_command *command,
			    const struct histogram *times)
{
	char name[RESP_NAME_MAX];
	uint64_t seen = 0;
	resp_table_name(command, name);
	resp_write_bulk_text(call->out, name);
	resp_write_map(call->out, 2);
	resp_write_bulk_text(call->out, "calls");
	resp_write_integer(call->out, (int64_t)histogram_count(times));
	resp_write_bulk_text(call->out, "histogram_usec");
	resp_write_map(call->out, count_buckets(times));
	for (unsigned power = POWER_MIN; power <= POWER_MAX; power++) {
		uint64_t below = histogram_count_below(times, power);
		if (below > seen) {
			resp_write_integer(call->out, bound_us(power));
			resp_write_integer(call->out, (int64_t)below);
		}
		seen = below;
	}
}

static bool is_among(const struct resp_call *call, const char *name)
{
	for (size_t i = 2; i < call->argc; i++) {
		if (resp_is_word(call->args[i], name))
			return true;
	}
	return false;
}

/* A container stands for its subcommands. */
static bool is_asked_for(const struct resp_call *call, const struct resp_command *command)
{
	char name[RESP_NAME_MAX];
	resp_table_name(command, name);
	if (call->argc == 2 || is_among(call, name))
		return true;
	name[strcspn(name, "|")] = '\0';
	return is_among(call, name);
}

void resp_run_latency_histogram(struct resp_call *call)
{
	size_t count, shown = 0;
	const struct resp_command *rows = resp_table_rows(&count);
	struct resp_out maps;
	resp_out_init(&maps, WORKER_REPLY_MAX);
	maps.version = call->out->version;
	struct resp_call into = *call;
	into.out = &maps;
	for (size_t i = 0; i < count; i++) {
		struct histogram times;
		if (is_asked_for(call, &rows[i]) && resp_port_times(call->port, &rows[i], &times)) {
			write_histogram(&into, &rows[i], &times);
			shown++;
		}
	}
	if (maps.error != 0) {
		resp_reply_status(call, maps.error);
	} else {
		resp_write_map(call->out, shown);
		resp_write_raw(call->out, bytes_of(maps.data, maps.len));
	}
	resp_out_fini(&maps);
}

/* ---- LATENCY LATEST, HISTORY, RESET --------------------------------------------------
 *
 * They are about events that Redis watches for when latency-monitor-threshold is set. It is
 * 0 here, and there are none. */

void resp_run_latency_latest(struct resp_call *call)
{
	resp_write_array(call->out, 0);
}

void resp_run_latency_history(struct resp_call *call)
{
	resp_write_array(call->out, 0);
}

void resp_run_latency_reset(struct resp_call *call)
{
	resp_write_integer(call->out, 0);
}
