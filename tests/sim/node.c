/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include "base/error.h"
#include "cluster.h"

const struct map *node_map(const struct node *n)
{
	return chain_map(&n->cluster->chain, n->block.version);
}

bool node_is_replica(const struct node *n)
{
	return map_has(node_map(n), n->number);
}

uint64_t node_tag(struct node *n)
{
	return n->disk.image.starts << 40 | (uint64_t)n->number << 32 | ++n->tags;
}

bool node_is_late(const struct node *n, uint64_t bound_us)
{
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		const struct coordinator *co = &n->coordinators[key];
		if (co->state != COORDINATOR_IDLE && co->begun_us + bound_us < n->cluster->now_us)
			return true;
	}
	return false;
}

/* ---- What is durable ---------------------------------------------------------------- */

static void ask_for_sync(struct node *n)
{
	if (n->is_syncing || n->disk.appended == n->disk.durable)
		return;
	n->is_syncing = true;
	n->syncing = n->disk.appended;
	cluster_sync(n->cluster, n);
}

void node_append(struct node *n, const struct disk_append *append, uint64_t *position)
{
	*position = disk_append(&n->disk, append);
	ask_for_sync(n);
}

void node_store(struct node *n, unsigned key)
{
	struct disk_append append = {
	    .kind = DISK_RECORD, .key = (uint8_t)key, .record = n->keys[key].record};
	node_append(n, &append, &n->key_position[key]);
}

static uint64_t max_position(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t node_rests_on(const struct node *n, unsigned key)
{
	return max_position(n->key_position[key], n->map_position);
}

static void send_message(struct node *n, uint16_t index)
{
	struct cluster *c = n->cluster;
	const struct message *m = &c->network.messages[index];
	trace_message(c, "send", m);
	if (m->type == MESSAGE_OK && m->is_ok)
		cluster_fail(c, m->key, lineage_ack(&c->lineage, m->key, m->b, n->number));
	network_send(c, index);
}

void node_send(struct node *n, struct message *m, uint64_t position)
{
	struct network *w = &n->cluster->network;
	m->from = n->number;
	position = max_position(position, n->ceiling_position);
	bool is_durable = position <= n->disk.durable;
	if (!is_durable && n->out_count == NODE_OUTBOX_MAX)
		return;
	uint16_t index = network_keep(w, m);
	if (index == MESSAGES_MAX)
		return;
	if (is_durable) {
		send_message(n, index);
		return;
	}
	uint32_t slot = (n->out_first + n->out_count++) % NODE_OUTBOX_MAX;
	n->outbox[slot].message = index;
	n->outbox[slot].position = position;
}

void node_send_to(struct node *n, struct message *m, uint16_t seats, uint64_t position)
{
	for (; seats != 0; seats &= (uint16_t)(seats - 1)) {
		m->to = (uint8_t)__builtin_ctz(seats);
		node_send(n, m, position);
	}
}

/* Sends what rests on nothing that is not durable, and keeps the rest in its order. */
static void send_durable(struct node *n)
{
	uint32_t count = n->out_count;
	n->out_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t from = (n->out_first + i) % NODE_OUTBOX_MAX;
		if (n->outbox[from].position <= n->disk.durable) {
			send_message(n, n->outbox[from].message);
			continue;
		}
		uint32_t to = (n->out_first + n->out_count++) % NODE_OUTBOX_MAX;
		n->outbox[to] = n->outbox[from];
	}
}

void node_synced(struct node *n)
{
	n->is_syncing = false;
	disk_sync(&n->disk, n->syncing);
	counter_ceiling_durable(&n->counter, n->disk.image.ceiling);
	if (n->disk.image.fin == n->block.version + 1 && n->disk.image.version == n->block.version)
		chain_report(&n->cluster->chain, n->number, n->block.version);
	send_durable(n);
	coordinator_ceiling_is_higher(n);
	ask_for_sync(n);
}

/* ---- The counter -------------------------------------------------------------------- */

static uint64_t wanted_ceiling(const struct node *n)
{
	uint32_t ahead = n->cluster->options.ceiling_ahead;
	if (ahead == 0)
		return counter_wants_ceiling(&n->counter, 0);
	uint64_t value = counter_value(&n->counter);
	return value + ahead / 2 < atomic_load(&n->counter.appended) ? 0 : value + ahead;
}

static void keep_ceiling_ahead(struct node *n)
{
	uint64_t wanted = wanted_ceiling(n);
	if (wanted == 0)
		return;
	uint64_t position;
	struct disk_append append = {.kind = DISK_CEILING, .number = wanted};
	node_append(n, &append, &position);
	counter_ceiling_appended(&n->counter, wanted);
	/* Only what is at or above the durable one has to wait for it. */
	if (counter_value(&n->counter) + 1 >= atomic_load(&n->counter.ceiling))
		n->ceiling_position = position;
}

void node_see(struct node *n, struct ballot b)
{
	if (counter_raise(&n->counter, b) == DHT_EAGAIN)
		n->ceiling_position = n->disk.appended;
	keep_ceiling_ahead(n);
}

/* ---- Life --------------------------------------------------------------------------- */

void node_init(struct node *n, struct cluster *cluster, uint8_t number)
{
	n->cluster = cluster;
	n->number = number;
	n->is_up = n->is_lost = false;
	n->incarnation = 0;
	disk_init(&n->disk);
	n->out_first = n->out_count = 0;
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		n->coordinators[key] = (struct coordinator){0};
		n->erased[key] = n->keys[key].promised = BALLOT_ABSENT;
	}
	n->block = (struct acceptor_block){0};
}

static void restart_keys(struct node *n)
{
	const struct disk_image *image = &n->disk.image;
	for (unsigned key = 0; key < SIM_KEYS; key++) {
		struct ballot promised = n->keys[key].promised;
		bool had_entry = n->keys[key].has_entry;
		n->keys[key] = acceptor_restart_key(&image->records[key]);
		n->key_position[key] = n->disk.durable;
		n->promised_us[key] = n->cluster->now_us;
		n->collectors[key] = (struct collector){0};
		if (PAXOS_BROKEN(COUNTER_LOWER) && image->starts > 1 && had_entry) {
			n->keys[key].has_entry = true;
			n->keys[key].promised = ballot_max(n->keys[key].promised, promised);
		}
	}
}

/* What was promised before is not known any more: low stands for it. */
static void restart_block(struct node *n)
{
	const struct disk_image *image = &n->disk.image;
	struct acceptor_block before = n->block;
	n->block = (struct acceptor_block){.version = image->version};
	n->block.start = PAXOS_BROKEN(NO_VERSION) ? 0 : node_map(n)->start;
	n->since = image->since;
	if (image->starts == 1)
		return;
	uint32_t version = PAXOS_BROKEN(NO_VERSION) ? 0 : image->version;
	n->block.low = acceptor_restart_low(version, image->ceiling);
	if (PAXOS_BROKEN(COUNTER_LOWER)) {
		n->block.low = before.low;
		n->block.floor = before.floor;
	}
}

static void restart_counter(struct node *n)
{
	uint64_t ceiling = n->disk.image.ceiling;
	if (PAXOS_BROKEN(COUNTER_LOWER) && n->disk.image.starts > 1)
		ceiling = random_below(&n->cluster->random, (uint32_t)ceiling + 1);
	counter_init(&n->counter, ceiling, n->number);
}

void node_start(struct node *n)
{
	DHT_ASSERT(!n->is_up && !n->is_lost);
	n->is_up = true;
	n->is_syncing = false;
	n->disk.image.starts++; /* durable before anything is sent */
	n->tags = 0;
	n->map_position = n->ceiling_position = n->disk.durable;
	restart_counter(n);
	restart_keys(n);
	restart_block(n);
	n->puller = (struct puller){0};
	n->puller.is_fin = n->disk.image.fin == n->block.version + 1;
	keep_ceiling_ahead(n);
}

static void go_down(struct node *n)
{
	struct network *w = &n->cluster->network;
	n->is_up = false;
	n->incarnation++;
	for (uint32_t i = 0; i < n->out_count; i++)
		network_free(w, n->outbox[(n->out_first + i) % NODE_OUTBOX_MAX].message);
	n->out_count = 0;
	coordinator_crash(n);
}

void node_crash(struct node *n)
{
	struct cluster *c = n->cluster;
	uint32_t unsynced = (uint32_t)(n->disk.appended - n->disk.durable);
	go_down(n);
	disk_crash(&n->disk, c->is_scripted ? 0 : random_below(&c->random, unsynced + 1));
	if (PAXOS_BROKEN(DISK_SAME_IDENTITY) && random_chance(&c->random, 300))
		memset(n->disk.image.records, 0, sizeof(n->disk.image.records));
}

void node_stop(struct node *n)
{
	disk_sync(&n->disk, n->disk.appended);
	n->disk.image.ceiling = counter_value(&n->counter);
	go_down(n);
}

/* ---- Maps --------------------------------------------------------------------------- */

void node_adopt(struct node *n, uint32_t version)
{
	struct cluster *c = n->cluster;
	if (!n->is_up || version <= n->block.version || !disk_has_room(&n->disk))
		return;
	const struct map *map = chain_map(&c->chain, version);
	bool is_replica = map_has(map, n->number);
	bool drops = !is_replica || map->since[n->number] != n->since;
	drops = drops && !PAXOS_BROKEN(REJOIN_KEEPS);
	TRACE(c, "node %u adopts version %u%s", n->number, version, drops ? ", drops all" : "");
	n->block.version = version;
	n->block.start = PAXOS_BROKEN(NO_VERSION) ? 0 : map->start;
	n->since = map->since[n->number];
	struct disk_append append = {
	    .kind = DISK_MAP, .version = version, .since = n->since, .drops = drops};
	node_append(n, &append, &n->map_position);
	for (unsigned key = 0; key < SIM_KEYS; key++)
		n->keys[key].hot = false;
	if (drops)
		replica_drop_all(n);
	upkeep_move(n);
	coordinator_move(n);
}

/* ---- Messages ----------------------------------------------------------------------- */

static void see_ballots(struct node *n, const struct message *m)
{
	struct ballot highest = ballot_max(ballot_max(m->b, m->next), m->bound);
	highest = ballot_max(highest, m->record.acc);
	/* Counters are what is compared here, whatever the versions. */
	struct ballot seen[] = {m->b, m->next, m->bound, m->record.acc};
	for (unsigned i = 0; i < DHT_ARRAY_LEN(seen); i++) {
		if (ballot_counter(seen[i]) > ballot_counter(highest))
			highest = seen[i];
	}
	if (!ballot_is_absent(highest))
		node_see(n, highest);
}

static void answer_stale(struct node *n, const struct message *m)
{
	struct message stale = {.type = MESSAGE_STALE, .to = m->from, .version = n->block.version};
	if (!message_is_told(m->type))
		node_send(n, &stale, n->map_position);
}

static bool is_unfenced(const struct message *m)
{
	return PAXOS_BROKEN(SYNC_UNFENCED) && m->type == MESSAGE_PULL;
}

void node_handle(struct node *n, const struct message *m)
{
	if (!n->is_up || !disk_has_room(&n->disk))
		return;
	trace_message(n->cluster, "recv", m);
	if (m->type == MESSAGE_STALE) {
		node_adopt(n, m->version);
		return;
	}
	if (m->version > n->block.version && !is_unfenced(m))
		node_adopt(n, m->version);
	if (m->version < n->block.version && !PAXOS_BROKEN(OLD_VERSIONS)) {
		answer_stale(n, m);
		return;
	}
	if (!node_is_replica(n) && !is_unfenced(m))
		return;
	see_ballots(n, m);
	switch (m->type) {
	case MESSAGE_PREPARE:
	case MESSAGE_ACCEPT:
	case MESSAGE_READ:
	case MESSAGE_LEARN:
	case MESSAGE_HOLDS:
	case MESSAGE_ERASE:
	case MESSAGE_PULL:
		replica_handle(n, m);
		break;
	case MESSAGE_PROMISE:
	case MESSAGE_OK:
	case MESSAGE_VALUE:
		coordinator_handle(n, m);
		break;
	case MESSAGE_HELD:
	case MESSAGE_CHUNK:
		upkeep_handle(n, m);
		break;
	case MESSAGE_STALE:
	case MESSAGE_TYPE_COUNT:
		DHT_UNREACHABLE();
	}
}

bool node_submit(struct node *n, unsigned key, const struct operation *op)
{
	if (!n->is_up || !node_is_replica(n) || !disk_has_room(&n->disk) ||
	    n->coordinators[key].queued == NODE_QUEUE_MAX)
		return false;
	coordinator_submit(n, key, op);
	return true;
}
