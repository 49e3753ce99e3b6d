/* SPDX-License-Identifier: Apache-2.0
 *
 * node/series - several operations on one key that are one change.
 *
 * Why     A transaction on one key needs no lock and no second round: each operation is
 *         applied to what the ones before would have made of the record, and what is
 *         there at the end is written once. Nobody sees what was in between, and a stop
 *         leaves all of it or nothing. In the same way the series of several clients that
 *         wait for one key become one change, with a result for each of them: a chain.
 * Owns    What the operations derive, until series_fini: results point there, into the
 *         record that was there before, or to bytes of the operations.
 * Thread  belongs to one owner at a time; series_apply is pure.
 */
#ifndef DHT_NODE_SERIES_H
#define DHT_NODE_SERIES_H

#include "node/change.h"

struct series {
	struct store_key key; /* of all operations */
	const struct store_fetched *fetched;
	uint64_t now_ms;
	bool is_watched;           /* nothing is done unless the value has this version still; */
	struct ballot watched;     /* absent: unless there is none */
	struct op *ops;            /* with that key and now_ms; may be none */
	struct op_result *results; /* one for each */
	size_t count;
	struct arena derived;
};

/* Makes an empty series; what else it needs is set by the caller. It must not move then. */
void series_init(struct series *series);
void series_fini(struct series *series);

/* Sets the time of the series and of its operations. */
void series_set_time(struct series *series, uint64_t now_ms);

/* True if an operation may change what is there. */
bool series_writes(const struct series *series);

/* Applies the operations to base. change is what is to be written at the end, as that of
 * change_apply; whole tells of all: DHT_EPRECOND where the version is another one, else 0,
 * and value, version, expires_ms and size are those of base. The results are as those of
 * change_apply; their location is 0. It may be called again: it starts anew. */
void series_apply(struct series *series, const struct record *base, struct change *change,
		  struct op_result *whole);

/* Says in the results that the change was written, as whole tells. A value that a later
 * operation of the series has replaced has the version of what is there at the end. */
void series_written(struct series *series, const struct op_result *whole);

/* ---- A chain of series --------------------------------------------------------------- */

/* What the series so far have made of a record. */
struct chain {
	struct record base, now;
	uint32_t generation; /* how many of them have changed it */
	bool is_expiry;      /* the record had expired */
};

void chain_begin(struct chain *chain, const struct record *base);

/* Applies a series to what is there now, and tells of it in whole and results as series_apply
 * does. What the series derived before stays. now is valid as long as the series are. */
void chain_apply(struct chain *chain, struct series *series, struct op_result *whole);

/* What is to be written at the end. */
void chain_end(const struct chain *chain, struct change *change);

/* Says in a series's whole and results that the chain's change is written at ballot `at`. The
 * version of a value that a later series has replaced is one that no value has or ever
 * had: who compares with it is told that the value is another one now. */
void chain_written(const struct chain *chain, struct series *series, struct op_result *whole,
		   struct ballot at);

#endif
