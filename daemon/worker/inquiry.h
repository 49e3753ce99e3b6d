/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/inquiry - questions to other members whose answers a session waits for: which keys there
 * are, and how many.
 *
 * Why     They are no part of the register protocol, which the node does itself: their answers
 *         come out of it again (effects->answer) and belong to whoever has asked. Messages get
 *         lost, members are slow or gone: so an inquiry is looked at now and then, and asks again.
 * Owns    Nothing; an inquiry is its owner's, who ends it before it goes. Answers that nobody waits
 *         for any more are dropped.
 * Thread  the worker. `take` is called under the lock of a group: it copies, asks on and notes.
 * Errors  inquiry_begin: DHT_ENOMEM; DHT_EFULL: this worker has very many under way.
 */
#ifndef DHT_WORKER_INQUIRY_H
#define DHT_WORKER_INQUIRY_H

#include "base/list.h"
#include "node/message.h"
#include "node/table.h"

struct inquiry;
struct session;
struct worker;

enum { INQUIRIES_MAX = 256 }; /* of a worker, under way */

struct inquiry_kind {
	/* An answer with the inquiry's latest tag, from any member. */
	void (*take)(struct inquiry *q, const struct message *m);
	/* It is time to look: it asks again, sets due_us or ripens. */
	void (*due)(struct inquiry *q);
};

struct inquiry {
	struct table_link by_tag;
	struct list link; /* of those under way */
	struct list ripe;
	const struct inquiry_kind *kind;
	struct worker *worker;   /* since it began */
	struct session *session; /* that waits until it is ripe; NULL: none does */
	uint64_t due_us;
};

struct inquiries {
	struct table by_tag;
	struct list all, ripe;
	unsigned count;
	uint64_t next_us; /* none is due before */
};

void inquiries_init(struct inquiries *all);
void inquiries_fini(struct inquiries *all);

/* An answer has come, under the lock of a group. */
void inquiries_take(struct worker *w, const struct message *m);

/* Lets the sessions go on whose inquiries have ripened. Holding no group. */
void inquiries_settle(struct worker *w);

/* Looks at those that are due. Once a round. */
void inquiries_run(struct worker *w, uint64_t now_us);

static inline uint64_t inquiries_next_us(const struct inquiries *all)
{
	return all->count > 0 ? all->next_us : UINT64_MAX;
}

/* Makes an inquiry that is not under way. */
void inquiry_init(struct inquiry *q, const struct inquiry_kind *kind);

/* Begins it, or goes on with other questions: answers to earlier ones do not count any more. */
int inquiry_begin(struct worker *w, struct inquiry *q) DHT_MUST_CHECK;

/* Ends it, if it is under way. */
void inquiry_end(struct inquiry *q);

static inline bool inquiry_is_on(const struct inquiry *q)
{
	return q->by_tag.number != 0;
}

/* Asks a member; the question's sender and tag are set here. */
void inquiry_ask(const struct inquiry *q, uint16_t member, struct message *m);

/* Has it looked at again when an answer should have come, twice as long from now with each try,
 * but at latest_us. */
void inquiry_wait(struct inquiry *q, unsigned tries, uint64_t latest_us);

/* Lets a session wait for it. */
void inquiry_await(struct inquiry *q, struct session *s);

/* There is something for whoever waits for it. */
void inquiry_ripen(struct inquiry *q);

#endif
