/* SPDX-License-Identifier: Apache-2.0
 *
 * Usage lines and details of dhtctl's commands: how they are read, and that the rows of
 * proto/commands.def explain what they mention.
 */
#include <check.h>
#include <string.h>

#include "base/assert.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "unit.h"

#define ck_assert_bytes(bytes, text)                                                               \
	ck_assert_msg(bytes_equal(bytes, bytes_of_text(text)), "%.*s is not %s", (int)(bytes).len, \
		      (const char *)(bytes).data, text)

static struct cli_form form_of(const char *name, size_t number)
{
	const struct cli_command *command = cli_command_find(name);
	const char *rest = command->arguments;
	struct cli_form form;
	do
		ck_assert(cli_usage_next(command, &rest, &form));
	while (number-- > 0);
	return form;
}

START_TEST(operands_are_what_is_no_option)
{
	struct cli_form put = form_of("put", 0), cas = form_of("cas", 0), ttl = form_of("ttl", 0);
	ck_assert_uint_eq(put.operand_count, 2);
	ck_assert_bytes(put.operands[0].choices[0], "KEY");
	ck_assert_uint_eq(put.operands[1].count, 2);
	ck_assert_bytes(put.operands[1].choices[0], "VALUE");
	ck_assert_bytes(put.operands[1].choices[1], "-");
	ck_assert_uint_eq(cas.operand_count, 1);
	ck_assert_uint_eq(ttl.operand_count, 2);
	ck_assert_uint_eq(ttl.operands[1].count, 1);
	ck_assert_uint_eq(form_of("recover", 0).operand_count, 0);
	ck_assert_uint_eq(form_of("log-level", 0).operands[0].count, 4);
}
END_TEST

START_TEST(forms_are_apart)
{
	struct cli_form set = form_of("node", 2);
	const char *rest = "";
	ck_assert_bytes(form_of("node", 0).text, "ls");
	ck_assert_bytes(set.operands[0].choices[0], "set");
	ck_assert_bytes(set.operands[1].choices[0], "NODE");
	ck_assert_uint_eq(set.operand_count, 2);
	ck_assert(cli_usage_mentions(set.text, "--zone") && !cli_usage_mentions(set.text, "--zon"));
	ck_assert(!cli_usage_mentions(form_of("node", 1).text, "--zone"));
	ck_assert(cli_usage_next(cli_command_find("status"), &rest, &set));
	ck_assert_uint_eq(set.operand_count, 0);
	ck_assert(!cli_usage_next(cli_command_find("status"), &rest, &set));
}
END_TEST

START_TEST(details_are_items_and_paragraphs)
{
	const char *rest = "One\ntwo.\n"
			   "  -x, --xyz VALUE   first\n"
			   "                    second\n"
			   "  a                 third\n"
			   "End.\n";
	static const struct {
		const char *term, *text;
	} pieces[] = {
	    {"", "One\ntwo.\n"},
	    {"-x, --xyz VALUE", "first\n                    second\n"},
	    {"a", "third\n"},
	    {"", "End.\n"},
	};
	struct cli_detail detail;
	for (size_t i = 0; i < DHT_ARRAY_LEN(pieces); i++) {
		ck_assert(cli_usage_next_detail(&rest, &detail));
		ck_assert_bytes(detail.term, pieces[i].term);
		ck_assert_bytes(detail.text, pieces[i].text);
	}
	ck_assert(!cli_usage_next_detail(&rest, &detail));
}
END_TEST

static bool is_explained(const struct cli_command *command, const char *word)
{
	const char *rest = command->details;
	struct cli_detail detail;
	while (cli_usage_next_detail(&rest, &detail)) {
		if (cli_usage_mentions(detail.term, word))
			return true;
	}
	return false;
}

/* An action is a word of a usage line that stands for itself, where there are several forms. */
static void check_actions(const struct cli_command *command)
{
	const char *rest = command->arguments;
	struct cli_form form;
	while (cli_usage_next(command, &rest, &form)) {
		if (form.text.len == strlen(command->arguments))
			continue;
		struct bytes action = form.operands[0].choices[0];
		char word[16] = "";
		ck_assert_uint_lt(action.len, sizeof(word));
		memcpy(word, action.data, action.len);
		ck_assert_msg(is_explained(command, word), "%s %s", command->name, word);
	}
}

START_TEST(every_command_explains_its_options_and_actions)
{
	size_t command_count, option_count;
	const struct cli_command *commands = cli_command_table(&command_count);
	const struct cli_option *options = cli_options_table(&option_count);
	for (size_t i = 0; i < command_count; i++) {
		for (size_t k = 0; k < option_count; k++) {
			if (options[k].help == NULL &&
			    cli_options_is_allowed(&commands[i], &options[k]))
				ck_assert_msg(is_explained(&commands[i], options[k].name), "%s %s",
					      commands[i].name, options[k].name);
		}
		check_actions(&commands[i]);
	}
}
END_TEST

/* Else it would be a paragraph, or the text of another item. */
START_TEST(details_are_written_as_they_are_read)
{
	size_t count;
	const struct cli_command *commands = cli_command_table(&count);
	for (size_t i = 0; i < count; i++) {
		const char *rest = commands[i].details;
		struct cli_detail detail;
		while (cli_usage_next_detail(&rest, &detail)) {
			bool is_item = detail.term.len > 0;
			ck_assert_msg(detail.text.len > 1 && detail.text.data[0] != ' ', "%s: %.*s",
				      commands[i].name, (int)detail.text.len,
				      (const char *)detail.text.data);
			ck_assert_msg(rest[-1] == '\n', "%s", commands[i].name);
			if (is_item) /* two spaces at least are between them */
				ck_assert_uint_le(detail.term.len, 16);
		}
	}
}
END_TEST

UNIT_MAIN("cli_usage", 10, operands_are_what_is_no_option, forms_are_apart,
	  details_are_items_and_paragraphs, every_command_explains_its_options_and_actions,
	  details_are_written_as_they_are_read)
