/* SPDX-License-Identifier: Apache-2.0 */
#include "node/block.h"

/* Gives the member the next seat, unless it has one; returns it as a bit. */
static uint16_t seat_member(struct node_block *block, uint16_t member)
{
	unsigned seat = node_block_seat(block, member);
	if (seat == NODE_NO_SEAT) {
		DHT_ASSERT(block->seats < QUORUM_SEATS);
		seat = block->seats++;
		block->members[seat] = member;
	}
	return (uint16_t)(1u << seat);
}

static void take_list(struct node_block *block, const struct ring_replicas *list,
		      const uint32_t *since, uint16_t self, uint16_t *seats)
{
	*seats = 0;
	for (uint16_t i = 0; i < list->count; i++) {
		*seats |= seat_member(block, list->members[i]);
		if (list->members[i] == self)
			block->since = since[i];
	}
}

static void prefer_list(struct node_block *block, const struct ring_replicas *list, uint16_t seats,
			uint8_t *count)
{
	for (uint16_t i = 0; i < list->count; i++) {
		unsigned seat = node_block_seat(block, list->members[i]);
		DHT_ASSERT(seat < block->seats);
		if ((seats >> seat & 1) != 0 && memchr(block->order, (int)seat, *count) == NULL)
			block->order[(*count)++] = (uint8_t)seat;
	}
}

void node_block_prefer(struct node_block *block, const struct ring_block *from)
{
	uint16_t old = block->quorum.old, next = block->quorum.next;
	uint8_t count = 0;
	prefer_list(block, &from->next, old & next, &count);
	prefer_list(block, &from->next, next, &count);
	prefer_list(block, &from->old, old, &count);
	DHT_ASSERT(count == block->seats);
}

void node_block_set(struct node_block *block, const struct ring_block *from, uint16_t self)
{
	block->phase = from->phase;
	block->acceptor.version = from->version;
	block->acceptor.start = PAXOS_BROKEN(NO_VERSION) ? 0 : from->start;
	block->seats = 0;
	block->since = 0;
	take_list(block, &from->old, from->old_since, self, &block->quorum.old);
	take_list(block, &from->next, from->next_since, self, &block->quorum.next);
	block->self = (uint8_t)node_block_seat(block, self);
	node_block_prefer(block, from);
}

unsigned node_block_seat(const struct node_block *block, uint16_t member)
{
	for (unsigned seat = 0; seat < block->seats; seat++) {
		if (block->members[seat] == member)
			return seat;
	}
	return NODE_NO_SEAT;
}

unsigned node_block_others(const struct node_block *block, uint16_t seats,
			   uint16_t members[QUORUM_SEATS])
{
	unsigned count = 0;
	for (unsigned seat = 0; seat < block->seats; seat++) {
		if ((seats >> seat & 1) != 0 && seat != block->self)
			members[count++] = block->members[seat];
	}
	return count;
}
