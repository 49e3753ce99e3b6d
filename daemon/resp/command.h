/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/command - one request on its way through the handler of its command.
 *
 * Thread  the worker that owns the session; struct resp_command: any, constant.
 */
#ifndef DHT_RESP_COMMAND_H
#define DHT_RESP_COMMAND_H

#include "base/text.h"
#include "resp/serve.h"
#include "ring/map.h"
#include "worker/exec.h"

struct resp_ahead;
struct resp_call;
struct resp_replay;

typedef void (*resp_run_fn)(struct resp_call *call);

/* X(flag, number, the word that COMMAND shows) */
#define RESP_FLAGS(X)                                                                              \
	X(READONLY, 0, "readonly")                                                                 \
	X(WRITE, 1, "write")                                                                       \
	X(DENYOOM, 2, "denyoom")                                                                   \
	X(ADMIN, 3, "admin")                                                                       \
	X(NOSCRIPT, 4, "noscript")                                                                 \
	X(LOADING, 5, "loading")                                                                   \
	X(STALE, 6, "stale")                                                                       \
	X(FAST, 7, "fast")                                                                         \
	X(NO_AUTH, 8, "no_auth")                                                                   \
	X(NO_MULTI, 9, "no_multi")

enum {
	RESP_CMD_NONE = 0,
#define X(flag, number, word) RESP_CMD_##flag = 1 << (number),
	RESP_FLAGS(X)
#undef X
};

/* X(GROUP, its name in COMMAND DOCS, its ACL category) */
#define RESP_GROUPS(X)                                                                             \
	X(STRING, "string", "@string")                                                             \
	X(GENERIC, "generic", "@keyspace")                                                         \
	X(CONNECTION, "connection", "@connection")                                                 \
	X(SERVER, "server", NULL)                                                                  \
	X(CLUSTER, "cluster", NULL)                                                                \
	X(TRANSACTIONS, "transactions", "@transaction")

enum resp_group {
#define X(group, name, category) RESP_GROUP_##group,
	RESP_GROUPS(X)
#undef X
};

/* A row of resp/commands.def. */
struct resp_command {
	const char *name; /* upper case; of a subcommand without its parent's */
	uint32_t name_len;
	int16_t parent; /* index of the row of the parent; -1: none */
	int16_t arity;  /* words of a request; negative: at least that many */
	uint32_t flags; /* RESP_CMD_* */
	int8_t first_key, last_key, key_step;
	uint8_t group;   /* enum resp_group */
	resp_run_fn run; /* NULL: it has subcommands only */
	const char *since, *syntax, *summary;
};

/* One request. */
struct resp_call {
	struct worker *worker;
	struct session *session;
	struct resp_session *state;
	struct resp_port *port;
	struct resp_stats *stats;
	const struct resp_command *command;
	const struct bytes *args; /* args[0] is the command's name */
	size_t argc;
	struct store_key key; /* of the first key, looked up already; key.data NULL: of none */
	struct resp_out *out; /* the handler writes exactly one reply, unless the session waits */
	uint32_t keys_run;    /* by a command on several keys in this turn */
	bool has_run;         /* the handler was called */
	struct resp_replay *replay; /* the EXEC that it is part of; NULL: none */
	struct resp_ahead *ahead;   /* it runs before its turn (resp/ahead.h); NULL: at it */
	bool yields;                /* it lets others have a turn; the request comes again */
};

/* ---- For handlers ---------------------------------------------------------------- */

/* The map as it is now, valid until the handler returns: it is asked for once a call, so that
 * what is said of it fits together. */
static inline const struct ring_map *resp_map(const struct resp_call *call)
{
	return atomic_load_explicit(&call->worker->shared->map, memory_order_acquire);
}

/* This node's number. */
static inline uint16_t resp_self(const struct resp_call *call)
{
	return atomic_load_explicit(&call->worker->shared->self, memory_order_relaxed);
}

/* Runs an operation on op->key.key, whose other bytes are those of the request, too, and which
 * depends on no other operation's result (resp/replay.h). False: it cannot run yet (the session
 * waits), and the handler returns without a reply; the request comes again. Otherwise what result
 * points to stays valid until resp_op_done. */
bool resp_run_op(struct resp_call *call, struct op *op, struct op_result *result);
void resp_op_done(struct resp_call *call, const struct op_result *result);

/* Appends the value that a result has, as a bulk string. A large one is not copied: its pin
 * goes with the reply. */
void resp_write_value(struct resp_call *call, struct op_result *result);

/* To be asked by a command on several keys before each of them but the first: true when it
 * has to let other sessions have a turn. It returns then, with what it has done noted in
 * state->progress; what it has replied so far stays, and the request comes again. */
bool resp_yields(struct resp_call *call) DHT_MUST_CHECK;

/* Answers what an operation could not do: the DHT_E* that no command has a reply of its own
 * for. */
void resp_reply_status(struct resp_call *call, int status);

/* Answers a request that has not the words its command asks for. */
void resp_reply_arity(struct resp_call *call);

/* True if these bytes can be a key; replies otherwise. */
bool resp_check_key(struct resp_call *call, struct bytes key);

/* True if a pattern may be as long as that; replies otherwise. */
bool resp_check_pattern(struct resp_call *call, struct bytes pattern) DHT_MUST_CHECK;

/* True if a value of so many bytes can be stored; replies otherwise. */
bool resp_check_value(struct resp_call *call, uint64_t size);

/* Names the client of the connection; replies if it cannot be. */
bool resp_set_client_name(struct resp_call *call, struct bytes name) DHT_MUST_CHECK;

/* True if the argument is this word; the case of neither matters. */
static inline bool resp_is_word(struct bytes arg, const char *word)
{
	return text_is_alike(arg, bytes_of_text(word));
}

/* ---- The handlers ---------------------------------------------------------------- */

#define RESP_COMMAND(id, ...)            void resp_run_##id(struct resp_call *call);
#define RESP_SUBCOMMAND(parent, id, ...) void resp_run_##parent##_##id(struct resp_call *call);
#include "resp/commands.def"

/* HELP of every command that has subcommands. */
void resp_run_help(struct resp_call *call);

#endif
