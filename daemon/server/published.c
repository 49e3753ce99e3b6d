/* SPDX-License-Identifier: Apache-2.0 */
#include "server/published.h"

#include <stdlib.h>

#include "base/error.h"

struct published_past {
	struct published_past *next;
	struct ring_map *map;
	uint64_t free_at; /* rounds */
};

/* In the first round behind the replacement probes are queued that run behind whatever reads the
 * old map, and in the one after that they have run. */
enum { ROUNDS = 2 };

void published_init(struct published *p, struct worker_shared *shared)
{
	*p = (struct published){.shared = shared};
}

/* Frees those of the list that are due before `rounds`. */
static void free_past(struct published_past **link, uint64_t rounds)
{
	while (*link != NULL) {
		struct published_past *past = *link;
		if (past->free_at > rounds) {
			link = &past->next;
			continue;
		}
		*link = past->next;
		ring_map_destroy(past->map);
		free(past);
	}
}

void published_fini(struct published *p)
{
	if (p->shared == NULL)
		return;
	free_past(&p->past, UINT64_MAX);
	/* It was made here, and is given out as constant. */
	ring_map_destroy((struct ring_map *)(uintptr_t)atomic_exchange(&p->shared->map, NULL));
}

int published_set(struct published *p, const struct ring_map *map, uint16_t self)
{
	struct ring_map *copy;
	struct published_past *past = malloc(sizeof(*past));
	if (past == NULL)
		return DHT_ENOMEM;
	int rc = ring_map_copy(map, map->epoch, &copy);
	if (rc != 0) {
		free(past);
		return rc;
	}
	atomic_store(&p->shared->self, self);
	*past = (struct published_past){
	    .next = p->past,
	    .map = (struct ring_map *)(uintptr_t)atomic_exchange(&p->shared->map, copy),
	    .free_at = p->rounds + ROUNDS,
	};
	p->past = past;
	return 0;
}

void published_probed(struct published *p)
{
	p->rounds++;
	free_past(&p->past, p->rounds);
}
