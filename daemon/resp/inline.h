/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/inline - a request as a person types it: a line of words and quoted strings.
 *
 * Why     telnet and nc are tools of operators, and health checks send "PING\r\n".
 *         The rules are those of Redis. "..." knows \xHH, \n, \r, \t, \b and \a, and
 *         any other byte behind a backslash as itself; '...' knows \' alone. A quote
 *         may open within a word, and where it closes the argument ends.
 * Thread  the request's worker.
 * Errors  DHT_EPROTO (unbalanced quotes, a limit), DHT_ENOMEM.
 */
#ifndef DHT_RESP_INLINE_H
#define DHT_RESP_INLINE_H

#include "base/assert.h"
#include "base/bytes.h"
#include "resp/request.h"

#define RESP_INLINE_TOO_BIG "too big inline request"

/* Appends the arguments of a line to those of the request: argc grows by none for a
 * line without any. They point into the line, or into the request's scratch when there
 * is a quote in the line. A CR at its end is a separator like any other. */
int resp_inline_split(struct bytes line, const struct resp_limits *limits,
		      struct resp_request *request) DHT_MUST_CHECK;

#endif
