/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/code - the bytes of a map, on disk and between nodes: all of it, or what is different
 * from an older one.
 *
 * Why     A map is decided, kept and sent as bytes. A difference is a few hundred of them where
 *         a large cluster's whole map is a few hundred thousand.
 * Owns    Nothing.
 * Thread  any.
 * Errors  DHT_ENOMEM. DHT_EPROTO: the bytes are no map, or one that ring_map_check refuses.
 *         DHT_EPRECOND: a difference from another map than the one at hand. DHT_EFULL: no map is
 *         that large.
 *
 * Little endian; [n] is a count of n bits in front of as many of what follows, text is [8]
 * bytes that are not 0. Members, voters, blocks are as in ring/map.h.
 *
 *     u8 format (1, or 2 if there is a lineage before)
 *     u64 epoch       u64 base: the epoch it differs from, all ones for a whole map
 *     16 lineage      (format 2 alone: u64 lineage before, not 0)
 *     u32 blocks  u16 replicas    [16] voters: u16   u64 hash seed
 *     u8 change, and unless it is 0:  u8 is cancelled  u16 member  u16 other  u64 id
 *         u64 began  u32 weight  text zone
 *     [16] forgotten members: u16
 *     [16] new or changed members, their numbers ascending:
 *         u16 number  u8 standing  16 id  u32 weight  text name  text zone
 *         [16] clients: text host, u16 port    [16] peers: likewise
 *     [16] lists: [16] u16
 *     [16] states: u8 phase, u32 version, u32 start, u16 list O and u32 since for each of it,
 *         in a joint phase the same for N
 *     [16] runs: u16 blocks that are as in the base, u16 blocks of this run - 1, u16 state
 *
 * Lists and states are those of the runs alone, numbered as they first come up, and neighbours
 * of one state are one run: equal maps have equal bytes.
 */
#ifndef DHT_RING_CODE_H
#define DHT_RING_CODE_H

#include "base/buffer.h"
#include "ring/map.h"

enum { RING_CODE_MAX = 64 * 1024 * 1024 }; /* bytes */

/* Appends the map, which ring_map_check accepts, to out: what is different from base, a map of
 * the same lineage and blocks (asserted), or all of it if base is NULL. */
int ring_map_encode(const struct ring_map *map, const struct ring_map *base,
		    struct buffer *out) DHT_MUST_CHECK;

/* Makes the map that the bytes stand for; they all belong to it. base may be NULL: then only
 * a whole map is accepted. The base stays as it is. */
int ring_map_decode(struct bytes bytes, const struct ring_map *base,
		    struct ring_map **out) DHT_MUST_CHECK;

#endif
