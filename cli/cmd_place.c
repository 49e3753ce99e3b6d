/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_place - the commands that tell where keys are: locate, ok-to-stop.
 */
#include <inttypes.h>

#include "cli/argument.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/table.h"

/* ---- ok-to-stop -------------------------------------------------------------------------- */

static void print_verdict(const struct cli_options *options,
			  const Dhtd__Admin__OkToStopResponse *verdict)
{
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result(), *reasons = json_array();
		cli_json_set(result, "ok", json_boolean(verdict->ok));
		for (size_t i = 0; i < verdict->n_reasons; i++)
			cli_json_append(reasons, cli_json_text(verdict->reasons[i]));
		cli_json_set(result, "reasons", reasons);
		cli_json_print(result);
		return;
	}
	for (size_t i = 0; i < verdict->n_reasons; i++)
		cli_message("ok-to-stop: %s", verdict->reasons[i]);
}

int cli_command_ok_to_stop(const struct cli_options *options)
{
	Dhtd__Admin__OkToStopRequest body = DHTD__ADMIN__OK_TO_STOP_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 1, 1);
	if (code != CLI_EXIT_OK)
		return code;
	body.node = (char *)(uintptr_t)options->operands[0]; /* not written */
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_OK_TO_STOP;
	request.ok_to_stop = &body;
	code = cli_call(options, &request, CLI_CALL_READ, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	print_verdict(options, response->ok_to_stop);
	code = response->ok_to_stop->ok ? CLI_EXIT_OK : CLI_EXIT_UNSAFE;
	cli_client_free(response);
	return code;
}

/* ---- locate ------------------------------------------------------------------------------ */

static void set_record(json_t *object, const Dhtd__Admin__Replica *replica)
{
	char text[CLI_VERSION_MAX];
	if (!replica->holds)
		return;
	cli_json_set(object, "ballot",
		     cli_json_text(cli_argument_print_version(replica->ballot, text)));
	cli_json_set(object, "version",
		     cli_json_text(cli_argument_print_version(replica->version, text)));
	cli_json_set(object, "deleted", json_boolean(replica->deleted));
}

static void print_place_json(const Dhtd__Admin__LocateResponse *place)
{
	json_t *result = cli_json_result(), *replicas = json_array();
	cli_json_set(result, "slot", cli_json_u64(place->slot));
	cli_json_set(result, "block", cli_json_u64(place->block));
	cli_json_set(result, "phase", cli_json_text(place->phase));
	cli_json_set(result, "version", cli_json_u64(place->version));
	cli_json_set(result, "epoch", cli_json_u64(place->epoch));
	for (size_t i = 0; i < place->n_replicas; i++) {
		const Dhtd__Admin__Replica *replica = place->replicas[i];
		json_t *object = cli_json_object();
		cli_json_set(object, "number", cli_json_u64(replica->number));
		cli_json_set(object, "name", cli_json_text(replica->name));
		cli_json_set(object, "down", json_boolean(replica->down));
		cli_json_set(object, "old", json_boolean(replica->old));
		cli_json_set(object, "next", json_boolean(replica->next));
		cli_json_set(object, "coordinates", json_boolean(replica->coordinates));
		cli_json_set(object, "answers", json_boolean(replica->answers));
		set_record(object, replica);
		cli_json_append(replicas, object);
	}
	cli_json_set(result, "replicas", replicas);
	cli_json_print(result);
}

/* What it has of the key: two cells. */
static void add_record(struct cli_table *table, const Dhtd__Admin__Replica *replica)
{
	char text[CLI_VERSION_MAX];
	if (!replica->holds) {
		cli_table_cell(table, replica->answers ? CLI_NO_COLOUR : CLI_RED, "%s",
			       replica->answers ? "none" : "no answer");
		cli_table_cell(table, CLI_NO_COLOUR, "-");
		return;
	}
	cli_table_cell(table, CLI_NO_COLOUR, "%s",
		       cli_argument_print_version(replica->ballot, text));
	cli_table_cell(table, CLI_NO_COLOUR, "%s%s",
		       cli_argument_print_version(replica->version, text),
		       replica->deleted ? " (deleted)" : "");
}

static void print_place(const Dhtd__Admin__LocateResponse *place)
{
	cli_print("slot %" PRIu32 ", block %" PRIu32 ", ", place->slot, place->block);
	cli_print_clean(CLI_NO_COLOUR, place->phase);
	cli_print(" in version %" PRIu32 ", epoch %" PRIu64 "\n", place->version, place->epoch);
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_RIGHT, "NO");
	cli_table_column(table, CLI_LEFT, "NAME");
	cli_table_column(table, CLI_LEFT, "STATE");
	cli_table_column(table, CLI_LEFT, "REPLICA");
	cli_table_column(table, CLI_LEFT, "BALLOT");
	cli_table_column(table, CLI_LEFT, "VERSION");
	for (size_t i = 0; i < place->n_replicas; i++) {
		const Dhtd__Admin__Replica *replica = place->replicas[i];
		cli_table_cell(table, CLI_NO_COLOUR, "%" PRIu32, replica->number);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", replica->name);
		cli_table_cell(table, replica->down ? CLI_RED : CLI_GREEN, "%s",
			       replica->down ? "down" : "up");
		cli_table_cell(table, CLI_NO_COLOUR, "%s",
			       replica->coordinates ? "coordinator"
			       : !replica->old      ? "next"
			       : replica->next      ? "old, next"
						    : "yes");
		add_record(table, replica);
	}
	cli_table_print(table);
	cli_table_destroy(table);
}

int cli_command_locate(const struct cli_options *options)
{
	Dhtd__Admin__LocateRequest body = DHTD__ADMIN__LOCATE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	struct buffer key = BUFFER_EMPTY;
	int code = cli_options_expect(options, 1, 1);
	if (code == CLI_EXIT_OK)
		code = cli_argument_key(options, options->operands[0], &key);
	if (code != CLI_EXIT_OK)
		return code;
	body.key = cli_argument_binary(&key);
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOCATE;
	request.locate = &body;
	code = cli_call(options, &request, CLI_CALL_READ, NULL, &response);
	buffer_reset(&key);
	if (code != CLI_EXIT_OK)
		return code;
	if (options->format == CLI_JSON)
		print_place_json(response->locate);
	else
		print_place(response->locate);
	cli_client_free(response);
	return code;
}
