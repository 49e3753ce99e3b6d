/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/ballot - the ballots that order everything that happens to a key.
 *
 * Why     A ballot is (block version 32 bits, counter 52, member 12), compared in
 *         that order, so every ballot of a newer phase of the block beats every
 *         ballot of an older one (the register protocol, section 1: words and state). Unique
 *         per key. All zero means absent.
 * Thread  any; values.
 *
 * Twelve bytes on disk and on the wire, little endian:
 *
 *     0                8          12
 *     +----------------+----------+
 *     | counter<<12 |  | version  |
 *     | member  u64    | u32      |
 *     +----------------+----------+
 */
#ifndef DHT_PAXOS_BALLOT_H
#define DHT_PAXOS_BALLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	BALLOT_SIZE = 12,
	BALLOT_MEMBER_BITS = 12,
	BALLOT_MEMBER_TOP = 4095, /* a member number that nobody has */
};
#define BALLOT_COUNTER_MAX ((1ull << 52) - 1)

struct ballot {
	uint64_t order; /* counter << 12 | member */
	uint32_t version;
};

#define BALLOT_ABSENT ((struct ballot){0})

static inline struct ballot ballot_make(uint32_t version, uint64_t counter, uint32_t member)
{
	DHT_ASSERT(counter <= BALLOT_COUNTER_MAX && member <= BALLOT_MEMBER_TOP);
	return (struct ballot){.order = counter << BALLOT_MEMBER_BITS | member, .version = version};
}

static inline uint64_t ballot_counter(struct ballot b)
{
	return b.order >> BALLOT_MEMBER_BITS;
}

static inline uint32_t ballot_member(struct ballot b)
{
	return (uint32_t)(b.order & BALLOT_MEMBER_TOP);
}

static inline bool ballot_is_absent(struct ballot b)
{
	return b.order == 0 && b.version == 0;
}

/* Returns less than, equal to or greater than 0 as a is lower than, equal to or higher than b. */
static inline int ballot_compare(struct ballot a, struct ballot b)
{
	if (a.version != b.version)
		return a.version < b.version ? -1 : 1;
	return (a.order > b.order) - (a.order < b.order);
}

static inline bool ballot_equal(struct ballot a, struct ballot b)
{
	return a.order == b.order && a.version == b.version;
}

static inline struct ballot ballot_max(struct ballot a, struct ballot b)
{
	return ballot_compare(a, b) >= 0 ? a : b;
}

/* The ballot that the same member reserves for its following write: counter + 1. */
static inline struct ballot ballot_successor(struct ballot b)
{
	return ballot_make(b.version, ballot_counter(b) + 1, ballot_member(b));
}

/* TOP(b): above every ballot with b's version and counter that anybody can draw. */
static inline struct ballot ballot_top(struct ballot b)
{
	b.order |= BALLOT_MEMBER_TOP;
	return b;
}

static inline void ballot_encode(uint8_t out[BALLOT_SIZE], struct ballot b)
{
	put_u64(out, b.order);
	put_u32(out + 8, b.version);
}

static inline struct ballot ballot_decode(const uint8_t in[BALLOT_SIZE])
{
	return (struct ballot){.order = get_u64(in), .version = get_u32(in + 8)};
}

#endif
