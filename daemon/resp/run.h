/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/run - from a request to its handler, and from a handler to the operations.
 *
 * Why     Everything that holds for every command: names that are unknown or refused,
 *         subcommands, arity. What a handler calls is declared in resp/command.h.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_RUN_H
#define DHT_RESP_RUN_H

#include "resp/command.h"

/* Runs the request; call->command is the row of args[0], NULL if there is none. */
void resp_run(struct resp_call *call);

/* Calls the handler of a request that has passed all checks. */
void resp_run_handler(struct resp_call *call);

/* Counts the request's reply, which stands behind reply_at, if it is an error. */
void resp_count_error(const struct resp_call *call, size_t reply_at);

#endif
