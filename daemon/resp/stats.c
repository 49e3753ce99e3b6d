/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/stats.h"

#include <stdlib.h>
#include <string.h>

#include "resp/table.h"

static uint64_t load(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static void store(_Atomic uint64_t *cell, uint64_t value)
{
	atomic_store_explicit(cell, value, memory_order_relaxed);
}

static size_t count_rows(void)
{
	size_t count;
	resp_table_rows(&count);
	return count;
}

static struct resp_stats_row *row_of(const struct resp_stats *stats,
				     const struct resp_command *command)
{
	return &stats->rows[resp_table_index(command)];
}

/* ---- Set-up ------------------------------------------------------------------------ */

void resp_stats_shared_init(struct resp_stats_shared *shared)
{
	resp_slowlog_init(&shared->slowlog);
	shared->round = 0;
}

void resp_stats_shared_fini(struct resp_stats_shared *shared)
{
	resp_slowlog_fini(&shared->slowlog);
}

void resp_stats_reset(struct resp_stats_shared *shared)
{
	atomic_fetch_add_explicit(&shared->round, 1, memory_order_relaxed);
}

/* Both parts begin on a cache line of their own: the next worker's are near. */
static void *allocate(size_t size)
{
	size = (size + DHT_CACHE_LINE - 1) / DHT_CACHE_LINE * DHT_CACHE_LINE;
	void *memory = aligned_alloc(DHT_CACHE_LINE, size);
	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

struct resp_stats *resp_stats_create(struct resp_stats_shared *shared)
{
	struct resp_stats *stats = allocate(sizeof(*stats));
	if (stats == NULL)
		return NULL;
	stats->shared = shared;
	stats->round = shared->round;
	stats->rows = allocate(count_rows() * sizeof(*stats->rows));
	if (stats->rows == NULL) {
		free(stats);
		return NULL;
	}
	return stats;
}

void resp_stats_destroy(struct resp_stats *stats)
{
	if (stats == NULL)
		return;
	for (size_t i = 0; i < count_rows(); i++)
		free(stats->rows[i].times);
	free(stats->rows);
	free(stats);
}

/* ---- Counting ---------------------------------------------------------------------- */

void resp_stats_start_round(struct resp_stats *stats, uint32_t round)
{
	for (size_t i = 0; i < count_rows(); i++) {
		struct resp_stats_row *row = &stats->rows[i];
		struct histogram *times = atomic_load_explicit(&row->times, memory_order_relaxed);
		store(&row->calls, 0);
		store(&row->ns, 0);
		store(&row->failed, 0);
		store(&row->rejected, 0);
		if (times != NULL)
			histogram_clear(times);
	}
	store(&stats->errors, 0);
	store(&stats->hits, 0);
	store(&stats->misses, 0);
	for (size_t i = 0; i < RESP_STATS_PREFIXES; i++)
		store(&stats->prefixes[i].count, 0);
	atomic_store_explicit(&stats->round, round, memory_order_release);
}

/* Readers see a histogram only when it is empty: NULL if there is no memory for one. */
static struct histogram *times_of(struct resp_stats_row *row)
{
	struct histogram *times = atomic_load_explicit(&row->times, memory_order_relaxed);
	if (times != NULL)
		return times;
	times = calloc(1, sizeof(*times));
	if (times != NULL)
		atomic_store_explicit(&row->times, times, memory_order_release);
	return times;
}

void resp_stats_ran(struct resp_stats *stats, const struct resp_command *command, uint32_t requests,
		    uint64_t ns)
{
	struct resp_stats_row *row = row_of(stats, command);
	struct histogram *times = times_of(row);
	if (requests == 0)
		return;
	resp_stats_add(&row->calls, requests);
	resp_stats_add(&row->ns, ns);
	if (times != NULL)
		histogram_record_many(times, ns / requests, requests);
}

void resp_stats_failed(struct resp_stats *stats, const struct resp_command *command)
{
	resp_stats_add(&row_of(stats, command)->failed, 1);
}

void resp_stats_rejected(struct resp_stats *stats, const struct resp_command *command)
{
	resp_stats_add(&row_of(stats, command)->rejected, 1);
}

/* The first word, as Redis finds it; an error without one is a plain one. */
static struct bytes prefix_of(struct bytes text)
{
	size_t bound = text.len < RESP_STATS_PREFIX_MAX - 1 ? text.len : RESP_STATS_PREFIX_MAX - 1;
	const uint8_t *space = bound == 0 ? NULL : memchr(text.data, ' ', bound);
	return space == NULL ? bytes_of("ERR", 3)
			     : bytes_of(text.data, (size_t)(space - text.data));
}

void resp_stats_error(struct resp_stats *stats, struct bytes text)
{
	struct bytes prefix = prefix_of(text);
	uint32_t count = atomic_load_explicit(&stats->prefix_count, memory_order_relaxed), i = 0;
	resp_stats_add(&stats->errors, 1);
	while (i < count && !bytes_equal(prefix, bytes_of_text(stats->prefixes[i].text)))
		i++;
	if (i == RESP_STATS_PREFIXES)
		return;
	if (i == count) {
		memcpy(stats->prefixes[i].text, prefix.data, prefix.len);
		stats->prefixes[i].text[prefix.len] = '\0';
		atomic_store_explicit(&stats->prefix_count, count + 1, memory_order_release);
	}
	resp_stats_add(&stats->prefixes[i].count, 1);
}

/* ---- Reading ----------------------------------------------------------------------- */

/* False: what it holds is of a round that is over. */
static bool is_current(const struct resp_stats *stats)
{
	return atomic_load_explicit(&stats->round, memory_order_acquire) ==
	       atomic_load_explicit(&stats->shared->round, memory_order_relaxed);
}

void resp_stats_sum_row(const struct resp_stats *stats, const struct resp_command *command,
			struct resp_stats_sum *sum)
{
	const struct resp_stats_row *row = row_of(stats, command);
	if (!is_current(stats))
		return;
	sum->calls += load(&row->calls);
	sum->ns += load(&row->ns);
	sum->failed += load(&row->failed);
	sum->rejected += load(&row->rejected);
}

void resp_stats_sum_times(const struct resp_stats *stats, const struct resp_command *command,
			  struct histogram *times)
{
	const struct histogram *own =
	    atomic_load_explicit(&row_of(stats, command)->times, memory_order_acquire);
	if (own != NULL && is_current(stats))
		histogram_merge(times, own);
}

void resp_stats_sum_total(const struct resp_stats *stats, struct resp_stats_total *total)
{
	size_t count = count_rows();
	if (!is_current(stats))
		return;
	for (size_t i = 0; i < count; i++)
		total->calls += load(&stats->rows[i].calls);
	total->errors += load(&stats->errors);
	total->hits += load(&stats->hits);
	total->misses += load(&stats->misses);
}

void resp_stats_sum_errors(const struct resp_stats *stats, struct resp_stats_errors *errors)
{
	uint32_t count = atomic_load_explicit(&stats->prefix_count, memory_order_acquire);
	if (!is_current(stats))
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct resp_stats_prefix *prefix = &stats->prefixes[i];
		size_t at = 0;
		while (at < errors->count && strcmp(errors->items[at].text, prefix->text) != 0)
			at++;
		if (at == RESP_STATS_PREFIXES)
			continue;
		if (at == errors->count) {
			memcpy(errors->items[at].text, prefix->text, sizeof(prefix->text));
			errors->items[at].count = 0;
			errors->count++;
		}
		errors->items[at].count += load(&prefix->count);
	}
}
