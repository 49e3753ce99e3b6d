/* SPDX-License-Identifier: Apache-2.0
 *
 * node/message - what replicas and coordinators say to each other about keys.
 *
 * Why     The messages of the register protocol (sections 2 to 6) as values, before
 *         wire/ gives them a form.
 * Owns    Nothing: bytes, items, op and result are the sender's until `send` returns, and
 *         the caller's while node_handle runs. Whoever holds a message back copies it.
 * Thread  values.
 *
 * Every message carries the sender's version of the block. What it is about is one key, but
 * for PULL, CHUNK, COMPARE, DIFFER, LIST and LISTED: a range of hashes of the block, [from,
 * until), which is the same range at every member, as the cluster has one hash seed; and COUNT
 * and COUNTED: the whole node, whatever the versions.
 */
#ifndef DHT_NODE_MESSAGE_H
#define DHT_NODE_MESSAGE_H

#include "node/op.h"
#include "paxos/acceptor.h"
#include "paxos/register.h"

/* X(NAME, old): old is what becomes of one whose version is older than the receiver's. */
#define MESSAGE_KINDS(X)                                                                           \
	X(PREPARE, ANSWER_STALE)                                                                   \
	X(PROMISE, DROP) /* or its refusal */                                                      \
	X(ACCEPT, ANSWER_STALE)                                                                    \
	X(OK, DROP) /* or its refusal */                                                           \
	X(READ, ANSWER_STALE)                                                                      \
	X(VALUE, DROP)                                                                             \
	X(LEARN, DROP)                                                                             \
	X(HOLDS, ANSWER_STALE)                                                                     \
	X(HELD, DROP)                                                                              \
	X(ERASE, DROP)                                                                             \
	X(PULL, ANSWER_STALE)                                                                      \
	X(CHUNK, DROP)                                                                             \
	X(COMPARE, ANSWER_STALE)                                                                   \
	X(DIFFER, DROP)                                                                            \
	X(STALE, DROP)                                                                             \
	X(FORWARD, TAKE)                                                                           \
	X(RESULT, TAKE)                                                                            \
	X(LIST, ANSWER_STALE)                                                                      \
	X(LISTED, DROP)                                                                            \
	X(COUNT, TAKE)                                                                             \
	X(COUNTED, TAKE)

enum message_kind {
#define X(name, old) MESSAGE_##name,
	MESSAGE_KINDS(X)
#undef X
	    MESSAGE_KIND_COUNT
};

enum { MESSAGE_ITEMS_MAX = 512 }; /* of a CHUNK, a DIFFER or a LISTED */

/* A record of a CHUNK or a LISTED. Of a DIFFER only key and record.acc count. */
struct message_item {
	struct bytes key;
	struct paxos_record record;
	uint64_t location; /* of the record that value lies in, 0: elsewhere; see below */
};

/* Of COUNTED: how many keys have a value in a block, not counting those without any. */
struct message_count {
	uint32_t block, keys;
};

struct message {
	enum message_kind kind;
	uint16_t from; /* the sender's member number */
	uint32_t block;
	uint32_t version; /* of the block, at the sender */
	uint64_t tag;     /* of the round, collection, pull, comparison or forwarding */
	struct bytes key;
	bool is_ok;
	bool is_omitted;               /* the record comes without its value: that of `named` */
	enum acceptor_holding holding; /* of HELD */
	struct ballot b;     /* of PREPARE and ACCEPT, repeated by answers; of HOLDS and ERASE */
	struct ballot next;  /* reserved by ACCEPT */
	struct ballot bound; /* of a refusal; absent_bound of PROMISE, CHUNK; promised of OK */
	struct ballot named; /* the asker's own acc: its value may be omitted */
	struct paxos_record record; /* of PROMISE, ACCEPT, VALUE, LEARN; absent: none is there */
	/* The segment record that record.value lies in, which a sender that wants no copy may
	 * pin (store_pin) before `send` returns; 0: it lies elsewhere. */
	uint64_t location;

	/* Ranges: hashes of store_scan. An answer's until says how far it got. */
	uint32_t from_hash, until_hash;
	/* Of the range, with its count: at the asker of PULL, COMPARE and LIST; of LISTED at the
	 * one that answers, 0 and 0 if it has none at hand. */
	uint64_t digest;
	uint32_t count;
	/* Of CHUNK, DIFFER and LISTED: the digests are equal, there are no items; of LIST: it has
	 * a digest. is_omitted of both of these: items come without their values. */
	bool is_same;
	uint32_t limit; /* of LIST: items that are enough */
	const struct message_item *items;
	size_t item_count;

	uint64_t epoch;                     /* of STALE: the map that the sender has adopted */
	const struct message_count *counts; /* of COUNTED, in ascending order of their blocks */
	size_t count_count;

	/* FORWARD: operations for the receiver to coordinate, and how long they may take. */
	const struct op *ops;
	size_t op_count;
	bool is_watched;       /* struct series */
	struct ballot watched; /* of a watched series */
	uint64_t deadline_us;  /* from now */
	/* RESULT: of the series as a whole (whole, which holds status), and of each. */
	const struct op_result *whole;
	const struct op_result *results;
	uint8_t asked, answered; /* struct task */
};

const char *message_name(enum message_kind kind);

#endif
