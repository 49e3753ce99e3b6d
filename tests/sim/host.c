/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "base/error.h"
#include "cluster.h"
#include "upkeep.h"

/* ---- Life ---------------------------------------------------------------------------- */

void host_init(struct host *h, struct cluster *c, uint8_t number)
{
	*h = (struct host){.cluster = c, .number = number};
	disk_init(&h->disk);
	list_init(&h->outbox);
	list_init(&h->answers);
	list_init(&h->waiting);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	const struct host *h = ctx;
	*key = node_locate(key->key, cluster_hash_seed(h->cluster), blocks);
}

static int open_store(struct host *h, struct store_report *report)
{
	const struct options *o = &h->cluster->options;
	struct store_options options = {
	    .blocks = SIM_BLOCKS,
	    .segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
	    .is_lazy = o->is_lazy,
	    .memory_bytes = o->memory_bytes,
	    .locate = locate,
	    .ctx = h,
	    .hash_id = cluster_hash_seed(h->cluster),
	    .report = report,
	};
	return store_open(&options, &h->disk.os, &h->store);
}

/* As server/identity.h has it. */
static uint64_t ceiling_of(const struct host *h, const struct store_report *report)
{
	uint64_t ceiling = h->has_stopped_cleanly ? h->last_counter : report->ceiling;
	if (report->highest_counter > ceiling)
		ceiling = report->highest_counter;
	if (PAXOS_BROKEN(COUNTER_LOWER) && h->starts > 1)
		ceiling = random_below(&h->cluster->random, (uint32_t)ceiling + 1);
	return ceiling;
}

/* The first ceiling is durable before anything else is done. */
static void commit_first(struct host *h)
{
	host_after(h);
	host_write(h);
	host_sync(h);
}

/* Without room for one more file the log cannot go on. */
static void start_later(struct host *h)
{
	struct cluster *c = h->cluster;
	events_push(&c->events,
		    (struct event){.at_us = c->now_us + 1 + random_below(&c->random, 5000),
				   .kind = EVENT_START,
				   .host = h->number,
				   .incarnation = h->incarnation});
}

void host_start(struct host *h)
{
	struct cluster *c = h->cluster;
	struct store_report report;
	DHT_ASSERT(!h->is_up && !h->is_lost);
	int rc = open_store(h, &report);
	if (rc == DHT_ENOSPC && h->disk.is_full) {
		start_later(h);
		return;
	}
	if (rc != 0) {
		TRACE(c, "store of %u: %s", h->number, report.why);
		cluster_fail(c, -1, "a store does not recover");
		return;
	}
	h->is_up = true;
	h->starts++;
	uint64_t ceiling = ceiling_of(h, &report);
	h->has_stopped_cleanly = false;
	h->wants_commit = h->is_committing = h->is_preparing = false;
	h->ceiling = h->wanted_epoch = 0;
	h->resumes_map = false;
	rc = node_init(&h->node, h->store, h->number, cluster_hash_seed(c), ceiling,
		       (uint32_t)h->starts);
	DHT_ASSERT(rc == 0);
	h->node.times = (struct node_times){.round_us = cluster_round_us(c),
					    .back_off_us = c->options.back_off_us};
	upkeep_restore(h, h->starts > 1 ? ceiling : 0);
	cluster_votes_found(c, h);
	commit_first(h);
}

static void close_process(struct host *h)
{
	h->is_up = false;
	cluster_votes_lost(h->cluster, h);
	upkeep_end(h);
	host_free_waiting(h);
	node_fini(&h->node);
	cluster_requests_lost(h->cluster, h);
	store_close(h->store);
	h->store = NULL;
	h->incarnation++;
	network_leave(h->cluster, h->number);
}

void host_crash(struct host *h)
{
	struct cluster *c = h->cluster;
	enum disk_loss loss = random_chance(&c->random, 300) ? DISK_DROP : DISK_TEAR;
	if (c->options.is_lazy)
		loss = DISK_KEEP;
	if (c->is_scripted)
		loss = DISK_DROP;
	close_process(h);
	disk_crash(&h->disk, loss, &c->random);
	if (PAXOS_BROKEN(DISK_SAME_IDENTITY) && random_chance(&c->random, 300)) {
		disk_fini(&h->disk);
		disk_init(&h->disk);
	}
}

void host_stop(struct host *h)
{
	int rc = store_commit(h->store, STORE_SYNC);
	if (rc != 0 && rc != DHT_ENOMEM)
		cluster_fail(h->cluster, -1, "a clean stop cannot commit");
	h->has_stopped_cleanly = true;
	h->last_counter = counter_value(&h->node.counter);
	close_process(h);
}

void host_fini(struct host *h)
{
	if (h->is_up)
		close_process(h);
	disk_fini(&h->disk);
}

/* ---- Events -------------------------------------------------------------------------- */

void host_message(struct host *h, struct parcel *parcel)
{
	if (!h->is_up || h->waiting_count >= HOST_WORKS_MAX) {
		parcel_destroy(parcel);
		return;
	}
	trace_message(h->cluster, "recv", &parcel->m, h->number);
	node_set_down(&h->node, parcel->m.from, false);
	struct work *work = host_work_create(WORK_MESSAGE);
	list_remove(&parcel->link);
	work->parcel = parcel;
	bool is_chunk = parcel->m.kind == MESSAGE_CHUNK;
	uint32_t block = parcel->m.block;
	host_work(h, work);
	/* The next range is asked for at once. */
	if (is_chunk && h->is_up)
		host_upkeep(h, UPKEEP_SYNC, block);
}

void host_timer(struct host *h, const struct node_timer *timer)
{
	struct work *work = host_work_create(WORK_TIMER);
	work->timer = *timer;
	host_work(h, work);
}

void host_submit(struct host *h, struct request *request)
{
	struct work *work = host_work_create(WORK_SUBMIT);
	work->request = request;
	host_work(h, work);
}

void host_upkeep(struct host *h, unsigned row, uint32_t block)
{
	struct work *work = host_work_create(WORK_UPKEEP);
	work->upkeep = row;
	work->block = block;
	/* Nobody may wait for what it appends. */
	h->wants_commit = true;
	host_work(h, work);
}

void host_not_sent(struct host *h, const struct node_timer *of)
{
	struct work *work = host_work_create(WORK_NOT_SENT);
	work->timer = *of;
	host_work(h, work);
}

static void work_on_forwards(struct host *h, enum work_kind kind, unsigned peer)
{
	for (unsigned i = 0; i < SIM_USED; i++) {
		struct work *work = host_work_create(kind);
		work->block = h->cluster->maps.blocks[i].number;
		work->peer = (uint16_t)peer;
		host_work(h, work);
	}
}

/* Its heartbeats do not arrive either. */
void host_peer_lost(struct host *h, unsigned peer)
{
	node_set_down(&h->node, (uint16_t)peer, true);
	work_on_forwards(h, WORK_PEER_LOST, peer);
}

void host_peer_slow(struct host *h, unsigned peer, bool is_slow)
{
	node_set_slow(&h->node, (uint16_t)peer, is_slow);
	if (is_slow)
		work_on_forwards(h, WORK_PEER_SLOW, peer);
}

/* ---- What its store takes ------------------------------------------------------------- */

/* The linker puts this in the place of the store's own function, for whoever calls that from
 * outside of the store (ld's --wrap): nothing that a node writes goes unseen. */
int __real_store_put(struct store *store, unsigned appender, const struct store_key *key,
		     struct store_hit *hit, const struct record *rec, uint64_t *end);
int __wrap_store_put(struct store *store, unsigned appender, const struct store_key *key,
		     struct store_hit *hit, const struct record *rec, uint64_t *end);

static struct host *stepping;

void host_set_stepping(struct host *h)
{
	stepping = h;
}

int __wrap_store_put(struct store *store, unsigned appender, const struct store_key *key,
		     struct store_hit *hit, const struct record *rec, uint64_t *end)
{
	struct record record = *rec;
	struct ballot replaced = hit->location != 0 ? hit->record.acc : BALLOT_ABSENT;
	int rc = __real_store_put(store, appender, key, hit, rec, end);
	record.key = hit->record.key;
	if (rc == 0 && stepping != NULL && stepping->store == store)
		cluster_stored(stepping->cluster, stepping, &record, replaced, *end);
	return rc;
}
