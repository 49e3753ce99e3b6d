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

#include <stdbool.h>
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
	X(INCR_FLOAT, 1)                                                                           \
	X(APPEND, 1)                                                                               \
	X(EXPIRE, 1)                                                                               \
	X(TTL, 0)

enum op_kind {
#define X(name, writes) OP_##name,
	OP_KINDS(X)
#undef X
};

/* True if the operation may change what is there. */
static inline bool op_writes(enum op_kind kind)
{
	switch (kind) {
#define X(name, writes)                                                                            \
	case OP_##name:                                                                            \
		return writes;
		OP_KINDS(X)
#undef X
	}
	DHT_UNREACHABLE();
}

/* What must hold for a PUT, DEL or EXPIRE to be done: all of these. */
enum op_condition {
	OP_ALWAYS = 0,
	OP_IF_ABSENT = 1 << 0,
	OP_IF_PRESENT = 1 << 1,
	OP_IF_EQUAL = 1 << 2,        /* the value is `expected` */
	OP_IF_EXPIRING = 1 << 3,     /* there is an expiry */
	OP_IF_NOT_EXPIRING = 1 << 4, /* there is none */
	OP_IF_LATER = 1 << 5,   /* the new expiry is later than the one there is; none is never */
	OP_IF_EARLIER = 1 << 6, /* it is earlier */
};

/* What a PUT or an EXPIRE does to the expiry of its key. CAS, INCR, INCR_FLOAT and APPEND
 * keep it. */
enum op_expiry {
	OP_EXPIRY_CLEAR, /* never expires from now on */
	OP_EXPIRY_KEEP,
	OP_EXPIRY_AT, /* expires_ms; a time that has come already removes the key */
};

enum { OP_NUMBER_MAX = 24 }; /* characters of a decimal int64_t, and some */

struct op {
	enum op_kind kind;
	unsigned conditions; /* PUT, DEL, EXPIRE: enum op_condition */
	bool wants_value;    /* PUT, DEL, EXPIRE: the value that was there before is a result */
	struct store_key key;
	const struct store_fetched *fetched; /* cold records that are at hand */
	struct bytes value;                  /* PUT, CAS: the new value; APPEND: what is added */
	struct bytes expected;               /* CAS_VALUE, OP_IF_EQUAL */
	struct ballot expected_version;      /* CAS_VERSION; absent: there must be no value */
	int64_t delta;                       /* INCR */
	long double delta_float;             /* INCR_FLOAT; no NaN */
	uint64_t value_max;                  /* APPEND: bytes of the longest value allowed */
	enum op_expiry expiry;               /* PUT, EXPIRE */
	uint64_t expires_ms;                 /* with OP_EXPIRY_AT: absolute, wall clock */
	uint64_t now_ms; /* the coordinator's wall clock: what expires by then is absent */
};

struct op_result {
	/* 0; DHT_ENOTFOUND (GET, TTL, DEL, EXPIRE); DHT_EPRECOND (a condition, CAS); DHT_ETYPE
	 * (INCR, INCR_FLOAT: what is there is no number); DHT_EOVERFLOW (INCR, INCR_FLOAT: the sum
	 * is none); DHT_ETOOBIG (APPEND); DHT_ENOMEM, DHT_ENOSPC: nothing was done; DHT_EAGAIN: nor
	 * was then, run it again with the record at `cold` fetched, or after the next commit;
	 * DHT_EDAMAGED: the disk lied, stop the node. */
	int status;
	bool existed; /* there was a value before */
	/* GET: the value; INCR_FLOAT: the new one; with wants_value the one before. Valid as said
	 * above. */
	struct bytes value;
	uint64_t location; /* of the record that value lies in; 0: none, or it was fetched */
	bool is_pinned; /* that was pinned already, as it is not the latest of its key any more */
	uint64_t cold;  /* location of the record that must be fetched; 0: none */
	struct ballot version; /* of the value that is there now; absent if none */
	uint64_t expires_ms;   /* of that value; 0: never, or there is none */
	uint64_t size;         /* bytes of that value */
	int64_t number;        /* INCR: the sum */
	uint64_t end; /* position of the log that must be durable before this is answered */
};

#endif
