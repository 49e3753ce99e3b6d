/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/usage.h"

#include <ctype.h>
#include <string.h>

#include "base/assert.h"
#include "cli/command.h"
#include "cli/options.h"

enum { ITEM_COLUMN = 2, TEXT_COLUMN = 20 }; /* of an item among the details */

static const char between_forms[] = " | ";

static bool is_word_character(uint8_t c)
{
	return isalnum(c) || c == '-';
}

bool cli_usage_mentions(struct bytes usage, const char *option)
{
	size_t len = strlen(option);
	for (size_t at = 0; at + len <= usage.len; at++) {
		if (memcmp(usage.data + at, option, len) != 0)
			continue;
		bool begins = at == 0 || !is_word_character(usage.data[at - 1]);
		if (begins && (at + len == usage.len || !is_word_character(usage.data[at + len])))
			return true;
	}
	return false;
}

bool cli_usage_is_placeholder(struct bytes word)
{
	return word.len > 0 && isupper(word.data[0]);
}

/* Takes the next choice, whatever stands around it, off text. *begins: it is no further choice
 * of the operand before it. */
static bool next_choice(struct bytes *text, struct bytes *choice, bool *begins)
{
	*begins = false;
	while (text->len > 0 && strchr(" []|", text->data[0]) != NULL) {
		*begins = *begins || text->data[0] == ' ';
		*text = bytes_of(text->data + 1, text->len - 1);
	}
	size_t len = 0;
	while (len < text->len && strchr(" ]|", text->data[len]) == NULL)
		len++;
	*choice = bytes_of(text->data, len);
	*text = bytes_of(text->data + len, text->len - len);
	return len > 0;
}

static void add_choice(struct cli_form *form, struct bytes choice, bool begins)
{
	if (begins) {
		DHT_ASSERT(form->operand_count < CLI_FORM_OPERANDS_MAX);
		form->operands[form->operand_count++].count = 0;
	}
	struct cli_operand *operand = &form->operands[form->operand_count - 1];
	DHT_ASSERT(operand->count < CLI_FORM_CHOICES_MAX);
	operand->choices[operand->count++] = choice;
}

static void find_operands(const struct cli_command *command, struct cli_form *form)
{
	struct bytes text = form->text, choice;
	bool begins, is_value = false, follows = false; /* follows: another choice of an operand */
	while (next_choice(&text, &choice, &begins)) {
		bool is_option = choice.len > 1 && choice.data[0] == '-';
		follows = follows && !begins;
		if (is_value) {
			is_value = false;
		} else if (is_option) {
			const struct cli_option *option =
			    cli_options_find(command, bytes_of(choice.data, choice.len));
			is_value = option != NULL && option->value != NULL;
			follows = false;
		} else {
			add_choice(form, choice, !follows);
			follows = true;
		}
	}
}

bool cli_usage_next(const struct cli_command *command, const char **rest, struct cli_form *form)
{
	if (*rest == NULL)
		return false;
	const char *end = strstr(*rest, between_forms);
	size_t len = end != NULL ? (size_t)(end - *rest) : strlen(*rest);
	*form = (struct cli_form){.text = bytes_of(*rest, len)};
	*rest = end != NULL ? end + strlen(between_forms) : NULL;
	find_operands(command, form);
	return true;
}

static size_t indent_of(const char *line)
{
	return strspn(line, " ");
}

/* The term of an item, whose text follows it or stands on the next line. */
static struct bytes term_of(const char *line)
{
	size_t end = strcspn(line, "\n");
	end = end < TEXT_COLUMN ? end : TEXT_COLUMN;
	while (end > ITEM_COLUMN && line[end - 1] == ' ')
		end--;
	return bytes_of(line + ITEM_COLUMN, end - ITEM_COLUMN);
}

bool cli_usage_next_detail(const char **rest, struct cli_detail *detail)
{
	const char *line = *rest, *text = line;
	if (*line == '\0')
		return false;
	bool is_item = indent_of(line) == ITEM_COLUMN;
	detail->term = bytes_of(line, 0);
	if (is_item) {
		detail->term = term_of(line);
		size_t len = strcspn(line, "\n");
		text += len < TEXT_COLUMN ? len : TEXT_COLUMN;
	}
	do {
		line += strcspn(line, "\n");
		line += *line == '\n';
	} while (*line != '\0' && indent_of(line) == (is_item ? TEXT_COLUMN : 0));
	detail->text = bytes_of(text, (size_t)(line - text));
	*rest = line;
	return true;
}
