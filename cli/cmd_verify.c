/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_verify - the command that compares replicas: verify.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/text.h"

enum { LOOK_MS = 100, LINE_MAX_BYTES = 128 };

static int ask(const struct cli_options *options, bool begins,
	       Dhtd__Admin__AdminResponse **response)
{
	Dhtd__Admin__VerifyRequest body = DHTD__ADMIN__VERIFY_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	body.begin = begins;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_VERIFY;
	request.verify = &body;
	return cli_call(options, &request, CLI_CALL_READ, NULL, response);
}

static void show(struct cli_progress *progress, const Dhtd__Admin__VerifyResponse *now)
{
	char text[LINE_MAX_BYTES], records[CLI_NUMBER_MAX], differences[CLI_NUMBER_MAX];
	snprintf(text, sizeof(text), "%s records compared, %s differ",
		 cli_text_count(now->records, records),
		 cli_text_count(now->differences, differences));
	cli_progress_steps(progress, now->done, now->all_blocks, text);
}

/* Asks until it is over; the response is the last one. */
static int follow(const struct cli_options *options, Dhtd__Admin__AdminResponse **response)
{
	struct cli_progress progress;
	struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	int code = ask(options, true, response);
	uint64_t run = code == CLI_EXIT_OK ? (*response)->verify->run : 0;
	cli_progress_begin(&progress, 0);
	while (code == CLI_EXIT_OK && (*response)->verify->run == run &&
	       !(*response)->verify->over) {
		show(&progress, (*response)->verify);
		cli_client_free(*response);
		nanosleep(&pause, NULL);
		code = ask(options, false, response);
	}
	cli_progress_end(&progress);
	if (code != CLI_EXIT_OK || (*response)->verify->run == run)
		return code;
	cli_client_free(*response);
	cli_message("verify: the daemon was started anew meanwhile");
	return CLI_EXIT_FAILED;
}

static void print_json(const Dhtd__Admin__VerifyResponse *found)
{
	json_t *result = cli_json_result(), *keys = json_array();
	cli_json_set(result, "blocks", cli_json_u64(found->blocks));
	cli_json_set(result, "all_blocks", cli_json_u64(found->all_blocks));
	cli_json_set(result, "pairs", cli_json_u64(found->pairs));
	cli_json_set(result, "left_out", cli_json_u64(found->left_out));
	cli_json_set(result, "records", cli_json_u64(found->records));
	cli_json_set(result, "differences", cli_json_u64(found->differences));
	for (size_t i = 0; i < found->n_names; i++) {
		char quoted[CLI_QUOTED_MAX];
		struct bytes name = bytes_of(found->names[i].data, found->names[i].len);
		cli_json_append(keys, cli_json_text(cli_text_quote(name, quoted)));
	}
	cli_json_set(result, "keys", keys);
	cli_json_print(result);
}

static void print(const struct cli_options *options, const Dhtd__Admin__VerifyResponse *found)
{
	char records[CLI_NUMBER_MAX], differences[CLI_NUMBER_MAX];
	if (options->format == CLI_JSON) {
		print_json(found);
		return;
	}
	cli_print(
	    "compared %" PRIu32 " of %" PRIu32 " blocks, those that this node holds, in %" PRIu32
	    " pairs of replicas\n%s records, %s differ\n",
	    found->blocks, found->all_blocks, found->pairs, cli_text_count(found->records, records),
	    cli_text_count(found->differences, differences));
	for (size_t i = 0; i < found->n_names; i++) {
		char quoted[CLI_QUOTED_MAX];
		struct bytes name = bytes_of(found->names[i].data, found->names[i].len);
		cli_print("  %s\n", cli_text_quote(name, quoted));
	}
}

int cli_command_verify(const struct cli_options *options)
{
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 0, 0);
	if (code == CLI_EXIT_OK)
		code = follow(options, &response);
	if (code != CLI_EXIT_OK)
		return code;
	const Dhtd__Admin__VerifyResponse *found = response->verify;
	print(options, found);
	if (found->left_out > 0)
		cli_message("verify: %" PRIu32
			    " pairs were left out: a replica does not answer, or a "
			    "block changes",
			    found->left_out);
	if (found->abandoned)
		cli_message("verify: it was given up");
	bool is_well = found->differences == 0 && found->left_out == 0 && !found->abandoned;
	cli_client_free(response);
	return is_well ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
