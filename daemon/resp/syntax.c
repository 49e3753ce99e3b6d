/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/syntax.h"

#include <string.h>

struct parse {
	struct syntax *syntax;
	const char *at;
	unsigned depth;
};

/* A list of siblings while it grows. */
struct siblings {
	uint8_t first, last, count;
};

enum { DEPTH_MAX = 8 };

/* ---- Words ----------------------------------------------------------------------- */

static void skip_spaces(struct parse *parse)
{
	while (*parse->at == ' ')
		parse->at++;
}

static bool takes(struct parse *parse, char c)
{
	skip_spaces(parse);
	if (*parse->at != c)
		return false;
	parse->at++;
	return true;
}

/* Takes a word; it is empty in front of a bracket, a bar and the end. */
static struct bytes take_word(struct parse *parse)
{
	skip_spaces(parse);
	size_t len = strcspn(parse->at, " []<>|");
	struct bytes word = bytes_of(parse->at, len);
	parse->at += len;
	return word;
}

static bool is_dots(struct bytes word)
{
	return bytes_equal(word, bytes_of_text("..."));
}

static bool is_token(struct bytes word)
{
	bool has_capital = false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] >= 'a' && word.data[i] <= 'z')
			return false;
		has_capital = has_capital || (word.data[i] >= 'A' && word.data[i] <= 'Z');
	}
	return has_capital;
}

/* ---- Nodes ----------------------------------------------------------------------- */

static struct syntax_node *node_of(struct parse *parse, uint8_t index)
{
	return &parse->syntax->nodes[index];
}

/* Returns the index of a new node; 0: there are too many. */
static uint8_t add_node(struct parse *parse, enum syntax_kind kind, struct bytes word)
{
	if (parse->syntax->count == SYNTAX_NODES_MAX)
		return 0;
	*node_of(parse, parse->syntax->count) = (struct syntax_node){.kind = kind, .word = word};
	return parse->syntax->count++;
}

static bool append(struct parse *parse, struct siblings *list, uint8_t index)
{
	if (index == 0)
		return false;
	if (list->count++ == 0)
		list->first = index;
	else
		node_of(parse, list->last)->next = index;
	list->last = index;
	return true;
}

/* Makes one node of a list: itself, if it is one alone. */
static uint8_t join(struct parse *parse, const struct siblings *list, enum syntax_kind kind)
{
	if (list->count <= 1)
		return list->first;
	uint8_t index = add_node(parse, kind, (struct bytes){0});
	if (index != 0)
		node_of(parse, index)->first = list->first;
	return index;
}

/* ---- Repetition ------------------------------------------------------------------ */

static bool is_alike(const struct parse *parse, uint8_t a, uint8_t b)
{
	const struct syntax_node *x = &parse->syntax->nodes[a], *y = &parse->syntax->nodes[b];
	return x->kind == y->kind && bytes_equal(x->word, y->word);
}

/* Returns the index behind which the last n of a list stand, 0: at its beginning. */
static uint8_t before_last(struct parse *parse, const struct siblings *list, uint8_t n)
{
	uint8_t index = 0;
	for (uint8_t i = 0; i < list->count - n; i++)
		index = i == 0 ? list->first : node_of(parse, index)->next;
	return index;
}

/* True if a list ends as another one does that is repeated. */
static bool ends_like(struct parse *parse, const struct siblings *list,
		      const struct siblings *repeated)
{
	if (list->count < repeated->count)
		return false;
	uint8_t before = before_last(parse, list, repeated->count);
	uint8_t a = before == 0 ? list->first : node_of(parse, before)->next;
	for (uint8_t b = repeated->first; b != 0; b = node_of(parse, b)->next) {
		if (!is_alike(parse, a, b))
			return false;
		a = node_of(parse, a)->next;
	}
	return true;
}

/* Makes one node of the last n of a list. */
static bool join_last(struct parse *parse, struct siblings *list, uint8_t n)
{
	uint8_t before = before_last(parse, list, n);
	uint8_t block = add_node(parse, SYNTAX_BLOCK, (struct bytes){0});
	if (block == 0)
		return false;
	node_of(parse, block)->first = before == 0 ? list->first : node_of(parse, before)->next;
	if (before == 0)
		list->first = block;
	else
		node_of(parse, before)->next = block;
	list->last = block;
	list->count -= (uint8_t)(n - 1);
	return true;
}

/* Adds what stood in brackets in front of "...". */
static bool add_repeated(struct parse *parse, struct siblings *list,
			 const struct siblings *repeated)
{
	if (ends_like(parse, list, repeated)) {
		if (repeated->count > 1 && !join_last(parse, list, repeated->count))
			return false;
		node_of(parse, list->last)->is_multiple = true;
		return true;
	}
	uint8_t index = join(parse, repeated, SYNTAX_BLOCK);
	if (!append(parse, list, index))
		return false;
	node_of(parse, index)->is_optional = true;
	node_of(parse, index)->is_multiple = true;
	return true;
}

/* ---- Grammar --------------------------------------------------------------------- */

static bool parse_sequence(struct parse *parse, struct siblings *list, bool *is_repeated);

/* Takes alternatives up to the closing bracket. A sequence alone comes as a list, as it may
 * be a repetition. */
static bool parse_alternatives(struct parse *parse, char close, struct siblings *sequence,
			       bool *is_repeated)
{
	struct siblings alternatives = {0};
	if (++parse->depth > DEPTH_MAX || !parse_sequence(parse, sequence, is_repeated))
		return false;
	while (takes(parse, '|')) {
		uint8_t index = join(parse, sequence, SYNTAX_BLOCK);
		if (*is_repeated || !append(parse, &alternatives, index))
			return false;
		*sequence = (struct siblings){0};
		if (!parse_sequence(parse, sequence, is_repeated))
			return false;
	}
	if (alternatives.count > 0) {
		uint8_t index = join(parse, sequence, SYNTAX_BLOCK);
		if (*is_repeated || !append(parse, &alternatives, index))
			return false;
		index = join(parse, &alternatives, SYNTAX_ONEOF);
		*sequence = (struct siblings){0};
		if (!append(parse, sequence, index))
			return false;
	}
	parse->depth--;
	return sequence->count > 0 && (close == '\0' || takes(parse, close));
}

static bool parse_option(struct parse *parse, struct siblings *list)
{
	struct siblings sequence = {0};
	bool is_repeated = false;
	if (!parse_alternatives(parse, ']', &sequence, &is_repeated))
		return false;
	if (is_repeated)
		return add_repeated(parse, list, &sequence);
	uint8_t index = join(parse, &sequence, SYNTAX_BLOCK);
	if (!append(parse, list, index))
		return false;
	node_of(parse, index)->is_optional = true;
	return true;
}

/* Takes what stands between angles; index is that of one node. */
static bool parse_choice(struct parse *parse, uint8_t *index)
{
	struct siblings sequence = {0};
	bool is_repeated = false;
	if (!parse_alternatives(parse, '>', &sequence, &is_repeated) || is_repeated)
		return false;
	*index = join(parse, &sequence, SYNTAX_BLOCK);
	return *index != 0;
}

static bool is_value_next(struct parse *parse)
{
	struct parse ahead = *parse;
	struct bytes word = take_word(&ahead);
	return word.len > 0 && !is_token(word) && !is_dots(word);
}

/* Takes a token with its values: none, a choice, or words. */
static bool parse_token(struct parse *parse, struct siblings *list, struct bytes token)
{
	struct siblings values = {0};
	uint8_t index = 0;
	if (takes(parse, '<')) {
		if (!parse_choice(parse, &index) || !append(parse, &values, index))
			return false;
	}
	while (values.count == 0 || index == 0) {
		if (!is_value_next(parse))
			break;
		if (!append(parse, &values, add_node(parse, SYNTAX_VALUE, take_word(parse))))
			return false;
	}
	if (values.count == 0)
		return append(parse, list, add_node(parse, SYNTAX_TOKEN, token));
	index = join(parse, &values, SYNTAX_BLOCK);
	if (!append(parse, list, index))
		return false;
	node_of(parse, index)->token = token;
	return true;
}

static bool parse_sequence(struct parse *parse, struct siblings *list, bool *is_repeated)
{
	*is_repeated = false;
	for (;;) {
		if (takes(parse, '[')) {
			if (!parse_option(parse, list))
				return false;
			continue;
		}
		if (takes(parse, '<')) {
			uint8_t index;
			if (!parse_choice(parse, &index) || !append(parse, list, index))
				return false;
			continue;
		}
		struct bytes word = take_word(parse);
		if (word.len == 0)
			return true;
		if (is_dots(word)) {
			*is_repeated = true;
			return list->count > 0;
		}
		if (is_token(word)) {
			if (!parse_token(parse, list, word))
				return false;
		} else if (!append(parse, list, add_node(parse, SYNTAX_VALUE, word))) {
			return false;
		}
	}
}

bool syntax_parse(struct syntax *syntax, const char *text)
{
	struct parse parse = {.syntax = syntax, .at = text};
	struct siblings list = {0};
	bool is_repeated;
	syntax->nodes[0] = (struct syntax_node){.kind = SYNTAX_BLOCK};
	syntax->count = 1;
	if (*text == '\0')
		return true;
	if (!parse_alternatives(&parse, '\0', &list, &is_repeated) || is_repeated)
		return false;
	syntax->nodes[0].first = list.first;
	return *parse.at == '\0';
}

size_t syntax_children(const struct syntax *syntax, const struct syntax_node *node)
{
	size_t count = 0;
	SYNTAX_FOREACH(child, syntax, node)
	count++;
	return count;
}
