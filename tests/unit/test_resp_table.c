/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/table: every row is consistent in itself and with the others, and is found by its
 * name in any case.
 */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "resp/syntax.h"
#include "resp/table.h"

static const struct resp_command *rows;
static size_t row_count;

static void set_up(void)
{
	rows = resp_table_rows(&row_count);
	ck_assert_uint_gt(row_count, 0);
}

static struct bytes text_of(const char *text)
{
	return bytes_of(text, strlen(text));
}

static bool is_upper_word(const char *name)
{
	for (const char *c = name; *c != '\0'; c++) {
		if (!isupper((unsigned char)*c) && *c != '-')
			return false;
	}
	return *name != '\0';
}

static bool is_version(const char *text)
{
	char *end;
	for (int part = 0; part < 3; part++) {
		strtoul(text, &end, 10);
		if (end == text || *end != (part < 2 ? '.' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

START_TEST(names_are_unique)
{
	for (size_t i = 0; i < row_count; i++) {
		ck_assert_msg(is_upper_word(rows[i].name), "%s", rows[i].name);
		ck_assert_uint_eq(rows[i].name_len, strlen(rows[i].name));
		ck_assert_uint_eq(resp_table_index(&rows[i]), i);
		for (size_t k = 0; k < i; k++)
			ck_assert_msg(rows[k].parent != rows[i].parent ||
					  strcmp(rows[k].name, rows[i].name) != 0,
				      "twice: %s", rows[i].name);
		char name[RESP_NAME_MAX];
		resp_table_name(&rows[i], name);
		ck_assert_uint_lt(strlen(name), RESP_NAME_MAX - 1);
	}
}
END_TEST

START_TEST(parents_stand_before_their_subcommands)
{
	for (size_t i = 0; i < row_count; i++) {
		const struct resp_command *row = &rows[i], *parent = resp_table_parent(row);
		ck_assert_int_lt(row->parent, (int)i);
		if (parent == NULL)
			continue;
		ck_assert_msg(parent->parent < 0, "%s: a parent is no subcommand", row->name);
		ck_assert_msg(i - (size_t)row->parent <= resp_table_count_subs(parent),
			      "%s stands apart from its parent", row->name);
		ck_assert(resp_table_is_parent(parent));
		ck_assert_ptr_eq(resp_table_find_sub(parent, text_of(row->name)), row);
		ck_assert_int_eq(resp_table_group(row), parent->group);
	}
}
END_TEST

START_TEST(parents_have_a_help)
{
	for (size_t i = 0; i < row_count; i++) {
		const struct resp_command *help = resp_table_find_sub(&rows[i], text_of("help"));
		ck_assert_msg((help != NULL) == resp_table_is_parent(&rows[i]), "%s", rows[i].name);
		ck_assert(help == NULL || help->run == resp_run_help);
		ck_assert_msg(rows[i].run != NULL || help != NULL, "%s does nothing", rows[i].name);
	}
}
END_TEST

/* The last key of the shortest request that passes the check of its arity is in it. */
START_TEST(keys_fit_the_arity)
{
	for (size_t i = 0; i < row_count; i++) {
		const struct resp_command *row = &rows[i];
		size_t words = (size_t)abs(row->arity), least = row->parent < 0 ? 1 : 2;
		size_t first, last;
		ck_assert_uint_ge(words, least);
		resp_table_keys(row, words, &first, &last);
		if (row->first_key == 0) {
			ck_assert_int_eq(row->last_key, 0);
			ck_assert_int_eq(row->key_step, 0);
			continue;
		}
		ck_assert_uint_ge(first, least);
		ck_assert_msg(first <= last && last < words, "%s", row->name);
		ck_assert_int_ge(row->key_step, 1);
		ck_assert_msg(row->last_key >= row->first_key ||
				  (row->last_key < 0 && row->arity < 0),
			      "%s", row->name);
	}
}
END_TEST

START_TEST(flags_agree)
{
	for (size_t i = 0; i < row_count; i++) {
		uint32_t flags = rows[i].flags;
		bool reads = flags & RESP_CMD_READONLY, writes = flags & RESP_CMD_WRITE;
		ck_assert_msg(!reads || !writes, "%s", rows[i].name);
		ck_assert_msg(!(flags & RESP_CMD_DENYOOM) || writes, "%s", rows[i].name);
	}
}
END_TEST

START_TEST(texts_are_there)
{
	for (size_t i = 0; i < row_count; i++) {
		const struct resp_command *row = &rows[i];
		size_t len = strlen(row->summary);
		ck_assert_msg(len > 2 && row->summary[len - 1] == '.', "%s", row->name);
		ck_assert_msg(is_version(row->since), "%s", row->name);
		struct syntax syntax;
		ck_assert_msg(syntax_parse(&syntax, row->syntax), "%s", row->name);
		/* Who takes no argument has no syntax, and who needs one has. */
		int words = row->parent < 0 ? 1 : 2;
		if (row->arity == words)
			ck_assert_msg(*row->syntax == '\0', "%s", row->name);
		else if (row->run != NULL && abs(row->arity) > words)
			ck_assert_msg(*row->syntax != '\0', "%s", row->name);
	}
}
END_TEST

static void check_found(const char *name, const struct resp_command *row)
{
	struct bytes text = text_of(name);
	ck_assert_ptr_eq(resp_table_find_full(text), row);
	if (row->parent < 0)
		ck_assert_ptr_eq(resp_table_find(text), row);
}

START_TEST(names_are_found_in_any_case)
{
	for (size_t i = 0; i < row_count; i++) {
		char name[RESP_NAME_MAX];
		resp_table_name(&rows[i], name);
		check_found(name, &rows[i]);
		for (char *c = name; *c != '\0'; c++)
			*c = (char)toupper((unsigned char)*c);
		check_found(name, &rows[i]);
		for (char *c = name; *c != '\0'; c += c[1] == '\0' ? 1 : 2)
			*c = (char)tolower((unsigned char)*c);
		check_found(name, &rows[i]);
	}
}
END_TEST

START_TEST(other_names_are_not_found)
{
	static const char *const names[] = {
	    "",     "|",     "NOSUCH", "GET ",         "GE",     "GETT",
	    "get|", "get|x", "|get",   "\x07\x05\x14", "PING\r", "NOSUCH|HELP"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_ptr_null(resp_table_find(text_of(names[i])));
		ck_assert_ptr_null(resp_table_find_full(text_of(names[i])));
	}
	/* Bytes behind the name count, a NUL among them. */
	ck_assert_ptr_null(resp_table_find(bytes_of("GET\0", 4)));
	ck_assert_ptr_null(resp_table_find((struct bytes){0}));
	ck_assert_ptr_null(resp_table_find_full((struct bytes){0}));
	char longest[4096];
	memset(longest, 'x', sizeof(longest));
	ck_assert_ptr_null(resp_table_find(bytes_of(longest, sizeof(longest))));
}
END_TEST

START_TEST(details_are_of_rows)
{
	static const char *const names[] = {
#define RESP_DETAIL(name, keys, tips) name,
#include "resp/commands.def"
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(names); i++) {
		ck_assert_msg(resp_table_find_full(text_of(names[i])) != NULL, "%s", names[i]);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(names[i], names[k]);
	}
}
END_TEST

static void check_refused(struct bytes name)
{
	char text[RESP_NAME_MAX];
	ck_assert_uint_gt(name.len, 0);
	ck_assert_uint_lt(name.len, sizeof(text));
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	char *space = strchr(text, ' ');
	if (space != NULL)
		*space = '|';
	ck_assert_msg(resp_table_find_full(text_of(text)) == NULL, "%s", text);
	ck_assert_ptr_nonnull(resp_table_refusal(name));
}

START_TEST(what_is_refused_is_no_row)
{
	static const char *const lists[] = {
#define RESP_REFUSED(names, why) names,
#include "resp/commands.def"
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(lists); i++) {
		for (const char *name = lists[i]; *name != '\0';) {
			size_t len = strcspn(name, "|");
			check_refused(bytes_of(name, len));
			name += len + (name[len] == '|');
		}
	}
	ck_assert_ptr_null(resp_table_refusal(text_of("NOSUCH")));
	ck_assert_ptr_null(resp_table_refusal(text_of("")));
	ck_assert_ptr_nonnull(resp_table_refusal(text_of("eval")));
	ck_assert_ptr_null(resp_table_refusal(text_of("EVA")));
}
END_TEST

/* A text that sends the user to a command of dhtctl names one that there is. */
static void check_hints(const char *text)
{
	static const char *const commands[] = {
#define ADMIN_COMMAND(id, ID, name, ...) name,
#define LOCAL_COMMAND(id, name, ...)     name,
#include "proto/commands.def"
	};
	static const char tool[] = "dhtctl ";
	for (const char *at = strstr(text, tool); at != NULL; at = strstr(at, tool)) {
		at += sizeof(tool) - 1;
		size_t len = strcspn(at, " ;,."), i = 0,
		       count = sizeof(commands) / sizeof(*commands);
		while (i < count &&
		       (strlen(commands[i]) != len || memcmp(commands[i], at, len) != 0))
			i++;
		ck_assert_msg(i < count, "there is no such command of dhtctl: %s", text);
	}
}

START_TEST(hints_name_commands_that_there_are)
{
	static const char *const refusals[] = {
#define RESP_REFUSED(names, why) why,
#include "resp/commands.def"
	};
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		check_hints(refusals[i]);
	for (size_t i = 0; i < row_count; i++)
		check_hints(rows[i].summary);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resp_table");
	TCase *tests = tcase_create("table");
	tcase_add_checked_fixture(tests, set_up, NULL);
	tcase_add_test(tests, names_are_unique);
	tcase_add_test(tests, parents_stand_before_their_subcommands);
	tcase_add_test(tests, parents_have_a_help);
	tcase_add_test(tests, keys_fit_the_arity);
	tcase_add_test(tests, flags_agree);
	tcase_add_test(tests, texts_are_there);
	tcase_add_test(tests, hints_name_commands_that_there_are);
	tcase_add_test(tests, names_are_found_in_any_case);
	tcase_add_test(tests, other_names_are_not_found);
	tcase_add_test(tests, details_are_of_rows);
	tcase_add_test(tests, what_is_refused_is_no_row);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
