/* SPDX-License-Identifier: Apache-2.0
 *
 * What the admin commands show of the daemon. Everything is read from counters and
 * constant settings: no lock of the store, nothing that waits for a worker.
 */
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/table.h"

enum { ADDRESSES_MAX = 64 * 1024, REASON_MAX = 160, REASONS_MAX = 2 };

static const char disk_full[] =
    "no space left on the disk: writes are refused, reads and deletes go on";

/* Leaves a string in out. */
static int join_addresses(struct buffer *out, const struct conf_addr_list *list)
{
	int rc = buffer_printf(out, ADDRESSES_MAX, "%s", "");
	for (size_t i = 0; rc == 0 && i < list->count; i++)
		rc = buffer_printf(out, ADDRESSES_MAX, "%s%s", i > 0 ? "," : "",
				   list->items[i].text);
	return rc;
}

static const struct conf_addr_list *advertised(const struct conf_addr_list *advertise,
					       const struct conf_addr_list *listen)
{
	return advertise->count > 0 ? advertise : listen;
}

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

/* Why the node is not as well as it should be. Returns the number of reasons; those that
 * have numbers in them are written to text. */
static size_t find_reasons(const struct server *server, const struct store_counts *counts,
			   char text[REASON_MAX], const char *reasons[REASONS_MAX])
{
	size_t count = 0;
	uint64_t stalled_ns = atomic_load_explicit(&server->stalled_ns, memory_order_relaxed);
	if (stalled_ns > 0) {
		snprintf(text, REASON_MAX, "worker %u has not run a job for %llu ms",
			 atomic_load_explicit(&server->stalled_worker, memory_order_relaxed),
			 (unsigned long long)(stalled_ns / NS_PER_MS));
		reasons[count++] = text;
	}
	if (counts->is_full)
		reasons[count++] = disk_full;
	return count;
}

static int view_status(void *ctx, struct buffer *out, uint64_t call_id)
{
	struct server *server = ctx;
	const struct conf *conf = &server->conf;
	struct buffer peer = BUFFER_EMPTY, client = BUFFER_EMPTY;
	char stalled[REASON_MAX];
	const char *reasons[REASONS_MAX];
	struct store_counts counts = {0};
	char startup[REASON_MAX] = "";
	unsigned phase = atomic_load(&server->phase);
	bool serving = phase == SERVER_SERVING;
	/* Not known before: the opener may be writing it. */
	const char *id = phase == SERVER_RECOVERING ? "" : server->identity.id;
	if (phase != SERVER_RECOVERING && server->store != NULL)
		store_count(server->store, &counts);
	if (phase == SERVER_RECOVERING)
		server_open_describe(server, startup, sizeof(startup));
	else if (!serving)
		snprintf(startup, sizeof(startup), "%s",
			 phase == SERVER_STOPPING ? "stopping" : "opening the ports");
	int rc = join_addresses(&peer, advertised(&conf->advertise_peer, &conf->listen_peer));
	if (rc == 0)
		rc = join_addresses(&client,
				    advertised(&conf->advertise_client, &conf->listen_client));

	struct admin_node_status self = {
	    .id = id,
	    .name = conf->node_name,
	    .state = "up",
	    .peer = (const char *)peer.data,
	    .client = (const char *)client.data,
	    .zone = conf->node_zone,
	    .weight = conf->node_weight,
	    .keys = counts.keys,
	    .bytes = counts.bytes,
	};
	struct admin_store_status store;
	fill_store(server, &counts, &store);
	struct admin_status status = {
	    .cluster = conf->cluster_name,
	    .node = conf->node_name,
	    .id = id,
	    .version = DHT_VERSION,
	    .health = serving ? "ok" : "unavailable",
	    .startup = startup,
	    .pid = (uint32_t)getpid(),
	    .uptime_s = (clock_monotonic_ns() - server->started_ns) / NS_PER_S,
	    .keys = counts.keys,
	    .bytes = counts.bytes,
	    .workers = server->worker_count,
	    .connections = atomic_load_explicit(&server->sessions.clients, memory_order_relaxed),
	    .serving = serving,
	    .reasons = reasons,
	    .nodes = &self,
	    .node_count = 1,
	    .store = &store,
	};
	status.reason_count = find_reasons(server, &counts, stalled, reasons);
	if (serving && status.reason_count > 0)
		status.health = "degraded";
	if (rc == 0)
		rc = wire_admin_status(out, call_id, &status);
	buffer_reset(&peer);
	buffer_reset(&client);
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
}
