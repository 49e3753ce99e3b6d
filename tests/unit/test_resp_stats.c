/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/stats and resp/slowlog: what is counted, resets while a worker counts, and what the
 * slow log keeps of a request.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "resp/command.h"
#include "resp/stats.h"
#include "resp/table.h"
#include "unit.h"

static struct bytes text(const char *t)
{
	return bytes_of(t, strlen(t));
}

static struct resp_stats_sum sum_of(const struct resp_stats *stats,
				    const struct resp_command *command)
{
	struct resp_stats_sum sum = {0};
	resp_stats_sum_row(stats, command, &sum);
	return sum;
}

/* ---- Counters ---------------------------------------------------------------------- */

START_TEST(rows_add_up)
{
	struct resp_stats_shared shared;
	resp_stats_shared_init(&shared);
	struct resp_stats *a = resp_stats_create(&shared), *b = resp_stats_create(&shared);
	const struct resp_command *get = resp_table_find(text("GET"));
	const struct resp_command *set = resp_table_find(text("SET"));
	resp_stats_ran(a, get, 4, 4000);
	resp_stats_ran(b, get, 1, 100000);
	resp_stats_ran(b, set, 0, 5);
	resp_stats_failed(b, get);
	resp_stats_rejected(a, set);
	struct resp_stats_sum sum = {0};
	resp_stats_sum_row(a, get, &sum);
	resp_stats_sum_row(b, get, &sum);
	ck_assert_uint_eq(sum.calls, 5);
	ck_assert_uint_eq(sum.ns, 104000);
	ck_assert_uint_eq(sum.failed, 1);
	ck_assert_uint_eq(sum.rejected, 0);
	sum = sum_of(a, set);
	ck_assert_uint_eq(sum.calls, 0);
	ck_assert_uint_eq(sum.rejected, 1);

	struct histogram *times = calloc(1, sizeof(*times));
	resp_stats_sum_times(a, get, times);
	resp_stats_sum_times(b, get, times);
	resp_stats_sum_times(a, set, times);
	ck_assert_uint_eq(histogram_count(times), 5);
	ck_assert_uint_eq(histogram_count_below(times, 10), 4);
	ck_assert_uint_eq(histogram_max_ns(times), 100000);
	free(times);
	resp_stats_looked_up(a, true);
	resp_stats_looked_up(a, false);
	resp_stats_looked_up(b, false);
	struct resp_stats_total total = {0};
	resp_stats_sum_total(a, &total);
	resp_stats_sum_total(b, &total);
	ck_assert_uint_eq(total.calls, 5);
	ck_assert_uint_eq(total.hits, 1);
	ck_assert_uint_eq(total.misses, 2);
	resp_stats_destroy(a);
	resp_stats_destroy(b);
	resp_stats_shared_fini(&shared);
}
END_TEST

static uint64_t errors_of(const struct resp_stats_errors *errors, const char *prefix)
{
	for (size_t i = 0; i < errors->count; i++) {
		if (strcmp(errors->items[i].text, prefix) == 0)
			return errors->items[i].count;
	}
	return 0;
}

START_TEST(errors_count_by_prefix)
{
	struct resp_stats_shared shared;
	resp_stats_shared_init(&shared);
	struct resp_stats *a = resp_stats_create(&shared), *b = resp_stats_create(&shared);
	resp_stats_error(a, text("ERR no"));
	resp_stats_error(a, text("WRONGTYPE Operation"));
	resp_stats_error(a, text("OOM"));
	resp_stats_error(a, text("A_VERY_LONG_FIRST_WORD_THAT_IS_NO_PREFIX text"));
	resp_stats_error(a, bytes_of(NULL, 0));
	resp_stats_error(b, text("OOM command not allowed\r\n"));
	resp_stats_error(b, text("ERR x"));
	struct resp_stats_errors errors = {0};
	resp_stats_sum_errors(a, &errors);
	resp_stats_sum_errors(b, &errors);
	ck_assert_uint_eq(errors.count, 3);
	ck_assert_uint_eq(errors_of(&errors, "ERR"), 5);
	ck_assert_uint_eq(errors_of(&errors, "WRONGTYPE"), 1);
	ck_assert_uint_eq(errors_of(&errors, "OOM"), 1);

	for (int i = 0; i < 2 * RESP_STATS_PREFIXES; i++) {
		char word[16];
		snprintf(word, sizeof(word), "E%d x", i);
		resp_stats_error(b, text(word));
	}
	errors = (struct resp_stats_errors){0};
	resp_stats_sum_errors(a, &errors);
	resp_stats_sum_errors(b, &errors);
	ck_assert_uint_eq(errors.count, RESP_STATS_PREFIXES);
	struct resp_stats_total total = {0};
	resp_stats_sum_total(b, &total);
	ck_assert_uint_eq(total.errors, 2 + 2 * RESP_STATS_PREFIXES);
	resp_stats_destroy(a);
	resp_stats_destroy(b);
	resp_stats_shared_fini(&shared);
}
END_TEST

START_TEST(a_reset_holds_at_once)
{
	struct resp_stats_shared shared;
	resp_stats_shared_init(&shared);
	struct resp_stats *stats = resp_stats_create(&shared);
	const struct resp_command *get = resp_table_find(text("GET"));
	resp_stats_ran(stats, get, 1, 1000);
	resp_stats_error(stats, text("ERR x"));
	resp_stats_reset(&shared);
	struct resp_stats_total total = {0};
	struct resp_stats_errors errors = {0};
	struct histogram *times = calloc(1, sizeof(*times));
	resp_stats_sum_total(stats, &total);
	resp_stats_sum_errors(stats, &errors);
	resp_stats_sum_times(stats, get, times);
	ck_assert_uint_eq(sum_of(stats, get).calls + total.calls + total.errors + errors.count, 0);
	ck_assert_uint_eq(histogram_count(times), 0);

	resp_stats_begin(stats);
	resp_stats_ran(stats, get, 2, 1000);
	ck_assert_uint_eq(sum_of(stats, get).calls, 2);
	ck_assert_uint_eq(sum_of(stats, get).ns, 1000);
	resp_stats_sum_times(stats, get, times);
	ck_assert_uint_eq(histogram_count(times), 2);
	resp_stats_sum_errors(stats, &errors);
	ck_assert_uint_eq(errors_of(&errors, "ERR"), 0);
	free(times);
	resp_stats_destroy(stats);
	resp_stats_shared_fini(&shared);
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------- */

enum { TURNS = 20000 };

struct reader {
	struct resp_stats *stats;
	_Atomic bool ends;
};

static void *read_on(void *opaque)
{
	struct reader *reader = opaque;
	const struct resp_command *get = resp_table_find(text("GET"));
	struct histogram *times = calloc(1, sizeof(*times));
	for (uint64_t i = 0; !atomic_load(&reader->ends); i++) {
		struct resp_stats_errors errors = {0};
		resp_stats_sum_errors(reader->stats, &errors);
		resp_stats_sum_times(reader->stats, get, times);
		UNIT_REQUIRE(sum_of(reader->stats, get).calls <= TURNS);
		UNIT_REQUIRE(errors.count <= 2);
		if (i % 64 == 0)
			resp_stats_reset(reader->stats->shared);
	}
	free(times);
	return NULL;
}

START_TEST(others_read_and_reset_meanwhile)
{
	struct resp_stats_shared shared;
	resp_stats_shared_init(&shared);
	struct reader reader = {.stats = resp_stats_create(&shared)};
	const struct resp_command *get = resp_table_find(text("GET"));
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, read_on, &reader), 0);
	for (int i = 0; i < TURNS; i++) {
		resp_stats_begin(reader.stats);
		resp_stats_ran(reader.stats, get, 1, (uint64_t)i);
		resp_stats_error(reader.stats, text(i % 2 == 0 ? "ERR x" : "OOM x"));
	}
	atomic_store(&reader.ends, true);
	pthread_join(thread, NULL);
	resp_stats_destroy(reader.stats);
	resp_stats_shared_fini(&shared);
}
END_TEST

/* ---- The slow log ------------------------------------------------------------------ */

static struct session *no_session(void)
{
	struct session *s = calloc(1, sizeof(*s) + sizeof(struct resp_session));
	s->conn.watch.fd = -1;
	return s;
}

static void note(struct resp_slowlog *log, struct session *s, const struct bytes *args, size_t argc,
		 uint64_t ns)
{
	struct resp_call call = {.session = s, .args = args, .argc = argc};
	resp_slowlog_add(log, &call, ns);
}

START_TEST(the_slow_log_keeps_the_latest)
{
	struct resp_slowlog log;
	struct session *s = no_session();
	struct bytes args[] = {text("GET"), text("k")};
	resp_slowlog_init(&log);
	ck_assert(!resp_slowlog_takes(&log, UINT64_C(1) << 60));
	resp_slowlog_set(&log, 1000, 3);
	ck_assert(resp_slowlog_takes(&log, 1000));
	ck_assert(!resp_slowlog_takes(&log, 999));
	for (int i = 0; i < 5; i++)
		note(&log, s, args, 2, 1000);
	ck_assert_uint_eq(resp_slowlog_count(&log), 3);
	resp_slowlog_set(&log, 1000, 2);
	ck_assert_uint_eq(resp_slowlog_count(&log), 2);

	struct resp_out out;
	resp_out_init(&out, 1 << 20);
	resp_slowlog_write(&log, 1, &out);
	ck_assert_int_eq(memcmp(out.data, "*1\r\n*6\r\n:4\r\n:", 13), 0);
	resp_out_clear(&out);
	resp_slowlog_write(&log, UINT64_MAX, &out);
	ck_assert_int_eq(memcmp(out.data, "*2\r\n*6\r\n:4\r\n:", 13), 0);
	resp_out_fini(&out);

	resp_slowlog_set(&log, 1000, 0);
	ck_assert(!resp_slowlog_takes(&log, 1000));
	resp_slowlog_set(&log, 0, 1);
	ck_assert(resp_slowlog_takes(&log, 0));
	note(&log, s, args, 2, 1000);
	resp_slowlog_clear(&log);
	ck_assert_uint_eq(resp_slowlog_count(&log), 0);
	resp_slowlog_fini(&log);
	free(s);
}
END_TEST

/* Returns the reply that shows the one entry of a request. */
static char *shown(struct session *s, const struct bytes *args, size_t argc)
{
	struct resp_slowlog log;
	struct resp_out out;
	resp_slowlog_init(&log);
	resp_slowlog_set(&log, 0, 1);
	resp_out_init(&out, 1 << 20);
	note(&log, s, args, argc, 7000);
	resp_slowlog_write(&log, 1, &out);
	char *copy = strndup((const char *)out.data, out.len);
	resp_out_fini(&out);
	resp_slowlog_fini(&log);
	return copy;
}

START_TEST(arguments_are_shortened)
{
	struct session *s = no_session();
	char value[131];
	memset(value, 'v', sizeof(value));
	struct bytes args[40] = {text("SET"), text("k"), bytes_of(value, 128),
				 bytes_of(value, 131)};
	char *reply = shown(s, args, 4);
	ck_assert_ptr_nonnull(strstr(reply, ":7\r\n*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$128\r\nvvv"));
	ck_assert_ptr_nonnull(strstr(reply, "vvv... (3 more bytes)\r\n$0\r\n\r\n$0\r\n\r\n"));
	free(reply);
	for (size_t i = 1; i < 40; i++)
		args[i] = text("a");
	reply = shown(s, args, 32);
	ck_assert_ptr_nonnull(strstr(reply, "*32\r\n"));
	ck_assert_ptr_null(strstr(reply, "more"));
	free(reply);
	reply = shown(s, args, 40);
	ck_assert_ptr_nonnull(strstr(reply, "*32\r\n"));
	ck_assert_ptr_nonnull(strstr(reply, "... (9 more arguments)\r\n"));
	free(reply);
	free(s);
}
END_TEST

START_TEST(passwords_are_not_shown)
{
	struct session *s = no_session();
	struct bytes auth[] = {text("auth"), text("user"), text("secret")};
	struct bytes hello[] = {text("HELLO"),  text("3"),       text("AUTH"), text("user"),
				text("secret"), text("SETNAME"), text("me")};
	char *reply = shown(s, auth, 3);
	ck_assert_ptr_null(strstr(reply, "secret"));
	free(reply);
	reply = shown(s, hello, 7);
	ck_assert_ptr_null(strstr(reply, "secret"));
	ck_assert_ptr_nonnull(strstr(reply, "SETNAME\r\n$2\r\nme"));
	free(reply);
	free(s);
}
END_TEST

UNIT_MAIN("resp_stats", 60, rows_add_up, errors_count_by_prefix, a_reset_holds_at_once,
	  others_read_and_reset_meanwhile, the_slow_log_keeps_the_latest, arguments_are_shortened,
	  passwords_are_not_shown)
