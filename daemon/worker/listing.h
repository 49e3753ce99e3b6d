/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/listing - the keys of a range of a block, as a majority of its replicas knows them.
 *
 * Why     One replica alone may lack what was written while it was away. So one names what it
 *         has, this node itself if it is one, and others say whether that is what they have;
 *         where it is not they name theirs, and of each key the latest record counts. A key
 *         that was there from before the listing until after it is in it.
 * Owns    Copies of keys and values, in one run that the reader takes over.
 * Thread  the worker.
 * Errors  DHT_ENOQUORUM: too few replicas have answered in time (struct peers). DHT_ENOMEM.
 */
#ifndef DHT_WORKER_LISTING_H
#define DHT_WORKER_LISTING_H

#include "ring/map.h"
#include "worker/exec.h"
#include "worker/inquiry.h"

enum listing_state {
	LISTING_IDLE,
	LISTING_LEAD,  /* the first answer is missing */
	LISTING_CHECK, /* it is compared with those of others */
	LISTING_DONE,
	LISTING_FAILED,
};

struct listing_item {
	uint32_t hash;
	struct bytes key, value;
	struct ballot acc;
	uint64_t expires_ms;
	bool is_tombstone;
	bool is_bare; /* the value was wanted, and has to be read */
};

struct listing {
	struct inquiry inquiry;
	enum listing_state state;
	uint32_t block, from, until; /* until: how far it got */
	uint32_t limit;              /* keys that are enough */
	bool wants_values;
	uint32_t version;              /* of the block, as the question is put */
	struct ring_replicas replicas; /* those whose majority is asked */
	uint16_t asked, answered;      /* places in that list */
	unsigned tries;
	uint64_t deadline_us;
	uint64_t digest; /* of the first answer, with its count */
	uint32_t count;
	uint64_t rests_on; /* what of it is this node's own */
	int error;
	struct exec_held *held; /* what keys and values lie in */
	struct listing_item *items;
	size_t item_count, item_cap, lead_count; /* lead: in the order of hashes */
};

void listing_init(struct listing *l);
void listing_fini(struct listing *l);

/* Forgets what was found, and whatever is under way. */
void listing_reset(struct listing *l);

/* Begins an idle one with the keys of a block from a hash on. What was fetched for the session
 * (NULL: of nobody) is looked at. DHT_EAGAIN: *cold is a record that is to be fetched first, and
 * pinned for that. DHT_EFULL: this worker has very many under way. */
int listing_begin(struct worker *w, struct listing *l, uint32_t block, uint32_t from,
		  uint32_t limit, bool wants_values, const struct store_fetched *fetched,
		  uint64_t *cold) DHT_MUST_CHECK;

/* Says why it has failed, in w->failure if that is needed. Returns the error. */
int listing_error(struct worker *w, const struct listing *l);

/* True if nobody else has to be asked about a block: exec_scan tells what it holds. */
bool listing_is_local(const struct worker *w, uint32_t block);

#endif
