/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/argument - arguments of commands: keys, values, versions, amounts.
 *
 * Owns    Results are appended to the caller's buffer.
 * Thread  the main thread.
 * Errors  reported on standard error; the functions return CLI_EXIT_USAGE, or
 *         CLI_EXIT_FAILED when standard input cannot be read.
 */
#ifndef DHT_CLI_ARGUMENT_H
#define DHT_CLI_ARGUMENT_H

#include <stdint.h>

#include "admin.pb-c.h"
#include "base/buffer.h"
#include "cli/options.h"

enum {
	CLI_KEY_MAX = 65535, /* bytes, as proto/admin.proto says */
	CLI_VERSION_MAX = 48 /* V.C.M as text, and its NUL */
};
#define CLI_TTL_MAX_MS (INT64_C(1) << 52) /* as proto/admin.proto says */

/* Takes text as a key, or the beginning of one, in the encoding of --hex or --base64. */
int cli_argument_key(const struct cli_options *options, const char *text,
		     struct buffer *key) DHT_MUST_CHECK;

/* Takes text as a value under the same encoding; name is what messages call it. */
int cli_argument_value(const struct cli_options *options, const char *name, const char *text,
		       struct buffer *value) DHT_MUST_CHECK;

/* Reads standard input to its end as a value, byte for byte. */
int cli_argument_value_from_input(const struct cli_options *options,
				  struct buffer *value) DHT_MUST_CHECK;

/* Parses a whole number of 64 bits with an optional sign. */
int cli_argument_amount(const struct cli_options *options, const char *text,
			int64_t *amount) DHT_MUST_CHECK;

/* Parses how long a key lives, a duration from 1 ms on. */
int cli_argument_ttl(const struct cli_options *options, const char *text,
		     uint64_t *ttl_ms) DHT_MUST_CHECK;

/* Parses a version, V.C.M. */
int cli_argument_version(const struct cli_options *options, const char *text,
			 Dhtd__Admin__Version *version) DHT_MUST_CHECK;

/* Writes a version as V.C.M; NULL, which the protocol allows, is 0.0.0. Returns out. */
const char *cli_argument_print_version(const Dhtd__Admin__Version *version,
				       char out[CLI_VERSION_MAX]);

/* Returns the content of a buffer as the protocol's bytes, borrowed. */
ProtobufCBinaryData cli_argument_binary(const struct buffer *buffer);

#endif
