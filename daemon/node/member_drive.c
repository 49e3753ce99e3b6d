/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_drive.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/member_change.h"
#include "node/member_heartbeat.h"
#include "node/member_progress.h"
#include "node/member_propose.h"
#include "paxos/quorum.h"
#include "paxos/variant.h"
#include "ring/check.h"
#include "ring/phase.h"

enum {
	PROBED_US = 1000000,  /* how long an answer to a probe counts */
	DRIVE_US = 40000,     /* between two looks at all blocks */
	LIMBO_US = 1000000,   /* that the proposer of a value has for itself */
	STEP_IN_US = 1000000, /* per voter that comes before */
};

/* What an epoch would do; without a map it is only looked for. */
struct ahead {
	struct ring_map *next;
	uint32_t joint; /* blocks that are joint behind it */
	uint32_t left;  /* not where they are to be, or in a phase that has not ended */
	uint32_t ready; /* steps */
	int rc;
};

/* ---- What is in sync ----------------------------------------------------------------- */

/* Who has to be in sync before the block's phase ends. */
static const struct ring_replicas *comers(const struct ring_map *map, uint32_t block)
{
	return member_change_latest(map, block);
}

static void refresh(struct member *m, const struct member_step *step, uint32_t block)
{
	struct member_block *seen = &m->blocks[block];
	uint32_t version = ring_map_version(m->map, block);
	if (seen->version != version || seen->since_us == 0)
		*seen = (struct member_block){
		    .version = version, .since_us = step->now_us, .near_us = step->now_us};
}

void member_drive_fin(struct member *m, const struct member_step *step, uint16_t from,
		      struct member_fin fin)
{
	if (fin.block >= m->map->blocks || fin.version != ring_map_version(m->map, fin.block) ||
	    ring_map_kept(m->map, fin.block)->phase == RING_STABLE)
		return;
	const struct ring_replicas *who = comers(m->map, fin.block);
	uint16_t place = ring_replicas_find(who, from);
	refresh(m, step, fin.block);
	if (place < who->count)
		m->blocks[fin.block].fins |= (uint16_t)(1u << place);
}

void member_set_fin(struct member *m, uint32_t block, uint32_t version)
{
	if (block >= m->map->blocks || version != ring_map_version(m->map, block))
		return;
	for (size_t i = 0; i < m->fin_count; i++) {
		if (m->fins[i].block == block)
			return;
	}
	if (m->fin_count == m->fin_cap) {
		size_t cap = m->fin_cap == 0 ? 64 : 2 * m->fin_cap;
		struct member_fin *fins = realloc(m->fins, cap * sizeof(*fins));
		if (fins == NULL)
			return; /* the data plane says it again */
		m->fins = fins;
		m->fin_cap = cap;
	}
	m->fins[m->fin_count++] = (struct member_fin){block, version};
}

static void forget_old_fins(struct member *m)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->fin_count; i++) {
		struct member_fin fin = m->fins[i];
		if (fin.block < m->map->blocks &&
		    fin.version == ring_map_version(m->map, fin.block))
			m->fins[kept++] = fin;
	}
	m->fin_count = kept;
	m->fin_next = 0;
}

/* ---- When a phase ends --------------------------------------------------------------- */

/* Whether it is worth while to wait for a member of N. */
static bool is_coming(const struct member *m, const struct member_step *step, uint16_t number,
		      const struct member_block *seen)
{
	const struct member_peer *peer = &m->peers[number];
	if (number == m->number)
		return true;
	uint64_t since_us = peer->progress_us > seen->since_us ? peer->progress_us : seen->since_us;
	return !peer->is_down && step->now_us - since_us < m->times.stall_us &&
	       step->now_us - seen->since_us < m->times.deadline_us;
}

static bool may_finish(const struct member *m, const struct member_step *step, uint32_t block)
{
	const struct ring_replicas *who = comers(m->map, block);
	const struct member_block *seen = &m->blocks[block];
	uint16_t all = (uint16_t)((1u << who->count) - 1);
	if (PAXOS_BROKEN(FINISH_ONE))
		return seen->fins != 0;
	if (ring_map_kept(m->map, block)->phase == RING_RECOVER)
		return seen->fins == all;
	if (!quorum_is_majority(all, seen->fins))
		return false;
	for (uint16_t i = 0; i < who->count; i++) {
		if ((seen->fins >> i & 1) == 0 && is_coming(m, step, who->members[i], seen))
			return false;
	}
	return true;
}

/* A majority of N has not been there for too long. */
static bool is_given_up(struct member *m, const struct member_step *step, uint32_t block)
{
	const struct ring_replicas *who = comers(m->map, block);
	struct member_block *seen = &m->blocks[block];
	unsigned up = 0;
	for (uint16_t i = 0; i < who->count; i++)
		up += !member_is_down(m, who->members[i]);
	if (2 * up > who->count)
		seen->near_us = step->now_us;
	return step->now_us - seen->near_us > m->times.away_us;
}

/* ---- When a phase begins ------------------------------------------------------------- */

static bool is_there(struct member *m, const struct member_step *step, uint16_t number)
{
	const struct member_peer *peer = &m->peers[number];
	if (number == m->number)
		return !step->is_full;
	return peer->probed_us != 0 && step->now_us - peer->probed_us < PROBED_US && !peer->is_full;
}

static bool may_begin(struct member *m, const struct member_step *step, uint32_t block)
{
	const struct ring_replicas *next = &m->target[block];
	unsigned there = 0;
	for (uint16_t i = 0; i < next->count; i++) {
		if (is_there(m, step, next->members[i]))
			there++;
		else
			member_heartbeat_probe(m, step, next->members[i]);
	}
	return 2 * there > next->count;
}

/* ---- An epoch ------------------------------------------------------------------------ */

/* What a cancelled change had begun goes back at once, even if it could be finished. */
static bool is_cancelled(const struct member *m, uint32_t block)
{
	return m->map->change.is_cancelled &&
	       !ring_replicas_are_same_set(ring_map_next(m->map, block), &m->target[block]);
}

static void look_at_changing(struct member *m, const struct member_step *step, uint32_t block,
			     struct ahead *ahead)
{
	bool is_joint = ring_map_kept(m->map, block)->phase == RING_JOINT;
	refresh(m, step, block);
	bool is_undone = is_joint && is_cancelled(m, block);
	bool is_done = !is_undone && may_finish(m, step, block);
	is_undone |= is_joint && !is_done && is_given_up(m, step, block);
	ahead->left++;
	if (!is_done && !is_undone) {
		ahead->joint += is_joint;
		return;
	}
	ahead->ready++;
	if (ahead->next == NULL)
		return;
	if (is_undone)
		ahead->rc = ring_phase_cancel(ahead->next, block);
	else
		ahead->rc = is_joint ? ring_phase_finish(ahead->next, block)
				     : ring_phase_recovered(ahead->next, block);
}

static void look_at_stable(struct member *m, const struct member_step *step, uint32_t block,
			   struct ahead *ahead)
{
	if (ring_replicas_are_same_set(ring_map_replicas(m->map, block), &m->target[block]))
		return;
	ahead->left++;
	if (ahead->joint >= m->times.joint_max || !may_begin(m, step, block))
		return;
	ahead->joint++;
	ahead->ready++;
	if (ahead->next != NULL)
		ahead->rc = ring_phase_begin(ahead->next, block, &m->target[block]);
}

/* Looks at all blocks, and takes their steps in ahead->next if that is there. Blocks that may end
 * a phase make room for others in the same epoch. */
static void look_ahead(struct member *m, const struct member_step *step, struct ahead *ahead)
{
	for (uint32_t block = 0; ahead->rc == 0 && block < m->map->blocks; block++) {
		if (ring_map_kept(m->map, block)->phase != RING_STABLE)
			look_at_changing(m, step, block, ahead);
	}
	for (uint32_t block = 0; ahead->rc == 0 && block < m->map->blocks; block++) {
		if (ring_map_kept(m->map, block)->phase == RING_STABLE)
			look_at_stable(m, step, block, ahead);
	}
}

/* The order of lists is a preference that moves nothing: it is put right at the end. */
static int put_in_order(const struct member *m, struct ring_map *next)
{
	int rc = 0;
	for (uint32_t block = 0; rc == 0 && block < next->blocks; block++)
		rc = ring_phase_begin(next, block, &m->target[block]);
	return rc;
}

static int find_target(struct member *m)
{
	if (m->target != NULL)
		return 0;
	m->target = calloc(m->map->blocks, sizeof(*m->target));
	int rc = m->target == NULL ? DHT_ENOMEM : member_change_target(m->map, m->target);
	if (rc != 0) {
		free(m->target);
		m->target = NULL;
	}
	return rc;
}

static void propose(struct member *m, const struct member_step *step, bool is_end)
{
	struct ahead ahead = {0};
	struct ring_fault fault;
	if (ring_map_copy(m->map, m->map->epoch + 1, &ahead.next) != 0)
		return;
	if (is_end) {
		ahead.rc = put_in_order(m, ahead.next);
		if (ahead.rc == 0)
			ahead.rc = member_change_end(ahead.next);
	} else {
		look_ahead(m, step, &ahead);
	}
	if (ahead.rc == 0 && ring_map_check(ahead.next, &fault) == 0)
		member_propose(m, step, ahead.next);
	ring_map_destroy(ahead.next);
}

/* How long this voter leaves it to those before it. */
static uint64_t patience(const struct member *m)
{
	uint64_t before = 0;
	for (uint16_t i = 0; i < m->map->voters.count; i++) {
		if (m->map->voters.members[i] == m->number)
			break;
		before += !member_is_down(m, m->map->voters.members[i]);
	}
	return before * STEP_IN_US;
}

/* A value that this voter has accepted, and that nobody told it the fate of. It may be decided,
 * known to who died with it alone: then no change is seen, and nobody has a reason to propose.
 * Whatever is proposed now brings it to light. */
static bool is_in_limbo(const struct member *m)
{
	return m->vote.lineage == m->lineage && m->vote.epoch == m->map->epoch + 1 &&
	       m->vote.accepted.round > 0;
}

static void leave_limbo(struct member *m, const struct member_step *step)
{
	struct ring_map *next;
	if (m->limbo_us == 0)
		m->limbo_us = step->now_us;
	if (step->now_us - m->limbo_us < LIMBO_US + patience(m) ||
	    !member_propose_may(m, step->now_us) ||
	    ring_map_copy(m->map, m->map->epoch + 1, &next) != 0)
		return;
	m->limbo_us = step->now_us;
	member_propose(m, step, next);
	ring_map_destroy(next);
}

void member_drive_tick(struct member *m, const struct member_step *step)
{
	struct ahead ahead = {0};
	if (is_in_limbo(m))
		leave_limbo(m, step);
	if (m->map->change.kind == RING_NO_CHANGE || !member_propose_may(m, step->now_us) ||
	    step->now_us < m->adopted_us + m->times.epoch_us || step->now_us < m->drive_us ||
	    find_target(m) != 0)
		return;
	m->drive_us = step->now_us + DRIVE_US;
	for (size_t i = 0; i < m->fin_count; i++)
		member_drive_fin(m, step, m->number, m->fins[i]);
	look_ahead(m, step, &ahead);
	bool is_end = ahead.left == 0;
	if (ahead.ready == 0 && !is_end) {
		m->ready_us = 0;
		return;
	}
	if (m->ready_us == 0)
		m->ready_us = step->now_us;
	if (step->now_us - m->ready_us >= patience(m))
		propose(m, step, is_end);
}

/* ---- Maps ---------------------------------------------------------------------------- */

int member_drive_make_room(struct member *m, const struct ring_map *map)
{
	if (m->blocks != NULL && m->map != NULL && m->map->blocks == map->blocks)
		return 0;
	struct member_block *blocks = calloc(map->blocks, sizeof(*blocks));
	if (blocks == NULL)
		return DHT_ENOMEM;
	free(m->blocks);
	m->blocks = blocks;
	return 0;
}

static bool is_same_change(const struct ring_map *a, const struct ring_map *b)
{
	return member_lineage_of(a) == member_lineage_of(b) && a->change.id == b->change.id &&
	       a->change.is_cancelled == b->change.is_cancelled;
}

/* A step of another driver may lead elsewhere. */
static bool leads_to_target(const struct member *m)
{
	for (uint32_t block = 0; block < m->map->blocks; block++) {
		if (ring_map_version(m->map, block) != ring_map_version(m->before, block) &&
		    !ring_replicas_are_same_set(member_change_latest(m->map, block),
						&m->target[block]) &&
		    !ring_replicas_are_same_set(ring_map_replicas(m->map, block),
						ring_map_replicas(m->before, block)))
			return false;
	}
	return true;
}

void member_drive_adopted(struct member *m, const struct member_step *step)
{
	(void)step;
	m->ready_us = m->limbo_us = 0;
	forget_old_fins(m);
	if (m->target == NULL ||
	    (m->before != NULL && is_same_change(m->map, m->before) && leads_to_target(m)))
		return;
	free(m->target);
	m->target = NULL;
}

void member_drive_fini(struct member *m)
{
	free(m->target);
	free(m->blocks);
	free(m->fins);
}

/* ---- The operator -------------------------------------------------------------------- */

int member_job(struct member *m, struct member_job *job)
{
	*job = (struct member_job){.change = m->map->change};
	if (job->change.kind == RING_NO_CHANGE)
		return 0;
	int rc = find_target(m);
	if (rc != 0)
		return rc;
	for (uint32_t block = 0; block < m->map->blocks; block++) {
		const struct ring_kept *kept = ring_map_kept(m->map, block);
		const struct ring_replicas *who = comers(m->map, block);
		bool is_changing = kept->phase != RING_STABLE;
		job->blocks += is_changing || !ring_replicas_are_same_set(who, &m->target[block]);
		job->joint += is_changing;
		job->in_sync +=
		    is_changing && m->blocks[block].version == kept->version &&
		    quorum_is_majority((uint16_t)((1u << who->count) - 1), m->blocks[block].fins);
	}
	member_progress_job(m, job);
	return 0;
}
