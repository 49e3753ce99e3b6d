/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/many - commands that do the same with each of several keys.
 *
 * Why     One key after the other: all of them are not one atomic step. Such a command may
 *         have to wait for the disk at any key, and lets others have a turn after some; it
 *         goes on at the key where it stopped.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_MANY_H
#define DHT_RESP_MANY_H

#include "resp/answer.h"

struct resp_many {
	enum op_kind kind; /* PUT: the argument behind each key is its value */
	/* Takes the result for one key; state->progress says for which, and counts. False: the
	 * command ends with an error. */
	resp_answer_fn take;
	void (*end)(struct resp_call *call); /* replies when all keys are done; may be NULL */
};

/* Goes on with the command until its end, or until the request has to come again. */
void resp_run_many(struct resp_call *call, const struct resp_many *many);

#endif
