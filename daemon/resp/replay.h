/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/replay - runs the queued requests of a transaction as one step.
 *
 * Why     A handler asks for its operations in the middle of its work, and all of a
 *         transaction must be known before the first is done. So handlers run twice: first
 *         their operations are noted and their replies thrown away, then all are done as
 *         one change, and in a second run each handler is given its results and replies.
 *         That works because no handler chooses an operation by the result of another.
 * Owns    The operations and their results, during one EXEC.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_REPLAY_H
#define DHT_RESP_REPLAY_H

#include "resp/command.h"

/* EXEC of the session's transaction, which is open and not spoiled. Replies and ends it;
 * where the session has to wait it does neither. */
void resp_replay_exec(struct resp_call *call);

/* What resp_run_op does while call->replay is set. The results last as long as that. False:
 * it was only noted, and the result is an empty one. */
bool resp_replay_op(struct resp_call *call, struct op *op, struct op_result *result);

#endif
