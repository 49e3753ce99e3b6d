/* SPDX-License-Identifier: Apache-2.0
 *
 * CONFIG: the settings in force, under their names in dhtd.yaml and, where programs ask for
 * them by Redis's names, under those too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resp/command.h"
#include "resp/glob.h"

enum {
	NUMBER_MAX = 24,
	PATTERN_MAX = 64, /* bytes; longer ones match nothing */
};

/* Returns a value for the caller to free; NULL: no memory. */
typedef char *(*value_fn)(const struct resp_call *call);

/* A setting of Redis: a constant, or a function that finds out. */
struct alias {
	const char *name;
	const char *text;
	value_fn value;
};

/* ---- Values ------------------------------------------------------------------------ */

static char *number_text(uint64_t number)
{
	char text[NUMBER_MAX];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return strdup(text);
}

static char *setting(const struct resp_call *call, enum conf_id id)
{
	const struct resp_node *node = &call->port->node;
	return node->setting(node->ctx, &conf_items[id]);
}

static char *appendfsync(const struct resp_call *call)
{
	switch (call->port->node.conf->store_fsync) {
	case CONF_FSYNC_ALWAYS:
		return strdup("always");
	case CONF_FSYNC_INTERVAL:
		return strdup("everysec");
	case CONF_FSYNC_NEVER:
		return strdup("no");
	}
	DHT_UNREACHABLE();
}

static char *maxclients(const struct resp_call *call)
{
	return setting(call, CONF_clients_max);
}

static char *port(const struct resp_call *call)
{
	return number_text(call->port->node.conf->listen_client.items[0].port);
}

/* The hosts to listen on, with spaces between them. */
static char *bind_hosts(const struct resp_call *call)
{
	const struct conf_addr_list *list = &call->port->node.conf->listen_client;
	size_t size = 1;
	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i].host) + 1;
	char *text = calloc(1, size), *end = text;
	for (size_t i = 0; text != NULL && i < list->count; i++)
		end += sprintf(end, "%s%s", i > 0 ? " " : "", list->items[i].host);
	return text;
}

static char *data_dir(const struct resp_call *call)
{
	return setting(call, CONF_node_data_dir);
}

static char *slower_than_us(const struct resp_call *call)
{
	return number_text(resp_slowlog_after_us(&call->port->stats.slowlog));
}

static char *slowlog_max(const struct resp_call *call)
{
	return setting(call, CONF_clients_slow_max);
}

static char *request_max(const struct resp_call *call)
{
	(void)call;
	return number_text(RESP_REQUEST_MAX);
}

static const struct alias aliases[] = {
    {"appendfsync", NULL, appendfsync},
    {"appendonly", "yes", NULL},
    {"bind", NULL, bind_hosts},
    {"cluster-enabled", "yes", NULL},
    {"databases", "1", NULL},
    {"dir", NULL, data_dir},
    {"latency-monitor-threshold", "0", NULL},
    {"latency-tracking", "yes", NULL},
    {"latency-tracking-info-percentiles", "50 99 99.9", NULL},
    {"maxclients", NULL, maxclients},
    {"maxmemory", "0", NULL},
    {"maxmemory-policy", "noeviction", NULL},
    {"notify-keyspace-events", "", NULL},
    {"port", NULL, port},
    {"proto-max-bulk-len", NULL, request_max},
    {"requirepass", "", NULL},
    {"save", "", NULL},
    {"slowlog-log-slower-than", NULL, slower_than_us},
    {"slowlog-max-len", NULL, slowlog_max},
    {"timeout", "0", NULL},
};

enum {
	ALIAS_COUNT = DHT_ARRAY_LEN(aliases),
	NAME_COUNT = ALIAS_COUNT + CONF_ITEM_COUNT,
};

static const char *name_of(size_t i)
{
	return i < ALIAS_COUNT ? aliases[i].name : conf_items[i - ALIAS_COUNT].key;
}

static char *value_of(const struct resp_call *call, size_t i)
{
	if (i >= ALIAS_COUNT)
		return setting(call, conf_items[i - ALIAS_COUNT].id);
	return aliases[i].value != NULL ? aliases[i].value(call) : strdup(aliases[i].text);
}

/* ---- CONFIG GET ---------------------------------------------------------------------- */

/* Names are in lower case, patterns in any. */
static bool matches(struct bytes pattern, const char *name)
{
	return pattern.len <= PATTERN_MAX && glob_matches_lower(pattern, bytes_of_text(name));
}

static bool is_asked_for(const struct resp_call *call, size_t i)
{
	for (size_t arg = 2; arg < call->argc; arg++) {
		if (matches(call->args[arg], name_of(i)))
			return true;
	}
	return false;
}

/* A name that is asked for as such is given back as it was written. */
static struct bytes shown_name(const struct resp_call *call, size_t i)
{
	const char *name = name_of(i);
	for (size_t arg = 2; arg < call->argc; arg++) {
		if (resp_is_word(call->args[arg], name))
			return call->args[arg];
	}
	return bytes_of_text(name);
}

void resp_run_config_get(struct resp_call *call)
{
	bool shows[NAME_COUNT];
	size_t count = 0;
	for (size_t i = 0; i < NAME_COUNT; i++) {
		shows[i] = is_asked_for(call, i);
		count += shows[i];
	}
	resp_write_map(call->out, count);
	for (size_t i = 0; i < NAME_COUNT; i++) {
		if (!shows[i])
			continue;
		char *value = value_of(call, i);
		resp_write_bulk(call->out, shown_name(call, i));
		resp_write_bulk_text(call->out, value != NULL ? value : "");
		free(value);
	}
}

/* ---- CONFIG RESETSTAT ---------------------------------------------------------------- */

void resp_run_config_resetstat(struct resp_call *call)
{
	struct resp_port *of = call->port;
	struct resp_accepted accepted = of->node.accepted(of->node.ctx);
	atomic_store_explicit(&of->accepted_before, accepted.accepted, memory_order_release);
	atomic_store_explicit(&of->refused_before, accepted.refused, memory_order_release);
	resp_stats_reset(&of->stats);
	resp_write_ok(call->out);
}
