/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

/* True time at the begin of a run: wall clocks are around it. */
#define TRUE_BEGIN_MS 1000000ull

/* ---- What hosts are given ----------------------------------------------------------- */

void cluster_fail(struct cluster *c, int key, const char *what)
{
	if (what == NULL || c->failure != NULL)
		return;
	c->failure = what;
	c->failed_key = key;
	TRACE(c, "FAILURE: %s", what);
}

uint32_t cluster_round_us(const struct cluster *c)
{
	const struct options *o = &c->options;
	uint32_t enough_us = 6 * o->delay_us + 12 * o->fsync_us + 1000;
	return c->is_healing && enough_us > o->round_us ? enough_us : o->round_us;
}

uint32_t cluster_deadline_us(const struct cluster *c)
{
	return c->is_healing ? 16 * cluster_round_us(c) : c->options.deadline_us;
}

uint64_t cluster_hash_seed(const struct cluster *c)
{
	return c->hash_seed;
}

uint64_t cluster_true_ms(const struct cluster *c)
{
	return TRUE_BEGIN_MS + c->now_us / 1000;
}

int64_t cluster_clock_ms(struct host *h)
{
	struct history *history = &h->cluster->history;
	int64_t since_us = (int64_t)(h->cluster->now_us - h->clock_set_us);
	int64_t ahead_ms = h->clock_ms + since_us * h->clock_drift / 1000000;
	if (ahead_ms < history->least_ms)
		history->least_ms = ahead_ms;
	if (ahead_ms > history->most_ms)
		history->most_ms = ahead_ms;
	return ahead_ms;
}

void cluster_wants_map(struct cluster *c, struct host *h, uint16_t from)
{
	uint64_t epoch = atomic_load(&c->hosts[from].node.epoch);
	if (!c->hosts[from].is_up || h->wanted_epoch >= epoch)
		return;
	h->wanted_epoch = epoch;
	uint64_t delay_us =
	    c->is_scripted ? 0 : 1 + random_below(&c->random, 4 * c->options.delay_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_MAP,
					       .host = h->number,
					       .incarnation = h->incarnation,
					       .detail = (uint32_t)epoch});
}

int cluster_key_of(const struct cluster *c, struct bytes key)
{
	for (unsigned i = 0; i < c->options.keys; i++) {
		if (bytes_equal(c->keys[i].key, key))
			return (int)i;
	}
	return -1;
}

struct maps_block *cluster_block_of(struct cluster *c, unsigned key)
{
	struct maps_block *block = maps_find(&c->maps, c->keys[key].block);
	DHT_ASSERT(block != NULL);
	return block;
}

/* ---- Lineage ------------------------------------------------------------------------- */

static const struct quorum *quorum_of(struct cluster *c, unsigned key, uint32_t version)
{
	return &maps_at(cluster_block_of(c, key), version)->replicas;
}

void cluster_proposed(struct cluster *c, const struct host *h, const struct message *m)
{
	int key = cluster_key_of(c, m->key);
	(void)h;
	if (key < 0)
		return;
	struct paxos_record record = m->record;
	record.acc = m->b;
	cluster_fail(c, key,
		     lineage_propose(&c->lineage, (unsigned)key, &record,
				     quorum_of(c, (unsigned)key, m->version)));
}

void cluster_stored(struct cluster *c, struct host *h, const struct record *record,
		    struct ballot replaced, uint64_t end)
{
	int key = cluster_key_of(c, record->key);
	h->appended++;
	trace_stored(c, h->number, record);
	if (key < 0 || record->copy)
		return;
	/* A replica that is alone writes below what a lost adoption has left behind. */
	if (ballot_compare(replaced, record->acc) > 0)
		lineage_forget(&c->lineage, (unsigned)key, replaced, h->number);
	struct paxos_record as_paxos = {
	    .acc = record->acc,
	    .ver = record->ver,
	    .pver = record->pver,
	    .is_tombstone = record->kind == RECORD_TOMBSTONE,
	};
	/* A coordinator asks its own seat first, or no other. */
	if (ballot_member(record->acc) == h->number)
		cluster_fail(c, key,
			     lineage_propose(&c->lineage, (unsigned)key, &as_paxos,
					     quorum_of(c, (unsigned)key, record->acc.version)));
	cluster_fail(c, key, lineage_accept(&c->lineage, (unsigned)key, record->acc, h->number));
	DHT_ASSERT(h->vote_count < HOST_VOTES_MAX);
	h->votes[h->vote_count++] =
	    (struct host_vote){.key = (uint8_t)key, .acc = record->acc, .end = end};
}

void cluster_votes_lost(struct cluster *c, struct host *h)
{
	for (unsigned i = 0; i < h->vote_count; i++)
		lineage_forget(&c->lineage, h->votes[i].key, h->votes[i].acc, h->number);
	h->vote_count = 0;
}

/* Some of what was not durable has survived all the same. */
void cluster_votes_found(struct cluster *c, struct host *h)
{
	for (unsigned key = 0; key < c->options.keys; key++) {
		struct store_hit hit;
		if (store_find(h->store, &c->keys[key], NULL, &hit) != STORE_FOUND ||
		    hit.record.copy)
			continue;
		struct ballot acc = hit.record.acc;
		cluster_fail(c, (int)key, lineage_accept(&c->lineage, key, acc, h->number));
		cluster_fail(c, (int)key, lineage_ack(&c->lineage, key, acc, h->number));
	}
}

void cluster_acknowledge(struct cluster *c, struct host *h)
{
	uint64_t mark = host_mark(h);
	unsigned left = 0;
	for (unsigned i = 0; i < h->vote_count; i++) {
		struct host_vote vote = h->votes[i];
		if (vote.end > mark)
			h->votes[left++] = vote;
		else
			cluster_fail(c, vote.key,
				     lineage_ack(&c->lineage, vote.key, vote.acc, h->number));
	}
	h->vote_count = left;
}

/* ---- Events ------------------------------------------------------------------------- */

void cluster_script_timer(struct cluster *c, struct host *h, const struct node_timer *timer)
{
	if (c->timer_count == CLUSTER_TIMERS_MAX) {
		c->timer_count--;
		memmove(c->timers, c->timers + 1, c->timer_count * sizeof(c->timers[0]));
	}
	c->timers[c->timer_count++] = (struct script_timer){.host = h->number, .timer = *timer};
}

void cluster_start_host(struct cluster *c, struct host *h)
{
	TRACE(c, "host %u starts", h->number);
	host_start(h);
}

static void deliver(struct cluster *c, struct host *h, struct parcel *parcel)
{
	if (network_is_stale(&c->network, parcel))
		parcel_destroy(parcel);
	else
		host_message(h, parcel);
}

/* Events of a host in an incarnation. */
static void host_event(struct host *h, const struct event *event)
{
	switch ((enum event_kind)event->kind) {
	case EVENT_PEER_LOST:
		host_peer_lost(h, event->detail);
		break;
	case EVENT_NOT_SENT:
		host_not_sent(h, &event->timer);
		break;
	case EVENT_TIMER:
		host_timer(h, &event->timer);
		break;
	case EVENT_WRITE:
		host_write(h);
		break;
	case EVENT_SYNC:
		host_sync(h);
		break;
	case EVENT_FETCHED:
		host_fetched(h, event->work);
		break;
	case EVENT_MAP:
		host_map(h, event->detail);
		break;
	case EVENT_ADOPT:
		host_adopt(h);
		break;
	case EVENT_HOUSEKEEP:
		host_housekeep(h);
		break;
	case EVENT_MESSAGE:
	case EVENT_START:
	case EVENT_CLIENT:
	case EVENT_IMPATIENCE:
	case EVENT_BACKGROUND:
		DHT_UNREACHABLE();
	}
}

static void happen(struct cluster *c, const struct event *event)
{
	struct host *h = &c->hosts[event->host];
	c->count.events++;
	switch ((enum event_kind)event->kind) {
	case EVENT_MESSAGE:
		deliver(c, h, event->parcel);
		break;
	case EVENT_START:
		if (!h->is_up && !h->is_lost && h->incarnation == event->incarnation)
			cluster_start_host(c, h);
		break;
	case EVENT_CLIENT:
	case EVENT_IMPATIENCE:
		clients_event(c, event);
		break;
	case EVENT_BACKGROUND:
		background_event(c, event->detail);
		break;
	case EVENT_PEER_LOST:
	case EVENT_NOT_SENT:
	case EVENT_TIMER:
	case EVENT_WRITE:
	case EVENT_SYNC:
	case EVENT_FETCHED:
	case EVENT_MAP:
	case EVENT_ADOPT:
	case EVENT_HOUSEKEEP:
		if (h->is_up && h->incarnation == event->incarnation)
			host_event(h, event);
		break;
	}
}

void cluster_run_until(struct cluster *c, uint64_t until_us)
{
	struct event event;
	while (c->failure == NULL && c->events.count > 0 && c->events.heap[0].at_us <= until_us &&
	       events_pop(&c->events, &event)) {
		c->now_us = event.at_us;
		happen(c, &event);
	}
	if (c->failure == NULL)
		c->now_us = until_us;
}

/* ---- A run -------------------------------------------------------------------------- */

static void reset(struct cluster *c, uint64_t seed, FILE *trace)
{
	c->seed = seed;
	c->now_us = 0;
	c->step = 0;
	c->trace = trace;
	c->failure = NULL;
	c->failed_key = -1;
	c->is_scripted = c->is_healing = false;
	c->slow_disks = 0;
	c->timer_count = 0;
	c->requests = 0;
	c->arguments = 0;
	list_init(&c->pending);
	value_forget(0);
	memset(c->clients, 0, sizeof(c->clients));
	memset(c->seen_value, 0, sizeof(c->seen_value));
	memset(c->seen_version, 0, sizeof(c->seen_version));
	memset(&c->count, 0, sizeof(c->count));
	memset(c->sent, 0, sizeof(c->sent));
	random_init(&c->random, seed);
	events_init(&c->events);
	network_init(&c->network);
	history_init(&c->history);
}

/* Keys with the tag of one of two blocks. */
static void name_keys(struct cluster *c, uint32_t blocks[SIM_USED])
{
	static const char tags[SIM_USED] = {'a', 'b'};
	c->hash_seed = c->is_scripted ? 1 : random_next(&c->random);
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		char tag = tags[c->options.has_one_block ? 0 : key % SIM_USED];
		snprintf(c->key_names[key], sizeof(c->key_names[key]), "{%c}%u", tag, key);
		c->keys[key] =
		    node_locate(bytes_of_text(c->key_names[key]), c->hash_seed, SIM_BLOCKS);
	}
	for (unsigned i = 0; i < SIM_USED; i++) {
		char name[] = "{x}";
		name[1] = tags[i];
		blocks[i] = node_locate(bytes_of_text(name), c->hash_seed, SIM_BLOCKS).block;
	}
	DHT_ASSERT(blocks[0] != blocks[1]);
}

static void make_hosts(struct cluster *c, uint16_t replicas, unsigned members)
{
	uint32_t blocks[SIM_USED];
	name_keys(c, blocks);
	maps_init(&c->maps, blocks, replicas);
	lineage_init(&c->lineage, (replicas & (replicas - 1)) == 0);
	c->members = (uint8_t)members;
	c->usable = (uint16_t)((1u << members) - 1);
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		host_init(&c->hosts[i], c, (uint8_t)i);
	for (unsigned i = 0; i < members; i++) {
		host_start(&c->hosts[i]);
		if ((replicas >> i & 1) != 0)
			host_load_ballast(&c->hosts[i]);
	}
}

void cluster_end(struct cluster *c)
{
	FILE *trace = c->trace;
	c->trace = NULL;
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		host_fini(&c->hosts[i]);
	network_fini(&c->network);
	maps_fini(&c->maps);
	c->trace = trace;
}

const char *cluster_verdict(struct cluster *c)
{
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++) {
		switch (history_check(&c->history, key)) {
		case VERDICT_LINEARIZABLE:
			break;
		case VERDICT_TOO_LARGE:
			c->count.too_large++;
			break;
		case VERDICT_NOT_LINEARIZABLE:
			cluster_fail(c, (int)key, "the history of a key is not linearizable");
		}
	}
	return c->failure;
}

const char *cluster_run(struct cluster *c, uint64_t seed, FILE *trace)
{
	reset(c, seed, trace);
	options_draw(&c->options, &c->random);
	make_hosts(c, (uint16_t)((1u << c->options.replicas) - 1), c->options.members);
	clients_begin(c);
	background_begin(c);
	cluster_run_until(c, c->options.duration_us);
	if (c->failure == NULL)
		settle(c);
	c->count.operations = c->history.count;
	(void)cluster_verdict(c);
	cluster_end(c);
	return c->failure;
}

void cluster_script(struct cluster *c, uint16_t replicas, FILE *trace)
{
	reset(c, 1, trace);
	c->options = (struct options){
	    .replicas = (uint8_t)__builtin_popcount(replicas),
	    .keys = 1,
	    .members = SIM_HOSTS,
	    .round_us = 10,
	    .back_off_us = 10,
	    .deadline_us = 1u << 23,
	    .ceiling_ahead = 1000,
	};
	c->is_scripted = true;
	make_hosts(c, replicas, SIM_HOSTS);
}
