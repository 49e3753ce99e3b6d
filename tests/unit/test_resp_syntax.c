/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/syntax: the tree of every form that the text of a command's arguments may have, and
 * what is refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "resp/syntax.h"

static char shown[4096];

static void show(const char *text, size_t len)
{
	size_t used = strlen(shown);
	ck_assert_uint_lt(used + len, sizeof(shown));
	memcpy(shown + used, text, len);
	shown[used + len] = '\0';
}

/* Shows a node: token:value, TOKEN, (block), <one|of>; ? optional, * multiple. */
static void show_node(const struct syntax *syntax, const struct syntax_node *node)
{
	static const char *const opens[] = {"", "", "<", "("}, *const closes[] = {"", "", ">", ")"};
	if (node->token.len > 0) {
		show((const char *)node->token.data, node->token.len);
		show(":", 1);
	}
	show(opens[node->kind], strlen(opens[node->kind]));
	if (node->word.len > 0)
		show((const char *)node->word.data, node->word.len);
	SYNTAX_FOREACH(child, syntax, node)
	{
		if (child != &syntax->nodes[node->first])
			show(node->kind == SYNTAX_ONEOF ? "|" : " ", 1);
		show_node(syntax, child);
	}
	show(closes[node->kind], strlen(closes[node->kind]));
	if (node->is_optional)
		show("?", 1);
	if (node->is_multiple)
		show("*", 1);
}

static void check_tree(const char *text, const char *expected)
{
	struct syntax syntax;
	ck_assert_msg(syntax_parse(&syntax, text), "%s", text);
	shown[0] = '\0';
	show_node(&syntax, &syntax.nodes[0]);
	ck_assert_msg(strcmp(shown, expected) == 0, "%s: %s instead of %s", text, shown, expected);
}

START_TEST(trees)
{
	check_tree("", "()");
	check_tree("key", "(key)");
	check_tree("key value", "(key value)");
	check_tree("  key   value ", "(key value)");
	check_tree("[message]", "(message?)");
	check_tree("key [NX | XX]", "(key <NX|XX>?)");
	check_tree("key [NX|XX] [GET]", "(key <NX|XX>? GET?)");
	check_tree("[EX seconds | PX milliseconds | KEEPTTL]",
		   "(<EX:seconds|PX:milliseconds|KEEPTTL>?)");
	check_tree("<ON | OFF>", "(<ON|OFF>)");
	check_tree("ON | OFF", "(<ON|OFF>)");
	check_tree("[TYPE <A | B>]", "(TYPE:<A|B>?)");
	check_tree("[AUTH username password] [SETNAME name]",
		   "(AUTH:(username password)? SETNAME:name?)");
	check_tree("[protover [AUTH username password]]",
		   "((protover AUTH:(username password)?)?)");
	check_tree("<ip:port | [ID id] [USER name]>", "(<ip:port|(ID:id? USER:name?)>)");
	check_tree("<a b | c>", "(<(a b)|c>)");
	check_tree("LIB-NAME name", "(LIB-NAME:name)");
	check_tree("A B", "(A B)");
}
END_TEST

START_TEST(repetitions)
{
	check_tree("key [key ...]", "(key*)");
	check_tree("key value [key value ...]", "((key value)*)");
	check_tree("name key value [key value ...]", "(name (key value)*)");
	check_tree("[name [name ...]]", "(name?*)");
	check_tree("[ID id [id ...]]", "(ID:id?*)");
	check_tree("command [arg ...]", "(command arg?*)");
	check_tree("[arg ...]", "(arg?*)");
	check_tree("a [b c ...]", "(a (b c)?*)");
	check_tree("a b [a ...]", "(a b a?*)");
}
END_TEST

START_TEST(what_is_no_syntax)
{
	static const char *const texts[] = {"[",
					    "]",
					    "[key",
					    "key]",
					    "<a|b",
					    "a|",
					    "|a",
					    "[]",
					    "<>",
					    "[a|]",
					    "...",
					    "key ...",
					    "[...]",
					    "<a ...>",
					    "[a ... | b]",
					    "a b ] c",
					    "[[[[[[[[[[a]]]]]]]]]]"};
	struct syntax syntax;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(!syntax_parse(&syntax, texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(too_many_parts)
{
	struct syntax syntax;
	char text[4 * SYNTAX_NODES_MAX] = "";
	for (size_t i = 0; i < SYNTAX_NODES_MAX - 1; i++)
		strcat(text, "a ");
	ck_assert(syntax_parse(&syntax, text));
	ck_assert_uint_eq(syntax_children(&syntax, &syntax.nodes[0]), SYNTAX_NODES_MAX - 1);
	strcat(text, "a");
	ck_assert(!syntax_parse(&syntax, text));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resp_syntax");
	TCase *tests = tcase_create("syntax");
	tcase_add_test(tests, trees);
	tcase_add_test(tests, repetitions);
	tcase_add_test(tests, what_is_no_syntax);
	tcase_add_test(tests, too_many_parts);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
