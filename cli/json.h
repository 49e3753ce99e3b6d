/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/json - dhtctl's conventions on top of libjansson.
 *
 * Why     Field names and number formats are an interface: bytes are given as NAME
 *         when they are UTF-8 text, else as base64 in NAME_b64; integers are
 *         integers up to 2^63 - 1 (larger ones are shown as that); an object is one
 *         line, and one that is no part of a stream says "schema":1. For scripts that
 *         have no parser of JSON, the same is printed as lines:
 *
 *             schema=1
 *             reasons.0=member 2, n2, does not answer
 *             store.fsync_us.p99=812
 *
 * Owns    As libjansson: cli_json_set takes the value over, cli_json_print the object.
 *         The form in which results are printed, one per process.
 * Thread  the main thread.
 * Errors  short of memory, the program says so and ends (cli/message.h).
 */
#ifndef DHT_CLI_JSON_H
#define DHT_CLI_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum { CLI_JSON_SCHEMA = 1 };

enum cli_json_form { CLI_JSON_OBJECT, CLI_JSON_LINES };

/* Sets the form of what cli_json_print prints from now on. */
void cli_json_set_form(enum cli_json_form form);

/* Returns an empty object; cli_json_result one that holds the schema's number. */
json_t *cli_json_object(void);
json_t *cli_json_result(void);

/* Returns text as a JSON string, cleaned of what is not UTF-8 (cli/text.h). */
json_t *cli_json_text(const char *text);

json_t *cli_json_u64(uint64_t value);

/* Returns a number; 0 for what JSON has no word for (infinite, not a number). */
json_t *cli_json_double(double value);

/* Sets a field; value is what one of jansson's constructors returned (NULL: no memory). */
void cli_json_set(json_t *object, const char *name, json_t *value);

/* Appends to an array, under the same terms. */
void cli_json_append(json_t *array, json_t *value);

/* Sets the field NAME or NAME_b64. */
void cli_json_set_bytes(json_t *object, const char *name, struct bytes bytes);

/* Prints the object in the form that was set, and frees it. Of CLI_JSON_LINES, a line is
 * NAME=VALUE: the names of nested objects are joined by dots, elements of an array are named by
 * their index, from 0 on, and nothing stands for what is empty; a string is written as in JSON,
 * without its quotes, so that a line is always one value. */
void cli_json_print(json_t *object);

/* Prints the object as one line of JSON whatever form was set, and frees it. */
void cli_json_print_object(json_t *object);

#endif
