/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about the connection itself.
 */
#include "resp/command.h"

void resp_run_ping(struct resp_call *call)
{
	if (call->argc > 2)
		resp_write_error(call->out, "ERR wrong number of arguments for 'ping' command");
	else if (call->argc == 2)
		resp_write_bulk(call->out, call->args[1]);
	else
		resp_write_simple(call->out, "PONG");
}

void resp_run_echo(struct resp_call *call)
{
	resp_write_bulk(call->out, call->args[1]);
}
