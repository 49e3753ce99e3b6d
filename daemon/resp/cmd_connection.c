/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about the connection itself.
 */
#include "base/text.h"
#include "resp/options.h"

#define HELLO_SERVER "redis"

void resp_run_ping(struct resp_call *call)
{
	if (call->argc > 2)
		resp_reply_arity(call);
	else if (call->argc == 2)
		resp_write_bulk(call->out, call->args[1]);
	else
		resp_write_simple(call->out, "PONG");
}

void resp_run_echo(struct resp_call *call)
{
	resp_write_bulk(call->out, call->args[1]);
}

/* ---- Authentication: there are no users but Redis's default one, without a password - */

static bool authenticates(struct resp_call *call, struct bytes user)
{
	if (bytes_equal(user, bytes_of_text("default")))
		return true;
	resp_write_error(call->out,
			 "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

void resp_run_auth(struct resp_call *call)
{
	if (call->argc > 3)
		resp_reply_syntax(call);
	else if (call->argc == 2)
		resp_write_error(call->out,
				 "ERR AUTH <password> called without any password configured for "
				 "the default user. Are you sure your configuration is correct?");
	else if (authenticates(call, call->args[1]))
		resp_write_ok(call->out);
}

/* ---- HELLO ------------------------------------------------------------------------- */

/* Takes the options behind the version, in their order, as Redis does: what stands before a
 * wrong one has been done. */
static bool take_hello_options(struct resp_call *call)
{
	for (size_t i = 2; i < call->argc; i++) {
		struct bytes option = call->args[i];
		size_t more = call->argc - 1 - i;
		if (resp_is_word(option, "AUTH") && more >= 2) {
			if (!authenticates(call, call->args[i + 1]))
				return false;
			i += 2;
		} else if (resp_is_word(option, "SETNAME") && more >= 1) {
			if (!resp_set_client_name(call, call->args[i + 1]))
				return false;
			i++;
		} else {
			resp_write_errorf(call->out, "ERR Syntax error in HELLO option '%.*s'",
					  (int)option.len, (const char *)option.data);
			return false;
		}
	}
	return true;
}

static void write_hello(struct resp_call *call)
{
	struct resp_out *out = call->out;
	resp_write_map(out, 7);
	resp_write_bulk_text(out, "server");
	resp_write_bulk_text(out, HELLO_SERVER);
	resp_write_bulk_text(out, "version");
	resp_write_bulk_text(out, RESP_REDIS_VERSION);
	resp_write_bulk_text(out, "proto");
	resp_write_integer(out, out->version);
	resp_write_bulk_text(out, "id");
	resp_write_integer(out, (int64_t)call->session->id);
	resp_write_bulk_text(out, "mode");
	resp_write_bulk_text(out, "cluster");
	resp_write_bulk_text(out, "role");
	resp_write_bulk_text(out, "master");
	resp_write_bulk_text(out, "modules");
	resp_write_array(out, 0);
}

void resp_run_hello(struct resp_call *call)
{
	int64_t version = 0;
	if (call->argc >= 2 && !text_parse_integer(call->args[1], &version)) {
		resp_write_error(call->out,
				 "ERR Protocol version is not an integer or out of range");
		return;
	}
	if (call->argc >= 2 && version != RESP_VERSION_2 && version != RESP_VERSION_3) {
		resp_write_error(call->out, "NOPROTO unsupported protocol version");
		return;
	}
	if (!take_hello_options(call))
		return;
	if (version != 0) {
		/* What follows in the same batch speaks it, too. */
		call->out->version = (enum resp_version)version;
		call->state->version = (enum resp_version)version;
	}
	write_hello(call);
}

/* ---- State ------------------------------------------------------------------------- */

void resp_run_quit(struct resp_call *call)
{
	resp_write_ok(call->out);
	call->session->closing = true;
}

void resp_run_reset(struct resp_call *call)
{
	resp_client_reset(call);
	resp_write_simple(call->out, "RESET");
}

void resp_run_select(struct resp_call *call)
{
	int64_t index;
	if (!resp_read_integer(call, call->args[1], &index))
		return;
	if (index < INT32_MIN || index > INT32_MAX)
		resp_write_errorf(call->out,
				  "ERR value is out of range, value must between %d and %d",
				  INT32_MIN, INT32_MAX);
	else if (index != 0)
		resp_write_error(call->out, "ERR SELECT is not allowed in cluster mode");
	else
		resp_write_ok(call->out);
}

void resp_run_readonly(struct resp_call *call)
{
	resp_client_set(&call->state->client, RESP_CLIENT_READONLY, 0);
	resp_write_ok(call->out);
}

void resp_run_readwrite(struct resp_call *call)
{
	resp_client_set(&call->state->client, 0, RESP_CLIENT_READONLY);
	resp_write_ok(call->out);
}

void resp_run_asking(struct resp_call *call)
{
	resp_write_ok(call->out);
}
