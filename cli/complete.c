/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/usage.h"

enum { TIMEOUT_MS = 500, LITERAL_MAX = 32, DESCRIPTION_MAX = 256 };

/* What was typed before the word, and the word. */
struct line {
	const struct cli_command *command;
	const char *operands[CLI_FORM_OPERANDS_MAX];
	size_t operand_count;
	uint64_t used; /* by index in the table of options */
	bool options_ended;
	const struct cli_option *pending; /* the next word is its value */
	const char *socket_path;

	const char *word;  /* what is to be completed, or the end of it */
	const char *start; /* of the whole word: printed in front of what word can become */
};

/* ---- What was typed ---------------------------------------------------------------- */

static void take_value(struct line *line, const struct cli_option *option, const char *value)
{
	line->pending = NULL;
	if (option->field == offsetof(struct cli_options, socket_path))
		line->socket_path = value;
}

/* value: what follows in the same word, NULL: it is the next word. */
static void take_option(struct line *line, const struct cli_option *option, const char *value)
{
	size_t count;
	line->used |= UINT64_C(1) << (option - cli_options_table(&count));
	if (option->value != NULL && value != NULL)
		take_value(line, option, value);
	else if (option->value != NULL)
		line->pending = option;
}

/* The option that a word names up to its =, and its value behind that, NULL if there is none. */
static const struct cli_option *long_option(const struct line *line, const char *word,
					    const char **value)
{
	size_t len = strcspn(word, "=");
	*value = word[len] == '=' ? word + len + 1 : NULL;
	return cli_options_find(line->command, bytes_of(word, len));
}

static void take_letters(struct line *line, const char *word)
{
	for (const char *at = word + 1; *at != '\0'; at++) {
		const char typed[] = {'-', *at};
		const struct cli_option *option =
		    cli_options_find(line->command, bytes_of(typed, sizeof(typed)));
		if (option == NULL)
			continue;
		take_option(line, option, at[1] != '\0' ? at + 1 : NULL);
		if (option->value != NULL)
			return;
	}
}

/* False: no word of ours can stand behind this one. */
static bool take_word(struct line *line, const char *word)
{
	const char *value;
	if (line->pending != NULL) {
		take_value(line, line->pending, word);
	} else if (line->options_ended || cli_options_is_operand(word)) {
		if (line->command == NULL) {
			line->command = cli_command_find(word);
			return line->command != NULL;
		}
		if (line->operand_count == CLI_FORM_OPERANDS_MAX)
			return false;
		line->operands[line->operand_count++] = word;
	} else if (strcmp(word, "--") == 0) {
		line->options_ended = true;
	} else if (word[1] == '-') {
		const struct cli_option *option = long_option(line, word, &value);
		if (option != NULL)
			take_option(line, option, value);
	} else {
		take_letters(line, word);
	}
	return true;
}

/* ---- What it can become ------------------------------------------------------------ */

static void offer(struct line *line, const char *word, const char *description)
{
	if (strncmp(word, line->word, strlen(line->word)) != 0)
		return;
	cli_print_bytes(bytes_of(line->start, (size_t)(line->word - line->start)));
	cli_print_clean(CLI_NO_COLOUR, word);
	cli_print("\t");
	cli_print_clean(CLI_NO_COLOUR, description);
	cli_print("\n");
}

static void offer_files(struct line *line)
{
	cli_print("\tfiles\n");
}

static void offer_commands(struct line *line)
{
	size_t count;
	const struct cli_command *commands = cli_command_table(&count);
	for (size_t i = 0; i < count; i++)
		offer(line, commands[i].name, commands[i].summary);
}

static void offer_formats(struct line *line)
{
	for (int i = 0; i < CLI_FORMAT_COUNT; i++)
		offer(line, cli_options_format_name((enum cli_format)i), "");
}

/* Returns what the daemon answers, NULL if it does not; for the caller to free. */
static Dhtd__Admin__AdminResponse *ask(const struct line *line, Dhtd__Admin__AdminRequest *request)
{
	Dhtd__Admin__AdminResponse *response = NULL;
	struct cli_client *client = cli_client_create(line->socket_path, TIMEOUT_MS);
	if (cli_client_connect(client) == 0 &&
	    cli_client_send(client, request, CLI_CALL_READ) == 0 &&
	    cli_client_receive(client, &response) != 0)
		response = NULL;
	cli_client_destroy(client);
	return response;
}

static Dhtd__Admin__AdminResponse *ask_nodes(const struct line *line)
{
	Dhtd__Admin__NodeRequest body = DHTD__ADMIN__NODE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_NODE;
	request.node = &body;
	return ask(line, &request);
}

static void offer_nodes(struct line *line)
{
	Dhtd__Admin__AdminResponse *response = ask_nodes(line);
	for (size_t i = 0; response != NULL && i < response->node->n_nodes; i++) {
		const Dhtd__Admin__NodeStatus *node = response->node->nodes[i];
		char description[DESCRIPTION_MAX];
		snprintf(description, sizeof(description), "%s, zone %s", node->state, node->zone);
		offer(line, node->name, description);
	}
	cli_client_free(response);
}

/* What stands behind the last comma becomes a name. */
static void offer_node_list(struct line *line)
{
	const char *comma = strrchr(line->word, ',');
	if (comma != NULL)
		line->word = comma + 1;
	offer_nodes(line);
}

static void offer_zones(struct line *line)
{
	Dhtd__Admin__AdminResponse *response = ask_nodes(line);
	for (size_t i = 0; response != NULL && i < response->node->n_nodes; i++) {
		const char *zone = response->node->nodes[i]->zone;
		size_t first = 0;
		while (strcmp(response->node->nodes[first]->zone, zone) != 0)
			first++;
		if (first == i)
			offer(line, zone, "");
	}
	cli_client_free(response);
}

static void offer_jobs(struct line *line)
{
	Dhtd__Admin__JobRequest body = DHTD__ADMIN__JOB_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOB;
	request.job = &body;
	Dhtd__Admin__AdminResponse *response = ask(line, &request);
	const Dhtd__Admin__Job *job = response != NULL ? response->job->job : NULL;
	if (job != NULL) {
		char number[LITERAL_MAX], description[DESCRIPTION_MAX];
		snprintf(number, sizeof(number), "%llu", (unsigned long long)job->id);
		snprintf(description, sizeof(description), "%s of %s", job->kind, job->node);
		offer(line, number, description);
	}
	cli_client_free(response);
}

static void offer_settings(struct line *line)
{
	Dhtd__Admin__ConfigRequest body = DHTD__ADMIN__CONFIG_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CONFIG;
	request.config = &body;
	Dhtd__Admin__AdminResponse *response = ask(line, &request);
	for (size_t i = 0; response != NULL && i < response->config->n_items; i++)
		offer(line, response->config->items[i]->key, response->config->items[i]->value);
	cli_client_free(response);
}

/* What stands for a word in usage lines; what is missing here can be anything. */
static const struct {
	const char *placeholder;
	void (*offer)(struct line *line);
} sources[] = {
    {"COMMAND", offer_commands}, {"FILE", offer_files},   {"FORMAT", offer_formats},
    {"JOB", offer_jobs},         {"NODE", offer_nodes},   {"NODE,...", offer_node_list},
    {"SETTING", offer_settings}, {"SOCKET", offer_files}, {"ZONE", offer_zones},
};

static void offer_placeholder(struct line *line, struct bytes placeholder)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(sources); i++) {
		if (bytes_equal(bytes_of_text(sources[i].placeholder), placeholder))
			sources[i].offer(line);
	}
}

/* Writes what the details of a command say about a word, as one line. */
static const char *describe(const struct cli_command *command, const char *word,
			    char out[DESCRIPTION_MAX])
{
	const char *rest = command->details;
	struct cli_detail detail;
	size_t len = 0;
	while (cli_usage_next_detail(&rest, &detail)) {
		if (!cli_usage_mentions(detail.term, word))
			continue;
		for (size_t i = 0; i < detail.text.len && len < DESCRIPTION_MAX - 1; i++) {
			bool is_space = isspace(detail.text.data[i]);
			if (!is_space)
				out[len++] = (char)detail.text.data[i];
			else if (len > 0 && out[len - 1] != ' ')
				out[len++] = ' ';
		}
		break;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return out;
}

static void offer_choice(struct line *line, struct bytes choice)
{
	char word[LITERAL_MAX], description[DESCRIPTION_MAX];
	if (cli_usage_is_placeholder(choice)) {
		offer_placeholder(line, choice);
		return;
	}
	snprintf(word, sizeof(word), "%.*s", (int)choice.len, (const char *)choice.data);
	if (strcmp(word, "-") != 0)
		offer(line, word, describe(line->command, word, description));
}

/* Whether what was typed can be the beginning of a form. */
static bool fits(const struct line *line, const struct cli_form *form)
{
	if (line->operand_count > form->operand_count)
		return false;
	for (size_t i = 0; i < line->operand_count; i++) {
		const struct cli_operand *operand = &form->operands[i];
		struct bytes typed = bytes_of_text(line->operands[i]);
		bool is_one = false;
		for (size_t k = 0; k < operand->count; k++)
			is_one = is_one || cli_usage_is_placeholder(operand->choices[k]) ||
				 bytes_equal(operand->choices[k], typed);
		if (!is_one)
			return false;
	}
	return true;
}

/* Returns false if none can stand here. */
static bool offer_operands(struct line *line)
{
	bool is_possible = false;
	const char *rest = line->command->arguments;
	struct cli_form form;
	while (cli_usage_next(line->command, &rest, &form)) {
		if (!fits(line, &form) || form.operand_count == line->operand_count)
			continue;
		const struct cli_operand *operand = &form.operands[line->operand_count];
		is_possible = true;
		for (size_t i = 0; i < operand->count; i++)
			offer_choice(line, operand->choices[i]);
	}
	return is_possible;
}

static bool is_in_a_form(const struct line *line, const struct cli_option *option)
{
	const char *rest = line->command->arguments;
	const char letter[] = {'-', option->letter, '\0'};
	struct cli_form form;
	while (cli_usage_next(line->command, &rest, &form)) {
		if (fits(line, &form) &&
		    (cli_usage_mentions(form.text, option->name) ||
		     (option->letter != 0 && cli_usage_mentions(form.text, letter))))
			return true;
	}
	return false;
}

/* own: only those of the command. */
static void offer_options(struct line *line, bool own)
{
	size_t count;
	const struct cli_option *table = cli_options_table(&count);
	for (size_t i = 0; i < count; i++) {
		const struct cli_option *option = &table[i];
		char description[DESCRIPTION_MAX];
		bool is_hidden = /* by one of the command */
		    cli_options_find(line->command, bytes_of_text(option->name)) != option;
		if (is_hidden || (line->used >> i & 1) != 0)
			continue;
		if (option->help != NULL && !own)
			offer(line, option->name, option->help);
		else if (option->help == NULL && is_in_a_form(line, option))
			offer(line, option->name,
			      describe(line->command, option->name, description));
	}
}

static void complete_word(struct line *line)
{
	const char *value = NULL;
	if (line->pending != NULL) {
		offer_placeholder(line, bytes_of_text(line->pending->value));
	} else if (!line->options_ended && line->word[0] == '-') {
		const struct cli_option *option = long_option(line, line->word, &value);
		if (value == NULL) {
			offer_options(line, false);
		} else if (option != NULL && option->value != NULL) {
			line->word = value;
			offer_placeholder(line, bytes_of_text(option->value));
		}
	} else if (line->command == NULL) {
		offer_commands(line);
	} else if (!offer_operands(line) && line->word[0] == '\0' && !line->options_ended) {
		offer_options(line, true);
	}
}

int cli_complete(int count, char **words)
{
	struct line line = {.socket_path = cli_options_default_socket()};
	if (count < 1)
		return CLI_EXIT_OK;
	for (int i = 0; i < count - 1; i++) {
		if (!take_word(&line, words[i]))
			return CLI_EXIT_OK;
	}
	line.start = line.word = words[count - 1];
	complete_word(&line);
	return CLI_EXIT_OK;
}
