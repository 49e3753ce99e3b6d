/* SPDX-License-Identifier: Apache-2.0 */
#include "node/series.h"

#include "base/error.h"

/* The version of a value that the series has made, before it is written: nothing stored has
 * it. */
static const struct ballot unwritten = {.order = UINT64_MAX, .version = UINT32_MAX};

void series_init(struct series *series)
{
	*series = (struct series){0};
	arena_init(&series->derived);
}

void series_fini(struct series *series)
{
	arena_fini(&series->derived);
}

/* Applies one operation to *now, and makes that what it would write. True if it changes
 * something. */
static bool apply_next(struct series *series, size_t i, struct record *now)
{
	struct op_result *result = &series->results[i];
	struct change change;
	DHT_ASSERT(series->ops[i].now_ms == series->now_ms);
	*result = (struct op_result){0};
	change_apply(&series->ops[i], now, &series->derived, &change, result);
	if (!change.changes)
		return false;
	now->kind = change.kind;
	now->value = change.value;
	now->expires_ms = change.expires_ms;
	now->ver = unwritten;
	if (change.is_expiry)
		return false;
	change_written(&change, unwritten, result);
	return true;
}

void series_apply(struct series *series, const struct record *base, struct change *change,
		  struct op_result *whole)
{
	struct record now = *base;
	bool changes = false;
	*change = (struct change){0};
	arena_fini(&series->derived);
	bool exists = base->kind == RECORD_VALUE && !change_is_expired(base, series->now_ms);
	whole->status = 0;
	change_tell_base(exists ? base : NULL, whole);
	whole->value = exists ? base->value : bytes_of(NULL, 0);
	if (series->is_watched && !ballot_equal(whole->version, series->watched)) {
		whole->status = DHT_EPRECOND;
		return;
	}
	for (size_t i = 0; i < series->count; i++)
		changes = apply_next(series, i, &now) || changes;
	if (now.kind == RECORD_VALUE) {
		change->changes = changes;
		change->kind = RECORD_VALUE;
		change->value = now.value;
		change->expires_ms = now.expires_ms;
	} else if (base->kind == RECORD_VALUE) {
		change_expire(change);
		change->is_expiry = !whole->existed;
	}
}

void series_written(struct series *series, const struct op_result *whole)
{
	for (size_t i = 0; i < series->count; i++) {
		struct op_result *result = &series->results[i];
		if (ballot_equal(result->version, unwritten))
			result->version = whole->version;
	}
}
