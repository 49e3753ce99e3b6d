/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/slot_scan - the keys of one slot, looked for in its block.
 *
 * Why     A block has many slots and may have very many keys, so the search takes several
 *         turns of its session, and waits for records that are not in memory.
 * Owns    Copies of the keys found; no segment of the store is pinned between two turns.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_SLOT_SCAN_H
#define DHT_RESP_SLOT_SCAN_H

#include <stdint.h>

struct resp_call;
struct resp_slot_scan;

/* CLUSTER COUNTKEYSINSLOT: replies with the number of keys in a slot, in this turn or a
 * later one, in which it is called again. */
void resp_slot_scan_count(struct resp_call *call, uint32_t slot);

/* CLUSTER GETKEYSINSLOT: replies with keys of a slot, at most max. */
void resp_slot_scan_keys(struct resp_call *call, uint32_t slot, uint64_t max);

/* Frees what a search has that was not finished; NULL is nothing. */
void resp_slot_scan_destroy(struct resp_slot_scan *scan);

#endif
