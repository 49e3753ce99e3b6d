/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/client - what a connection knows of its client, and what others see of it.
 *
 * Why     Most clients are idle, and tell their library at most: what they told lies in
 *         an allocation of its own. CLIENT LIST and CLIENT KILL look at the clients of
 *         other workers, which go on meanwhile.
 * Owns    struct resp_client: its names. A view: a share of them.
 * Thread  A client belongs to the owner of its session. Others read it on a walk over the
 *         registry (worker/session.h): the names are changed under its lock and constant
 *         once they are there, the rest is atomic and written by the owner alone.
 * Errors  DHT_ENOMEM; nothing is changed then.
 */
#ifndef DHT_RESP_CLIENT_H
#define DHT_RESP_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/endpoint.h"
#include "resp/writer.h"
#include "worker/session.h"

struct resp_call;
struct resp_command;
struct resp_names;
struct resp_text;

enum resp_name {
	RESP_NAME_CLIENT,      /* CLIENT SETNAME */
	RESP_NAME_LIB,         /* CLIENT SETINFO LIB-NAME */
	RESP_NAME_LIB_VERSION, /* CLIENT SETINFO LIB-VER */
	RESP_NAME_COUNT,
};

enum {
	RESP_NAME_BYTES_MAX = 1024, /* of one name */

	RESP_CLIENT_READONLY = 1 << 0,  /* READONLY */
	RESP_CLIENT_NO_EVICT = 1 << 1,  /* CLIENT NO-EVICT ON */
	RESP_CLIENT_NO_TOUCH = 1 << 2,  /* CLIENT NO-TOUCH ON */
	RESP_CLIENT_REPLY_OFF = 1 << 3, /* CLIENT REPLY OFF */
	RESP_CLIENT_SKIP_NEXT = 1 << 4, /* CLIENT REPLY SKIP is running */
	RESP_CLIENT_SKIP = 1 << 5,      /* the request behind it gets no reply */
	RESP_CLIENT_MUTED = RESP_CLIENT_REPLY_OFF | RESP_CLIENT_SKIP_NEXT | RESP_CLIENT_SKIP,
};

struct resp_client {
	struct resp_names *names;                    /* NULL: it has none */
	_Atomic(const struct resp_command *) latest; /* what it ran last; NULL: nothing known */
	_Atomic uint8_t flags;                       /* RESP_CLIENT_* */
	_Atomic uint32_t queued; /* 1 + requests that wait for EXEC; 0: no transaction */
};

static inline uint8_t resp_client_flags(const struct resp_client *client)
{
	return atomic_load_explicit(&client->flags, memory_order_relaxed);
}

/* The owner alone writes. */
static inline void resp_client_set(struct resp_client *client, uint8_t set, uint8_t clear)
{
	uint8_t flags = (resp_client_flags(client) & (uint8_t)~clear) | set;
	atomic_store_explicit(&client->flags, flags, memory_order_relaxed);
}

static inline void resp_client_runs(struct resp_client *client, const struct resp_command *command)
{
	atomic_store_explicit(&client->latest, command, memory_order_relaxed);
}

/* Tells of a transaction with so many requests, or of none: -1. */
static inline void resp_client_queues(struct resp_client *client, int32_t requests)
{
	atomic_store_explicit(&client->queued, (uint32_t)(requests + 1), memory_order_relaxed);
}

/* True if the bytes can be a name: no spaces, which would break the lines of CLIENT LIST. */
bool resp_client_is_name(struct bytes name);

/* Replaces a name; an empty one is none. */
int resp_client_set_name(struct session *s, enum resp_name which, struct bytes name) DHT_MUST_CHECK;

/* Returns a name, empty if there is none; the owner. */
struct bytes resp_client_name(const struct session *s, enum resp_name which);

/* Makes the connection what it was when it was opened, as RESET does: all that a client may
 * have set between two requests but the name of its library. */
void resp_client_reset(struct resp_call *call);

/* Frees the names. The session is on no walk any more. */
void resp_client_closed(struct session *s);

/* Takes back what a request has written behind `before` if its client wants no reply to it.
 * Called behind every request of a client that has a flag of RESP_CLIENT_MUTED. */
void resp_client_mute(struct resp_call *call, size_t before);

/* ---- What others see ------------------------------------------------------------- */

/* One client at one time. */
struct resp_client_view {
	uint64_t id, age_s, idle_s;
	int fd;
	uint32_t in_bytes, out_bytes, state_bytes;
	enum resp_version version;
	uint8_t flags;
	uint32_t queued;
	const struct resp_command *latest;
	struct resp_names *names;
	char peer[ENDPOINT_MAX], local[ENDPOINT_MAX];
};

/* The owner, or a visit. resp_client_view_close gives the share of the names back. */
void resp_client_view_open(struct resp_client_view *view, struct session *s, uint64_t now_ns);
void resp_client_view_close(struct resp_client_view *view);

/* Appends the line that CLIENT LIST has of the client, with its end. */
void resp_client_view_print(const struct resp_client_view *view, struct resp_text *text);

#endif
