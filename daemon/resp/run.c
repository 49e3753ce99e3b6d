/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/endpoint.h"
#include "resp/ahead.h"
#include "resp/contact.h"
#include "resp/replay.h"
#include "resp/table.h"
#include "resp/transaction.h"

enum {
	UNKNOWN_SHOWN = 128,  /* bytes of the name, and of the arguments, in an error */
	WORDS_MAX = 1024,     /* of a request that runs in one piece, whatever its words are */
	PATTERN_MAX = 1024,   /* bytes; what a match takes is a product of both lengths */
	KEYS_IN_A_TURN = 256, /* of a command on several keys */
	/* Bytes of a value that is sent from where it lies. Shorter ones are cheaper to copy. */
	ATTACH_MIN = 16 * 1024,
};

/* ---- HTTP ------------------------------------------------------------------------- */

#define HTTP_QUIET_NS (60 * 1000000000ULL) /* between two lines of log about it */

/* True for a line that every HTTP request with a body has. A web page can have a browser send
 * one to a port of the machine it runs on, with commands of its choice in the body. */
static bool is_http(const struct resp_call *call)
{
	return resp_is_word(call->args[0], "POST") || resp_is_word(call->args[0], "HOST:");
}

/* As in Redis: the connection ends, and nothing behind it is run. */
static void end_http(struct resp_call *call)
{
	call->session->closing = true;
	uint64_t now = clock_monotonic_ns();
	uint64_t told = atomic_load_explicit(&call->port->http_told_ns, memory_order_relaxed);
	if ((told != 0 && now - told < HTTP_QUIET_NS) ||
	    !atomic_compare_exchange_strong(&call->port->http_told_ns, &told, now))
		return;
	char peer[ENDPOINT_MAX];
	endpoint_peer(call->session->conn.watch.fd, peer);
	LOG_WARN("resp",
		 "msg=\"closed a connection that speaks HTTP: a browser may have been made to send "
		 "commands\" peer=%s",
		 peer);
}

/* ---- Requests that have no handler ------------------------------------------------ */

/* Redis's text, which client libraries look for: the name, then the beginnings of
 * the arguments up to a bound. */
static void reply_unknown(struct resp_call *call)
{
	char shown[UNKNOWN_SHOWN + 8];
	size_t used = 0;
	for (size_t i = 1; i < call->argc && used < UNKNOWN_SHOWN; i++) {
		size_t len = call->args[i].len, room = UNKNOWN_SHOWN - used;
		used += (size_t)snprintf(shown + used, sizeof(shown) - used, "'%.*s' ",
					 (int)(len < room ? len : room),
					 (const char *)call->args[i].data);
		if (used >= sizeof(shown))
			used = sizeof(shown) - 1;
	}
	shown[used] = '\0';
	size_t name_len = call->args[0].len < UNKNOWN_SHOWN ? call->args[0].len : UNKNOWN_SHOWN;
	resp_write_errorf(call->out, "ERR unknown command '%.*s', with args beginning with: %s",
			  (int)name_len, (const char *)call->args[0].data, shown);
}

static void reply_no_command(struct resp_call *call)
{
	const char *why = resp_table_refusal(call->args[0]);
	if (why != NULL)
		resp_write_errorf(call->out, "ERR %.*s is not supported: %s",
				  (int)call->args[0].len, (const char *)call->args[0].data, why);
	else
		reply_unknown(call);
}

/* Why the subcommand is refused that the request names; NULL: it is not known. */
static const char *subcommand_refusal(const struct resp_call *call)
{
	char name[RESP_NAME_MAX];
	struct bytes sub = call->args[1];
	size_t parent_len = call->command->name_len;
	if (parent_len + 1 + sub.len > sizeof(name))
		return NULL;
	memcpy(name, call->command->name, parent_len);
	name[parent_len] = ' ';
	if (sub.len > 0)
		memcpy(name + parent_len + 1, sub.data, sub.len);
	return resp_table_refusal(bytes_of(name, parent_len + 1 + sub.len));
}

static void reply_no_subcommand(struct resp_call *call)
{
	const char *why = subcommand_refusal(call);
	if (why != NULL) {
		resp_write_errorf(call->out, "ERR %s %.*s is not supported: %s",
				  call->command->name, (int)call->args[1].len,
				  (const char *)call->args[1].data, why);
		return;
	}
	size_t len = call->args[1].len < UNKNOWN_SHOWN ? call->args[1].len : UNKNOWN_SHOWN;
	resp_write_errorf(call->out, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)len,
			  (const char *)call->args[1].data, call->command->name);
}

void resp_reply_arity(struct resp_call *call)
{
	char name[RESP_NAME_MAX];
	resp_table_name(call->command, name);
	/* An EXEC ends its transaction, whatever is wrong with it. */
	bool is_exec = call->command->run == resp_run_exec;
	resp_write_errorf(call->out, "%s wrong number of arguments for '%s' command",
			  is_exec ? "EXECABORT Transaction discarded because of:" : "ERR", name);
	if (is_exec)
		resp_transaction_drop(call->state);
}

/* ---- Running -------------------------------------------------------------------- */

/* Goes on to the subcommand that the request names. False: there is none; replied. */
static bool find_subcommand(struct resp_call *call)
{
	if (call->argc < 2 || !resp_table_is_parent(call->command))
		return true;
	const struct resp_command *sub = resp_table_find_sub(call->command, call->args[1]);
	if (sub == NULL) {
		reply_no_subcommand(call);
		call->command = NULL; /* it is not the parent that was asked for */
		return false;
	}
	call->command = sub;
	return true;
}

/* Others wait while a request runs, unless it is for as many keys as there are words: then it
 * lets them have a turn (resp_yields). False: there are too many words; replied. */
static bool has_few_words(struct resp_call *call)
{
	char name[RESP_NAME_MAX];
	if (call->argc <= WORDS_MAX || call->command->last_key < 0)
		return true;
	resp_table_name(call->command, name);
	resp_write_errorf(call->out, "ERR too many arguments for '%s' command: at most %d words",
			  name, WORDS_MAX);
	return false;
}

/* Looks for the handler. False: there is none for such a request; replied. */
static bool find_handler(struct resp_call *call)
{
	if (call->command == NULL) {
		if (is_http(call))
			end_http(call);
		else
			reply_no_command(call);
		return false;
	}
	if (!find_subcommand(call))
		return false;
	resp_client_runs(&call->state->client, call->command);
	if (call->command->run == NULL || !resp_table_fits_arity(call->command, call->argc)) {
		resp_reply_arity(call);
		return false;
	}
	return has_few_words(call);
}

void resp_run(struct resp_call *call)
{
	if (!find_handler(call) || resp_contact_moves(call))
		resp_transaction_spoil(call->state);
	else if (resp_transaction_takes(call))
		resp_transaction_queue(call);
	else
		resp_run_handler(call);
}

void resp_run_handler(struct resp_call *call)
{
	call->has_run = true;
	call->command->run(call);
}

void resp_count_error(const struct resp_call *call, size_t reply_at)
{
	const struct resp_out *out = call->out;
	if (out->len <= reply_at || out->data[reply_at] != '-')
		return;
	resp_stats_error(call->stats, bytes_of(out->data + reply_at + 1, out->len - reply_at - 1));
	if (call->has_run)
		resp_stats_failed(call->stats, call->command);
	else if (call->command != NULL)
		resp_stats_rejected(call->stats, call->command);
}

/* ---- HELP ------------------------------------------------------------------------- */

static void write_help_line(struct resp_out *out, const struct resp_command *sub)
{
	char line[RESP_TEXT_MAX];
	snprintf(line, sizeof(line), "%s%s%s", sub->name, *sub->syntax != '\0' ? " " : "",
		 sub->syntax);
	resp_write_simple(out, line);
	snprintf(line, sizeof(line), "    %s", sub->summary);
	resp_write_simple(out, line);
}

/* In the form that Redis gives it; HELP itself comes last. */
void resp_run_help(struct resp_call *call)
{
	const struct resp_command *help = call->command;
	const struct resp_command *parent = resp_table_parent(help);
	size_t count = resp_table_count_subs(parent);
	char head[RESP_TEXT_MAX];
	resp_write_array(call->out, 1 + 2 * count);
	snprintf(head, sizeof(head),
		 "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", parent->name);
	resp_write_simple(call->out, head);
	for (size_t i = 1; i <= count; i++) {
		if (parent + i != help)
			write_help_line(call->out, parent + i);
	}
	write_help_line(call->out, help);
}

/* ---- For handlers ---------------------------------------------------------------- */

static struct store_key key_of(const struct resp_call *call, const struct op *op)
{
	return call->key.key.data == op->key.key.data ? call->key
						      : exec_key(call->worker, op->key.key);
}

bool resp_run_op(struct resp_call *call, struct op *op, struct op_result *result)
{
	if (call->ahead != NULL) {
		op->key = key_of(call, op);
		return resp_ahead_op(call, op, result);
	}
	if (call->replay != NULL) {
		if (!resp_replay_op(call, op, result))
			return true;
	} else {
		op->key = key_of(call, op);
		if (exec_run(call->worker, call->session, op, result) != 0)
			return false;
	}
	if (op->kind == OP_GET || op->kind == OP_TTL)
		resp_stats_looked_up(call->stats, result->status == 0);
	return true;
}

void resp_op_done(struct resp_call *call, const struct op_result *result)
{
	if (call->replay == NULL && call->ahead == NULL)
		exec_done(call->worker, call->session, result);
}

static void unpin(void *store, uint64_t location)
{
	store_unpin(store, location);
}

void resp_write_value(struct resp_call *call, struct op_result *result)
{
	struct worker *w = call->worker;
	struct resp_out *out = call->out;
	bool is_muted = resp_client_flags(&call->state->client) & RESP_CLIENT_MUTED;
	/* What was fetched from the disk is no segment's: it is copied, as is a reply that will
	 * be taken back. */
	if (result->location == 0 || result->value.len < ATTACH_MIN || is_muted) {
		resp_write_bulk(out, result->value);
		return;
	}
	resp_write_bulk_length(out, result->value.len);
	if (output_attach(&w->out, out->len, result->value, unpin, exec_of(w)->store,
			  result->location) == 0)
		result->location = 0;
	else
		resp_write_raw(out, result->value);
	resp_write_raw(out, bytes_of("\r\n", 2));
}

bool resp_yields(struct resp_call *call)
{
	if (call->replay != NULL || call->ahead != NULL)
		return false;
	size_t collected = call->out->len + call->worker->out.piece_bytes;
	if (++call->keys_run < KEYS_IN_A_TURN && collected < WORKER_OUT_FLUSH)
		return false;
	call->yields = true;
	return true;
}

/* Client libraries send again what is answered with CLUSTERDOWN, and nothing that is answered with
 * a word that they do not know: so the first is for what certainly was not done. */
static void reply_no_quorum(struct resp_call *call, int status)
{
	const struct worker_failure *why = &call->worker->failure;
	const char *text = status == DHT_ENOQUORUM
			       ? "CLUSTERDOWN no quorum for slot"
			       : "UNCERTAIN the write may or may not have been applied, slot";
	resp_write_errorf(call->out, "%s %u (%u/%u)", text, (unsigned)why->slot, why->answered,
			  why->asked);
}

/* Redis's own text where it has one: client libraries show it to people. */
void resp_reply_status(struct resp_call *call, int status)
{
	switch (status) {
	case DHT_ENOQUORUM:
	case DHT_EUNCERTAIN:
		reply_no_quorum(call, status);
		return;
	case DHT_ENOMEM:
		resp_write_error(call->out, "OOM command not allowed: out of memory");
		return;
	case DHT_ENOSPC:
		resp_write_error(call->out,
				 "ERR no space left for writes; reads and deletes go on");
		return;
	case DHT_ESTARTING:
		resp_write_error(call->out, "LOADING the node joins a cluster");
		return;
	case DHT_ETOOBIG:
		resp_write_error(call->out,
				 "ERR string exceeds maximum allowed size (store.max_value_size)");
		return;
	default:
		resp_write_errorf(call->out, "ERR %s", dht_error_text(status));
		return;
	}
}

bool resp_check_key(struct resp_call *call, struct bytes key)
{
	if (key.len <= RECORD_KEY_MAX)
		return true;
	resp_write_errorf(call->out, "ERR a key has at most %d bytes", RECORD_KEY_MAX);
	return false;
}

bool resp_check_pattern(struct resp_call *call, struct bytes pattern)
{
	if (pattern.len <= PATTERN_MAX)
		return true;
	resp_write_errorf(call->out, "ERR a pattern has at most %d bytes", PATTERN_MAX);
	return false;
}

bool resp_check_value(struct resp_call *call, uint64_t size)
{
	if (size <= exec_of(call->worker)->value_max)
		return true;
	resp_reply_status(call, DHT_ETOOBIG);
	return false;
}
