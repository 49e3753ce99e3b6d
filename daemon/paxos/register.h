/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/register - the record of a key as the protocol sees it.
 *
 * Thread  any; values.
 */
#ifndef DHT_PAXOS_REGISTER_H
#define DHT_PAXOS_REGISTER_H

#include "base/bytes.h"
#include "paxos/ballot.h"

/* The register protocol, section 1. acc is absent where there is no record. */
struct paxos_record {
	struct ballot acc;  /* at which it was accepted */
	struct ballot ver;  /* that wrote this value */
	struct ballot pver; /* ver of the value that it replaced */
	bool is_tombstone;
	bool is_copy; /* input for PREPARE rounds, no vote */
	uint64_t expires_ms;
	struct bytes value; /* whoever hands the record out says how long it lasts */
};

static inline bool paxos_record_is_there(const struct paxos_record *record)
{
	return !ballot_is_absent(record->acc);
}

#endif
