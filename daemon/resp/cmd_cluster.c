/* SPDX-License-Identifier: Apache-2.0
 *
 * CLUSTER: who is in the cluster and which slots are whose, read from the map.
 *
 * In the words of Redis every member is a master: of the ranges of slots whose requests go
 * to it first.
 */
#include "resp/contact.h"
#include "resp/text.h"
#include "ring/slot.h"

/* ---- CLUSTER SLOTS ------------------------------------------------------------------- */

static void write_slots_node(struct resp_call *call, const struct ring_map *map, uint16_t member)
{
	struct resp_contact contact;
	resp_contact_find(call, map, member, &contact);
	resp_write_array(call->out, 4);
	resp_write_bulk_text(call->out, contact.host);
	resp_write_integer(call->out, contact.port);
	resp_write_bulk_text(call->out, contact.id);
	resp_write_map(call->out, 0);
}

void resp_run_cluster_slots(struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	struct ring_range range = {0};
	size_t count = 0;
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range))
		count++;
	resp_write_array(call->out, count);
	range = (struct ring_range){0};
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		struct ring_replicas order =
		    resp_contact_order(call->worker, ring_map_list(map, range.list));
		resp_write_array(call->out, 2 + order.count);
		resp_write_integer(call->out, range.first_slot);
		resp_write_integer(call->out, range.last_slot);
		for (uint16_t i = 0; i < order.count; i++)
			write_slots_node(call, map, order.members[i]);
	}
}

/* ---- CLUSTER SHARDS ------------------------------------------------------------------ */

static void write_shard_node(struct resp_call *call, const struct ring_map *map, uint16_t member,
			     bool is_first)
{
	struct resp_contact contact;
	resp_contact_find(call, map, member, &contact);
	resp_write_map(call->out, 7);
	resp_write_bulk_text(call->out, "id");
	resp_write_bulk_text(call->out, contact.id);
	resp_write_bulk_text(call->out, "port");
	resp_write_integer(call->out, contact.port);
	resp_write_bulk_text(call->out, "ip");
	resp_write_bulk_text(call->out, contact.host);
	resp_write_bulk_text(call->out, "endpoint");
	resp_write_bulk_text(call->out, contact.host);
	resp_write_bulk_text(call->out, "role");
	resp_write_bulk_text(call->out, is_first ? "master" : "replica");
	resp_write_bulk_text(call->out, "replication-offset");
	resp_write_integer(call->out, 0);
	resp_write_bulk_text(call->out, "health");
	resp_write_bulk_text(call->out,
			     resp_contact_answers(call->worker, member) ? "online" : "fail");
}

/* Counts the ranges of a list; with out it writes their bounds. */
static size_t ranges_of(const struct ring_map *map, uint16_t list, struct resp_out *out)
{
	struct ring_range range = {0};
	size_t count = 0;
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		if (range.list != list)
			continue;
		count++;
		if (out == NULL)
			continue;
		resp_write_integer(out, range.first_slot);
		resp_write_integer(out, range.last_slot);
	}
	return count;
}

/* A shard is what has equal replicas. */
void resp_run_cluster_shards(struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	size_t shards = 0;
	for (uint16_t list = 0; list < map->lists.count; list++)
		shards += ranges_of(map, list, NULL) > 0;
	resp_write_array(call->out, shards);
	for (uint16_t list = 0; list < map->lists.count; list++) {
		struct ring_replicas order =
		    resp_contact_order(call->worker, ring_map_list(map, list));
		size_t ranges = ranges_of(map, list, NULL);
		if (ranges == 0)
			continue;
		resp_write_map(call->out, 2);
		resp_write_bulk_text(call->out, "slots");
		resp_write_array(call->out, 2 * ranges);
		ranges_of(map, list, call->out);
		resp_write_bulk_text(call->out, "nodes");
		resp_write_array(call->out, order.count);
		for (uint16_t i = 0; i < order.count; i++)
			write_shard_node(call, map, order.members[i], i == 0);
	}
}

/* ---- CLUSTER NODES, INFO, MYID ------------------------------------------------------- */

static uint16_t owner_of(const struct resp_call *call, const struct ring_map *map,
			 const struct ring_range *range)
{
	return resp_contact_order(call->worker, ring_map_list(map, range->list)).members[0];
}

static void add_slots(struct resp_text *text, uint32_t first, uint32_t last)
{
	if (first == last)
		resp_text_add(text, " %u", (unsigned)first);
	else
		resp_text_add(text, " %u-%u", (unsigned)first, (unsigned)last);
}

/* Ranges of different replicas are one where the same one of them comes first. */
static void add_slots_of(const struct resp_call *call, const struct ring_map *map,
			 struct resp_text *text, uint16_t member)
{
	struct ring_range range = {0};
	uint32_t first = 0, end = 0; /* of what is not written yet */
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		if (owner_of(call, map, &range) != member)
			continue;
		if (end != range.first_slot || end == 0) {
			if (end > 0)
				add_slots(text, first, end - 1);
			first = range.first_slot;
		}
		end = range.last_slot + 1;
	}
	if (end > 0)
		add_slots(text, first, end - 1);
}

static void add_node(struct resp_call *call, const struct ring_map *map, struct resp_text *text,
		     uint16_t member)
{
	bool answers = resp_contact_answers(call->worker, member);
	struct resp_contact contact;
	resp_contact_find(call, map, member, &contact);
	resp_text_add(text, "%s %s:%u@%u %s%s - 0 0 %llu %s", contact.id, contact.host,
		      contact.port, contact.peer_port,
		      member == resp_self(call) ? "myself,master" : "master",
		      answers ? "" : ",fail", (unsigned long long)map->epoch,
		      answers ? "connected" : "disconnected");
	add_slots_of(call, map, text, member);
	resp_text_add(text, "\n");
}

void resp_run_cluster_nodes(struct resp_call *call)
{
	struct resp_text text = RESP_TEXT_EMPTY;
	const struct ring_map *map = resp_map(call);
	for (size_t i = 0; i < map->member_count; i++)
		add_node(call, map, &text, map->members[i].number);
	resp_text_reply(&text, call);
}

/* The members whose first choice some block is. */
static unsigned count_masters(const struct resp_call *call, const struct ring_map *map)
{
	bool is_master[RING_MEMBERS_MAX] = {false};
	struct ring_range range = {0};
	unsigned count = 0;
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		uint16_t member = owner_of(call, map, &range);
		count += !is_master[member];
		is_master[member] = true;
	}
	return count;
}

/* True while a majority of the replicas is there. */
static bool has_quorum(const struct resp_call *call, const struct ring_replicas *replicas)
{
	unsigned up = 0;
	for (uint16_t i = 0; i < replicas->count; i++)
		up += resp_contact_answers(call->worker, replicas->members[i]);
	return up * 2 > replicas->count;
}

/* The state stays ok while any slot is served: clients give up the whole cluster otherwise. */
void resp_run_cluster_info(struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	struct resp_text text = RESP_TEXT_EMPTY;
	struct ring_range range = {0};
	uint32_t slots_ok = 0;
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		if (has_quorum(call, ring_map_list(map, range.list)))
			slots_ok += range.last_slot - range.first_slot + 1;
	}
	resp_text_add(&text,
		      "cluster_state:%s\r\n"
		      "cluster_slots_assigned:%d\r\n"
		      "cluster_slots_ok:%u\r\n"
		      "cluster_slots_pfail:0\r\n"
		      "cluster_slots_fail:%u\r\n"
		      "cluster_known_nodes:%zu\r\n"
		      "cluster_size:%u\r\n",
		      slots_ok > 0 ? "ok" : "fail", RING_SLOTS, slots_ok, RING_SLOTS - slots_ok,
		      map->member_count, count_masters(call, map));
	resp_text_add(&text,
		      "cluster_current_epoch:%llu\r\n"
		      "cluster_my_epoch:%llu\r\n"
		      "cluster_stats_messages_sent:0\r\n"
		      "cluster_stats_messages_received:0\r\n"
		      "total_cluster_links_buffer_limit_exceeded:0\r\n",
		      (unsigned long long)map->epoch, (unsigned long long)map->epoch);
	resp_text_reply(&text, call);
}

void resp_run_cluster_myid(struct resp_call *call)
{
	resp_write_bulk_text(call->out, call->port->node.id);
}

/* The links of Redis's cluster bus; the nodes here have none. */
void resp_run_cluster_links(struct resp_call *call)
{
	resp_write_array(call->out, 0);
}
