/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/document: what is made from the schema agrees with the schema, and the files of
 * the source tree that hold copies of it agree with what is made.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/conf.h"
#include "helper_document.h"

START_TEST(printed_defaults_give_the_defaults)
{
	char *text = helper_document_printed(conf_print_defaults);
	struct conf defaults, conf;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	ck_assert_int_eq(conf_init_defaults(&defaults, "host"), 0);
	ck_assert_int_eq(conf_init_defaults(&conf, "host"), 0);
	int rc = conf_load_text(&conf, "defaults", text, strlen(text), &problems);
	ck_assert_msg(rc == 0, "%s", problems.count > 0 ? problems.lines[0] : "no problem");

	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		char *expected = conf_item_value(&defaults, &conf_items[i]);
		char *value = conf_item_value(&conf, &conf_items[i]);
		ck_assert_str_eq(value, expected);
		free(value);
		free(expected);
		/* Each of them was read, but for the one that has no text. */
		ck_assert_int_eq(conf.origins[i].from,
				 i == CONF_node_name ? CONF_FROM_DEFAULT : CONF_FROM_FILE);
	}
	conf_fini(&conf);
	conf_fini(&defaults);
	conf_problems_fini(&problems);
	free(text);
}
END_TEST

START_TEST(printed_defaults_fit_a_terminal)
{
	char *text = helper_document_printed(conf_print_defaults);
	size_t lines = 0;
	for (const char *line = text; *line != '\0'; lines++) {
		size_t length = strcspn(line, "\n");
		ck_assert_msg(length <= 80, "%.*s", (int)length, line);
		ck_assert_msg(length == 0 || line[length - 1] != ' ', "%.*s", (int)length, line);
		ck_assert_int_eq(line[length], '\n');
		line += length + 1;
	}
	ck_assert_uint_gt(lines, 2 * CONF_ITEM_COUNT);
	free(text);
}
END_TEST

START_TEST(packaged_file_is_the_printed_defaults)
{
	char *expected = helper_document_printed(conf_print_defaults);
	char *text = helper_document_read("etc/dhtd.yaml");
	ck_assert_msg(strcmp(text, expected) == 0,
		      "etc/dhtd.yaml differs from the schema: write it with dhtd --print-defaults");
	free(text);
	free(expected);
}
END_TEST

START_TEST(markdown_table_has_a_row_for_each_setting)
{
	char *table = helper_document_printed(conf_print_markdown_table);
	size_t lines = 0;
	for (const char *line = table; *line != '\0'; lines++) {
		size_t length = strcspn(line, "\n");
		size_t bars = 0;
		for (size_t i = 0; i < length; i++)
			bars += line[i] == '|';
		ck_assert_msg(bars == 6, "%.*s", (int)length, line);
		line += length + 1;
	}
	ck_assert_uint_eq(lines, 2 + CONF_ITEM_COUNT);
	ck_assert_ptr_nonnull(strstr(table,
				     "\n| `log.level` | `info` | Least urgent messages that are "
				     "logged. | error, warn, info or debug | reload |\n"));
	ck_assert_ptr_nonnull(strstr(table,
				     "\n| `node.name` | the host name | Name of this node, unique "
				     "in its cluster. | 1 to 64 characters of A-Z a-z 0-9 . _ - | "
				     "restart |\n"));
	free(table);
}
END_TEST

START_TEST(the_page_holds_the_markdown_table)
{
	helper_document_check("docs/settings.md", "settings", conf_print_markdown_table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_document");
	TCase *tcase = tcase_create("conf_document");
	tcase_add_test(tcase, printed_defaults_give_the_defaults);
	tcase_add_test(tcase, printed_defaults_fit_a_terminal);
	tcase_add_test(tcase, packaged_file_is_the_printed_defaults);
	tcase_add_test(tcase, markdown_table_has_a_row_for_each_setting);
	tcase_add_test(tcase, the_page_holds_the_markdown_table);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
