/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server does around a commit: the counter's durable ceiling (the register
 * protocol, section 1), work for the housekeeper, the end when the disk fails.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/server.h"

/* What was not durable was not answered, and never will be: nothing but the end is safe. */
static void on_failed(void *ctx, int error)
{
	(void)ctx;
	LOG_ERROR("server",
		  "msg=\"the disk failed, the node stops at once; what was acknowledged is in the "
		  "log\" error=\"%s\"",
		  dht_error_text(error));
	_exit(1);
}

static void sample_rate(struct server_ceiling *sample, uint64_t value, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - sample->sampled_ns;
	if (elapsed_ns < NS_PER_S / 2)
		return;
	sample->rate = (uint64_t)((double)(value - sample->value) * NS_PER_S / (double)elapsed_ns);
	sample->value = value;
	sample->sampled_ns = now_ns;
}

/* Appends a higher ceiling where one is wanted. Without room in the log it is wanted again
 * at the next commit. */
static int append_ceiling(struct server *server)
{
	struct server_ceiling *pending = &server->ceiling;
	struct counter *counter = &server->node.counter;
	sample_rate(pending, counter_value(counter), clock_monotonic_ns());
	uint64_t wanted = counter_wants_ceiling(counter, pending->rate), end;
	if (wanted == 0)
		return 0;
	int rc = store_put_ceiling(server->store, COMMITTER_APPENDER, wanted, &end);
	if (rc != 0)
		return rc;
	counter_ceiling_appended(counter, wanted);
	pending->ceiling = wanted;
	pending->end = end;
	return 0;
}

static void note_ceiling(struct server *server)
{
	struct server_ceiling *pending = &server->ceiling;
	if (pending->ceiling == 0 || pending->end > committer_mark(&server->committer))
		return;
	counter_ceiling_durable(&server->node.counter, pending->ceiling);
	pending->ceiling = 0;
}

static void on_committed(void *ctx)
{
	struct server *server = ctx;
	note_ceiling(server);
	control_committed(&server->control);
}

static void on_committing(void *ctx)
{
	int rc = append_ceiling(ctx);
	(void)rc;
}

/* Tells the log when the disk is full, and when it is not any more. */
static void watch_space(struct server *server)
{
	bool is_full = store_is_full(server->store);
	if (is_full && !server->is_full)
		LOG_ERROR("store", "msg=\"no space left on the disk: writes are refused, reads and "
				   "deletes go on\"");
	if (!is_full && server->is_full)
		LOG_INFO("store", "msg=\"there is space on the disk again\"");
	server->is_full = is_full;
}

static void on_turned(void *ctx)
{
	struct server *server = ctx;
	watch_space(server);
	if (store_wants_segment(server->store) || store_wants_memory(server->store))
		housekeeper_ask(&server->housekeeper);
}

static enum committer_mode mode_of(enum conf_fsync fsync)
{
	switch (fsync) {
	case CONF_FSYNC_ALWAYS:
		return COMMITTER_ALWAYS;
	case CONF_FSYNC_INTERVAL:
		return COMMITTER_INTERVAL;
	case CONF_FSYNC_NEVER:
		return COMMITTER_NEVER;
	}
	DHT_UNREACHABLE();
}

void server_commit_init(struct server *server)
{
	struct committer_events events = {
	    .ctx = server,
	    .failed = on_failed,
	    .committing = on_committing,
	    .committed = on_committed,
	    .turned = on_turned,
	};
	committer_init(&server->committer, server->store, mode_of(server->conf.store_fsync),
		       &events);
}

int server_commit_first(struct server *server)
{
	server->ceiling.value = counter_value(&server->node.counter);
	server->ceiling.sampled_ns = clock_monotonic_ns();
	int rc = append_ceiling(server);
	if (rc == 0)
		rc = store_commit(server->store, STORE_SYNC);
	if (rc == 0)
		note_ceiling(server);
	return rc;
}
