/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_recover - the command for when a majority is lost: recover.
 *
 * What may be lost is told first, by the daemon; then the operator types the cluster's name, which
 * goes with the second request.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/job.h"
#include "cli/message.h"

enum { NAME_LINE_MAX = 256 };

/* Cuts a list at its commas; *count: of the names. The list is the caller's to free. */
static char **split(char *text, size_t *count)
{
	size_t cap = 1;
	for (const char *p = text; *p != '\0'; p++)
		cap += *p == ',';
	char **names = calloc(cap, sizeof(*names));
	char *rest = text;
	*count = 0;
	for (char *name; names != NULL && (name = strsep(&rest, ",")) != NULL;) {
		if (name[0] != '\0')
			names[(*count)++] = name;
	}
	return names;
}

static void tell(const struct cli_options *options, const Dhtd__Admin__RecoverResponse *loss,
		 size_t survivors)
{
	const char *name = options->command->name;
	cli_message("%s: %zu of %" PRIu32
		    " members of the cluster %s survive; the others are never "
		    "let in again",
		    name, survivors, loss->members, loss->cluster);
	cli_message("%s: %" PRIu32 " blocks keep a majority of their replicas: nothing is lost",
		    name, loss->kept);
	if (loss->merged > 0)
		cli_message("%s: %" PRIu32
			    " blocks keep some: writes that only the others have are "
			    "lost",
			    name, loss->merged);
	if (loss->empty > 0)
		cli_message("%s: %" PRIu32 " blocks keep none: all of their keys are lost", name,
			    loss->empty);
}

/* Reads what was typed. Returns the exit code. */
static int read_name(const struct cli_options *options, char name[NAME_LINE_MAX])
{
	struct cli_input input;
	struct bytes line;
	cli_message("%s: to go on, type the name of the cluster", options->command->name);
	if (cli_input_open(&input, NULL) != 0)
		return CLI_EXIT_FAILED;
	int rc = cli_input_read_line(&input, NAME_LINE_MAX - 1, &line);
	if (rc == 1 && line.len > 0) {
		memcpy(name, line.data, line.len);
		name[line.len] = '\0';
	} else {
		cli_message("%s: nothing was changed", options->command->name);
	}
	cli_input_close(&input);
	return rc == 1 && line.len > 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int recover(const struct cli_options *options, char **names, size_t count)
{
	char name[NAME_LINE_MAX];
	Dhtd__Admin__RecoverRequest body = DHTD__ADMIN__RECOVER_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	body.survivors = names;
	body.n_survivors = count;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_RECOVER;
	request.recover = &body;
	int code = cli_call(options, &request, CLI_CALL_READ, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	tell(options, response->recover, count);
	cli_client_free(response);
	code = read_name(options, name);
	if (code != CLI_EXIT_OK)
		return code;
	body.cluster = name;
	code = cli_call(options, &request, CLI_CALL_CHANGE, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	code = cli_job_await(options, response->recover->job);
	cli_client_free(response);
	return code;
}

int cli_command_recover(const struct cli_options *options)
{
	size_t count;
	int code = cli_options_expect(options, 0, 0);
	if (code != CLI_EXIT_OK)
		return code;
	if (options->survivors == NULL)
		return cli_command_misused(options->command, "--from names the survivors");
	char *text = strdup(options->survivors);
	char **names = text != NULL ? split(text, &count) : NULL;
	if (names == NULL) {
		cli_message("%s: %s", options->command->name, dht_error_text(DHT_ENOMEM));
		code = CLI_EXIT_FAILED;
	} else {
		code = recover(options, names, count);
	}
	free(names);
	free(text);
	return code;
}
