/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/slowlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/endpoint.h"
#include "resp/command.h"

/* What is said of what was left out: "... (4294967295 more arguments)". */
enum { MORE_MAX = 48 };

/* The texts stand behind it: one allocation an entry. */
struct entry {
	struct list link;
	uint64_t id, unix_s, us;
	char peer[ENDPOINT_MAX];
	uint32_t arg_count;
	uint32_t arg_len[RESP_SLOW_ARGS];
	uint32_t name_len; /* of the client, behind the arguments */
	uint8_t texts[];
};

void resp_slowlog_init(struct resp_slowlog *log)
{
	*log = (struct resp_slowlog){.takes_ns = UINT64_MAX};
	list_init(&log->entries);
	pthread_mutex_init(&log->lock, NULL);
}

static void drop_beyond(struct resp_slowlog *log, uint64_t max)
{
	while (log->count > max) {
		struct entry *oldest = LIST_ENTRY(list_first(&log->entries), struct entry, link);
		list_remove(&oldest->link);
		log->count--;
		free(oldest);
	}
}

void resp_slowlog_fini(struct resp_slowlog *log)
{
	drop_beyond(log, 0);
	pthread_mutex_destroy(&log->lock);
}

void resp_slowlog_set(struct resp_slowlog *log, uint64_t after_ns, uint64_t max)
{
	pthread_mutex_lock(&log->lock);
	log->after_ns = after_ns;
	log->max = max;
	atomic_store_explicit(&log->takes_ns, max == 0 ? UINT64_MAX : after_ns,
			      memory_order_relaxed);
	drop_beyond(log, max);
	pthread_mutex_unlock(&log->lock);
}

uint64_t resp_slowlog_after_us(struct resp_slowlog *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t after_ns = log->after_ns;
	pthread_mutex_unlock(&log->lock);
	return after_ns / NS_PER_US;
}

/* A password is nobody's business. */
static bool is_secret(const struct resp_call *call, size_t i)
{
	if (i == 0)
		return false;
	if (resp_is_word(call->args[0], "AUTH"))
		return true;
	if (!resp_is_word(call->args[0], "HELLO"))
		return false;
	return resp_is_word(call->args[i - 1], "AUTH") ||
	       (i > 1 && resp_is_word(call->args[i - 2], "AUTH"));
}

/* Writes argument i as the log shows it. Returns its end. */
static uint8_t *note_arg(const struct resp_call *call, size_t i, uint8_t *text)
{
	struct bytes arg = call->args[i];
	char *end = (char *)text;
	if (i == RESP_SLOW_ARGS - 1 && call->argc > RESP_SLOW_ARGS) {
		end += snprintf(end, MORE_MAX, "... (%zu more arguments)",
				call->argc - RESP_SLOW_ARGS + 1);
	} else if (is_secret(call, i)) {
		end += snprintf(end, MORE_MAX, "(redacted)");
	} else {
		size_t len = arg.len < RESP_SLOW_ARG_BYTES ? arg.len : RESP_SLOW_ARG_BYTES;
		if (len > 0)
			memcpy(end, arg.data, len);
		end += len;
		if (arg.len > len)
			end += snprintf(end, MORE_MAX, "... (%zu more bytes)", arg.len - len);
	}
	return (uint8_t *)end;
}

static struct entry *make_entry(const struct resp_call *call, uint64_t ns)
{
	size_t count = call->argc < RESP_SLOW_ARGS ? call->argc : RESP_SLOW_ARGS;
	struct bytes name = resp_client_name(call->session, RESP_NAME_CLIENT);
	struct entry *entry =
	    malloc(sizeof(*entry) + count * (RESP_SLOW_ARG_BYTES + MORE_MAX) + name.len);
	if (entry == NULL)
		return NULL;
	*entry = (struct entry){
	    .unix_s = clock_wall_ms() / 1000, .us = ns / NS_PER_US, .arg_count = (uint32_t)count};
	endpoint_peer(call->session->conn.watch.fd, entry->peer);
	uint8_t *text = entry->texts;
	for (size_t i = 0; i < count; i++) {
		uint8_t *end = note_arg(call, i, text);
		entry->arg_len[i] = (uint32_t)(end - text);
		text = end;
	}
	if (name.len > 0)
		memcpy(text, name.data, name.len);
	entry->name_len = (uint32_t)name.len;
	text += name.len;
	struct entry *fitting = realloc(entry, sizeof(*entry) + (size_t)(text - entry->texts));
	return fitting == NULL ? entry : fitting;
}

void resp_slowlog_add(struct resp_slowlog *log, const struct resp_call *call, uint64_t ns)
{
	struct entry *entry = make_entry(call, ns);
	if (entry == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	entry->id = log->next_id++;
	list_push_tail(&log->entries, &entry->link);
	log->count++;
	drop_beyond(log, log->max);
	pthread_mutex_unlock(&log->lock);
}

uint64_t resp_slowlog_count(struct resp_slowlog *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t count = log->count;
	pthread_mutex_unlock(&log->lock);
	return count;
}

void resp_slowlog_clear(struct resp_slowlog *log)
{
	pthread_mutex_lock(&log->lock);
	drop_beyond(log, 0);
	pthread_mutex_unlock(&log->lock);
}

static void write_entry(const struct entry *entry, struct resp_out *out)
{
	resp_write_array(out, 6);
	resp_write_integer(out, (int64_t)entry->id);
	resp_write_integer(out, (int64_t)entry->unix_s);
	resp_write_integer(out, (int64_t)entry->us);
	resp_write_array(out, entry->arg_count);
	const uint8_t *text = entry->texts;
	for (uint32_t i = 0; i < entry->arg_count; text += entry->arg_len[i++])
		resp_write_bulk(out, bytes_of(text, entry->arg_len[i]));
	resp_write_bulk_text(out, entry->peer);
	resp_write_bulk(out, bytes_of(text, entry->name_len));
}

void resp_slowlog_write(struct resp_slowlog *log, uint64_t max, struct resp_out *out)
{
	pthread_mutex_lock(&log->lock);
	uint64_t left = max < log->count ? max : log->count;
	resp_write_array(out, left);
	for (struct list *link = log->entries.prev; left > 0; link = link->prev, left--)
		write_entry(LIST_ENTRY(link, struct entry, link), out);
	pthread_mutex_unlock(&log->lock);
}
