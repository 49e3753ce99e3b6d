/* SPDX-License-Identifier: Apache-2.0
 *
 * What a host's committer and housekeeper do, each as events with the delays of a disk.
 */
#include "base/error.h"
#include "cluster.h"
#include "upkeep.h"

enum { COMMITTER = 1, HOUSEKEEPER = 2, LITTERER = 3, COMPACT_BYTES = 4096 };

uint64_t host_mark(const struct host *h)
{
	return h->cluster->options.is_lazy ? store_written(h->store) : store_durable(h->store);
}

static void fail_disk(struct host *h, int rc)
{
	if (rc != 0 && rc != DHT_ENOMEM && rc != DHT_ENOSPC)
		cluster_fail(h->cluster, -1, dht_error_text(rc));
}

static void push(struct host *h, enum event_kind kind, uint64_t delay_us)
{
	events_push(&h->cluster->events, (struct event){.at_us = h->cluster->now_us + delay_us,
							.kind = (uint8_t)kind,
							.host = h->number,
							.incarnation = h->incarnation});
}

static uint64_t wanted_ceiling(const struct host *h)
{
	const struct counter *counter = &h->node.counter;
	uint32_t ahead = h->cluster->options.ceiling_ahead;
	if (ahead == 0)
		return counter_wants_ceiling(counter, 0);
	uint64_t value = counter_value(counter);
	return value + ahead / 2 < atomic_load(&counter->appended) ? 0 : value + ahead;
}

void host_after(struct host *h)
{
	host_flush(h);
	if (h->resumes_map) {
		h->resumes_map = false;
		host_resume(h, NODE_WAITS_FOR_MAP);
	}
	if (wanted_ceiling(h) != 0)
		h->wants_commit = true;
	if (!h->wants_commit || h->is_committing)
		return;
	h->is_committing = true;
	h->wants_commit = false;
	if (!h->cluster->is_scripted)
		push(h, EVENT_WRITE, 1 + random_below(&h->cluster->random, 50));
	else if ((h->cluster->slow_disks >> h->number & 1) == 0)
		push(h, EVENT_WRITE, 0);
}

static void append_ceiling(struct host *h)
{
	uint64_t wanted = wanted_ceiling(h), end;
	if (wanted == 0 || h->ceiling != 0)
		return;
	if (store_put_ceiling(h->store, COMMITTER, wanted, &end) != 0)
		return;
	counter_ceiling_appended(&h->node.counter, wanted);
	h->ceiling = wanted;
	h->ceiling_end = end;
}

static void note_ceiling(struct host *h)
{
	if (h->ceiling == 0 || h->ceiling_end > host_mark(h))
		return;
	counter_ceiling_durable(&h->node.counter, h->ceiling);
	h->ceiling = 0;
}

void host_write(struct host *h)
{
	struct cluster *c = h->cluster;
	append_ceiling(h);
	fail_disk(h, store_write(h->store));
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.fsync_us);
	if (!c->is_healing && random_chance(&c->random, c->options.slow_fsync))
		delay_us *= 30;
	if (c->options.is_lazy) {
		note_ceiling(h);
		host_flush(h);
	}
	push(h, EVENT_SYNC, c->is_scripted ? 0 : delay_us);
}

static void prepare_later(struct host *h)
{
	if (h->is_preparing || !store_wants_segment(h->store))
		return;
	h->is_preparing = true;
	push(h, EVENT_HOUSEKEEP,
	     h->cluster->is_scripted ? 0 : 1 + random_below(&h->cluster->random, 500));
}

void host_sync(struct host *h)
{
	fail_disk(h, store_sync(h->store));
	note_ceiling(h);
	if (store_wants_turn(h->store))
		fail_disk(h, store_turn(h->store));
	h->is_committing = false;
	prepare_later(h);
	upkeep_report(h);
	host_flush(h);
	host_resume(h, NODE_WAITS_FOR_COMMIT);
	host_after(h);
}

/* ---- Housekeeping ------------------------------------------------------------------- */

static void lock(void *ctx, uint32_t block)
{
	(void)ctx, (void)block;
}

static void compact(struct host *h)
{
	static const struct store_caller caller = {.lock = lock, .unlock = lock};
	size_t done;
	uint64_t now_ms = cluster_true_ms(h->cluster);
	int rc = 0;
	if (!store_is_compacting(h->store))
		rc = store_compact_begin(h->store, now_ms);
	if (rc == 0) {
		rc = store_compact(h->store, HOUSEKEEPER, &caller, COMPACT_BYTES, &done);
		h->cluster->count.compactions++;
	}
	if (rc != DHT_ENOTFOUND && rc != DHT_EAGAIN)
		fail_disk(h, rc);
}

void host_housekeep(struct host *h)
{
	struct cluster *c = h->cluster;
	struct store_report report;
	bool changed;
	h->is_preparing = false;
	h->wants_commit = true;
	if (store_wants_segment(h->store)) {
		int rc = store_prepare(h->store);
		fail_disk(h, rc);
		if (rc == DHT_ENOSPC && !c->is_scripted) {
			h->is_preparing = true;
			push(h, EVENT_HOUSEKEEP, 1000 + random_below(&c->random, 5000));
		}
	}
	if (random_chance(&c->random, 500) && store_wants_background(h->store))
		fail_disk(h, store_background(h->store, &report));
	if (random_chance(&c->random, 500))
		fail_disk(h, store_balance(h->store, &changed));
	if (c->options.compacts && random_chance(&c->random, 700))
		compact(h);
	host_after(h);
}

/* A name that outlives the key. */
static struct store_key ballast_key(const struct cluster *c, unsigned i, char name[16])
{
	snprintf(name, 16, "{a}-%u", i);
	return node_locate(bytes_of_text(name), cluster_hash_seed(c), SIM_BLOCKS);
}

void host_load_ballast(struct host *h)
{
	const struct cluster *c = h->cluster;
	struct ballot acc = ballot_make(0, 1, 0);
	for (unsigned i = 0; i < c->options.ballast; i++) {
		char name[16];
		struct store_key key = ballast_key(c, i, name);
		struct store_hit hit;
		uint64_t end;
		enum store_found found = store_find(h->store, &key, NULL, &hit);
		DHT_ASSERT(found == STORE_ABSENT);
		struct record record = {
		    .kind = RECORD_VALUE, .acc = acc, .ver = acc, .key = key.key, .value = key.key};
		int rc = store_put(h->store, LITTERER, &key, &hit, &record, &end);
		DHT_ASSERT(rc == 0);
	}
	int rc = counter_raise(&h->node.counter, acc);
	DHT_ASSERT(rc == 0);
	rc = store_commit(h->store, STORE_SYNC);
	DHT_ASSERT(rc == 0);
}

bool host_has_ballast(const struct host *h)
{
	for (unsigned i = 0; i < h->cluster->options.ballast; i++) {
		char name[16];
		struct store_key key = ballast_key(h->cluster, i, name);
		struct store_hit hit;
		if (store_find(h->store, &key, NULL, &hit) == STORE_ABSENT)
			return false;
	}
	return true;
}

void host_litter(struct host *h)
{
	enum { LEAST = 30000, MOST = 400000 };
	static const uint8_t litter[MOST];
	struct cluster *c = h->cluster;
	struct store_key key =
	    node_locate(bytes_of_text("{litter}"), cluster_hash_seed(c), SIM_BLOCKS);
	struct store_hit hit;
	uint64_t end;
	if (maps_find(&c->maps, key.block) != NULL ||
	    store_find(h->store, &key, NULL, &hit) == STORE_COLD)
		return;
	struct ballot acc = ballot_make(0, 1 + h->littered++, h->number);
	struct record record = {
	    .kind = RECORD_VALUE,
	    .acc = acc,
	    .ver = acc,
	    .key = key.key,
	    .value = bytes_of(litter, random_between(&c->random, LEAST, MOST)),
	};
	int rc = store_put(h->store, LITTERER, &key, &hit, &record, &end);
	c->count.littered += rc == 0;
	h->wants_commit = true;
	host_after(h);
}
