/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/answer - commands that are one operation, and the replies that several of them share.
 *
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_ANSWER_H
#define DHT_RESP_ANSWER_H

#include "base/error.h"
#include "resp/command.h"

/* Replies to a result. False: it has no reply of its own for this status, and has written
 * nothing. */
typedef bool (*resp_answer_fn)(struct resp_call *call, struct op_result *result);

/* Runs the one operation of a command, and replies. */
void resp_answer_op(struct resp_call *call, struct op *op, resp_answer_fn answer);

/* True if the operation was done, or found that it is not to be done: nothing went wrong. */
static inline bool resp_is_settled(const struct op_result *result)
{
	return result->status == 0 || result->status == DHT_ENOTFOUND ||
	       result->status == DHT_EPRECOND;
}

/* The value that a GET found, or that was there before; null if there was none. */
bool resp_answer_value(struct resp_call *call, struct op_result *result);

/* 1 if the operation was done, 0 if it was not to be done. */
bool resp_answer_whether(struct resp_call *call, struct op_result *result);

/* The bytes of the value that is there now. */
bool resp_answer_size(struct resp_call *call, struct op_result *result);

#endif
