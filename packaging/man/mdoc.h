/* SPDX-License-Identifier: Apache-2.0
 *
 * mdoc - text as mdoc(7) source: escaped, wrapped, each sentence on a line of its own.
 *
 * Owns    Nothing.
 * Thread  one.
 */
#ifndef DHT_PACKAGING_MDOC_H
#define DHT_PACKAGING_MDOC_H

#include <stdio.h>

#include "base/bytes.h"

/* Writes running text as lines; newlines and runs of spaces in it are one space. What stands
 * between two backticks is quoted. */
void mdoc_text(FILE *out, struct bytes text);

/* Writes a phrase as a sentence: with a capital and a full stop. */
void mdoc_sentence(FILE *out, const char *phrase);

/* Writes words of a usage line as arguments of the macro that begins the line, each with a
 * space before it: options, placeholders (capitals), other words, and the marks around them. */
void mdoc_arguments(FILE *out, struct bytes words);

/* Writes a usage line as lines of macros. */
void mdoc_usage(FILE *out, struct bytes usage);

/* Writes one argument of a macro, with a space before it. */
void mdoc_argument(FILE *out, struct bytes word);

#endif
