/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening the store: in a thread of its own, because recovery takes as long as the log is
 * large, and the admin socket answers meanwhile.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/founding.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/sigbus.h"
#include "store/os_posix.h"

enum { TEXT_MAX = 160 };
#define MIB (1024.0 * 1024.0)

static void draw_random(void *out, size_t len)
{
	ssize_t n = getrandom(out, len, 0);
	DHT_ASSERT(n == (ssize_t)len);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	const struct server *server = ctx;
	*key = node_locate(key->key, server->identity.hash_seed, blocks);
}

/* On any thread of the recovery. */
static void note_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct server *server = ctx;
	atomic_store_explicit(&server->open_total, total_bytes, memory_order_relaxed);
	atomic_store_explicit(&server->open_done, done_bytes, memory_order_relaxed);
}

static int load_identity(struct server *server, const struct store_os *os)
{
	char boot_id[IDENTITY_BOOT_ID_SIZE];
	identity_read_boot_id(boot_id);
	int rc = identity_load(os, draw_random, boot_id, server->conf.store_fsync,
			       &server->identity, server->open_why);
	if (rc == 0 && server->identity.may_have_forgotten)
		LOG_WARN(
		    "store",
		    "msg=\"the machine stopped while store.fsync was not always: the last writes "
		    "before that may be lost\" fsync=%s",
		    conf_fsync_name(server->identity.last_fsync));
	return rc;
}

/* store.memory, or three quarters of what the machine has. */
static uint64_t memory_for(const struct conf *conf)
{
	if (conf->store_memory_bytes != 0)
		return conf->store_memory_bytes;
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	return pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size / 4 * 3 : 0;
}

static int recover(struct server *server, const struct store_os *os)
{
	struct store_report *report = &server->recovered;
	struct store_options options = {
	    .blocks = (uint32_t)server->conf.cluster_blocks,
	    .segment_size_bytes = server->conf.store_segment_size_bytes,
	    .memory_bytes = memory_for(&server->conf),
	    .has_housekeeper = true,
	    .is_lazy = server->conf.store_fsync != CONF_FSYNC_ALWAYS,
	    .may_be_torn = server->identity.may_have_forgotten,
	    .locate = locate,
	    .progress = note_progress,
	    .ctx = server,
	    .hash_id = server->identity.hash_seed,
	    .report = report,
	};
	uint64_t started_ns = clock_monotonic_ns();
	int rc = store_open(&options, os, &server->store);
	if (rc != 0) {
		server->store = NULL;
		if (report->why[0] != '\0')
			snprintf(server->open_why, sizeof(server->open_why),
				 "the store is damaged: %s (dhtd --check-store looks at all of it)",
				 report->why);
		return rc;
	}
	sigbus_watch(server->store);
	if (report->cut_bytes > 0)
		LOG_WARN("store", "msg=\"cut a torn end of the log\" bytes=%llu",
			 (unsigned long long)report->cut_bytes);
	LOG_INFO("store",
		 "msg=\"recovered\" keys=%llu records=%llu segments=%llu bytes=%llu ms=%llu",
		 (unsigned long long)report->keys, (unsigned long long)report->records,
		 (unsigned long long)report->segments, (unsigned long long)report->segment_bytes,
		 (unsigned long long)((clock_monotonic_ns() - started_ns) / NS_PER_MS));
	return 0;
}

static int open_all(struct server *server)
{
	int rc = store_os_posix_open(server->conf.node_data_dir, &server->disk);
	if (rc != 0)
		return rc;
	const struct store_os *os = store_os_posix_view(server->disk);
	rc = load_identity(server, os);
	if (rc == 0)
		rc = recover(server, os);
	if (rc == 0 && !server->source.accepts_loss)
		rc = founding_check_memory(server->store, &server->identity, server->open_why);
	if (rc == 0)
		rc = identity_begin(os, &server->identity, server->open_why);
	return rc;
}

static void *opener_main(void *arg)
{
	struct server *server = arg;
	pthread_setname_np(pthread_self(), "dhtd/open");
	server->open_result = open_all(server);
	atomic_store(&server->phase, SERVER_RECOVERED);
	wake_signal(&server->dispatcher.wake);
	return NULL;
}

int server_open_begin(struct server *server)
{
	int rc = pthread_create(&server->opener, NULL, opener_main, server);
	return rc == 0 ? 0 : dht_error_from_errno(rc);
}

int server_open_end(struct server *server)
{
	pthread_join(server->opener, NULL);
	if (server->open_result != 0)
		LOG_ERROR("server", "msg=\"cannot start\" error=\"%s\"",
			  server->open_why[0] != '\0' ? server->open_why
						      : dht_error_text(server->open_result));
	return server->open_result;
}

void server_open_describe(const struct server *server, char *out, size_t size)
{
	uint64_t total = atomic_load_explicit(&server->open_total, memory_order_relaxed);
	uint64_t done = atomic_load_explicit(&server->open_done, memory_order_relaxed);
	if (total == 0)
		snprintf(out, size, "opening the store");
	else
		snprintf(out, size, "recovering the store: %llu %% of %.1f MiB",
			 (unsigned long long)(done * 100 / total), (double)total / MIB);
}

void server_open_tell(struct server *server)
{
	char text[TEXT_MAX];
	server_open_describe(server, text, sizeof(text));
	LOG_INFO("server", "msg=\"starting\" progress=\"%s\"", text);
	notify_starting(text);
}
