/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/text - text for people: cleaned, quoted, with humanised numbers.
 *
 * Why     Names and messages come from outside; a terminal obeys control bytes.
 * Owns    Nothing; results go into the caller's arrays.
 * Thread  any; pure functions.
 * Errors  none; what does not fit is cut.
 */
#ifndef DHT_CLI_TEXT_H
#define DHT_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
	CLI_QUOTED_MAX = 80, /* a quoted key, cut if it is longer, and its NUL */
	CLI_NUMBER_MAX = 32, /* a humanised number and its NUL */
};

/* Replaces, in place, every control character and every byte that is not UTF-8 text
 * by '?': what is left is one harmless line. */
void cli_text_clean(char *text);

/* Returns the number of columns that a cleaned text takes: its characters. */
size_t cli_text_width(const char *text);

/* Writes bytes between double quotes, escaped as in C (\n, \", \\, \x00) where they are
 * not printable, and cut with "..." when they are long. Returns out. */
const char *cli_text_quote(struct bytes bytes, char out[CLI_QUOTED_MAX]);

/* Writes a size in bytes: "17 B", "1.5 KiB", "123 MiB". Returns out. */
const char *cli_text_size(uint64_t size_bytes, char out[CLI_NUMBER_MAX]);

/* Writes a number with commas between its thousands: "1,234,567". Returns out. */
const char *cli_text_count(uint64_t count, char out[CLI_NUMBER_MAX]);

/* Writes a duration with its two largest units: "3d 4h", "59s". Returns out. */
const char *cli_text_duration(uint64_t seconds, char out[CLI_NUMBER_MAX]);

/* Returns which of count candidates a person most likely meant by typed, NULL if none
 * is close. Close: at most one edit in a word of up to three letters, else at most two
 * (inserted, lost, replaced or swapped neighbours: the optimal string alignment form of
 * Damerau's distance), or the only candidate that completes what was typed (stat:
 * status) or begins it (delete: del). */
const char *cli_text_nearest(const char *typed, const char *const *candidates, size_t count);

#endif
