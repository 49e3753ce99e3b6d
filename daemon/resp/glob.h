/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/glob - patterns for keys: * ? [a-z] [^a] and \ before a byte that means itself.
 *
 * Why     The verdicts are those of Redis 7.0.15, odd ones included: a set that has no
 *         end lasts until the end of the pattern, a range may be written backwards and
 *         compares bytes as signed numbers, a `]` may end a range, and no pattern but the
 *         empty one matches no bytes. What a set says about a byte never decides where it
 *         ends, so every element but `*` is for exactly one byte, and a match needs to
 *         go back to the last `*` alone: the time is at most the product of both lengths.
 * Owns    Nothing.
 * Thread  any; pure functions.
 */
#ifndef DHT_RESP_GLOB_H
#define DHT_RESP_GLOB_H

#include <stdbool.h>

#include "base/bytes.h"

/* True if the pattern matches all of text. */
bool glob_matches(struct bytes pattern, struct bytes text);

/* The same for a pattern in any case and a text in small letters; as in Redis, a letter behind
 * a \ in a set keeps its case, and ranges are turned around before their ends are made small. */
bool glob_matches_lower(struct bytes pattern, struct bytes text);

/* Returns the bytes that every text which the pattern matches begins with; those that are
 * written as themselves. */
struct bytes glob_prefix(struct bytes pattern);

#endif
