/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/admin.h"

#include <stdlib.h>

#include "admin.pb-c.h"
#include "base/error.h"
#include "proto/frame.h"

enum { OUT_MAX = INT32_MAX }; /* the session's own bound is the smaller one */

/* protobuf-c declares its strings and bytes as writable and does not write them. */
#define UNCONST(p) ((void *)(uintptr_t)(p))

static ProtobufCBinaryData binary(struct bytes b)
{
	return (ProtobufCBinaryData){.data = UNCONST(b.data), .len = b.len};
}

static int append(struct buffer *out, uint64_t call_id, bool last,
		  Dhtd__Admin__AdminResponse__ResultCase result, void *message)
{
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	response.call_id = call_id;
	response.last = last;
	response.result_case = result;
	response.status = message; /* a union of pointers */

	size_t len = dhtd__admin__admin_response__get_packed_size(&response);
	DHT_ASSERT(len <= ADMIN_FRAME_MAX);
	int rc = buffer_reserve(out, ADMIN_FRAME_HEADER + len, OUT_MAX);
	if (rc != 0)
		return rc;
	admin_frame_put_header(buffer_tail(out), len);
	dhtd__admin__admin_response__pack(&response, buffer_tail(out) + ADMIN_FRAME_HEADER);
	out->len += ADMIN_FRAME_HEADER + len;
	return 0;
}

#define APPEND(out, call_id, ID, message)                                                          \
	append(out, call_id, true, DHTD__ADMIN__ADMIN_RESPONSE__RESULT_##ID, message)

int wire_admin_error(struct buffer *out, uint64_t call_id, int error, const char *message)
{
	/* A message may quote what the client sent; a protobuf string is UTF-8. */
	char text[WIRE_WHY_MAX];
	size_t len = 0;
	for (; message[len] != '\0' && len < sizeof(text) - 1; len++)
		text[len] = message[len] >= ' ' && message[len] <= '~' ? message[len] : '?';
	text[len] = '\0';
	Dhtd__Admin__Error m = DHTD__ADMIN__ERROR__INIT;
	m.code = (uint32_t)-error;
	m.message = text;
	return APPEND(out, call_id, ERROR, &m);
}

static void fill_quantiles(Dhtd__Admin__Quantiles *m, const struct admin_quantiles *from)
{
	dhtd__admin__quantiles__init(m);
	m->p50 = from->p50;
	m->p99 = from->p99;
	m->max = from->max;
}

/* What the message of the store points to. */
struct store_parts {
	Dhtd__Admin__Quantiles fsync_us;
	Dhtd__Admin__CompactionStatus compaction;
	Dhtd__Admin__RecoveryStatus recovery;
};

static void fill_store(Dhtd__Admin__StoreStatus *m, struct store_parts *parts,
		       const struct admin_store_status *from)
{
	dhtd__admin__store_status__init(m);
	m->fsync = UNCONST(from->fsync);
	m->segments = from->segments;
	m->live_bytes = from->live_bytes;
	m->dead_bytes = from->dead_bytes;
	m->disk_bytes = from->disk_bytes;
	m->index_bytes = from->index_bytes;
	m->mapped_bytes = from->mapped_bytes;
	m->cold_segments = from->cold_segments;
	m->spare_segments = from->spare_segments;
	m->keys = from->keys;
	m->tombstones = from->tombstones;
	fill_quantiles(&parts->fsync_us, &from->fsync_us);
	m->fsync_us = &parts->fsync_us;
	dhtd__admin__compaction_status__init(&parts->compaction);
	parts->compaction.running = from->compaction.running;
	parts->compaction.progress = from->compaction.progress;
	parts->compaction.bytes_copied = from->compaction.bytes_copied;
	parts->compaction.bytes_per_s = from->compaction.bytes_per_s;
	m->compaction = &parts->compaction;
	dhtd__admin__recovery_status__init(&parts->recovery);
	parts->recovery.bytes_done = from->recovery.bytes_done;
	parts->recovery.bytes_total = from->recovery.bytes_total;
	m->recovery = &parts->recovery;
	m->read_only = from->read_only_reason != NULL;
	m->read_only_reason = UNCONST(m->read_only ? from->read_only_reason : "");
}

static void fill_nodes(Dhtd__Admin__NodeStatus *m, Dhtd__Admin__NodeStatus **list,
		       const struct admin_node_status *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct admin_node_status *from = &nodes[i];
		dhtd__admin__node_status__init(&m[i]);
		m[i].id = UNCONST(from->id);
		m[i].name = UNCONST(from->name);
		m[i].state = UNCONST(from->state);
		m[i].peer = UNCONST(from->peer);
		m[i].client = UNCONST(from->client);
		m[i].zone = UNCONST(from->zone);
		m[i].weight = (uint32_t)from->weight;
		m[i].keys = from->keys;
		m[i].bytes = from->bytes;
		m[i].number = (uint32_t)from->number;
		list[i] = &m[i];
	}
}

static void fill_peers(Dhtd__Admin__PeersStatus *m, const struct admin_peers_status *peers)
{
	dhtd__admin__peers_status__init(m);
	m->control_links = peers->control_links;
	m->refused_links = peers->refused_links;
	m->sent = peers->sent;
	m->received = peers->received;
	m->lost = peers->lost;
	m->dropped = peers->dropped;
	m->synced_bytes = peers->synced_bytes;
	m->compared = peers->compared;
	m->told = peers->told;
	m->settled = peers->settled;
	m->worst_skew_ms = peers->worst_skew_ms;
	m->worst_skew_of = peers->worst_skew_of;
}

int wire_admin_status(struct buffer *out, uint64_t call_id, const struct admin_status *status)
{
	Dhtd__Admin__StatusResponse m = DHTD__ADMIN__STATUS_RESPONSE__INIT;
	Dhtd__Admin__NodeStatus *nodes = calloc(status->node_count + 1, sizeof(*nodes));
	Dhtd__Admin__NodeStatus **list = calloc(status->node_count + 1, sizeof(*list));
	Dhtd__Admin__StoreStatus store;
	Dhtd__Admin__PeersStatus peers;
	struct store_parts parts;
	int rc = DHT_ENOMEM;
	if (nodes == NULL || list == NULL)
		goto out;
	fill_nodes(nodes, list, status->nodes, status->node_count);
	m.cluster = UNCONST(status->cluster);
	m.node = UNCONST(status->node);
	m.id = UNCONST(status->id);
	m.version = UNCONST(status->version);
	m.pid = status->pid;
	m.uptime_s = status->uptime_s;
	m.epoch = status->epoch;
	m.health = UNCONST(status->health);
	m.reasons = UNCONST(status->reasons);
	m.n_reasons = status->reason_count;
	m.keys = status->keys;
	m.bytes = status->bytes;
	m.workers = (uint32_t)status->workers;
	m.connections = status->connections;
	m.lineage = UNCONST(status->lineage);
	m.resident_bytes = status->resident_bytes;
	m.serving = status->serving;
	m.startup = UNCONST(status->startup);
	m.nodes = list;
	m.n_nodes = status->node_count;
	fill_store(&store, &parts, status->store);
	m.store = &store;
	fill_peers(&peers, status->peers);
	m.peers = &peers;
	rc = APPEND(out, call_id, STATUS, &m);
out:
	free(nodes);
	free(list);
	return rc;
}

/* One worker's message with everything that it points to. */
struct worker_message {
	Dhtd__Admin__WorkerQueue queue;
	Dhtd__Admin__Quantiles wait, run;
	Dhtd__Admin__JobKind kinds[DHT_ARRAY_LEN(((struct admin_worker_queue *)0)->kinds)];
	Dhtd__Admin__JobKind *kind_list[DHT_ARRAY_LEN(((struct admin_worker_queue *)0)->kinds)];
};

static void fill_worker(struct worker_message *m, uint32_t index,
			const struct admin_worker_queue *from)
{
	dhtd__admin__worker_queue__init(&m->queue);
	m->queue.worker = index;
	m->queue.depth = from->depth;
	m->queue.depth_max = from->depth_max;
	m->queue.jobs = from->jobs;
	m->queue.busy = from->busy;
	m->queue.connections = from->hot;
	m->queue.requests = from->requests;
	m->queue.full = from->full;
	fill_quantiles(&m->wait, &from->wait);
	fill_quantiles(&m->run, &from->run);
	m->queue.wait_us = &m->wait;
	m->queue.run_us = &m->run;
	for (size_t i = 0; i < from->kind_count; i++) {
		dhtd__admin__job_kind__init(&m->kinds[i]);
		m->kinds[i].name = UNCONST(from->kinds[i].name);
		m->kinds[i].count = from->kinds[i].count;
		m->kind_list[i] = &m->kinds[i];
	}
	m->queue.kinds = m->kind_list;
	m->queue.n_kinds = from->kind_count;
}

struct calls_message {
	Dhtd__Admin__CommandCalls calls;
	Dhtd__Admin__Quantiles time;
};

static void fill_calls(struct calls_message *m, const struct admin_command_calls *from)
{
	dhtd__admin__command_calls__init(&m->calls);
	m->calls.name = UNCONST(from->name);
	m->calls.calls = from->calls;
	m->calls.failed = from->failed;
	m->calls.rejected = from->rejected;
	fill_quantiles(&m->time, &from->time);
	m->calls.time_us = &m->time;
}

int wire_admin_queues(struct buffer *out, uint64_t call_id, const struct admin_queues *queues)
{
	Dhtd__Admin__QueuesResponse m = DHTD__ADMIN__QUEUES_RESPONSE__INIT;
	Dhtd__Admin__DispatcherQueue dispatcher = DHTD__ADMIN__DISPATCHER_QUEUE__INIT;
	struct worker_message *workers = calloc(queues->worker_count + 1, sizeof(*workers));
	Dhtd__Admin__WorkerQueue **list = calloc(queues->worker_count + 1, sizeof(*list));
	struct calls_message *commands = calloc(queues->command_count + 1, sizeof(*commands));
	Dhtd__Admin__CommandCalls **command_list =
	    calloc(queues->command_count + 1, sizeof(*command_list));
	int rc = DHT_ENOMEM;
	if (workers == NULL || list == NULL || commands == NULL || command_list == NULL)
		goto out;
	for (size_t i = 0; i < queues->command_count; i++) {
		fill_calls(&commands[i], &queues->commands[i]);
		command_list[i] = &commands[i].calls;
	}
	for (size_t i = 0; i < queues->worker_count; i++) {
		fill_worker(&workers[i], (uint32_t)i, &queues->workers[i]);
		list[i] = &workers[i].queue;
	}
	dispatcher.parked = queues->parked;
	dispatcher.dispatched = queues->dispatched;
	dispatcher.accepted = queues->accepted;
	dispatcher.waiting = queues->waiting;
	dispatcher.refused = queues->refused;
	m.workers = list;
	m.n_workers = queues->worker_count;
	m.dispatcher = &dispatcher;
	m.commands = command_list;
	m.n_commands = queues->command_count;
	rc = APPEND(out, call_id, QUEUES, &m);
out:
	free(workers);
	free(list);
	free(commands);
	free(command_list);
	return rc;
}

int wire_admin_log_level(struct buffer *out, uint64_t call_id, const char *level,
			 const char *previous)
{
	Dhtd__Admin__LogLevelResponse m = DHTD__ADMIN__LOG_LEVEL_RESPONSE__INIT;
	m.level = UNCONST(level);
	m.previous = UNCONST(previous);
	return APPEND(out, call_id, LOG_LEVEL, &m);
}

int wire_admin_settings(struct buffer *out, uint64_t call_id, const struct admin_setting *settings,
			size_t count)
{
	Dhtd__Admin__ConfigResponse m = DHTD__ADMIN__CONFIG_RESPONSE__INIT;
	Dhtd__Admin__ConfigItem *items = calloc(count + 1, sizeof(*items));
	Dhtd__Admin__ConfigItem **list = calloc(count + 1, sizeof(*list));
	int rc = DHT_ENOMEM;
	if (items == NULL || list == NULL)
		goto out;
	for (size_t i = 0; i < count; i++) {
		dhtd__admin__config_item__init(&items[i]);
		items[i].key = UNCONST(settings[i].key);
		items[i].value = UNCONST(settings[i].value);
		items[i].default_value = UNCONST(settings[i].default_value);
		items[i].reloadable = settings[i].reloadable;
		list[i] = &items[i];
	}
	m.items = list;
	m.n_items = count;
	rc = APPEND(out, call_id, CONFIG, &m);
out:
	free(items);
	free(list);
	return rc;
}

int wire_admin_problems(struct buffer *out, uint64_t call_id, const char *const *problems,
			size_t count)
{
	Dhtd__Admin__ConfigResponse m = DHTD__ADMIN__CONFIG_RESPONSE__INIT;
	m.problems = UNCONST(problems);
	m.n_problems = count;
	return APPEND(out, call_id, CONFIG, &m);
}

static Dhtd__Admin__Version version_message(struct ballot b)
{
	Dhtd__Admin__Version m = DHTD__ADMIN__VERSION__INIT;
	m.version = b.version;
	m.counter = ballot_counter(b);
	m.member = ballot_member(b);
	return m;
}

int wire_admin_result(struct buffer *out, uint64_t call_id, enum admin_command command,
		      const struct op_result *result)
{
	Dhtd__Admin__Version version = version_message(result->version);
	switch (command) {
	case ADMIN_get: {
		Dhtd__Admin__GetResponse m = DHTD__ADMIN__GET_RESPONSE__INIT;
		m.value = binary(result->value);
		m.version = &version;
		m.expires_ms = result->expires_ms;
		return APPEND(out, call_id, GET, &m);
	}
	case ADMIN_put: {
		Dhtd__Admin__PutResponse m = DHTD__ADMIN__PUT_RESPONSE__INIT;
		m.version = &version;
		return APPEND(out, call_id, PUT, &m);
	}
	case ADMIN_del: {
		Dhtd__Admin__DelResponse m = DHTD__ADMIN__DEL_RESPONSE__INIT;
		return APPEND(out, call_id, DEL, &m);
	}
	case ADMIN_cas: {
		Dhtd__Admin__CasResponse m = DHTD__ADMIN__CAS_RESPONSE__INIT;
		m.version = &version;
		return APPEND(out, call_id, CAS, &m);
	}
	case ADMIN_incr: {
		Dhtd__Admin__IncrResponse m = DHTD__ADMIN__INCR_RESPONSE__INIT;
		m.value = result->number;
		m.version = &version;
		return APPEND(out, call_id, INCR, &m);
	}
	default:
		DHT_UNREACHABLE();
	}
}

int wire_admin_ttl(struct buffer *out, uint64_t call_id, const struct op_result *result,
		   uint64_t now_ms)
{
	Dhtd__Admin__TtlResponse m = DHTD__ADMIN__TTL_RESPONSE__INIT;
	Dhtd__Admin__Version version = version_message(result->version);
	m.version = &version;
	m.expires_ms = result->expires_ms;
	m.ttl_ms = result->expires_ms > now_ms ? result->expires_ms - now_ms : 0;
	return APPEND(out, call_id, TTL, &m);
}

static int append_keys(struct buffer *out, uint64_t call_id, const struct admin_entry *entries,
		       size_t count, bool last)
{
	Dhtd__Admin__ScanResponse m = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	ProtobufCBinaryData *keys = calloc(count + 1, sizeof(*keys));
	if (keys == NULL)
		return DHT_ENOMEM;
	for (size_t i = 0; i < count; i++)
		keys[i] = binary(entries[i].key);
	m.keys = keys;
	m.n_keys = count;
	int rc = append(out, call_id, last, DHTD__ADMIN__ADMIN_RESPONSE__RESULT_SCAN, &m);
	free(keys);
	return rc;
}

int wire_admin_entries(struct buffer *out, uint64_t call_id, enum admin_command command,
		       const struct admin_entry *entries, size_t count, bool last)
{
	if (command == ADMIN_scan)
		return append_keys(out, call_id, entries, count, last);
	Dhtd__Admin__DumpResponse m = DHTD__ADMIN__DUMP_RESPONSE__INIT;
	Dhtd__Admin__Entry *items = calloc(count + 1, sizeof(*items));
	Dhtd__Admin__Entry **list = calloc(count + 1, sizeof(*list));
	int rc = DHT_ENOMEM;
	if (items == NULL || list == NULL)
		goto out;
	for (size_t i = 0; i < count; i++) {
		dhtd__admin__entry__init(&items[i]);
		items[i].key = binary(entries[i].key);
		items[i].value = binary(entries[i].value);
		items[i].expires_ms = entries[i].expires_ms;
		list[i] = &items[i];
	}
	m.entries = list;
	m.n_entries = count;
	rc = append(out, call_id, last, DHTD__ADMIN__ADMIN_RESPONSE__RESULT_DUMP, &m);
out:
	free(items);
	free(list);
	return rc;
}

int wire_admin_loaded(struct buffer *out, uint64_t call_id, uint64_t loaded, uint64_t kept)
{
	Dhtd__Admin__LoadResponse m = DHTD__ADMIN__LOAD_RESPONSE__INIT;
	m.loaded = loaded;
	m.kept = kept;
	return APPEND(out, call_id, LOAD, &m);
}

/* ---- Members --------------------------------------------------------------------- */

int wire_admin_ticket(struct buffer *out, uint64_t call_id, enum admin_command command,
		      uint64_t ticket)
{
	/* They are all alike. */
	Dhtd__Admin__JoinResponse join = DHTD__ADMIN__JOIN_RESPONSE__INIT;
	Dhtd__Admin__LeaveResponse leave = DHTD__ADMIN__LEAVE_RESPONSE__INIT;
	Dhtd__Admin__RemoveResponse remove = DHTD__ADMIN__REMOVE_RESPONSE__INIT;
	Dhtd__Admin__ReplaceResponse replace = DHTD__ADMIN__REPLACE_RESPONSE__INIT;
	join.ticket = leave.ticket = remove.ticket = replace.ticket = ticket;
	switch (command) {
	case ADMIN_join:
		return APPEND(out, call_id, JOIN, &join);
	case ADMIN_leave:
		return APPEND(out, call_id, LEAVE, &leave);
	case ADMIN_remove:
		return APPEND(out, call_id, REMOVE, &remove);
	case ADMIN_replace:
		return APPEND(out, call_id, REPLACE, &replace);
	default:
		DHT_UNREACHABLE();
	}
}

int wire_admin_nodes(struct buffer *out, uint64_t call_id, uint64_t epoch, uint64_t ticket,
		     const struct admin_node_status *nodes, size_t count)
{
	Dhtd__Admin__NodeResponse m = DHTD__ADMIN__NODE_RESPONSE__INIT;
	Dhtd__Admin__NodeStatus *items = calloc(count + 1, sizeof(*items));
	Dhtd__Admin__NodeStatus **list = calloc(count + 1, sizeof(*list));
	int rc = DHT_ENOMEM;
	if (items == NULL || list == NULL)
		goto out;
	fill_nodes(items, list, nodes, count);
	m.epoch = epoch;
	m.ticket = ticket;
	m.nodes = list;
	m.n_nodes = count;
	rc = APPEND(out, call_id, NODE, &m);
out:
	free(items);
	free(list);
	return rc;
}

int wire_admin_plan(struct buffer *out, uint64_t call_id, const struct admin_plan *plan)
{
	Dhtd__Admin__PlanResponse m = DHTD__ADMIN__PLAN_RESPONSE__INIT;
	m.code = (uint32_t)-plan->status;
	m.reason = UNCONST(plan->reason);
	m.blocks = plan->blocks;
	m.moves = plan->moves;
	m.at_risk = plan->at_risk;
	m.bytes = plan->bytes;
	m.risks = UNCONST(plan->risks);
	m.n_risks = plan->risk_count;
	return APPEND(out, call_id, PLAN, &m);
}

int wire_admin_job(struct buffer *out, uint64_t call_id, const struct admin_job *job)
{
	Dhtd__Admin__JobResponse m = DHTD__ADMIN__JOB_RESPONSE__INIT;
	Dhtd__Admin__Job running = DHTD__ADMIN__JOB__INIT;
	m.outcome = (Dhtd__Admin__JobResponse__Outcome)job->outcome;
	m.code = (uint32_t)-job->status;
	m.reason = UNCONST(job->reason);
	m.begun = job->begun;
	m.ticket = job->ticket;
	m.epoch = job->epoch;
	running.id = job->id;
	running.kind = UNCONST(job->kind);
	running.cancelled = job->is_cancelled;
	running.node = UNCONST(job->node);
	running.other = UNCONST(job->other);
	running.began_ms = job->began_ms;
	running.blocks = job->blocks;
	running.joint = job->joint;
	running.in_sync = job->in_sync;
	running.bytes = job->moved_bytes;
	running.bytes_left = job->left_bytes;
	running.bytes_per_s = job->bytes_per_s;
	m.job = job->is_running ? &running : NULL;
	return APPEND(out, call_id, JOB, &m);
}

int wire_admin_verified(struct buffer *out, uint64_t call_id, const struct admin_verified *told)
{
	Dhtd__Admin__VerifyResponse m = DHTD__ADMIN__VERIFY_RESPONSE__INIT;
	ProtobufCBinaryData *names = calloc(told->name_count + 1, sizeof(*names));
	if (names == NULL)
		return DHT_ENOMEM;
	for (size_t i = 0; i < told->name_count; i++)
		names[i] = binary(told->names[i]);
	m.run = told->run;
	m.over = told->is_over;
	m.abandoned = told->is_abandoned;
	m.all_blocks = told->all_blocks;
	m.blocks = told->blocks;
	m.done = told->done;
	m.pairs = told->pairs;
	m.left_out = told->left_out;
	m.records = told->records;
	m.differences = told->differences;
	m.names = names;
	m.n_names = told->name_count;
	int rc = APPEND(out, call_id, VERIFY, &m);
	free(names);
	return rc;
}

int wire_admin_recovered(struct buffer *out, uint64_t call_id, const struct admin_recovered *told)
{
	Dhtd__Admin__RecoverResponse m = DHTD__ADMIN__RECOVER_RESPONSE__INIT;
	m.cluster = UNCONST(told->cluster);
	m.members = told->members;
	m.kept = told->kept;
	m.merged = told->merged;
	m.empty = told->empty;
	m.job = told->job;
	return APPEND(out, call_id, RECOVER, &m);
}

int wire_admin_ok_to_stop(struct buffer *out, uint64_t call_id, const char *const *reasons,
			  size_t count)
{
	Dhtd__Admin__OkToStopResponse m = DHTD__ADMIN__OK_TO_STOP_RESPONSE__INIT;
	m.ok = count == 0;
	m.reasons = UNCONST(reasons);
	m.n_reasons = count;
	return APPEND(out, call_id, OK_TO_STOP, &m);
}

int wire_admin_place(struct buffer *out, uint64_t call_id, const struct admin_location *place)
{
	Dhtd__Admin__LocateResponse m = DHTD__ADMIN__LOCATE_RESPONSE__INIT;
	Dhtd__Admin__Replica *items = calloc(place->replica_count + 1, sizeof(*items));
	Dhtd__Admin__Replica **list = calloc(place->replica_count + 1, sizeof(*list));
	Dhtd__Admin__Version *versions = calloc(2 * place->replica_count + 1, sizeof(*versions));
	int rc = DHT_ENOMEM;
	if (items == NULL || list == NULL || versions == NULL)
		goto out;
	for (size_t i = 0; i < place->replica_count; i++) {
		const struct admin_replica *from = &place->replicas[i];
		dhtd__admin__replica__init(&items[i]);
		items[i].number = from->number;
		items[i].name = UNCONST(from->name);
		items[i].down = from->is_down;
		items[i].old = from->is_old;
		items[i].next = from->is_next;
		items[i].coordinates = from->coordinates;
		items[i].answers = from->answers;
		items[i].holds = from->holds;
		items[i].deleted = from->is_deleted;
		if (from->holds) {
			versions[2 * i] = version_message(from->ballot);
			versions[2 * i + 1] = version_message(from->version);
			items[i].ballot = &versions[2 * i];
			items[i].version = &versions[2 * i + 1];
		}
		list[i] = &items[i];
	}
	m.slot = place->slot;
	m.block = place->block;
	m.version = place->version;
	m.phase = UNCONST(place->phase);
	m.epoch = place->epoch;
	m.replicas = list;
	m.n_replicas = place->replica_count;
	rc = APPEND(out, call_id, LOCATE, &m);
out:
	free(items);
	free(list);
	free(versions);
	return rc;
}
