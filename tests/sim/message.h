/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/message - what simulated nodes say to each other.
 *
 * Why     The messages of the register protocol as values, before the wire has given them
 *         a form. What a value points to lasts as long as the run.
 * Thread  values.
 */
#ifndef DHT_SIM_MESSAGE_H
#define DHT_SIM_MESSAGE_H

#include "paxos/register.h"

/* X(NAME) */
#define MESSAGE_TYPES(X)                                                                           \
	X(PREPARE)                                                                                 \
	X(PROMISE) /* or its refusal */                                                            \
	X(ACCEPT)                                                                                  \
	X(OK) /* or its refusal */                                                                 \
	X(READ)                                                                                    \
	X(VALUE)                                                                                   \
	X(LEARN)                                                                                   \
	X(HOLDS)                                                                                   \
	X(HELD)                                                                                    \
	X(ERASE)                                                                                   \
	X(PULL)                                                                                    \
	X(CHUNK)                                                                                   \
	X(STALE)

enum message_type {
#define X(name) MESSAGE_##name,
	MESSAGE_TYPES(X)
#undef X
	    MESSAGE_TYPE_COUNT
};

struct message {
	enum message_type type;
	uint8_t from, to, key; /* key also: how far a sync has come */
	bool is_ok;
	bool is_omitted;     /* the record comes without its value, which is that of `named` */
	bool is_fast;        /* only in a broken variant */
	uint8_t holding;     /* of HELD: enum acceptor_holding */
	uint32_t version;    /* of the block, at the sender */
	uint64_t tag;        /* of the round, collection or pull */
	struct ballot b;     /* of PREPARE and ACCEPT, repeated by answers; of HOLDS and ERASE */
	struct ballot next;  /* reserved by ACCEPT */
	struct ballot bound; /* of a refusal; absent_bound of PROMISE and CHUNK; promise of OK */
	struct ballot named; /* the asker's own record: its value may be omitted */
	struct paxos_record record;
	struct ballot erased; /* for sim/lineage alone: what the sender has erased of this key */
};

const char *message_name(enum message_type type);

/* True for those that are dropped when they are of an older version; the others are answered
 * STALE. */
static inline bool message_is_told(enum message_type type)
{
	return type == MESSAGE_LEARN || type == MESSAGE_CHUNK || type == MESSAGE_ERASE;
}

#endif
