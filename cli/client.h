/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/client - a connection to the daemon's admin socket (proto/admin.proto).
 *
 * Why     Calls may be sent before the answers to earlier ones have come (load does),
 *         and a person must learn whether a change can have been made when the
 *         connection breaks: so it counts which requests left completely.
 * Owns    The descriptor and both buffers. A response belongs to the caller.
 * Thread  the main thread.
 * Errors  A negative DHT_E* number, and cli_client_problem() says in a sentence what
 *         went wrong. DHT_EUNAVAIL: not reachable, silent or gone, and no change was
 *         made. DHT_EUNCERTAIN: the same, but a change may have been made. DHT_EDENIED:
 *         no right to connect. DHT_EPROTO: the answer makes no sense. DHT_ETOOBIG: the
 *         request does not fit a frame. Others: the daemon's answer was this error.
 */
#ifndef DHT_CLI_CLIENT_H
#define DHT_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "base/assert.h"

enum {
	CLI_CLIENT_CALLS_MAX = 8,     /* sent and not answered to the end */
	CLI_CLIENT_PROBLEM_MAX = 512, /* bytes of cli_client_problem() */
};

enum cli_call_kind {
	CLI_CALL_READ,   /* one response, nothing changes */
	CLI_CALL_STREAM, /* one or more responses, nothing changes */
	CLI_CALL_CHANGE, /* one response, something may change */
};

struct cli_client;

/* Returns a client that is not connected. timeout_ms bounds each silence of the daemon:
 * the time in which it neither takes nor sends a byte. Both strings are copied. */
struct cli_client *cli_client_create(const char *socket_path, int64_t timeout_ms);
void cli_client_destroy(struct cli_client *client);

/* Connects. DHT_EUNAVAIL, DHT_EDENIED, DHT_EINVAL (no possible path). */
int cli_client_connect(struct cli_client *client) DHT_MUST_CHECK;

/* Numbers the request, queues it, and passes on what the socket takes without waiting.
 * The request is not needed any more afterwards. At most CLI_CLIENT_CALLS_MAX calls are
 * open at a time (asserted). DHT_ETOOBIG and DHT_ENOMEM leave the connection as it was. */
int cli_client_send(struct cli_client *client, Dhtd__Admin__AdminRequest *request,
		    enum cli_call_kind kind) DHT_MUST_CHECK;

/* Waits for the next response of the oldest open call (there is one: asserted). Returns
 * 0 with a result of the command that was called; the call is over if response->last is
 * set. On an error the call is over too and there is no response. */
int cli_client_receive(struct cli_client *client,
		       Dhtd__Admin__AdminResponse **response) DHT_MUST_CHECK;

/* Whether the connection is of no more use: an error came from it, not through it. */
bool cli_client_is_broken(const struct cli_client *client);

/* Returns what the last error was, one sentence without its full stop. */
const char *cli_client_problem(const struct cli_client *client);

/* Frees a response. */
void cli_client_free(Dhtd__Admin__AdminResponse *response);

#endif
