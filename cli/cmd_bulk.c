/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_bulk - the commands that stream from the daemon: scan, dump.
 */
#include <string.h>

#include "cli/argument.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/entry.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/text.h"

/* The optional PREFIX, decoded, and as it was typed for messages. */
struct prefix {
	struct buffer bytes;
	char quoted[CLI_QUOTED_MAX];
};

static int prefix_init(struct prefix *prefix, const struct cli_options *options)
{
	prefix->bytes = BUFFER_EMPTY;
	int code = cli_options_expect(options, 0, 1);
	if (code != CLI_EXIT_OK)
		return code;
	const char *typed = options->operand_count == 1 ? options->operands[0] : "";
	cli_text_quote(bytes_of(typed, strlen(typed)), prefix->quoted);
	return cli_argument_key(options, typed, &prefix->bytes);
}

/* Returns what messages call the prefix, NULL if none was given. */
static const char *prefix_subject(const struct prefix *prefix, const struct cli_options *options)
{
	return options->operand_count == 1 ? prefix->quoted : NULL;
}

static void print_key(const struct cli_options *options, struct bytes key)
{
	if (options->format == CLI_JSON) {
		json_t *object = cli_json_object();
		cli_json_set_bytes(object, "key", key);
		cli_json_print(object);
		return;
	}
	cli_print_encoded(options->encoding, key);
	cli_print("\n");
}

static void print_scan(const struct cli_options *options,
		       const Dhtd__Admin__AdminResponse *response)
{
	const Dhtd__Admin__ScanResponse *scan = response->scan;
	for (size_t i = 0; i < scan->n_keys; i++)
		print_key(options, bytes_of(scan->keys[i].data, scan->keys[i].len));
}

int cli_command_scan(const struct cli_options *options)
{
	struct prefix prefix;
	int code = prefix_init(&prefix, options);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__ScanRequest scan = DHTD__ADMIN__SCAN_REQUEST__INIT;
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		scan.prefix = cli_argument_binary(&prefix.bytes);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_SCAN;
		request.scan = &scan;
		code = cli_call_stream(options, &request, prefix_subject(&prefix, options),
				       print_scan);
	}
	buffer_reset(&prefix.bytes);
	return code;
}

static void print_dump(const struct cli_options *options,
		       const Dhtd__Admin__AdminResponse *response)
{
	const Dhtd__Admin__DumpResponse *dump = response->dump;
	for (size_t i = 0; i < dump->n_entries; i++) {
		const Dhtd__Admin__Entry *entry = dump->entries[i];
		cli_entry_print(bytes_of(entry->key.data, entry->key.len),
				bytes_of(entry->value.data, entry->value.len), entry->expires_ms);
	}
}

int cli_command_dump(const struct cli_options *options)
{
	struct prefix prefix;
	int code = prefix_init(&prefix, options);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__DumpRequest dump = DHTD__ADMIN__DUMP_REQUEST__INIT;
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		dump.prefix = cli_argument_binary(&prefix.bytes);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_DUMP;
		request.dump = &dump;
		code = cli_call_stream(options, &request, prefix_subject(&prefix, options),
				       print_dump);
	}
	buffer_reset(&prefix.bytes);
	return code;
}
