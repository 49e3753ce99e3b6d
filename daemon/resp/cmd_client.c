/* SPDX-License-Identifier: Apache-2.0
 *
 * CLIENT: what clients tell of themselves, and what is told of them.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "io/clock.h"
#include "resp/options.h"
#include "resp/text.h"

/* ---- Names ----------------------------------------------------------------------- */

/* Stores a name; replies if that fails. */
static bool set_name(struct resp_call *call, enum resp_name which, struct bytes name)
{
	if (name.len > RESP_NAME_BYTES_MAX) {
		resp_write_errorf(call->out, "ERR a name of a client has at most %d bytes",
				  RESP_NAME_BYTES_MAX);
		return false;
	}
	if (resp_client_set_name(call->session, which, name) != 0) {
		resp_reply_status(call, DHT_ENOMEM);
		return false;
	}
	return true;
}

bool resp_set_client_name(struct resp_call *call, struct bytes name)
{
	if (!resp_client_is_name(name)) {
		resp_write_error(call->out, "ERR Client names cannot contain spaces, newlines or "
					    "special characters.");
		return false;
	}
	return set_name(call, RESP_NAME_CLIENT, name);
}

void resp_run_client_setname(struct resp_call *call)
{
	if (resp_set_client_name(call, call->args[2]))
		resp_write_ok(call->out);
}

void resp_run_client_getname(struct resp_call *call)
{
	struct bytes name = resp_client_name(call->session, RESP_NAME_CLIENT);
	if (name.len > 0)
		resp_write_bulk(call->out, name);
	else
		resp_write_null(call->out);
}

void resp_run_client_setinfo(struct resp_call *call)
{
	struct bytes option = call->args[2], value = call->args[3];
	enum resp_name which = RESP_NAME_LIB;
	if (resp_is_word(option, "LIB-VER")) {
		which = RESP_NAME_LIB_VERSION;
	} else if (!resp_is_word(option, "LIB-NAME")) {
		resp_write_errorf(call->out, "ERR Unrecognized option '%.*s'", (int)option.len,
				  (const char *)option.data);
		return;
	}
	if (!resp_client_is_name(value)) {
		resp_write_errorf(call->out,
				  "ERR %.*s cannot contain spaces, newlines or special characters.",
				  (int)option.len, (const char *)option.data);
		return;
	}
	if (set_name(call, which, value))
		resp_write_ok(call->out);
}

/* ---- Modes ----------------------------------------------------------------------- */

/* Sets or clears a flag. */
static void switch_flag(struct resp_call *call, uint8_t flag)
{
	struct resp_client *client = &call->state->client;
	bool on = resp_is_word(call->args[2], "ON");
	if (!on && !resp_is_word(call->args[2], "OFF")) {
		resp_reply_syntax(call);
		return;
	}
	resp_client_set(client, on ? flag : 0, on ? 0 : flag);
	resp_write_ok(call->out);
}

void resp_run_client_no_evict(struct resp_call *call)
{
	switch_flag(call, RESP_CLIENT_NO_EVICT);
}

void resp_run_client_no_touch(struct resp_call *call)
{
	switch_flag(call, RESP_CLIENT_NO_TOUCH);
}

/* OFF and SKIP have no reply: resp_client_mute sees to it. */
void resp_run_client_reply(struct resp_call *call)
{
	struct resp_client *client = &call->state->client;
	if (resp_is_word(call->args[2], "ON")) {
		resp_client_set(client, 0, RESP_CLIENT_SKIP | RESP_CLIENT_REPLY_OFF);
		resp_write_ok(call->out);
	} else if (resp_is_word(call->args[2], "OFF")) {
		resp_client_set(client, RESP_CLIENT_REPLY_OFF, 0);
	} else if (resp_is_word(call->args[2], "SKIP")) {
		if (!(resp_client_flags(client) & RESP_CLIENT_REPLY_OFF))
			resp_client_set(client, RESP_CLIENT_SKIP_NEXT, 0);
	} else {
		resp_reply_syntax(call);
	}
}

/* ---- Which clients ----------------------------------------------------------------- */

/* What Redis calls the kinds of its clients; here all are normal ones. */
enum client_type { TYPE_ANY, TYPE_NORMAL, TYPE_OTHER };

static bool parse_type(struct resp_call *call, struct bytes word, enum client_type *type)
{
	static const char *const others[] = {"SLAVE", "REPLICA", "PUBSUB", "MASTER"};
	*type = TYPE_OTHER;
	if (resp_is_word(word, "NORMAL")) {
		*type = TYPE_NORMAL;
		return true;
	}
	for (size_t i = 0; i < DHT_ARRAY_LEN(others); i++) {
		if (resp_is_word(word, others[i]))
			return true;
	}
	resp_write_errorf(call->out, "ERR Unknown client type '%.*s'", (int)word.len,
			  (const char *)word.data);
	return false;
}

/* The other sessions are those of the admin socket. */
static bool is_client(const struct resp_call *call, const struct session *s)
{
	return s->protocol == &call->port->protocol;
}

/* ---- LIST and INFO --------------------------------------------------------------- */

/* A walk that collects what CLIENT LIST shows. */
struct listing {
	const struct resp_call *call;
	const uint64_t *ids; /* sorted; NULL: all clients */
	size_t id_count;
	uint64_t now_ns;
	size_t count; /* views that are open */
	struct resp_client_view views[SESSIONS_PIECE];
};

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Under the lock no line is formatted: that takes longer than to note what it says, and who
 * opens or closes a connection waits for neither of thousands of lines. */
static void note_client(void *ctx, struct session *s)
{
	struct listing *listing = ctx;
	if (!is_client(listing->call, s))
		return;
	if (listing->ids != NULL &&
	    bsearch(&s->id, listing->ids, listing->id_count, sizeof(s->id), compare_ids) == NULL)
		return;
	resp_client_view_open(&listing->views[listing->count++], s, listing->now_ns);
}

static void print_piece(struct listing *listing, struct resp_text *text)
{
	for (size_t i = 0; i < listing->count; i++) {
		resp_client_view_print(&listing->views[i], text);
		resp_client_view_close(&listing->views[i]);
	}
	listing->count = 0;
}

/* Lists the clients with these ids, or all. */
static void list_clients(struct resp_call *call, const uint64_t *ids, size_t id_count)
{
	struct resp_text text = RESP_TEXT_EMPTY;
	struct sessions_walk walk;
	struct listing listing;
	listing.call = call;
	listing.ids = ids;
	listing.id_count = id_count;
	listing.now_ns = clock_monotonic_ns();
	listing.count = 0;
	sessions_walk_begin(&walk, call->session->sessions);
	while (sessions_walk_on(&walk, note_client, &listing))
		print_piece(&listing, &text);
	resp_text_reply(&text, call);
}

/* Lists the clients with the ids from the first argument on: each once, the oldest first. */
static void list_ids(struct resp_call *call, size_t first)
{
	size_t count = call->argc - first;
	uint64_t *ids = malloc(count * sizeof(*ids));
	if (ids == NULL) {
		resp_reply_status(call, DHT_ENOMEM);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int64_t id;
		if (!text_parse_integer(call->args[first + i], &id)) {
			resp_write_error(call->out, "ERR Invalid client ID");
			free(ids);
			return;
		}
		ids[i] = (uint64_t)id;
	}
	qsort(ids, count, sizeof(*ids), compare_ids);
	list_clients(call, ids, count);
	free(ids);
}

void resp_run_client_list(struct resp_call *call)
{
	enum client_type type = TYPE_ANY;
	if (call->argc == 4 && resp_is_word(call->args[2], "TYPE")) {
		if (!parse_type(call, call->args[3], &type))
			return;
	} else if (call->argc > 3 && resp_is_word(call->args[2], "ID")) {
		list_ids(call, 3);
		return;
	} else if (call->argc != 2) {
		resp_reply_syntax(call);
		return;
	}
	if (type == TYPE_OTHER)
		resp_write_verbatim(call->out, "txt", (struct bytes){0});
	else
		list_clients(call, NULL, 0);
}

void resp_run_client_info(struct resp_call *call)
{
	struct resp_text text = RESP_TEXT_EMPTY;
	struct resp_client_view view;
	resp_client_view_open(&view, call->session, clock_monotonic_ns());
	resp_client_view_print(&view, &text);
	resp_client_view_close(&view);
	resp_text_reply(&text, call);
}

void resp_run_client_id(struct resp_call *call)
{
	resp_write_integer(call->out, (int64_t)call->session->id);
}

/* ---- KILL ------------------------------------------------------------------------ */

/* What every client to be killed fulfils, and a walk that kills them. */
struct killing {
	const struct resp_call *call;
	struct bytes peer, local; /* data NULL: any */
	enum client_type type;
	uint64_t id; /* 0: any */
	bool spares_itself;
	uint64_t killed;
	bool kills_itself;
};

static bool is_text(struct bytes wanted, const char *text)
{
	return wanted.data == NULL || bytes_equal(wanted, bytes_of_text(text));
}

/* Asks the kernel for addresses last: it is asked under the lock. */
static bool is_to_be_killed(const struct killing *killing, const struct session *s)
{
	char text[ENDPOINT_MAX];
	if (!is_client(killing->call, s) || (killing->id != 0 && s->id != killing->id) ||
	    killing->type == TYPE_OTHER || (s == killing->call->session && killing->spares_itself))
		return false;
	if (killing->peer.data != NULL) {
		endpoint_peer(s->conn.watch.fd, text);
		if (!is_text(killing->peer, text))
			return false;
	}
	if (killing->local.data != NULL)
		endpoint_local(s->conn.watch.fd, text);
	return is_text(killing->local, text);
}

static void kill_client(void *ctx, struct session *s)
{
	struct killing *killing = ctx;
	if (session_is_killed(s) || !is_to_be_killed(killing, s))
		return;
	if (s == killing->call->session)
		killing->kills_itself = true;
	else
		session_kill(s);
	killing->killed++;
}

static bool take_id(struct killing *killing, struct resp_call *call, struct bytes word)
{
	int64_t id;
	if (!text_parse_integer(word, &id) || id < 1) {
		resp_write_error(call->out, "ERR client-id should be greater than 0");
		return false;
	}
	killing->id = (uint64_t)id;
	return true;
}

/* Takes one option with its value; replies if it is none. */
static bool take_filter(struct killing *killing, struct resp_call *call, struct bytes option,
			struct bytes value)
{
	if (resp_is_word(option, "ID"))
		return take_id(killing, call, value);
	if (resp_is_word(option, "TYPE"))
		return parse_type(call, value, &killing->type);
	if (resp_is_word(option, "ADDR")) {
		killing->peer = value;
		return true;
	}
	if (resp_is_word(option, "LADDR")) {
		killing->local = value;
		return true;
	}
	if (resp_is_word(option, "USER")) {
		if (bytes_equal(value, bytes_of_text("default")))
			return true;
		resp_write_errorf(call->out, "ERR No such user '%.*s'", (int)value.len,
				  (const char *)value.data);
		return false;
	}
	if (resp_is_word(option, "SKIPME") &&
	    (resp_is_word(value, "YES") || resp_is_word(value, "NO"))) {
		killing->spares_itself = resp_is_word(value, "YES");
		return true;
	}
	resp_reply_syntax(call);
	return false;
}

static bool take_filters(struct killing *killing, struct resp_call *call)
{
	for (size_t i = 2; i < call->argc; i += 2) {
		if (i + 1 == call->argc) {
			resp_reply_syntax(call);
			return false;
		}
		if (!take_filter(killing, call, call->args[i], call->args[i + 1]))
			return false;
	}
	return true;
}

/* The old form, with an address alone, kills its own client, too. */
void resp_run_client_kill(struct resp_call *call)
{
	bool is_old_form = call->argc == 3;
	struct killing killing = {.call = call, .spares_itself = !is_old_form};
	struct sessions_walk walk;
	if (is_old_form)
		killing.peer = call->args[2];
	else if (!take_filters(&killing, call))
		return;
	sessions_walk_begin(&walk, call->session->sessions);
	while (sessions_walk_on(&walk, kill_client, &killing))
		;
	if (!is_old_form)
		resp_write_integer(call->out, (int64_t)killing.killed);
	else if (killing.killed > 0)
		resp_write_ok(call->out);
	else
		resp_write_error(call->out, "ERR No such client");
	if (killing.kills_itself)
		call->session->closing = true;
}
