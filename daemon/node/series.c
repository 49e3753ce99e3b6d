/* SPDX-License-Identifier: Apache-2.0 */
#include "node/series.h"

#include "base/error.h"

/* The version of a value that a series has made, before it is written: nothing stored has
 * it. Each series of a chain that changes something has one of its own. */
static struct ballot unwritten(uint32_t generation)
{
	struct ballot version = {.order = UINT64_MAX - generation, .version = UINT32_MAX};
	DHT_ASSERT(change_is_unwritten(version));
	return version;
}

void series_init(struct series *series)
{
	*series = (struct series){0};
	arena_init(&series->derived);
}

void series_fini(struct series *series)
{
	arena_fini(&series->derived);
}

void series_set_time(struct series *series, uint64_t now_ms)
{
	series->now_ms = now_ms;
	for (size_t i = 0; i < series->count; i++)
		series->ops[i].now_ms = now_ms;
}

bool series_writes(const struct series *series)
{
	for (size_t i = 0; i < series->count; i++) {
		if (op_writes(series->ops[i].kind))
			return true;
	}
	return false;
}

/* Applies one operation to *now, and makes that what it would write, under this version. True
 * if it changes something. */
static bool apply_next(struct series *series, size_t i, struct record *now, struct ballot version)
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
	now->ver = version;
	if (change.is_expiry)
		return false;
	change_written(&change, version, result);
	return true;
}

void chain_begin(struct chain *chain, const struct record *base)
{
	*chain = (struct chain){.base = *base, .now = *base};
}

/* Nobody is told that nothing is there before that is written, not even one whose watched
 * version is another one now. */
static void expire(struct chain *chain)
{
	chain->now = (struct record){.kind = RECORD_TOMBSTONE, .ver = unwritten(chain->generation)};
	chain->is_expiry = chain->is_expiry || chain->generation == 0;
}

void chain_apply(struct chain *chain, struct series *series, struct op_result *whole)
{
	struct record *now = &chain->now;
	bool changes = false;
	if (change_is_expired(now, series->now_ms))
		expire(chain);
	bool exists = now->kind == RECORD_VALUE;
	whole->status = 0;
	change_tell_base(exists ? now : NULL, whole);
	whole->value = exists ? now->value : bytes_of(NULL, 0);
	if (series->is_watched && (change_is_unwritten(series->watched) ||
				   !ballot_equal(whole->version, series->watched))) {
		whole->status = DHT_EPRECOND;
		return;
	}
	for (size_t i = 0; i < series->count; i++)
		changes = apply_next(series, i, now, unwritten(chain->generation)) || changes;
	chain->generation += changes;
}

void chain_end(const struct chain *chain, struct change *change)
{
	const struct record *now = &chain->now;
	*change = (struct change){0};
	if (now->kind == RECORD_VALUE) {
		change->changes = chain->generation > 0;
		change->kind = RECORD_VALUE;
		change->value = now->value;
		change->expires_ms = now->expires_ms;
	} else if (chain->base.kind == RECORD_VALUE) {
		change_expire(change);
		change->is_expiry = chain->is_expiry;
	}
}

static void settle_version(const struct chain *chain, struct ballot at, struct op_result *result)
{
	if (!change_is_unwritten(result->version))
		return;
	/* Values have ballots of members; this one is below `at`, and of none. */
	bool is_replaced = !ballot_equal(result->version, unwritten(chain->generation - 1));
	result->version =
	    is_replaced ? ballot_make(at.version, ballot_counter(at) - 1, BALLOT_MEMBER_TOP) : at;
}

void chain_written(const struct chain *chain, struct series *series, struct op_result *whole,
		   struct ballot at)
{
	settle_version(chain, at, whole);
	for (size_t i = 0; i < series->count; i++)
		settle_version(chain, at, &series->results[i]);
}

void series_apply(struct series *series, const struct record *base, struct change *change,
		  struct op_result *whole)
{
	struct chain chain;
	arena_fini(&series->derived);
	chain_begin(&chain, base);
	chain_apply(&chain, series, whole);
	chain_end(&chain, change);
}

void series_written(struct series *series, const struct op_result *whole)
{
	for (size_t i = 0; i < series->count; i++) {
		if (change_is_unwritten(series->results[i].version))
			series->results[i].version = whole->version;
	}
}
