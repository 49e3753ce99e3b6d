/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/scan - a SCAN that has begun and waits for the disk.
 *
 * Why     What it has found so far stays with its session: records that are not in memory
 *         come a few at a time, and looking from the start again might never get further.
 * Owns    Copies of the keys found; no segment of the store is pinned while it waits.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_SCAN_H
#define DHT_RESP_SCAN_H

struct resp_scan;

/* Frees it; NULL is nothing. */
void resp_scan_destroy(struct resp_scan *scan);

#endif
