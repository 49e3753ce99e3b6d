/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/text - a reply that is text for people and for monitoring: lines put together.
 *
 * Owns    The text, until it is replied.
 * Thread  the worker that owns the session.
 * Errors  sticky: the owner looks once, in resp_text_reply.
 */
#ifndef DHT_RESP_TEXT_H
#define DHT_RESP_TEXT_H

#include "base/buffer.h"
#include "resp/command.h"

enum { RESP_REPLY_TEXT_MAX = 64 * 1024 * 1024 };

struct resp_text {
	struct buffer buffer;
	int error;
};

#define RESP_TEXT_EMPTY ((struct resp_text){0})

void resp_text_add(struct resp_text *text, const char *fmt, ...) DHT_PRINTF(2, 3);

/* Replies with the text as a verbatim string (RESP2: a bulk string), or with an error if
 * there was no memory for it, and frees it. */
void resp_text_reply(struct resp_text *text, struct resp_call *call);

#endif
