/* SPDX-License-Identifier: Apache-2.0 */
#include "node/local.h"

#include "base/error.h"
#include "node/adopt.h"

/* What a round starts from when no record is there (the register protocol, section
 * 3, PREPARE round): a tombstone whose history may have been erased up to that bound. */
static struct record absent_base(const struct node_block *block)
{
	const struct acceptor_block *acceptor = &block->acceptor;
	/* Before its first change nobody else has ever written in a block, and pver has none
	 * to tell apart. */
	struct ballot bound =
	    acceptor->version == 0 ? acceptor->floor : acceptor_absent_bound(acceptor);
	return (struct record){.kind = RECORD_TOMBSTONE, .ver = bound, .pver = bound};
}

/* Erases the record that hit describes. The floor covers what was promised; the key, which may lie
 * in the record, is needed until the promise is forgotten. */
static int erase_record(struct node *node, unsigned appender, const struct store_key *key,
			struct store_hit *hit, uint64_t *end)
{
	struct node_block *block = &node->blocks[key->block];
	struct ballot *floor = &block->acceptor.floor;
	struct ballot held =
	    ballot_max(hit->record.acc, promises_find(&block->promises, key->key, key->hash));
	uint64_t location = block->promises.count > 0 ? hit->location : 0;
	if (location != 0)
		store_pin(node->store, location);
	int rc = store_erase(node->store, appender, key, hit, end);
	if (rc == 0) {
		*floor = ballot_max(*floor, ballot_top(held));
		promises_remove(&block->promises, key->key, key->hash);
	}
	if (location != 0)
		store_unpin(node->store, location);
	return rc;
}

/* A tombstone that all replicas hold as a vote is erased (section 4). There is one
 * replica, and it holds it: hit describes it. Where there is no room for the erasure the
 * tombstone stays until the key is met again.
 * While a map is adopted it stays, too: that the replica is alone may be what this map says. A
 * record has the version in its ballot; of an erasure that outlives the map in a crash nothing
 * would tell that it is not of the version before, where the vote that it took is still needed. */
static void erase_tombstone(struct node *node, unsigned appender, const struct store_key *key,
			    struct store_hit *hit, uint64_t *end)
{
	DHT_ASSERT(hit->location != 0 && hit->record.kind == RECORD_TOMBSTONE);
	if (node_is_adopting(node))
		return;
	int rc = erase_record(node, appender, key, hit, end);
	(void)rc;
}

/* Writes a change of the key's latest record, which has base_ver, at a new ballot; a
 * tombstone is erased at once, if it may be. The key's bytes may be those of that record. */
static int write_change(struct node *node, unsigned appender, struct store_key key,
			struct store_hit *hit, struct ballot base_ver, const struct change *change,
			struct ballot *drawn, uint64_t *end)
{
	int rc = counter_draw(&node->counter, node->blocks[key.block].acceptor.version, drawn);
	if (rc != 0)
		return rc;
	struct record record = {
	    .kind = change->kind,
	    .acc = *drawn,
	    .ver = *drawn,
	    .pver = base_ver,
	    .expires_ms = change->expires_ms,
	    .key = key.key,
	    .value = change->value,
	};
	rc = store_put(node->store, appender, &key, hit, &record, end);
	if (rc != 0)
		return rc;
	key.key = hit->record.key; /* the record before may be gone */
	if (change->kind == RECORD_TOMBSTONE)
		erase_tombstone(node, appender, &key, hit, end);
	return 0;
}

/* Looks up what is to be changed. False: result says why that cannot be told. */
static bool find_base(struct node *node, const struct store_key *key,
		      const struct store_fetched *fetched, struct store_hit *hit,
		      struct record *base, struct op_result *result)
{
	enum store_found found = store_find(node->store, key, fetched, hit);
	if (found == STORE_COLD || found == STORE_DAMAGED) {
		result->status = found == STORE_COLD ? DHT_EAGAIN : DHT_EDAMAGED;
		result->cold = found == STORE_COLD ? hit->location : 0;
		return false;
	}
	*base = found == STORE_FOUND ? hit->record : absent_base(&node->blocks[key->block]);
	return true;
}

/* That this node decides alone is what the map says. */
static void rest_on_map(const struct node *node, uint64_t *end)
{
	uint64_t map_end = node_map_end(node);
	*end = map_end > *end ? map_end : *end;
}

/* Lets result have its value where it is, before a change makes the record dead that it
 * lies in. */
static void hold_old_value(struct node *node, const struct store_hit *hit, bool changes,
			   struct op_result *result)
{
	if (hit->is_fetched)
		return;
	result->location = hit->location;
	result->is_pinned = changes;
	if (changes)
		store_pin(node->store, hit->location);
}

static void release_value(struct node *node, struct op_result *result)
{
	if (result->is_pinned)
		store_unpin(node->store, result->location);
	result->is_pinned = false;
	result->location = 0;
	result->value = bytes_of(NULL, 0);
}

/* Writes a change, or what else is to be written; where nothing is, says what the result
 * rests on. */
static void finish(struct node *node, unsigned appender, const struct store_key *key,
		   struct store_hit *hit, const struct record *base, const struct change *change,
		   struct op_result *result)
{
	struct ballot drawn;
	if (!change->changes || change->is_expiry)
		result->end = store_rests_on(node->store, key->block, hit);
	if (!change->changes) {
		if (hit->location != 0 && base->kind == RECORD_TOMBSTONE)
			erase_tombstone(node, appender, key, hit, &result->end);
		return;
	}
	int rc = write_change(node, appender, *key, hit, base->ver, change, &drawn, &result->end);
	/* An expired key is absent, whether there is room to write that down or not; then that
	 * rests on the record that has expired. */
	if (change->is_expiry && rc != DHT_EAGAIN)
		return;
	if (rc == 0) {
		change_written(change, drawn, result);
	} else {
		release_value(node, result);
		result->status = rc;
	}
}

void local_run(struct node *node, unsigned appender, const struct op *op, struct op_result *result)
{
	struct store_hit hit;
	struct record base;
	struct change change;
	struct arena arena;
	DHT_ASSERT(node_block_is_alone(&node->blocks[op->key.block]));
	if (!find_base(node, &op->key, op->fetched, &hit, &base, result))
		return;
	arena_init(&arena);
	change_apply(op, &base, &arena, &change, result);
	if (change_shows_old_value(op, result))
		hold_old_value(node, &hit, change.changes, result);
	finish(node, appender, &op->key, &hit, &base, &change, result);
	if (op->kind == OP_INCR_FLOAT && result->status == 0) {
		result->value = hit.record.value;
		result->location = hit.location;
	}
	arena_fini(&arena);
	rest_on_map(node, &result->end);
}

void local_run_series(struct node *node, unsigned appender, struct series *series,
		      struct op_result *whole)
{
	struct store_hit hit;
	struct record base;
	struct change change;
	DHT_ASSERT(node_block_is_alone(&node->blocks[series->key.block]));
	if (!find_base(node, &series->key, series->fetched, &hit, &base, whole))
		return;
	series_apply(series, &base, &change, whole);
	if (whole->existed)
		hold_old_value(node, &hit, change.changes, whole);
	finish(node, appender, &series->key, &hit, &base, &change, whole);
	if (whole->status == 0)
		series_written(series, whole);
	rest_on_map(node, &whole->end);
}

int local_expire(struct node *node, unsigned appender, const struct store_key *key,
		 struct store_hit *hit, uint64_t *end)
{
	struct ballot drawn;
	struct change change;
	DHT_ASSERT(hit->location != 0 && hit->record.kind == RECORD_VALUE);
	if (!node_block_is_local(&node->blocks[key->block]))
		return DHT_ENOSPC;
	change_expire(&change);
	int rc = write_change(node, appender, *key, hit, hit->record.ver, &change, &drawn, end);
	if (rc == 0)
		rest_on_map(node, end);
	return rc;
}

/* ---- The background scan for expired keys ---------------------------------------- */

struct expired_keys {
	uint64_t now_ms;
	unsigned count;
	bool has_more; /* than fit: entries of one hash are visited together */
	bool is_damaged;
	struct bytes keys[LOCAL_EXPIRE_MAX];
};

static void collect_expired(void *ctx, uint32_t block, enum store_found found,
			    const struct store_hit *hit)
{
	struct expired_keys *expired = ctx;
	(void)block;
	if (found == STORE_DAMAGED)
		expired->is_damaged = true;
	/* A cold record goes when it is met, or when its segment is compacted. */
	if (found != STORE_FOUND || !change_is_expired(&hit->record, expired->now_ms))
		return;
	if (expired->count < LOCAL_EXPIRE_MAX)
		expired->keys[expired->count++] = hit->record.key;
	else
		expired->has_more = true;
}

/* The record was found just now. It may have become cold since, and one of another key with
 * the same hash, which the look-up meets first, may be cold anyway: then it stays until it
 * is met. */
static int expire_key(struct node *node, unsigned appender, struct bytes bytes,
		      struct local_expiry *expiry)
{
	struct store_key key = node_key(node, bytes);
	struct store_hit hit;
	enum store_found found = store_find(node->store, &key, NULL, &hit);
	if (found == STORE_COLD)
		return 0;
	if (found == STORE_DAMAGED)
		return DHT_EDAMAGED;
	int rc = local_expire(node, appender, &key, &hit, &expiry->end);
	expiry->expired += rc == 0;
	return rc;
}

int local_expire_block(struct node *node, unsigned appender, uint32_t block, uint64_t now_ms,
		       unsigned max, struct local_expiry *expiry)
{
	struct expired_keys expired = {.now_ms = now_ms};
	uint64_t before = expiry->expired;
	DHT_ASSERT(max > 0 && max <= LOCAL_EXPIRE_MAX);
	uint32_t next = STORE_HASH_END;
	if (store_expiring(node->store, block) > 0 && node_block_is_local(&node->blocks[block]))
		next = store_scan(node->store, block, expiry->hash, max, NULL, collect_expired,
				  &expired);
	if (expired.is_damaged)
		return DHT_EDAMAGED;
	/* The scan must not see its block change, so what it found is removed afterwards. Each
	 * key's bytes lie in its own record, which is there until then. */
	for (unsigned i = 0; i < expired.count; i++) {
		int rc = expire_key(node, appender, expired.keys[i], expiry);
		if (rc != 0)
			return rc;
	}
	/* What is left of these is met again in the next round. */
	if (!expired.has_more || expiry->expired == before)
		expiry->hash = next;
	return 0;
}
