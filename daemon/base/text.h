/* SPDX-License-Identifier: Apache-2.0
 *
 * base/text - small questions about text that daemon and CLI both ask.
 *
 * Thread  any; pure functions.
 */
#ifndef DHT_BASE_TEXT_H
#define DHT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { TEXT_WORD_MAX = 64 };

/* Returns the value of a hexadecimal digit of either case, -1 if c is none. */
static inline int text_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Returns a letter of ASCII as a small one, any other byte as it is. */
static inline uint8_t text_lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c + ('a' - 'A') : c;
}

/* True if the texts are the same but for the case of letters. */
static inline bool text_is_alike(struct bytes a, struct bytes b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		/* The two cases of a letter differ in one bit. */
		uint8_t x = a.data[i], differs = x ^ b.data[i];
		if (differs != 0 &&
		    (differs != ('a' ^ 'A') || (uint8_t)((x | ('a' ^ 'A')) - 'a') >= 26))
			return false;
	}
	return true;
}

/* Reads a decimal int64_t as Redis does: no spaces, no plus sign, no leading zeros, no "-0".
 * False if the bytes are none; number is undefined then. */
bool text_parse_integer(struct bytes text, int64_t *number);

/* Counts the characters to insert, delete, replace or swap with their neighbour to turn
 * a into b (optimal string alignment: Damerau's distance without edited swaps). Both
 * have at most TEXT_WORD_MAX bytes (asserted). */
size_t text_edit_distance(struct bytes a, struct bytes b);

#endif
