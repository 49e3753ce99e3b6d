/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/load/message - the requests of the load generator and the replies it expects.
 *
 * Why     A request is laid out once; only the number of its key is written into each
 *         copy. The same holds for the one reply that is right, which takes the digits
 *         from the request, so checking a reply is a comparison of bytes, and a reply
 *         that belongs to another key is found out: a value begins with the number of
 *         its key.
 * Owns    A message owns its bytes.
 * Thread  A message belongs to one thread.
 * Errors  Running out of memory ends the program.
 */
#ifndef DHT_BENCH_LOAD_MESSAGE_H
#define DHT_BENCH_LOAD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

enum {
	LOAD_NUMBER_WIDTH = 12, /* digits of a key's number */
	LOAD_MARKS_MAX = 2,     /* places of a message that hold it: key and value */
	LOAD_LINE_MAX = 1024,   /* bytes of a status or error line of a server */
};

struct load_message {
	uint8_t *data;
	size_t len;
	struct load_mark {
		size_t at;
		size_t width; /* the number's last digits, when the value is shorter */
	} marks[LOAD_MARKS_MAX];
	unsigned mark_count;
};

enum load_verdict {
	LOAD_PARTIAL,  /* bytes are missing */
	LOAD_RIGHT,    /* exactly the reply expected */
	LOAD_MISS,     /* get: the server says that the key does not exist */
	LOAD_REFUSED,  /* the server answered with an error */
	LOAD_MISMATCH, /* a reply, but not the one expected */
	LOAD_BROKEN,   /* not the protocol: what follows cannot be told apart */
};

/* Prepares a request of the command with the number of key 0. */
void load_message_request(struct load_message *m, enum load_protocol protocol,
			  enum load_command command, size_t value_size);

/* Prepares the right reply to that request. */
void load_message_reply(struct load_message *m, enum load_protocol protocol,
			enum load_command command, size_t value_size);

void load_message_fini(struct load_message *m);

/* Writes the number of a key into a copy of m at `copy`, m->len bytes. */
void load_message_number(const struct load_message *m, uint8_t *copy, uint64_t number);

/* Writes the number of the key of a request into the right reply to it. The request is
 * laid out as m says and lies at `request`. */
void load_message_answer(const struct load_message *m, const uint8_t *request,
			 struct load_message *right);

/* Judges the first reply among len bytes of a stream, given the right reply for
 * the request (its number is written). Sets *used to the bytes of the reply, except
 * for LOAD_PARTIAL and LOAD_BROKEN. */
enum load_verdict load_message_judge(const struct load_message *right, enum load_protocol protocol,
				     enum load_command command, const uint8_t *data, size_t len,
				     size_t *used);

#endif
