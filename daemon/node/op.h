/* SPDX-License-Identifier: Apache-2.0
 *
 * node/op - an operation of a client on one key, and its result.
 *
 * Why     Whatever protocol it came by (Redis, admin, a peer that forwards), an
 *         operation is this value.
 * Owns    Nothing: bytes are the caller's. A result's value points into a segment
 *         of the store, or into the result itself, and is valid until the block's
 *         group is unlocked.
 */
#ifndef DHT_NODE_OP_H
#define DHT_NODE_OP_H

#include <stdint.h>

#include "base/bytes.h"
#include "paxos/ballot.h"
#include "store/store.h"

/* X(NAME, writes) */
#define OP_KINDS(X)                                                                                \
	X(GET, 0)                                                                                  \
	X(PUT, 1)                                                                                  \
	X(DEL, 1)                                                                                  \
	X(CAS_VALUE, 1)                                                                            \
	X(CAS_VERSION, 1)                                                                          \
	X(INCR, 1)                                                                                 \
	X(EXPIRE, 1)                                                                               \
	X(TTL, 0)

enum op_kind {
#define X(name, writes) OP_##name,
	OP_KINDS(X)
#undef X
};

enum op_condition {
	OP_ALWAYS,
	OP_IF_ABSENT,
	OP_IF_PRESENT,
};

/* What a PUT or an EXPIRE does to the expiry of its key. CAS and INCR keep it. */
enum op_expiry {
	OP_EXPIRY_CLEAR, /* never expires from now on */
	OP_EXPIRY_KEEP,
	OP_EXPIRY_AT, /* expires_ms; a time that has come already removes the key */
};

enum { OP_NUMBER_MAX = 24 }; /* characters of a decimal int64_t, and some */

struct op {
	enum op_kind kind;
	enum op_condition condition; /* PUT */
	struct store_key key;
	const struct store_fetched *fetched; /* cold records that are at hand */
	struct bytes value;                  /* PUT, CAS: the new value */
	struct bytes expected;               /* CAS_VALUE */
	struct ballot expected_version;      /* CAS_VERSION; absent: there must be no value */
	int64_t delta;                       /* INCR */
	enum op_expiry expiry;               /* PUT, EXPIRE */
	uint64_t expires_ms;                 /* with OP_EXPIRY_AT: absolute, wall clock */
	uint64_t now_ms; /* the coordinator's wall clock: what expires by then is absent */
};

struct op_result {
	/* 0; DHT_ENOTFOUND (GET, TTL, DEL, EXPIRE); DHT_EPRECOND (PUT with a condition, CAS);
	 * DHT_ETYPE (INCR); DHT_ENOMEM, DHT_ENOSPC: nothing was done; DHT_EAGAIN: nor was
	 * then, run it again with the record at `cold` fetched, or after the next commit;
	 * DHT_EDAMAGED: the disk lied, stop the node. */
	int status;
	struct bytes value;    /* GET: the value; valid as said above */
	uint64_t location;     /* of the record that value lies in; 0: none, or it was fetched */
	uint64_t cold;         /* location of the record that must be fetched; 0: none */
	struct ballot version; /* of the value that is there now; absent if none */
	uint64_t expires_ms;   /* of that value; 0: never, or there is none */
	int64_t number;        /* INCR: the sum */
	uint64_t end; /* position of the log that must be durable before this is answered */
};

#endif
