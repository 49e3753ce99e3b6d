/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that a running node takes over.
 */
#include "base/log.h"
#include "io/clock.h"
#include "server/notify.h"
#include "server/server.h"

void server_apply_settings(struct server *server)
{
	const struct conf *conf = &server->conf;
	log_set_level(conf->log_level);
	atomic_store(&server->shared.park_after_ns, conf->workers_park_after_ms * NS_PER_MS);
	atomic_store(&server->shared.output_max, conf->clients_output_max_bytes);
	atomic_store(&server->background.allowance.rate, conf->store_compact_rate_bytes_per_s);
	atomic_store(&server->background.upkeep.allowance.rate, conf->peers_sync_rate_bytes_per_s);
	atomic_store(&server->dispatcher.acceptor.clients_max, conf->clients_max);
	atomic_store(&server->port.redirects, conf->clients_redirect == CONF_REDIRECT_MOVED);
	atomic_store(&server->control.max_skew_ms, conf->peers_max_skew_ms);
	resp_slowlog_set(&server->port.stats.slowlog, conf->clients_slow_after_ms * NS_PER_MS,
			 conf->clients_slow_max);
}

static void log_change(const struct conf_item *item, const char *before, const char *after,
		       void *ctx)
{
	if (item->change == CONF_RELOAD)
		LOG_INFO("conf", "msg=\"setting changed\" key=%s before=%s after=%s", item->key,
			 before, after);
	else
		LOG_WARN("conf",
			 "msg=\"changed setting needs a restart\" key=%s in_force=%s file=%s",
			 item->key, before, after);
}

/* What a problem quotes of the file must not end the quotes of the log line. */
static void log_problem(char *line)
{
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
	}
	LOG_ERROR("conf", "msg=\"reload refused\" problem=\"%s\"", line);
}

void server_reload(struct server *server)
{
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	struct conf fresh;
	const struct server_source *source = &server->source;
	/* While it starts, being ready is another matter. */
	bool serves = atomic_load(&server->phase) == SERVER_SERVING;
	if (serves)
		notify_reloading();
	int rc = conf_init_defaults(&fresh, source->host_name);
	if (rc == 0)
		rc = conf_load_file(&fresh, source->path, source->sets, source->set_count,
				    &problems);
	if (rc == 0) {
		pthread_mutex_lock(&server->conf_lock);
		rc = conf_reload(&server->conf, &fresh, log_change, NULL);
		pthread_mutex_unlock(&server->conf_lock);
		server_apply_settings(server);
	}
	for (size_t i = 0; i < problems.count; i++)
		log_problem(problems.lines[i]);
	if (rc != 0)
		LOG_ERROR(
		    "conf",
		    "msg=\"configuration not reloaded, the old one stays in force\" problems=%zu",
		    problems.total);
	else
		LOG_INFO("conf", "msg=\"configuration reloaded\"");
	conf_fini(&fresh);
	conf_problems_fini(&problems);
	if (serves)
		notify_ready(rc == 0 ? "serving"
				     : "serving; the changed configuration is bad, see the log");
}
