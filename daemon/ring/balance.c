/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { NOBODY = UINT16_MAX };

static void hand_over(struct balance *b, uint32_t block, uint16_t from, uint16_t to)
{
	b->kind->go(b, block, from, to);
	b->have[from]--;
	b->have[to]++;
	if (b->is_trying)
		b->steps[b->step_count++] = (struct balance_step){block, from, to};
}

/* ---- Directly ---------------------------------------------------------------------- */

/* The holder that has most above its limit; the favourite, while it has anything. */
static uint16_t choose_giver(const struct balance *b, uint32_t block, uint16_t to,
			     const uint32_t *limit, uint16_t favourite)
{
	const uint16_t *holders;
	size_t count = b->kind->holders(b, block, &holders);
	uint16_t best = NOBODY;
	uint32_t most = 0;
	for (size_t i = 0; i < count; i++) {
		uint16_t from = holders[i];
		if (from == to)
			return NOBODY;
		uint32_t above = b->have[from] > limit[from] ? b->have[from] - limit[from] : 0;
		if (from == favourite)
			above = above > 0 ? UINT32_MAX : 0;
		if (above > most && b->kind->may_go(b, block, from, to)) {
			best = from;
			most = above;
		}
	}
	return best;
}

static bool anybody_above(const struct balance *b, const uint32_t *limit)
{
	for (size_t m = 0; m < b->count; m++) {
		if (b->have[m] > limit[m])
			return true;
	}
	return false;
}

/* Lets every member that has less than `want` take from those that have more than `limit`.
 * One that gave the block before gives this one too, if it can: neighbours stay equal. */
static void take_directly(struct balance *b, const uint32_t *want, const uint32_t *limit)
{
	for (uint16_t to = 0; to < b->count && anybody_above(b, limit); to++) {
		if (b->have[to] >= want[to])
			continue;
		uint16_t favourite = NOBODY;
		const uint32_t *blocks;
		size_t count = b->kind->blocks(b, to, &blocks);
		for (size_t i = 0; i < count && b->have[to] < want[to]; i++) {
			uint16_t from = choose_giver(b, blocks[i], to, limit, favourite);
			if (from == NOBODY)
				continue;
			hand_over(b, blocks[i], from, to);
			favourite = from;
		}
	}
}

/* ---- Along a chain ----------------------------------------------------------------- */

/* Puts those into the queue that may give `to` a place. Returns the first of them that has
 * more than `limit`, or NOBODY. */
static uint16_t reach(struct balance *b, uint16_t to, const uint32_t *limit, size_t *tail)
{
	const uint32_t *blocks;
	size_t count = b->kind->blocks(b, to, &blocks);
	for (size_t i = 0; i < count && *tail < b->count; i++) {
		const uint16_t *holders;
		size_t held = b->kind->holders(b, blocks[i], &holders);
		b->looked_at++;
		for (size_t k = 0; k < held; k++) {
			uint16_t from = holders[k];
			if (b->next[from] != NOBODY || !b->kind->may_go(b, blocks[i], from, to))
				continue;
			b->next[from] = to;
			b->block[from] = blocks[i];
			b->queue[(*tail)++] = from;
			if (b->have[from] > limit[from])
				return from;
		}
	}
	return NOBODY;
}

/* Searches from those that have less than `want` to one that has more than `limit`, and
 * returns that, or NOBODY. */
static uint16_t find_chain(struct balance *b, const uint32_t *want, const uint32_t *limit)
{
	size_t head = 0, tail = 0;
	uint16_t from = NOBODY;
	for (uint16_t m = 0; m < b->count; m++) {
		bool is_end = b->have[m] < want[m];
		b->next[m] = is_end ? m : NOBODY;
		if (is_end)
			b->queue[tail++] = m;
	}
	while (head < tail && from == NOBODY)
		from = reach(b, b->queue[head++], limit, &tail);
	return from;
}

/* Moves one place along a chain. False: there is none, or it stopped half way, which only
 * happens where may_go asks for more than room: then two of its steps in one block may be
 * in each other's way. */
static bool take_along_chain(struct balance *b, const uint32_t *want, const uint32_t *limit)
{
	uint16_t from = find_chain(b, want, limit);
	if (from == NOBODY)
		return false;
	while (b->next[from] != from) {
		uint16_t to = b->next[from];
		if (!b->kind->may_go(b, b->block[from], from, to))
			return false;
		hand_over(b, b->block[from], from, to);
		from = to;
	}
	return true;
}

/* ---- The whole --------------------------------------------------------------------- */

int balance_open(struct balance *b)
{
	b->looked_at = 0;
	b->is_trying = false;
	b->steps = calloc(2 * b->count + 1, sizeof(*b->steps));
	b->queue = calloc(b->count, sizeof(*b->queue));
	b->next = calloc(b->count, sizeof(*b->next));
	b->block = calloc(b->count, sizeof(*b->block));
	if (b->steps != NULL && b->queue != NULL && b->next != NULL && b->block != NULL)
		return 0;
	balance_close(b);
	return DHT_ENOMEM;
}

void balance_close(struct balance *b)
{
	free(b->steps);
	free(b->queue);
	free(b->next);
	free(b->block);
}

void balance_run(struct balance *b)
{
	take_directly(b, b->least, b->aim);
	take_directly(b, b->least, b->least);
	take_directly(b, b->most, b->most);
	/* Each of them brings one member a step nearer to its bounds, and none away. */
	while (take_along_chain(b, b->least, b->least))
		continue;
	while (take_along_chain(b, b->most, b->most))
		continue;
}

/* Takes the steps of a try back. */
static void give_up(struct balance *b)
{
	b->is_trying = false;
	while (b->step_count > 0) {
		struct balance_step step = b->steps[--b->step_count];
		hand_over(b, step.block, step.to, step.from);
	}
}

bool balance_try(struct balance *b, uint32_t block, uint16_t from, uint16_t to)
{
	DHT_ASSERT(b->kind->may_go(b, block, from, to));
	b->is_trying = true;
	b->step_count = 0;
	hand_over(b, block, from, to);
	bool is_mended = true;
	if (b->have[from] < b->least[from])
		is_mended = take_along_chain(b, b->least, b->least);
	if (is_mended && b->have[to] > b->most[to])
		is_mended = take_along_chain(b, b->most, b->most);
	if (is_mended)
		b->is_trying = false;
	else
		give_up(b);
	return is_mended;
}
