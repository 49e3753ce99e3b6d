/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/groups.h"

#include <stdbool.h>

static _Thread_local bool holds_one;

void groups_init(struct groups *g)
{
	for (int i = 0; i < GROUP_COUNT; i++)
		pthread_mutex_init(&g->group[i].lock, NULL);
}

void groups_fini(struct groups *g)
{
	for (int i = 0; i < GROUP_COUNT; i++)
		pthread_mutex_destroy(&g->group[i].lock);
}

void groups_lock(struct groups *g, uint32_t block)
{
	DHT_ASSERT(!holds_one);
	pthread_mutex_lock(&g->group[block % GROUP_COUNT].lock);
	holds_one = true;
}

void groups_unlock(struct groups *g, uint32_t block)
{
	DHT_ASSERT(holds_one);
	holds_one = false;
	pthread_mutex_unlock(&g->group[block % GROUP_COUNT].lock);
}

void groups_assert_none(void)
{
	DHT_ASSERT(!holds_one);
}
