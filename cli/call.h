/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/call - one call to the daemon, from connecting to reporting what went wrong.
 *
 * Why     All commands but load make exactly one call.
 * Owns    Its connection, for the length of the call.
 * Thread  the main thread.
 * Errors  reported on standard error; the functions return the exit code.
 */
#ifndef DHT_CLI_CALL_H
#define DHT_CLI_CALL_H

#include "cli/client.h"
#include "cli/options.h"

/* Makes a call that has one response. subject, which may be NULL, is what the command
 * was about (a quoted key), for messages. On CLI_EXIT_OK the caller frees *response with
 * cli_client_free; otherwise it is NULL. */
int cli_call(const struct cli_options *options, Dhtd__Admin__AdminRequest *request,
	     enum cli_call_kind kind, const char *subject,
	     Dhtd__Admin__AdminResponse **response) DHT_MUST_CHECK;

/* Makes a call that has several, and prints each. What was printed is passed on before
 * the next response is waited for, so that a slow reader slows the daemon and a reader
 * that has gone ends the call. */
int cli_call_stream(const struct cli_options *options, Dhtd__Admin__AdminRequest *request,
		    const char *subject,
		    void (*print)(const struct cli_options *options,
				  const Dhtd__Admin__AdminResponse *response)) DHT_MUST_CHECK;

#endif
