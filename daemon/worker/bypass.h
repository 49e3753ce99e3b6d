/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/bypass - what a worker does about members that are silent.
 *
 * Why     See worker/silence.h. Whom it waits for in vain the node is told of (node_set_slow), and
 *         the dispatcher, which finds out whether that one lives (node/member.h, member_doubt).
 * Owns    Nothing: what is known of a member lies in its link, what was asked in the links.
 * Thread  the worker.
 */
#ifndef DHT_WORKER_BYPASS_H
#define DHT_WORKER_BYPASS_H

#include "worker/link.h"

struct links_asked;

bool bypass_is_question(enum message_kind kind);
bool bypass_is_answer(enum message_kind kind);

/* A question goes out to the member of an own link; its answer has come, for which `asked` may
 * be another question by now. */
void bypass_note_question(struct worker *w, struct link *link, const struct message *m,
			  uint64_t now_us);
void bypass_note_answer(struct link *link, const struct message *m, const struct links_asked *asked,
			uint64_t now_us);

/* Nothing is waited for any more. */
void bypass_end(struct link *link);

/* Does what is due at links->look_us. */
void bypass_tick(struct worker *w);

#endif
