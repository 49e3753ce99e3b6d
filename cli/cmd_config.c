/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_config - the commands about settings: config show, config check, log-level.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/argument.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/table.h"
#include "cli/text.h"

enum { FILE_BYTES_MAX = 1024 * 1024 }; /* of a configuration file (proto/admin.proto) */

static int call_config(const struct cli_options *options, Dhtd__Admin__ConfigRequest *body,
		       const char *subject, Dhtd__Admin__AdminResponse **response)
{
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CONFIG;
	request.config = body;
	return cli_call(options, &request, CLI_CALL_READ, subject, response);
}

/* key: the only setting to be shown; NULL: all are. */
static bool is_shown(const Dhtd__Admin__ConfigItem *item, const char *key)
{
	return key == NULL || strcmp(item->key, key) == 0;
}

static void print_settings_json(const Dhtd__Admin__ConfigResponse *config, const char *key)
{
	json_t *result = cli_json_result();
	json_t *settings = json_array();
	for (size_t i = 0; i < config->n_items; i++) {
		const Dhtd__Admin__ConfigItem *item = config->items[i];
		if (!is_shown(item, key))
			continue;
		json_t *object = cli_json_object();
		cli_json_set(object, "key", cli_json_text(item->key));
		cli_json_set(object, "value", cli_json_text(item->value));
		cli_json_set(object, "default", cli_json_text(item->default_value));
		cli_json_set(object, "reloadable", json_boolean(item->reloadable));
		cli_json_append(settings, object);
	}
	cli_json_set(result, "settings", settings);
	cli_json_print(result);
}

static void print_settings(const Dhtd__Admin__ConfigResponse *config, const char *key)
{
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_LEFT, "SETTING");
	cli_table_column(table, CLI_LEFT, "VALUE");
	cli_table_column(table, CLI_LEFT, "DEFAULT");
	cli_table_column(table, CLI_LEFT, "RELOAD");
	for (size_t i = 0; i < config->n_items; i++) {
		const Dhtd__Admin__ConfigItem *item = config->items[i];
		if (!is_shown(item, key))
			continue;
		bool is_changed = strcmp(item->value, item->default_value) != 0;
		cli_table_cell(table, CLI_NO_COLOUR, "%s", item->key);
		cli_table_cell(table, is_changed ? CLI_BOLD : CLI_NO_COLOUR, "%s", item->value);
		cli_table_cell(table, CLI_FAINT, "%s", item->default_value);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", item->reloadable ? "yes" : "no");
	}
	cli_table_print(table);
	cli_table_destroy(table);
}

/* Whether there is a setting of that name. Returns CLI_EXIT_OK or CLI_EXIT_USAGE. */
static int check_key(const struct cli_options *options, const Dhtd__Admin__ConfigResponse *config,
		     const char *key)
{
	const char **keys = calloc(config->n_items + 1, sizeof(*keys));
	bool is_known = false;
	if (keys == NULL)
		cli_message_no_memory();
	for (size_t i = 0; i < config->n_items; i++) {
		keys[i] = config->items[i]->key;
		is_known = is_known || strcmp(keys[i], key) == 0;
	}
	int code = is_known ? CLI_EXIT_OK
			    : cli_command_misspelt(options->command, "setting", key, keys,
						   config->n_items);
	free(keys);
	return code;
}

static int show(const struct cli_options *options, const char *key)
{
	Dhtd__Admin__ConfigRequest body;
	Dhtd__Admin__AdminResponse *response;
	dhtd__admin__config_request__init(&body);
	int code = call_config(options, &body, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	if (key != NULL)
		code = check_key(options, response->config, key);
	if (code == CLI_EXIT_OK && options->format == CLI_JSON)
		print_settings_json(response->config, key);
	else if (code == CLI_EXIT_OK)
		print_settings(response->config, key);
	cli_client_free(response);
	return code;
}

/* Reads the file into input->buffer. */
static int read_file(struct cli_input *input, const char *path)
{
	if (cli_input_open(input, path) != 0) {
		cli_message("config: cannot open %s: %s", path, strerror(errno));
		return CLI_EXIT_FAILED;
	}
	int rc = cli_input_read_all(input, FILE_BYTES_MAX);
	if (rc == 0)
		return CLI_EXIT_OK;
	if (rc == DHT_ETOOBIG) {
		cli_message("config: %s is larger than %d bytes: not a configuration file",
			    input->name, FILE_BYTES_MAX);
		return CLI_EXIT_USAGE;
	}
	cli_message("config: cannot read %s: %s", input->name,
		    rc == DHT_EIO ? strerror(errno) : dht_error_text(rc));
	return CLI_EXIT_FAILED;
}

/* Problems go to standard error as they are: FILE:LINE:COL: key: message. */
static int report_problems(const struct cli_options *options,
			   const Dhtd__Admin__ConfigResponse *config)
{
	for (size_t i = 0; i < config->n_problems; i++)
		cli_message_bare("%s", config->problems[i]);
	if (config->n_problems > 0)
		return CLI_EXIT_USAGE;
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result();
		cli_json_set(result, "problems", json_array());
		cli_json_print(result);
	}
	return CLI_EXIT_OK;
}

static int check(const struct cli_options *options, const char *path)
{
	struct cli_input input = {.fd = -1};
	Dhtd__Admin__AdminResponse *response = NULL;
	int code = read_file(&input, path);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__ConfigRequest body;
		char name[CLI_QUOTED_MAX];
		dhtd__admin__config_request__init(&body);
		body.action = DHTD__ADMIN__CONFIG_REQUEST__ACTION__CHECK;
		body.file_name = strdup(input.name);
		if (body.file_name == NULL)
			cli_message_no_memory();
		body.content = cli_argument_binary(&input.buffer);
		snprintf(name, sizeof(name), "check %s", input.name);
		code = call_config(options, &body, name, &response);
		free(body.file_name);
	}
	if (code == CLI_EXIT_OK)
		code = report_problems(options, response->config);
	cli_client_free(response);
	cli_input_close(&input);
	return code;
}

int cli_command_config(const struct cli_options *options)
{
	static const char *const actions[] = {"show", "check"};
	if (options->operand_count == 0)
		return cli_command_misused(options->command, "show or check what?");
	const char *action = options->operands[0];
	bool is_check = strcmp(action, "check") == 0;
	if (!is_check && strcmp(action, "show") != 0)
		return cli_command_misspelt(options->command, "action", action, actions,
					    DHT_ARRAY_LEN(actions));
	int code = cli_options_expect(options, is_check ? 2 : 1, 2);
	if (code != CLI_EXIT_OK)
		return code;
	const char *operand = options->operands[1]; /* NULL: not given */
	return is_check ? check(options, operand) : show(options, operand);
}

/* Refuses a level that does not exist, with the one that was probably meant. */
static int check_level(const struct cli_options *options, const char *typed)
{
	static const char *const names[] = {
#define X(name, priority) #name,
	    LOG_LEVELS(X)
#undef X
	};
	enum log_level level;
	if (log_level_parse(typed, &level))
		return CLI_EXIT_OK;
	return cli_command_misspelt(options->command, "level", typed, names, DHT_ARRAY_LEN(names));
}

static void print_level(const struct cli_options *options,
			const Dhtd__Admin__LogLevelResponse *log_level)
{
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result();
		cli_json_set(result, "level", cli_json_text(log_level->level));
		cli_json_set(result, "previous", cli_json_text(log_level->previous));
		cli_json_print(result);
		return;
	}
	cli_print_clean(CLI_NO_COLOUR, log_level->level);
	cli_print("\n");
}

int cli_command_log_level(const struct cli_options *options)
{
	int code = cli_options_expect(options, 0, 1);
	bool is_set = options->operand_count == 1;
	if (code == CLI_EXIT_OK && is_set)
		code = check_level(options, options->operands[0]);
	if (code != CLI_EXIT_OK)
		return code;
	Dhtd__Admin__LogLevelRequest body;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	char level[CLI_QUOTED_MAX] = "";
	dhtd__admin__log_level_request__init(&body);
	if (is_set) /* a level that passed the check fits */
		snprintf(level, sizeof(level), "%s", options->operands[0]);
	body.level = level;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOG_LEVEL;
	request.log_level = &body;
	code =
	    cli_call(options, &request, is_set ? CLI_CALL_CHANGE : CLI_CALL_READ, NULL, &response);
	if (code == CLI_EXIT_OK)
		print_level(options, response->log_level);
	cli_client_free(response);
	return code;
}
