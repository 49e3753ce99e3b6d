/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections of INFO about the node: its process, its connections, its data.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/process.h"
#include "resp/info.h"
#include "worker/background.h"
#include "worker/committer.h"

enum { HUMAN_MAX = 32 };

static unsigned long long ull(uint64_t n)
{
	return n;
}

static uint64_t get(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

void resp_info_server(struct resp_info *info)
{
	const struct resp_node *node = info->node;
	struct utsname os = {0};
	uint64_t up_s = (clock_monotonic_ns() - node->started_ns) / NS_PER_S;
	uname(&os);
	resp_text_add(info->text,
		      "redis_version:%s\r\n"
		      "redis_mode:cluster\r\n"
		      "dhtd_version:%s\r\n"
		      "dhtd_node:%s\r\n"
		      "os:%s %s %s\r\n"
		      "arch_bits:%zu\r\n"
		      "monotonic_clock:POSIX clock_gettime\r\n"
		      "multiplexing_api:epoll\r\n",
		      RESP_REDIS_VERSION, node->version, node->name, os.sysname, os.release,
		      os.machine, sizeof(void *) * 8);
	resp_text_add(info->text,
		      "process_id:%d\r\n"
		      "run_id:%s\r\n"
		      "tcp_port:%u\r\n"
		      "server_time_usec:%llu\r\n"
		      "uptime_in_seconds:%llu\r\n"
		      "uptime_in_days:%llu\r\n"
		      "executable:%s\r\n"
		      "config_file:%s\r\n"
		      "io_threads_active:%d\r\n",
		      (int)getpid(), node->run_id, node->conf->listen_client.items[0].port,
		      ull(clock_wall_us()), ull(up_s), ull(up_s / 86400), node->executable,
		      node->config_file, node->worker_count > 1);
}

void resp_info_clients(struct resp_info *info)
{
	const struct resp_node *node = info->node;
	char *max = node->setting(node->ctx, &conf_items[CONF_clients_max]);
	resp_text_add(info->text,
		      "connected_clients:%llu\r\n"
		      "cluster_connections:0\r\n"
		      "maxclients:%s\r\n"
		      "blocked_clients:0\r\n"
		      "tracking_clients:0\r\n"
		      "clients_in_timeout_table:0\r\n",
		      ull(get(&info->call->worker->shared->sessions->clients)),
		      max != NULL ? max : "0");
	free(max);
}

/* ---- Memory ------------------------------------------------------------------------ */

/* As Redis writes sizes for people. */
static const char *human(uint64_t bytes, char text[HUMAN_MAX])
{
	static const char units[] = "KMGTP";
	double n = (double)bytes;
	int unit = -1;
	for (; n >= 1024 && units[unit + 1] != '\0'; n /= 1024)
		unit++;
	if (unit < 0)
		snprintf(text, HUMAN_MAX, "%lluB", ull(bytes));
	else
		snprintf(text, HUMAN_MAX, "%.2f%c", n, units[unit]);
	return text;
}

void resp_info_memory(struct resp_info *info)
{
	const struct store_counts *store = &info->store;
	struct rusage usage = {0};
	char text[HUMAN_MAX];
	uint64_t used = process_resident_bytes();
	uint64_t system = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	getrusage(RUSAGE_SELF, &usage);
	uint64_t peak = (uint64_t)usage.ru_maxrss * 1024;
	peak = peak > used ? peak : used;
	resp_text_add(info->text, "used_memory:%llu\r\nused_memory_human:%s\r\n", ull(used),
		      human(used, text));
	resp_text_add(info->text, "used_memory_rss:%llu\r\nused_memory_rss_human:%s\r\n", ull(used),
		      text);
	resp_text_add(info->text, "used_memory_peak:%llu\r\nused_memory_peak_human:%s\r\n",
		      ull(peak), human(peak, text));
	resp_text_add(info->text, "used_memory_peak_perc:%.2f%%\r\n",
		      peak == 0 ? 0 : 100.0 * (double)used / (double)peak);
	resp_text_add(info->text, "used_memory_overhead:%llu\r\nused_memory_dataset:%llu\r\n",
		      ull(store->index_bytes), ull(store->bytes));
	resp_text_add(info->text, "total_system_memory:%llu\r\ntotal_system_memory_human:%s\r\n",
		      ull(system), human(system, text));
	resp_text_add(info->text, "used_memory_lua:0\r\n"
				  "used_memory_scripts:0\r\n"
				  "number_of_cached_scripts:0\r\n"
				  "maxmemory:0\r\n"
				  "maxmemory_human:0B\r\n"
				  "maxmemory_policy:noeviction\r\n"
				  "mem_fragmentation_ratio:1.00\r\n"
				  "mem_fragmentation_bytes:0\r\n"
				  "mem_allocator:libc\r\n"
				  "active_defrag_running:0\r\n"
				  "lazyfree_pending_objects:0\r\n");
}

/* ---- Data -------------------------------------------------------------------------- */

/* The log is what an append-only file is in Redis, and compaction what rewrites it. */
void resp_info_persistence(struct resp_info *info)
{
	const struct store_counts *store = &info->store;
	resp_text_add(info->text,
		      "loading:0\r\n"
		      "async_loading:0\r\n"
		      "rdb_changes_since_last_save:0\r\n"
		      "rdb_bgsave_in_progress:0\r\n"
		      "rdb_last_save_time:%llu\r\n"
		      "rdb_last_bgsave_status:ok\r\n"
		      "rdb_last_bgsave_time_sec:-1\r\n"
		      "rdb_current_bgsave_time_sec:-1\r\n"
		      "rdb_saves:0\r\n",
		      ull(info->node->started_unix_s));
	resp_text_add(info->text,
		      "aof_enabled:1\r\n"
		      "aof_rewrite_in_progress:%d\r\n"
		      "aof_rewrite_scheduled:0\r\n"
		      "aof_last_rewrite_time_sec:-1\r\n"
		      "aof_current_rewrite_time_sec:-1\r\n"
		      "aof_last_bgrewrite_status:ok\r\n"
		      "aof_last_write_status:%s\r\n"
		      "aof_current_size:%llu\r\n",
		      store->is_compacting, store->is_full ? "err" : "ok",
		      ull(store->live_bytes + store->dead_bytes));
}

void resp_info_stats(struct resp_info *info)
{
	const struct resp_port *port = info->call->port;
	/* Before what is counted since, so that a reset between the two leaves no less than 0. */
	uint64_t accepted_before =
	    atomic_load_explicit(&port->accepted_before, memory_order_acquire);
	uint64_t refused_before = atomic_load_explicit(&port->refused_before, memory_order_acquire);
	struct resp_accepted accepted = info->node->accepted(info->node->ctx);
	resp_text_add(info->text,
		      "total_connections_received:%llu\r\n"
		      "total_commands_processed:%llu\r\n"
		      "instantaneous_ops_per_sec:%llu\r\n"
		      "rejected_connections:%llu\r\n"
		      "expired_keys:%llu\r\n"
		      "evicted_keys:0\r\n"
		      "evicted_clients:0\r\n",
		      ull(accepted.accepted - accepted_before), ull(info->total.calls),
		      ull(get(&port->requests_per_s)), ull(accepted.refused - refused_before),
		      ull(get(&info->call->worker->shared->background->expired)));
	resp_text_add(info->text,
		      "keyspace_hits:%llu\r\n"
		      "keyspace_misses:%llu\r\n"
		      "pubsub_channels:0\r\n"
		      "pubsub_patterns:0\r\n"
		      "latest_fork_usec:0\r\n"
		      "total_forks:0\r\n"
		      "unexpected_error_replies:0\r\n"
		      "total_error_replies:%llu\r\n",
		      ull(info->total.hits), ull(info->total.misses), ull(info->total.errors));
}

/* Every node is a primary of its own blocks: there are no others behind it. */
void resp_info_replication(struct resp_info *info)
{
	resp_text_add(info->text,
		      "role:master\r\n"
		      "connected_slaves:0\r\n"
		      "master_failover_state:no-failover\r\n"
		      "master_replid:%s\r\n"
		      "master_replid2:%040d\r\n"
		      "master_repl_offset:%llu\r\n"
		      "second_repl_offset:-1\r\n"
		      "repl_backlog_active:0\r\n"
		      "repl_backlog_size:0\r\n"
		      "repl_backlog_first_byte_offset:0\r\n"
		      "repl_backlog_histlen:0\r\n",
		      info->node->id, 0,
		      ull(committer_mark(info->call->worker->shared->committer)));
}

static void add_time(struct resp_info *info, const char *name, const struct timeval *time)
{
	resp_text_add(info->text, "%s:%lld.%06ld\r\n", name, (long long)time->tv_sec,
		      (long)time->tv_usec);
}

void resp_info_cpu(struct resp_info *info)
{
	struct rusage self = {0}, children = {0};
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	add_time(info, "used_cpu_sys", &self.ru_stime);
	add_time(info, "used_cpu_user", &self.ru_utime);
	add_time(info, "used_cpu_sys_children", &children.ru_stime);
	add_time(info, "used_cpu_user_children", &children.ru_utime);
}

void resp_info_cluster(struct resp_info *info)
{
	resp_text_add(info->text, "cluster_enabled:1\r\n");
}

void resp_info_keyspace(struct resp_info *info)
{
	if (info->store.keys > 0)
		resp_text_add(info->text, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
			      ull(info->store.keys), ull(info->store.expiring));
}

void resp_info_store(struct resp_info *info)
{
	const struct store_counts *store = &info->store;
	resp_text_add(info->text,
		      "store_fsync:%s\r\n"
		      "store_keys:%llu\r\n"
		      "store_tombstones:%llu\r\n"
		      "store_live_bytes:%llu\r\n"
		      "store_dead_bytes:%llu\r\n"
		      "store_index_bytes:%llu\r\n"
		      "store_mapped_bytes:%llu\r\n"
		      "store_disk_bytes:%llu\r\n",
		      conf_fsync_name(info->node->conf->store_fsync), ull(store->keys),
		      ull(store->tombstones), ull(store->live_bytes), ull(store->dead_bytes),
		      ull(store->index_bytes), ull(store->mapped_bytes), ull(store->disk_bytes));
	resp_text_add(info->text,
		      "store_segments:%llu\r\n"
		      "store_cold_segments:%llu\r\n"
		      "store_spare_files:%llu\r\n"
		      "store_is_full:%d\r\n"
		      "store_is_compacting:%d\r\n"
		      "store_compacted_segments:%llu\r\n"
		      "store_compacted_bytes:%llu\r\n",
		      ull(store->segments), ull(store->cold_segments), ull(store->spare_files),
		      store->is_full, store->is_compacting, ull(store->compact_segments),
		      ull(store->compact_copied_bytes));
}
