/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/serve.h"
#include "resp/table.h"
#include "resp/text.h"
#include "resp/transaction.h"

/* Constant, so that a view needs the lock for its share alone. The bytes of the names stand
 * behind it, one after the other. */
struct resp_names {
	_Atomic uint32_t shares;
	uint32_t len[RESP_NAME_COUNT];
	uint8_t bytes[];
};

static struct resp_session *state_of(const struct session *s)
{
	return (struct resp_session *)(void *)(uintptr_t)s->state;
}

/* ---- Names ----------------------------------------------------------------------- */

static struct bytes name_of(const struct resp_names *names, enum resp_name which)
{
	size_t at = 0;
	if (names == NULL)
		return (struct bytes){0};
	for (size_t i = 0; i < which; i++)
		at += names->len[i];
	return bytes_of(names->bytes + at, names->len[which]);
}

static void take_share(struct resp_names *names)
{
	if (names != NULL)
		atomic_fetch_add_explicit(&names->shares, 1, memory_order_relaxed);
}

static void give_share(struct resp_names *names)
{
	if (names != NULL &&
	    atomic_fetch_sub_explicit(&names->shares, 1, memory_order_acq_rel) == 1)
		free(names);
}

/* Returns names with one of them replaced. NULL: no memory. */
static struct resp_names *names_with(const struct resp_names *old, enum resp_name which,
				     struct bytes name)
{
	size_t size = 0;
	struct bytes parts[RESP_NAME_COUNT];
	for (size_t i = 0; i < RESP_NAME_COUNT; i++) {
		parts[i] = i == which ? name : name_of(old, (enum resp_name)i);
		size += parts[i].len;
	}
	struct resp_names *names = malloc(sizeof(*names) + size);
	if (names == NULL)
		return NULL;
	names->shares = 1;
	uint8_t *to = names->bytes;
	for (size_t i = 0; i < RESP_NAME_COUNT; i++) {
		names->len[i] = (uint32_t)parts[i].len;
		if (parts[i].len > 0)
			memcpy(to, parts[i].data, parts[i].len);
		to += parts[i].len;
	}
	return names;
}

bool resp_client_is_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] < '!' || name.data[i] > '~')
			return false;
	}
	return true;
}

/* Gives the session other names. */
static void replace_names(struct session *s, struct resp_names *names)
{
	struct resp_client *client = &state_of(s)->client;
	struct resp_names *old = client->names;
	pthread_mutex_lock(&s->sessions->lock);
	client->names = names;
	pthread_mutex_unlock(&s->sessions->lock);
	give_share(old);
}

int resp_client_set_name(struct session *s, enum resp_name which, struct bytes name)
{
	const struct resp_names *old = state_of(s)->client.names;
	DHT_ASSERT(name.len <= RESP_NAME_BYTES_MAX);
	if (old == NULL && name.len == 0)
		return 0;
	struct resp_names *names = names_with(old, which, name);
	if (names == NULL)
		return DHT_ENOMEM;
	replace_names(s, names);
	return 0;
}

struct bytes resp_client_name(const struct session *s, enum resp_name which)
{
	return name_of(state_of(s)->client.names, which);
}

void resp_client_closed(struct session *s)
{
	give_share(state_of(s)->client.names);
}

/* ---- State ------------------------------------------------------------------------- */

void resp_client_reset(struct resp_call *call)
{
	struct resp_session *state = call->state;
	resp_transaction_drop(state);
	/* Without memory for names without it, the old name stays: nothing depends on it. */
	if (resp_client_name(call->session, RESP_NAME_CLIENT).len > 0)
		(void)!resp_client_set_name(call->session, RESP_NAME_CLIENT, (struct bytes){0});
	/* CLIENT NO-EVICT stays, as in Redis, and so does a reply that is to be skipped. */
	resp_client_set(&state->client, 0,
			RESP_CLIENT_READONLY | RESP_CLIENT_NO_TOUCH | RESP_CLIENT_REPLY_OFF);
	state->version = call->out->version = RESP_VERSION_2;
}

void resp_client_mute(struct resp_call *call, size_t before)
{
	struct resp_client *client = &call->state->client;
	if (call->out->error == 0)
		call->out->len = before;
	if (call->session->waits || call->yields)
		return; /* the same request comes again */
	uint8_t next = resp_client_flags(client) & RESP_CLIENT_SKIP_NEXT ? RESP_CLIENT_SKIP : 0;
	resp_client_set(client, next, RESP_CLIENT_SKIP_NEXT | RESP_CLIENT_SKIP);
}

/* ---- What others see ------------------------------------------------------------- */

void resp_client_view_open(struct resp_client_view *view, struct session *s, uint64_t now_ns)
{
	const struct resp_session *state = state_of(s);
	uint64_t active_ns = session_active_ns(s);
	*view = (struct resp_client_view){
	    .id = s->id,
	    .age_s = now_ns > s->created_ns ? (now_ns - s->created_ns) / NS_PER_S : 0,
	    .idle_s = now_ns > active_ns ? (now_ns - active_ns) / NS_PER_S : 0,
	    .fd = s->conn.watch.fd,
	    .in_bytes = atomic_load_explicit(&s->in_bytes, memory_order_relaxed),
	    .out_bytes = atomic_load_explicit(&s->out_bytes, memory_order_relaxed),
	    .state_bytes = (uint32_t)(sizeof(*s) + s->protocol->state_size),
	    .version = state->version == RESP_VERSION_3 ? RESP_VERSION_3 : RESP_VERSION_2,
	    .flags = resp_client_flags(&state->client),
	    .queued = atomic_load_explicit(&state->client.queued, memory_order_relaxed),
	    .latest = atomic_load_explicit(&state->client.latest, memory_order_relaxed),
	    .names = state->client.names,
	};
	take_share(view->names);
	endpoint_peer(view->fd, view->peer);
	endpoint_local(view->fd, view->local);
}

void resp_client_view_close(struct resp_client_view *view)
{
	give_share(view->names);
	view->names = NULL;
}

enum { FLAGS_MAX = 5 };

/* The letters of Redis; N: none. */
static void print_flags(uint8_t flags, bool in_transaction, char text[FLAGS_MAX])
{
	char *end = text;
	if (in_transaction)
		*end++ = 'x';
	if (flags & RESP_CLIENT_READONLY)
		*end++ = 'r';
	if (flags & RESP_CLIENT_NO_EVICT)
		*end++ = 'e';
	if (flags & RESP_CLIENT_NO_TOUCH)
		*end++ = 'T';
	if (end == text)
		*end++ = 'N';
	*end = '\0';
}

/* What there is nothing of here (subscriptions, buffers of Redis) is what Redis writes where
 * it has nothing of it. */
void resp_client_view_print(const struct resp_client_view *view, struct resp_text *text)
{
	struct bytes name = name_of(view->names, RESP_NAME_CLIENT);
	struct bytes lib = name_of(view->names, RESP_NAME_LIB);
	struct bytes lib_version = name_of(view->names, RESP_NAME_LIB_VERSION);
	char latest[RESP_NAME_MAX] = "NULL", flags[FLAGS_MAX];
	if (view->latest != NULL)
		resp_table_name(view->latest, latest);
	print_flags(view->flags, view->queued > 0, flags);
	resp_text_add(
	    text,
	    "id=%llu addr=%s laddr=%s fd=%d name=%.*s age=%llu idle=%llu flags=%s db=0 sub=0 "
	    "psub=0 ssub=0 multi=%d qbuf=%u qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
	    "oll=0 omem=%u tot-mem=%llu events=r cmd=%s user=default redir=-1 resp=%d "
	    "lib-name=%.*s lib-ver=%.*s\n",
	    (unsigned long long)view->id, view->peer, view->local, view->fd, (int)name.len,
	    (const char *)name.data, (unsigned long long)view->age_s,
	    (unsigned long long)view->idle_s, flags, (int)view->queued - 1, view->in_bytes,
	    view->out_bytes,
	    (unsigned long long)view->state_bytes + view->in_bytes + view->out_bytes, latest,
	    (int)view->version, (int)lib.len, (const char *)lib.data, (int)lib_version.len,
	    (const char *)lib_version.data);
}
