/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/syntax - takes the text of a command's arguments apart: `key [EX seconds | PERSIST]`.
 *
 * Why     The text is what people read in the manual and in HELP; clients want the same
 *         as a tree (COMMAND DOCS), which redis-cli makes its hints of. Written once, it
 *         cannot say two things.
 *
 *         words in capitals    are sent as they stand; the words in small letters behind
 *                              one are its values
 *         [ ]                  may be left out
 *         < >                  hold alternatives together
 *         |                    stands between alternatives
 *         [key ...]            the same as before, any number of times; where nothing like
 *                              it stands before: any number of them, none among them
 * Owns    Nothing: the tree points into the text.
 * Thread  belongs to one owner.
 * Errors  False: the text does not follow these rules, or has too many parts.
 */
#ifndef DHT_RESP_SYNTAX_H
#define DHT_RESP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { SYNTAX_NODES_MAX = 64 };

enum syntax_kind {
	SYNTAX_VALUE, /* anything, called by its word */
	SYNTAX_TOKEN, /* a word in capitals alone */
	SYNTAX_ONEOF, /* one of its children */
	SYNTAX_BLOCK, /* all of its children */
};

struct syntax_node {
	enum syntax_kind kind;
	bool is_optional, is_multiple;
	struct bytes word;   /* of a value, or a token */
	struct bytes token;  /* that stands before it; empty: none */
	uint8_t first, next; /* child, sibling: indices; 0: none */
};

struct syntax {
	struct syntax_node nodes[SYNTAX_NODES_MAX]; /* [0] is a block of all */
	uint8_t count;
};

bool syntax_parse(struct syntax *syntax, const char *text) DHT_MUST_CHECK;

/* Returns the number of a node's children. */
size_t syntax_children(const struct syntax *syntax, const struct syntax_node *node);

#define SYNTAX_FOREACH(child, syntax, node)                                                        \
	for (const struct syntax_node *child = &(syntax)->nodes[(node)->first];                    \
	     child != (syntax)->nodes; child = &(syntax)->nodes[child->next])

#endif
