/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_member - one control plane, of which the test is everybody else.
 *
 * Errors  fail the test.
 */
#ifndef DHT_TESTS_HELPER_MEMBER_H
#define DHT_TESTS_HELPER_MEMBER_H

#include "base/buffer.h"
#include "node/member.h"

enum { HELPER_SENT_MAX = 512 };

#define HELPER_NOW_MS UINT64_C(1700000000000) /* wall clock; it stands still */

struct helper_member {
	struct member *m;
	uint64_t now_us, end, durable; /* positions of the log */
	uint64_t random;
	bool is_full;
	/* What it has told since helper_member_forget. */
	struct {
		uint32_t peer;
		uint64_t rests_on;
		struct member_message message; /* without what it points to, but for its map */
		struct buffer map;
		struct member_news news[MEMBER_NEWS_MAX];
	} sent[HELPER_SENT_MAX];
	size_t sent_count;
	struct buffer note; /* the latest one */
	unsigned adopted, answers;
	struct member_answer answer;
	int store_rc;    /* of the next notes */
	int64_t skew_ms; /* of who was heard last */
};

/* A member of a map (helper_map), by its number. */
void helper_member_init(struct helper_member *h, const struct ring_map *map, uint16_t number);
void helper_member_fini(struct helper_member *h);

/* Ends it, and starts it again from its map and its latest note. */
void helper_member_restart(struct helper_member *h);

struct member_step helper_member_step(struct helper_member *h);

/* Time passes; it is called when it wants to be, and its disk keeps up. */
void helper_member_run(struct helper_member *h, uint64_t us);

/* All is durable, as far as it goes. */
void helper_member_sync(struct helper_member *h);

/* A message from another member, in its lineage. */
struct member_message helper_message(const struct helper_member *h, enum member_message_kind kind,
				     uint16_t from);
void helper_member_hear(struct helper_member *h, const struct member_message *message);

/* A heartbeat of another one. */
void helper_member_beat(struct helper_member *h, uint16_t from, uint64_t beat);

/* The latest message of a kind to a peer; NULL: there is none. */
const struct member_message *helper_member_find(const struct helper_member *h, uint32_t peer,
						enum member_message_kind kind);
void helper_member_forget(struct helper_member *h);

#endif
