/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/groups - the lock domain: 256 block groups, a mutex each.
 *
 * Why     What workers share about keys lies in block groups (index, promises,
 *         floors, operation queues). A worker holds one lock around one step of the
 *         pure core, never two, and never across a send, a wait or a disk call:
 *         both are asserted.
 * Thread  any.
 */
#ifndef DHT_WORKER_GROUPS_H
#define DHT_WORKER_GROUPS_H

#include <pthread.h>
#include <stdint.h>

#include "base/assert.h"

enum { GROUP_COUNT = 256 };

struct groups {
	struct {
		_Alignas(DHT_CACHE_LINE) pthread_mutex_t lock;
	} group[GROUP_COUNT];
};

void groups_init(struct groups *g);
void groups_fini(struct groups *g);

/* Locks the group that block belongs to; the thread holds none. */
void groups_lock(struct groups *g, uint32_t block);
void groups_unlock(struct groups *g, uint32_t block);

/* Asserts that the calling thread holds no group. */
void groups_assert_none(void);

#endif
