/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/input - files and standard input, read whole or line by line, with a bound.
 *
 * Owns    A struct cli_input owns its descriptor (unless it is standard input) and
 *         its buffer; cli_input_close gives both back. A line that was handed out is
 *         valid until the next call.
 * Thread  the main thread.
 * Errors  DHT_EIO with errno set; DHT_ETOOBIG beyond the bound; DHT_ENOMEM.
 */
#ifndef DHT_CLI_INPUT_H
#define DHT_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct cli_input {
	int fd;
	const char *name;     /* for messages: the path as given, or "standard input" */
	struct buffer buffer; /* read, not handed out yet */
	size_t scanned;       /* bytes of it that hold no newline */
	size_t handed_out;    /* bytes of the last line, dropped at the next call */
	uint64_t line_number; /* of the last line; the first is 1 */
	uint64_t taken_bytes; /* up to the end of the last line */
	uint64_t size_bytes;  /* of a regular file, else 0 */
	bool is_at_end;
};

/* Opens a file, or standard input for "-" or NULL. DHT_EIO leaves nothing open. */
int cli_input_open(struct cli_input *input, const char *path) DHT_MUST_CHECK;
void cli_input_close(struct cli_input *input);

/* Reads everything to the end, at most max bytes, into input->buffer. */
int cli_input_read_all(struct cli_input *input, size_t max) DHT_MUST_CHECK;

/* Reads the next line, at most max bytes, without its newline; the last one needs none.
 * Returns 1 for a line, 0 at the end. */
int cli_input_read_line(struct cli_input *input, size_t max, struct bytes *line) DHT_MUST_CHECK;

/* Opens /dev/null for each of the descriptors 0 to 2 that the parent left closed, in
 * such a way that writing to it fails: a socket must not take the place of one. */
void cli_input_guard_descriptors(void);

#endif
