/* SPDX-License-Identifier: Apache-2.0 */
#include "server/view_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/slot.h"
#include "server/founding.h"

enum { ADDRESSES_MAX = 64 * 1024, REASON_MAX = 160, REASONS_MAX = 8, RISKS_MAX = 4 };

/* Of a node that does not know it yet. */
static const char no_id[IDENTITY_ID_SIZE];

/* ---- Members ----------------------------------------------------------------------- */

static int join_of_map(struct buffer *out, const struct ring_address *addresses, size_t count)
{
	int rc = buffer_printf(out, ADDRESSES_MAX, "%s", "");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool is_v6 = strchr(addresses[i].host, ':') != NULL;
		rc = buffer_printf(out, ADDRESSES_MAX, "%s%s%s%s:%u", i > 0 ? "," : "",
				   is_v6 ? "[" : "", addresses[i].host, is_v6 ? "]" : "",
				   addresses[i].port);
	}
	return rc;
}

static const char *state_of(const struct server *server, const struct ring_member *member)
{
	if (node_is_down(&server->node, member->number))
		return "down";
	switch (member->standing) {
	case RING_JOINING:
		return "joining";
	case RING_LEAVING:
		return "leaving";
	case RING_IN:
		return "up";
	}
	DHT_UNREACHABLE();
}

/* What only the node itself knows is told of no other one. */
static int fill_node(const struct server *server, const struct ring_member *member,
		     const struct store_counts *counts, struct buffer texts[2],
		     struct admin_node_status *out)
{
	bool is_self = memcmp(member->id, server->identity.id, sizeof(member->id)) == 0;
	int rc = join_of_map(&texts[0], member->peers, member->peer_count);
	if (rc == 0)
		rc = join_of_map(&texts[1], member->clients, member->client_count);
	*out = (struct admin_node_status){
	    .number = member->number,
	    .id = member->id,
	    .name = member->name,
	    .state = state_of(server, member),
	    .peer = (const char *)texts[0].data,
	    .client = (const char *)texts[1].data,
	    .zone = member->zone,
	    .weight = member->weight,
	    .keys = is_self ? counts->keys : 0,
	    .bytes = is_self ? counts->bytes : 0,
	};
	return rc;
}

int view_nodes_fill(const struct server *server, const struct store_counts *counts,
		    struct view_nodes *nodes)
{
	const struct ring_map *map = atomic_load(&server->shared.map);
	size_t count = map != NULL ? map->member_count : 1;
	if (map == NULL)
		founding_describe(
		    &server->conf,
		    atomic_load(&server->phase) == SERVER_RECOVERING ? no_id : server->identity.id,
		    &nodes->self);
	nodes->items = calloc(count, sizeof(*nodes->items));
	nodes->texts = calloc(2 * count, sizeof(*nodes->texts));
	int rc = nodes->items == NULL || nodes->texts == NULL ? DHT_ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		nodes->count = i + 1;
		rc = fill_node(server, map != NULL ? &map->members[i] : &nodes->self.member, counts,
			       &nodes->texts[2 * i], &nodes->items[i]);
	}
	return rc;
}

void view_nodes_free(struct view_nodes *nodes)
{
	for (size_t i = 0; i < 2 * nodes->count; i++)
		buffer_reset(&nodes->texts[i]);
	free(nodes->texts);
	free(nodes->items);
}

/* ---- Questions --------------------------------------------------------------------- */

static const struct ring_map *map_of(const struct server *server)
{
	return atomic_load_explicit(&server->shared.map, memory_order_acquire);
}

static bool has_map(const struct server *server)
{
	return atomic_load(&server->phase) >= SERVER_JOINING;
}

static const struct ring_member *find(const struct server *server, const char *text,
				      char why[WIRE_WHY_MAX])
{
	uint16_t number = control_find_member(map_of(server), text);
	if (number == RING_MEMBERS_MAX)
		snprintf(why, WIRE_WHY_MAX, "the cluster has no member %.64s", text);
	return ring_map_member(map_of(server), number);
}

static int view_nodes(void *ctx, struct buffer *out, uint64_t call_id,
		      const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	const struct server *server = ctx;
	struct view_nodes nodes = {0};
	struct store_counts counts;
	if (!has_map(server))
		return DHT_ESTARTING;
	const struct ring_member *only =
	    change->node[0] != '\0' ? find(server, change->node, why) : NULL;
	if (change->node[0] != '\0' && only == NULL)
		return DHT_EINVAL;
	store_count(server->store, &counts);
	int rc = view_nodes_fill(server, &counts, &nodes);
	size_t first = 0, count = nodes.count;
	while (only != NULL && first < nodes.count && nodes.items[first].number != only->number)
		first++;
	if (only != NULL)
		count = first < nodes.count;
	if (rc == 0)
		rc = wire_admin_nodes(out, call_id, map_of(server)->epoch, 0, nodes.items + first,
				      count);
	view_nodes_free(&nodes);
	return rc;
}

static const char *change_name(enum ring_change_kind kind)
{
	static const char *const names[] = {
	    [RING_NO_CHANGE] = "",           [RING_JOIN] = "join",       [RING_LEAVE] = "leave",
	    [RING_REMOVE] = "remove",        [RING_REPLACE] = "replace", [RING_ADJUST] = "adjust",
	    [RING_RECOVER_LOST] = "recover",
	};
	return names[kind];
}

static const char *name_of(const struct ring_map *map, uint16_t number)
{
	const struct ring_member *member = ring_map_member(map, number);
	return member != NULL ? member->name : "";
}

/* What became of a ticket. */
static void fill_outcome(struct server *server, uint64_t ticket, struct member_answer *answer,
			 struct admin_job *job)
{
	switch (control_answer(&server->control, ticket, answer)) {
	case CONTROL_TICKET_UNKNOWN:
		job->outcome = ADMIN_FORGOTTEN;
		return;
	case CONTROL_TICKET_WAITS:
		job->outcome = ADMIN_WAITING;
		return;
	case CONTROL_TICKET_ANSWERED:
		job->outcome = answer->status == 0 ? ADMIN_BEGUN : ADMIN_REFUSED;
		job->status = answer->status;
		job->reason = answer->text;
		job->begun = answer->job;
		return;
	}
	DHT_UNREACHABLE();
}

static int ask(struct server *server, const struct member_request *request, char why[WIRE_WHY_MAX],
	       uint64_t *ticket)
{
	char text[CONTROL_WHY_MAX];
	int64_t rc = control_ask(&server->control, request, text);
	snprintf(why, WIRE_WHY_MAX, "%.*s", WIRE_WHY_MAX - 1, text);
	*ticket = rc > 0 ? (uint64_t)rc : 0;
	return rc > 0 ? 0 : (int)rc;
}

static int view_job(void *ctx, struct buffer *out, uint64_t call_id,
		    const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	struct server *server = ctx;
	struct member_answer answer;
	struct member_job running;
	struct admin_job job = {.reason = "", .node = "", .other = "", .kind = ""};
	if (!has_map(server))
		return DHT_ESTARTING;
	if (change->job != 0) {
		struct member_request request = {.kind = MEMBER_REQUEST_CANCEL, .job = change->job};
		int rc = ask(server, &request, why, &job.ticket);
		if (rc != 0)
			return rc;
	}
	if (change->ticket != 0)
		fill_outcome(server, change->ticket, &answer, &job);
	int rc = control_job(&server->control, &running);
	if (rc != 0)
		return rc;
	const struct ring_map *map = map_of(server);
	const struct ring_change *of = &running.change;
	job.epoch = map->epoch;
	job.is_running = of->kind != RING_NO_CHANGE;
	job.id = of->id;
	job.began_ms = of->began_ms;
	job.kind = change_name(of->kind);
	job.is_cancelled = of->is_cancelled;
	job.node = name_of(map, of->member);
	job.other = of->kind == RING_REPLACE ? name_of(map, of->other) : "";
	job.blocks = running.blocks;
	job.joint = running.joint;
	job.in_sync = running.in_sync;
	job.moved_bytes = running.moved_bytes;
	job.left_bytes = running.left_bytes;
	job.bytes_per_s = running.bytes_per_s;
	return wire_admin_job(out, call_id, &job);
}

/* ---- Changes ----------------------------------------------------------------------- */

/* What is asked of the control plane. The texts are the map's and the change's. */
static int make_request(const struct server *server, enum admin_command command,
			const struct admin_change *change, struct member_request *request,
			char why[WIRE_WHY_MAX])
{
	const struct ring_member *member = NULL;
	if (command != ADMIN_leave || change->node[0] != '\0') {
		member = find(server, change->node, why);
		if (member == NULL)
			return DHT_EINVAL;
	}
	*request = (struct member_request){.is_forced = change->is_forced};
	request->number = member != NULL ? member->number : atomic_load(&server->shared.self);
	switch (command) {
	case ADMIN_leave:
		request->kind = MEMBER_REQUEST_LEAVE;
		return 0;
	case ADMIN_remove:
		request->kind = MEMBER_REQUEST_REMOVE;
		return 0;
	case ADMIN_node:
		request->kind = MEMBER_REQUEST_ADJUST;
		request->member = *member;
		if (change->zone[0] != '\0')
			request->member.zone = (char *)(uintptr_t)change->zone; /* not written */
		if (change->weight != 0)
			request->member.weight = change->weight;
		return 0;
	default:
		DHT_UNREACHABLE();
	}
}

static int view_join(struct server *server, enum admin_command command,
		     const struct admin_change *change, char why[WIRE_WHY_MAX], uint64_t *ticket)
{
	char text[CONTROL_WHY_MAX];
	struct control_join_request request = {
	    .address = change->address[0] != '\0' ? change->address : NULL,
	    .replaced = command == ADMIN_replace ? change->node : NULL,
	    .zone = change->zone[0] != '\0' ? change->zone : NULL,
	    .weight = change->weight,
	    .discards_data = change->discards_data,
	};
	int64_t rc = control_ask_join(&server->control, &request, text);
	snprintf(why, WIRE_WHY_MAX, "%.*s", WIRE_WHY_MAX - 1, text);
	*ticket = rc > 0 ? (uint64_t)rc : 0;
	return rc > 0 ? 0 : (int)rc;
}

static int view_change(void *ctx, struct buffer *out, uint64_t call_id, enum admin_command command,
		       const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	struct server *server = ctx;
	struct member_request request;
	uint64_t ticket = 0;
	int rc;
	if (!has_map(server))
		return DHT_ESTARTING;
	if (command == ADMIN_join || command == ADMIN_replace) {
		rc = view_join(server, command, change, why, &ticket);
	} else {
		rc = make_request(server, command, change, &request, why);
		if (rc == 0)
			rc = ask(server, &request, why, &ticket);
	}
	if (rc != 0)
		return rc;
	if (command == ADMIN_node)
		return wire_admin_nodes(out, call_id, map_of(server)->epoch, ticket, NULL, 0);
	return wire_admin_ticket(out, call_id, command, ticket);
}

struct risks {
	const char *list[RISKS_MAX];
	char texts[RISKS_MAX][REASON_MAX];
	size_t count;
};

static void add_risk(struct risks *risks, uint32_t number, const char *text)
{
	if (number == 0)
		return;
	DHT_ASSERT(risks->count < RISKS_MAX);
	char *out = risks->texts[risks->count];
	snprintf(out, REASON_MAX, "%u %s", number, text);
	risks->list[risks->count++] = out;
}

static void find_risks(const struct member_plan *plan, struct risks *risks)
{
	add_risk(risks, plan->at_risk, "blocks cannot lose one more member while they change");
	add_risk(risks, plan->few, "blocks will have fewer replicas than the cluster wants");
	add_risk(risks, plan->same_zone, "blocks will have replicas that share a zone");
	add_risk(risks, plan->full, "members that are to take something over have no room");
}

static int view_plan(void *ctx, struct buffer *out, uint64_t call_id,
		     const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	struct server *server = ctx;
	struct member_request request;
	struct member_plan plan;
	if (!has_map(server))
		return DHT_ESTARTING;
	int rc = make_request(server, change->planned, change, &request, why);
	if (rc == 0)
		rc = control_plan(&server->control, &request, &plan);
	if (rc != 0)
		return rc;
	struct risks risks = {.count = 0};
	if (plan.status == 0)
		find_risks(&plan, &risks);
	struct admin_plan shown = {
	    .status = plan.status,
	    .reason = plan.text,
	    .blocks = plan.blocks,
	    .moves = plan.moves,
	    .bytes = plan.bytes,
	    .at_risk = plan.at_risk,
	    .risks = risks.list,
	    .risk_count = risks.count,
	};
	return wire_admin_plan(out, call_id, &shown);
}

/* ---- Recovery ---------------------------------------------------------------------- */

/* The members that are named survive. */
static int find_survivors(const struct server *server, const struct admin_recovery *wanted,
			  uint16_t numbers[WIRE_SURVIVORS_MAX], char why[WIRE_WHY_MAX])
{
	for (size_t i = 0; i < wanted->survivor_count; i++) {
		const struct ring_member *member = find(server, wanted->survivors[i], why);
		if (member == NULL)
			return DHT_EINVAL;
		for (size_t k = 0; k < i; k++) {
			if (numbers[k] == member->number) {
				snprintf(why, WIRE_WHY_MAX, "%s is named twice", member->name);
				return DHT_EINVAL;
			}
		}
		numbers[i] = member->number;
	}
	return 0;
}

static int view_recover(void *ctx, struct buffer *out, uint64_t call_id,
			const struct admin_recovery *wanted, char why[WIRE_WHY_MAX])
{
	struct server *server = ctx;
	uint16_t numbers[WIRE_SURVIVORS_MAX];
	char text[CONTROL_WHY_MAX];
	if (!has_map(server))
		return DHT_ESTARTING;
	struct control_recovery recovery = {.survivors = numbers,
					    .count = wanted->survivor_count,
					    .is_serious = wanted->cluster[0] != '\0'};
	if (recovery.is_serious && strcmp(wanted->cluster, server->conf.cluster_name) != 0) {
		snprintf(why, WIRE_WHY_MAX, "that is not the name of the cluster");
		return DHT_EINVAL;
	}
	const struct ring_map *map = map_of(server);
	int rc = find_survivors(server, wanted, numbers, why);
	if (rc != 0)
		return rc;
	rc = control_recover(&server->control, &recovery, text);
	if (rc != 0) {
		snprintf(why, WIRE_WHY_MAX, "%.*s", WIRE_WHY_MAX - 1, text);
		return rc;
	}
	struct admin_recovered told = {
	    .cluster = server->conf.cluster_name,
	    .members = (uint32_t)map->member_count,
	    .kept = recovery.loss.kept,
	    .merged = recovery.loss.merged,
	    .empty = recovery.loss.empty,
	    .job = recovery.is_serious ? recovery.job : 0,
	};
	return wire_admin_recovered(out, call_id, &told);
}

/* ---- Comparing --------------------------------------------------------------------- */

static int view_verify(void *ctx, struct buffer *out, uint64_t call_id, bool begins)
{
	struct server *server = ctx;
	struct verify_result result;
	struct bytes names[VERIFY_NAMES];
	if (!has_map(server))
		return DHT_ESTARTING;
	int rc = begins ? verify_begin(&server->background.verify) : 0;
	if (rc != 0)
		return rc;
	verify_look(&server->background.verify, &result);
	for (size_t i = 0; i < result.name_count; i++)
		names[i] = bytes_of(result.names[i].key, result.names[i].len);
	struct admin_verified told = {
	    .run = result.run,
	    .is_over = result.is_over,
	    .is_abandoned = result.is_abandoned,
	    .all_blocks = result.all_blocks,
	    .blocks = result.blocks,
	    .done = result.done,
	    .pairs = result.pairs,
	    .left_out = result.left_out,
	    .records = result.records,
	    .differences = result.differences,
	    .names = names,
	    .name_count = result.name_count,
	};
	return wire_admin_verified(out, call_id, &told);
}

/* ---- Where keys are ---------------------------------------------------------------- */

static bool is_up_without(const struct server *server, uint16_t number, uint16_t stopped)
{
	return number != stopped && !node_is_down(&server->node, number);
}

/* True if a majority of the list answers without this member, or it is not on the list. */
static bool survives(const struct server *server, const struct ring_replicas *list,
		     uint16_t stopped)
{
	unsigned up = 0;
	if (ring_replicas_find(list, stopped) == list->count)
		return true;
	for (uint16_t i = 0; i < list->count; i++)
		up += is_up_without(server, list->members[i], stopped);
	return 2 * up > list->count;
}

static int view_ok_to_stop(void *ctx, struct buffer *out, uint64_t call_id,
			   const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	const struct server *server = ctx;
	char blocks[REASON_MAX], voters[REASON_MAX];
	const char *reasons[REASONS_MAX];
	size_t count = 0;
	uint32_t lost = 0;
	unsigned votes = 0;
	if (!has_map(server))
		return DHT_ESTARTING;
	const struct ring_map *map = map_of(server);
	const struct ring_member *member = find(server, change->node, why);
	if (member == NULL)
		return DHT_EINVAL;
	for (uint32_t block = 0; block < map->blocks; block++)
		lost += !survives(server, ring_map_replicas(map, block), member->number) ||
			!survives(server, ring_map_next(map, block), member->number);
	for (uint16_t i = 0; i < map->voters.count; i++)
		votes += is_up_without(server, map->voters.members[i], member->number);
	if (lost > 0) {
		snprintf(blocks, sizeof(blocks),
			 "%u of %u blocks would have no majority of their replicas", lost,
			 map->blocks);
		reasons[count++] = blocks;
	}
	if (2 * votes <= map->voters.count) {
		snprintf(voters, sizeof(voters),
			 "%u of %u voters would remain: the members could not be changed", votes,
			 map->voters.count);
		reasons[count++] = voters;
	}
	return wire_admin_ok_to_stop(out, call_id, reasons, count);
}

static void tell_record(const struct whereabouts *at, struct admin_replica *replica)
{
	for (size_t i = 0; i < at->count; i++) {
		const struct whereabout *has = &at->replicas[i];
		if (has->member != replica->number)
			continue;
		replica->answers = has->has_answered;
		replica->holds = has->has_record;
		replica->is_deleted = has->is_tombstone;
		replica->ballot = has->acc;
		replica->version = has->ver;
	}
}

static size_t list_replicas(const struct server *server, const struct ring_map *map,
			    const struct ring_block *block, const struct whereabouts *at,
			    struct admin_replica *out)
{
	bool has_coordinator = false;
	size_t count = 0;
	for (uint16_t i = 0; i < block->old.count + block->next.count; i++) {
		bool is_old = i < block->old.count;
		uint16_t number =
		    is_old ? block->old.members[i] : block->next.members[i - block->old.count];
		if (!is_old && ring_replicas_find(&block->old, number) < block->old.count)
			continue;
		struct admin_replica *replica = &out[count++];
		*replica = (struct admin_replica){
		    .number = number,
		    .name = name_of(map, number),
		    .is_down = node_is_down(&server->node, number),
		    .is_old = is_old,
		    .is_next = ring_replicas_find(&block->next, number) < block->next.count,
		};
		replica->coordinates = is_old && !replica->is_down && !has_coordinator;
		has_coordinator |= replica->coordinates;
		tell_record(at, replica);
	}
	return count;
}

static int view_place(void *ctx, struct buffer *out, uint64_t call_id, const struct whereabouts *at)
{
	static const char *const phases[] = {
	    [RING_STABLE] = "stable", [RING_JOINT] = "joint", [RING_RECOVER] = "recover"};
	const struct server *server = ctx;
	struct admin_replica replicas[2 * RING_REPLICAS_MAX];
	struct ring_block block;
	if (!has_map(server))
		return DHT_ESTARTING;
	const struct ring_map *map = map_of(server);
	struct admin_location place = {.slot = ring_slot_of_key(at->key.key), .epoch = map->epoch};
	place.block = ring_block_of_slot(place.slot, map->blocks);
	ring_map_get_block(map, place.block, &block);
	place.version = block.version;
	place.phase = phases[block.phase];
	place.replicas = replicas;
	place.replica_count = list_replicas(server, map, &block, at, replicas);
	return wire_admin_place(out, call_id, &place);
}

void view_members_init(struct admin_view *view)
{
	view->nodes = view_nodes;
	view->job = view_job;
	view->change = view_change;
	view->plan = view_plan;
	view->recover = view_recover;
	view->verify = view_verify;
	view->ok_to_stop = view_ok_to_stop;
	view->place = view_place;
}
