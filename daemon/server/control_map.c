/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps on their way into the node, and what is in sync with them.
 *
 * The member decides which map is to be adopted; the node takes one over at a time, and what came
 * meanwhile is passed over but for the latest. A map that does not name this node any more is the
 * last one: numbers may be others' in those that follow.
 */
#include <inttypes.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/control.h"
#include "worker/committer.h"
#include "worker/exec.h"

#define FINS_NS UINT64_C(50000000) /* between two looks at all blocks */

/* ---- Adoption ------------------------------------------------------------------------ */

static bool is_of_another_cluster(const struct control *c, const struct ring_map *map)
{
	/* A recovery changes the lineage, too, and neither seed nor member. */
	return memcmp(map->lineage, c->node_map->lineage, sizeof(map->lineage)) != 0 &&
	       c->join.stage != CONTROL_NO_JOIN;
}

static void start(struct control *c)
{
	struct adoption_join join;
	bool joins = is_of_another_cluster(c, member_map(c->member));
	struct ring_map *copy;
	if (c->has_left) {
		/* What is said to others does not wait for what will never be adopted. */
		c->adopted = c->wanted;
		return;
	}
	if (ring_map_copy(member_map(c->member), member_map(c->member)->epoch, &copy) != 0)
		return; /* without memory it is tried again */
	if (joins && control_join_prepare(c, copy, &join) != 0) {
		ring_map_destroy(copy);
		return;
	}
	c->adopting = copy;
	c->adopting_number = c->wanted;
	adoption_start(&c->adoption, copy, joins ? &join : NULL);
}

static void publish(struct control *c)
{
	uint16_t self = founding_number(c->node_map, c->given.identity->id);
	c->is_unpublished = published_set(c->given.published, c->node_map, self) != 0;
}

static void tell_phase(const struct control *c)
{
	const struct ring_map *map = c->node_map;
	LOG_DEBUG("control", "msg=\"adopted a map\" epoch=%" PRIu64 " members=%zu", map->epoch,
		  map->member_count);
	if (c->has_left)
		LOG_INFO("control", "msg=\"this node has left the cluster\" epoch=%" PRIu64,
			 map->epoch);
}

static void finish(struct control *c)
{
	ring_map_destroy(c->node_map);
	c->node_map = c->adopting;
	c->adopting = NULL;
	c->adopted = c->adopting_number;
	c->has_left = founding_number(c->node_map, c->given.identity->id) == RING_MEMBERS_MAX;
	publish(c);
	tell_phase(c);
	atomic_store(&c->awaits, true);
	committer_advance(c->given.committer);
	if (c->join.stage == CONTROL_JOIN_ADOPTS)
		control_join_adopted(c);
}

/* ---- What is in sync ----------------------------------------------------------------- */

static void look(struct control *c, uint64_t now_ns)
{
	if (fins_take(&c->fins)) {
		for (size_t i = 0; i < c->fins.count; i++)
			member_set_fin(c->member, c->fins.found[i].block, c->fins.found[i].version);
	}
	if (c->node_map->change.kind == RING_NO_CHANGE || now_ns < c->fins_ns)
		return;
	c->fins_ns = now_ns + FINS_NS;
	fins_look(&c->fins);
}

void control_maps_go_on(struct control *c, uint64_t now_ns)
{
	if (adoption_is_over(&c->adoption))
		finish(c);
	if (c->is_unpublished)
		publish(c);
	if (adoption_is_running(&c->adoption))
		adoption_goes_on(&c->adoption);
	else if (c->adopted != c->wanted)
		start(c);
	look(c, now_ns);
}
