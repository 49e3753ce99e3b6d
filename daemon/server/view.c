/* SPDX-License-Identifier: Apache-2.0
 *
 * What the admin commands show of the daemon. Everything is read from counters and
 * constant settings: no lock of the store, nothing that waits for a worker.
 */
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"
#include "io/process.h"
#include "resp/table.h"
#include "server/view_members.h"

enum { REASON_MAX = 160, REASONS_MAX = 16 };

static const char disk_full[] =
    "no space left on the disk: writes are refused, reads and deletes go on";

static struct admin_quantiles quantiles(const struct histogram *h)
{
	return (struct admin_quantiles){
	    .p50 = histogram_quantile_ns(h, 500) / NS_PER_US,
	    .p99 = histogram_quantile_ns(h, 990) / NS_PER_US,
	    .max = histogram_max_ns(h) / NS_PER_US,
	};
}

static void fill_store(const struct server *server, const struct store_counts *counts,
		       struct admin_store_status *out)
{
	*out = (struct admin_store_status){
	    .fsync = conf_fsync_name(server->conf.store_fsync),
	    .segments = counts->segments,
	    .live_bytes = counts->live_bytes,
	    .dead_bytes = counts->dead_bytes,
	    .disk_bytes = counts->disk_bytes,
	    .index_bytes = counts->index_bytes,
	    .mapped_bytes = counts->mapped_bytes,
	    .cold_segments = counts->cold_segments,
	    .spare_segments = counts->spare_files,
	    .keys = counts->keys,
	    .tombstones = counts->tombstones,
	    .compaction =
		{
		    .running = counts->is_compacting,
		    .progress = counts->compact_permille / 1000.0,
		    .bytes_copied = counts->compact_copied_bytes,
		    .bytes_per_s =
			atomic_load_explicit(&server->compact_rate, memory_order_relaxed),
		},
	    .recovery =
		{
		    .bytes_done = atomic_load_explicit(&server->open_done, memory_order_relaxed),
		    .bytes_total = atomic_load_explicit(&server->open_total, memory_order_relaxed),
		},
	    .read_only_reason = counts->is_full ? disk_full : NULL,
	};
	if (server->is_built)
		out->fsync_us = quantiles(&server->committer.syncs);
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void fill_peers(const struct server *server, const struct control_view *members,
		       struct admin_peers_status *out)
{
	const struct upkeep *upkeep = &server->background.upkeep;
	*out = (struct admin_peers_status){
	    .control_links = members->open_links,
	    .refused_links = members->refused_links,
	    .synced_bytes = value_of(&server->node.synced_bytes),
	    .compared = value_of(&upkeep->compared),
	    .told = value_of(&upkeep->told),
	    .settled = value_of(&upkeep->settled),
	    .worst_skew_ms = members->worst_skew_ms,
	    .worst_skew_of = members->worst_skew_of,
	};
	for (unsigned i = 0; i < server->worker_count; i++) {
		const struct worker *w = &server->workers[i];
		out->sent += value_of(&w->links.sent);
		out->received += value_of(&w->links.received);
		out->lost += value_of(&w->links.lost);
		out->dropped += value_of(&w->cluster.dropped);
	}
}

/* Why the node, or the cluster, is not as well as it should be. */
struct reasons {
	const char *list[REASONS_MAX];
	char texts[REASONS_MAX][REASON_MAX];
	size_t count;
};

static void DHT_PRINTF(2, 3) add_reason(struct reasons *reasons, const char *format, ...)
{
	va_list args;
	if (reasons->count == REASONS_MAX)
		return;
	char *text = reasons->texts[reasons->count];
	va_start(args, format);
	vsnprintf(text, REASON_MAX, format, args);
	va_end(args);
	reasons->list[reasons->count++] = text;
}

/* Of the members that the map names. A cluster that has never had more members than this is not
 * ill; one that should hold more copies than it can is, once there are others. */
static void find_reasons_of_map(const struct server *server, const struct ring_map *map,
				struct reasons *reasons)
{
	size_t staying = 0;
	for (size_t i = 0; i < map->member_count; i++) {
		const struct ring_member *member = &map->members[i];
		staying += member->standing != RING_LEAVING;
		if (node_is_down(&server->node, member->number))
			add_reason(reasons, "member %u, %.64s, does not answer", member->number,
				   member->name);
	}
	if (staying > 1 && staying < map->replicas)
		add_reason(reasons,
			   "%zu members for %u replicas: keys have fewer copies than wanted",
			   staying, map->replicas);
}

static void find_reasons(const struct server *server, const struct store_counts *counts,
			 const struct control_view *members, struct reasons *reasons)
{
	const struct ring_map *map = atomic_load(&server->shared.map);
	uint64_t stalled_ns = atomic_load_explicit(&server->stalled_ns, memory_order_relaxed);
	if (stalled_ns > 0)
		add_reason(reasons, "worker %u has not run a job for %llu ms",
			   atomic_load_explicit(&server->stalled_worker, memory_order_relaxed),
			   (unsigned long long)(stalled_ns / NS_PER_MS));
	if (counts->is_full)
		add_reason(reasons, "%s", disk_full);
	if (members->has_left)
		add_reason(reasons, "this node has left the cluster");
	if (members->is_joining)
		add_reason(reasons, "this node is joining a cluster");
	if (members->worst_skew_of != RING_MEMBERS_MAX &&
	    (uint64_t)llabs(members->worst_skew_ms) > atomic_load(&server->control.max_skew_ms))
		add_reason(reasons, "the clock of member %u is off by %lld ms",
			   members->worst_skew_of, (long long)members->worst_skew_ms);
	if (map != NULL)
		find_reasons_of_map(server, map, reasons);
}

/* Writes the lineage in hexadecimal digits, nothing for that of a node without a map. */
static void write_lineage(const uint8_t lineage[RING_LINEAGE_SIZE],
			  char text[2 * RING_LINEAGE_SIZE + 1])
{
	static const uint8_t none[RING_LINEAGE_SIZE];
	text[0] = '\0';
	if (memcmp(lineage, none, sizeof(none)) == 0)
		return;
	for (size_t i = 0; i < RING_LINEAGE_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", lineage[i]);
}

static int view_status(void *ctx, struct buffer *out, uint64_t call_id)
{
	struct server *server = ctx;
	const struct conf *conf = &server->conf;
	struct view_nodes nodes = {0};
	struct reasons reasons = {0};
	struct store_counts counts = {0};
	char startup[REASON_MAX + CONTROL_WHY_MAX] = "";
	unsigned phase = atomic_load(&server->phase);
	struct control_view members = {.self = RING_MEMBERS_MAX};
	bool serving = phase == SERVER_SERVING;
	/* Not known before: the opener may be writing it. */
	const char *id = phase == SERVER_RECOVERING ? "" : server->identity.id;
	if (phase != SERVER_RECOVERING && server->store != NULL)
		store_count(server->store, &counts);
	if (phase >= SERVER_JOINING)
		control_look(&server->control, &members);
	if (phase == SERVER_RECOVERING)
		server_open_describe(server, startup, sizeof(startup));
	else if (phase == SERVER_JOINING)
		snprintf(startup, sizeof(startup), "%s%s%s", SERVER_JOINING_TEXT,
			 members.why[0] != '\0' ? ": " : "", members.why);
	else if (!serving)
		snprintf(startup, sizeof(startup), "%s",
			 phase == SERVER_STOPPING ? "stopping" : "opening the ports");
	int rc = view_nodes_fill(server, &counts, &nodes);
	struct admin_store_status store;
	fill_store(server, &counts, &store);
	struct admin_peers_status peers = {0};
	if (phase >= SERVER_JOINING)
		fill_peers(server, &members, &peers);
	char lineage[2 * RING_LINEAGE_SIZE + 1];
	write_lineage(members.lineage, lineage);
	struct admin_status status = {
	    .cluster = conf->cluster_name,
	    .node = conf->node_name,
	    .id = id,
	    .version = DHT_VERSION,
	    .lineage = lineage,
	    .health = serving ? "ok" : "unavailable",
	    .startup = startup,
	    .pid = (uint32_t)getpid(),
	    .uptime_s = (clock_monotonic_ns() - server->started_ns) / NS_PER_S,
	    .keys = counts.keys,
	    .bytes = counts.bytes,
	    .workers = server->worker_count,
	    .connections = atomic_load_explicit(&server->sessions.clients, memory_order_relaxed),
	    .resident_bytes = process_resident_bytes(),
	    .serving = serving,
	    .reasons = reasons.list,
	    .nodes = nodes.items,
	    .node_count = nodes.count,
	    .epoch = members.epoch,
	    .store = &store,
	    .peers = &peers,
	};
	find_reasons(server, &counts, &members, &reasons);
	status.reason_count = reasons.count;
	if (serving && status.reason_count > 0)
		status.health = "degraded";
	if (rc == 0)
		rc = wire_admin_status(out, call_id, &status);
	view_nodes_free(&nodes);
	return rc;
}

static void fill_worker(struct admin_worker_queue *out, const struct worker *w)
{
	_Static_assert(JOB_KIND_COUNT <= DHT_ARRAY_LEN(out->kinds), "room for every kind");
	out->depth = queue_depth(&w->queue);
	out->depth_max = atomic_load_explicit(&w->queue.depth_max, memory_order_relaxed);
	out->full = atomic_load_explicit(&w->queue.full, memory_order_relaxed);
	out->hot = atomic_load_explicit(&w->stats.hot, memory_order_relaxed);
	out->requests = atomic_load_explicit(&w->stats.requests, memory_order_relaxed);
	out->busy = atomic_load_explicit(&w->busy_permille, memory_order_relaxed) / 1000.0;
	out->wait = quantiles(&w->stats.wait);
	out->run = quantiles(&w->stats.run);
	out->kind_count = JOB_KIND_COUNT;
	for (int kind = 0; kind < JOB_KIND_COUNT; kind++) {
		out->kinds[kind].name = job_kind_name((enum job_kind)kind);
		out->kinds[kind].count =
		    atomic_load_explicit(&w->stats.kinds[kind], memory_order_relaxed);
		out->jobs += out->kinds[kind].count;
	}
}

/* Fills in the commands that were called or refused, with their names in names. Returns their
 * number. */
static size_t fill_commands(const struct resp_port *port, struct admin_command_calls *out,
			    char (*names)[RESP_NAME_MAX])
{
	size_t row_count, count = 0;
	const struct resp_command *rows = resp_table_rows(&row_count);
	for (size_t i = 0; i < row_count; i++) {
		struct histogram times;
		struct resp_stats_sum sum = resp_port_sum(port, &rows[i]);
		if (sum.calls + sum.rejected == 0)
			continue;
		resp_port_times(port, &rows[i], &times);
		resp_table_name(&rows[i], names[count]);
		out[count] = (struct admin_command_calls){
		    .name = names[count],
		    .calls = sum.calls,
		    .failed = sum.failed,
		    .rejected = sum.rejected,
		    .time = quantiles(&times),
		};
		count++;
	}
	return count;
}

static int view_queues(void *ctx, struct buffer *out, uint64_t call_id)
{
	struct server *server = ctx;
	const struct dispatcher_stats *stats = &server->dispatcher.stats;
	const struct acceptor_stats *accepting = &server->dispatcher.acceptor.stats;
	size_t row_count;
	resp_table_rows(&row_count);
	struct admin_worker_queue *workers = calloc(server->worker_count + 1, sizeof(*workers));
	struct admin_command_calls *commands = calloc(row_count, sizeof(*commands));
	char(*names)[RESP_NAME_MAX] = calloc(row_count, sizeof(*names));
	int rc = DHT_ENOMEM;
	if (workers == NULL || commands == NULL || names == NULL)
		goto out;
	for (unsigned i = 0; i < server->worker_count; i++)
		fill_worker(&workers[i], &server->workers[i]);
	struct admin_queues queues = {
	    .workers = workers,
	    .worker_count = server->worker_count,
	    .parked = atomic_load_explicit(&server->sessions.parked, memory_order_relaxed),
	    .dispatched = atomic_load_explicit(&stats->dispatched, memory_order_relaxed),
	    .accepted = atomic_load_explicit(&accepting->accepted, memory_order_relaxed),
	    .waiting = atomic_load_explicit(&stats->waiting, memory_order_relaxed),
	    .refused = atomic_load_explicit(&accepting->refused, memory_order_relaxed),
	    .commands = commands,
	    .command_count = fill_commands(&server->port, commands, names),
	};
	rc = wire_admin_queues(out, call_id, &queues);
out:
	free(workers);
	free(commands);
	free(names);
	return rc;
}

static int view_settings(void *ctx, struct buffer *out, uint64_t call_id)
{
	struct server *server = ctx;
	struct admin_setting settings[CONF_ITEM_COUNT];
	char *values[CONF_ITEM_COUNT] = {0};
	int rc = 0;
	pthread_mutex_lock(&server->conf_lock);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		const struct conf_item *item = &conf_items[i];
		values[i] = conf_item_value(&server->conf, item);
		if (values[i] == NULL)
			rc = DHT_ENOMEM;
		settings[i] = (struct admin_setting){
		    .key = item->key,
		    .value = values[i],
		    .default_value = conf_item_default(item),
		    .reloadable = item->change == CONF_RELOAD,
		};
	}
	pthread_mutex_unlock(&server->conf_lock);
	if (rc == 0)
		rc = wire_admin_settings(out, call_id, settings, CONF_ITEM_COUNT);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++)
		free(values[i]);
	return rc;
}

static int view_check(void *ctx, struct buffer *out, uint64_t call_id, const char *file_name,
		      struct bytes content)
{
	struct server *server = ctx;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	struct conf conf;
	int rc = conf_init_defaults(&conf, server->source.host_name);
	if (rc == 0)
		rc = conf_load_text(&conf, file_name, content.data, content.len, &problems);
	conf_fini(&conf);
	if (rc == 0 || rc == DHT_ECONF)
		rc = wire_admin_problems(out, call_id, (const char *const *)problems.lines,
					 problems.count);
	conf_problems_fini(&problems);
	return rc;
}

void server_view_init(struct server *server, struct admin_view *view)
{
	*view = (struct admin_view){
	    .ctx = server,
	    .status = view_status,
	    .queues = view_queues,
	    .settings = view_settings,
	    .check = view_check,
	};
	view_members_init(view);
}
