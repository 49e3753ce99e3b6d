/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_progress.h"

enum { LOOK_US = 1000000 /* between two looks at the rate */ };

/* What a member has taken over before it was first heard of was for another change, or is not
 * known; one that was restarted begins anew. */
void member_progress_note(struct member *m, struct member_peer *peer, uint64_t progress,
			  uint64_t now_us)
{
	bool is_known = peer->beat != 0 || peer == &m->own;
	if (progress == peer->progress)
		return;
	if (is_known)
		m->moved_bytes += progress > peer->progress ? progress - peer->progress : progress;
	peer->progress = progress;
	peer->progress_us = now_us;
}

void member_progress_tick(struct member *m, const struct member_step *step)
{
	m->own.held_bytes = step->held_bytes;
	member_progress_note(m, &m->own, step->progress, step->now_us);
	if (m->rate_us == 0 || m->map->change.kind == RING_NO_CHANGE) {
		m->rate_us = step->now_us;
		m->rate_from = m->moved_bytes;
		return;
	}
	uint64_t elapsed_us = step->now_us - m->rate_us;
	if (elapsed_us < LOOK_US)
		return;
	uint64_t rate =
	    (uint64_t)((double)(m->moved_bytes - m->rate_from) * 1e6 / (double)elapsed_us);
	m->rate = m->rate == 0 ? rate : (3 * m->rate + rate) / 4;
	m->rate_us = step->now_us;
	m->rate_from = m->moved_bytes;
}

void member_progress_adopted(struct member *m)
{
	if (m->before != NULL && m->before->change.kind == m->map->change.kind &&
	    m->before->change.id == m->map->change.id)
		return;
	m->moved_bytes = m->rate_from = m->rate = m->rate_us = 0;
}

uint64_t member_progress_block_bytes(const struct member *m)
{
	uint64_t bytes = m->own.held_bytes, count = 0;
	for (size_t i = 0; i < m->map->member_count; i++) {
		uint16_t number = m->map->members[i].number;
		if (number != m->number)
			bytes += m->peers[number].held_bytes;
	}
	for (uint32_t block = 0; block < m->map->blocks; block++)
		count += ring_map_replicas(m->map, block)->count;
	return count > 0 ? bytes / count : 0;
}

/* Members of the target that do not hold the block yet. */
static unsigned count_comers(const struct member *m, uint32_t block)
{
	const struct ring_replicas *old = ring_map_replicas(m->map, block);
	const struct ring_replicas *next = ring_map_next(m->map, block);
	const struct member_block *seen = &m->blocks[block];
	const struct ring_replicas *to = next->count > 0 ? next : &m->target[block];
	bool has_fins = next->count > 0 && seen->version == ring_map_version(m->map, block);
	unsigned count = 0;
	for (uint16_t i = 0; i < to->count; i++) {
		bool is_in_sync = has_fins && (seen->fins >> i & 1) != 0;
		count += !is_in_sync && ring_replicas_find(old, to->members[i]) == old->count;
	}
	return count;
}

void member_progress_job(const struct member *m, struct member_job *job)
{
	uint64_t comers = 0;
	for (uint32_t block = 0; block < m->map->blocks; block++)
		comers += count_comers(m, block);
	job->moved_bytes = m->moved_bytes;
	job->left_bytes = comers * member_progress_block_bytes(m);
	job->bytes_per_s = m->rate;
}
