/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/entry - a key with its value as a line of JSON: what dump writes and load reads.
 *
 *     {"key":"a","value":"b","expires_ms":0}     expires_ms 0: never
 *     {"key_b64":"gA==","value_b64":"/w==","expires_ms":1700000000000}
 *
 * Owns    A struct cli_entry owns its bytes; cli_entry_fini frees them.
 * Thread  the main thread.
 * Errors  DHT_EINVAL: the line is no entry, and the caller's text says why.
 *         DHT_ENOMEM.
 */
#ifndef DHT_CLI_ENTRY_H
#define DHT_CLI_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "proto/frame.h"

enum {
	/* A byte takes six characters in JSON at worst (\u0000), and all of an entry
	 * fits a frame. */
	CLI_ENTRY_LINE_MAX = 6 * ADMIN_FRAME_MAX,
	CLI_ENTRY_PROBLEM_MAX = 256,
	/* More than the fields around key and value take in a request. */
	CLI_ENTRY_OVERHEAD = 64,
};

struct cli_entry {
	struct buffer key;
	struct buffer value;
	uint64_t expires_ms;
};

/* Prints an entry as a line. */
void cli_entry_print(struct bytes key, struct bytes value, uint64_t expires_ms);

/* Parses a line. key and value, in either form, are needed; expires_ms is 0 if it is
 * missing; other fields and repeated ones are refused, so that a mistyped name does not
 * lose data. Leaves *entry empty on errors. */
int cli_entry_parse(struct bytes line, struct cli_entry *entry,
		    char problem[CLI_ENTRY_PROBLEM_MAX]) DHT_MUST_CHECK;

/* Returns what an entry takes in a request, at most. */
size_t cli_entry_size(const struct cli_entry *entry);

void cli_entry_fini(struct cli_entry *entry);

#endif
