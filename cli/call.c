/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/call.h"

#include "base/error.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/interrupt.h"
#include "cli/message.h"
#include "cli/print.h"

/* suffix: what else a person must know, "" for nothing. */
static int fail(const struct cli_options *options, const struct cli_client *client,
		const char *subject, int rc, const char *suffix)
{
	cli_message("%s%s%s: %s%s", options->command->name, subject != NULL ? " " : "",
		    subject != NULL ? subject : "", cli_client_problem(client), suffix);
	return dht_error_exit_code(rc);
}

int cli_call(const struct cli_options *options, Dhtd__Admin__AdminRequest *request,
	     enum cli_call_kind kind, const char *subject, Dhtd__Admin__AdminResponse **response)
{
	DHT_ASSERT(kind != CLI_CALL_STREAM);
	*response = NULL;
	struct cli_client *client = cli_client_create(options->socket_path, options->timeout_ms);
	int rc = cli_client_connect(client);
	if (rc == 0) {
		if (kind == CLI_CALL_CHANGE)
			cli_interrupt_note("it is unknown whether the change was made (%s%s%s)",
					   options->command->name, subject != NULL ? " " : "",
					   subject != NULL ? subject : "");
		rc = cli_client_send(client, request, kind);
	}
	if (rc == 0)
		rc = cli_client_receive(client, response);
	cli_interrupt_clear();
	int code = rc == 0 ? CLI_EXIT_OK : fail(options, client, subject, rc, "");
	cli_client_destroy(client);
	return code;
}

int cli_call_stream(const struct cli_options *options, Dhtd__Admin__AdminRequest *request,
		    const char *subject,
		    void (*print)(const struct cli_options *options,
				  const Dhtd__Admin__AdminResponse *response))
{
	struct cli_client *client = cli_client_create(options->socket_path, options->timeout_ms);
	const char *suffix = "";
	int code = CLI_EXIT_OK;
	int rc = cli_client_connect(client);
	if (rc == 0)
		rc = cli_client_send(client, request, CLI_CALL_STREAM);
	bool is_over = rc != 0;
	while (!is_over && code == CLI_EXIT_OK) {
		Dhtd__Admin__AdminResponse *response;
		rc = cli_client_receive(client, &response);
		is_over = rc != 0 || response->last;
		if (rc == 0) {
			print(options, response);
			suffix = "; the output is incomplete";
		}
		code = cli_print_flush();
		cli_client_free(response);
	}
	if (rc != 0)
		code = fail(options, client, subject, rc, suffix);
	cli_client_destroy(client);
	return code;
}
