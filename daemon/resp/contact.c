/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/contact.h"

#include <stdio.h>

#include "ring/slot.h"
#include "worker/exec.h"

/* One that listens on all its addresses and advertises none has no client address in the map: then
 * it is where other nodes reach it, on the port that nodes have in common as a rule. */
static void guess_address(const struct resp_call *call, const struct ring_map *map,
			  const struct ring_member *of, struct resp_contact *contact)
{
	const struct ring_member *self = ring_map_member(map, resp_self(call));
	char local[ENDPOINT_HOST_MAX];
	if (of->peer_count > 0)
		contact->host = of->peers[0].host;
	contact->port = self != NULL && self->client_count > 0
			    ? self->clients[0].port
			    : endpoint_local_host(call->session->conn.watch.fd, local);
}

/* This node gives out the address under which the client has reached it, unless it was told of
 * another. */
void resp_contact_find(const struct resp_call *call, const struct ring_map *map, uint16_t member,
		       struct resp_contact *contact)
{
	const struct ring_member *of = ring_map_member(map, member);
	*contact = (struct resp_contact){.host = of->name};
	snprintf(contact->id, sizeof(contact->id), "%s%08d", of->id, 0);
	if (of->client_count > 0) {
		contact->host = of->clients[0].host;
		contact->port = of->clients[0].port;
	} else {
		guess_address(call, map, of, contact);
	}
	if (of->peer_count > 0)
		contact->peer_port = of->peers[0].port;
	if (member != resp_self(call) || call->port->node.is_advertised)
		return;
	uint16_t port = endpoint_local_host(call->session->conn.watch.fd, contact->local);
	if (port == 0)
		return;
	contact->host = contact->local;
	contact->port = port;
}

bool resp_contact_answers(const struct worker *w, uint16_t member)
{
	return !node_is_down(exec_of(w)->node, member);
}

struct ring_replicas resp_contact_order(const struct worker *w,
					const struct ring_replicas *replicas)
{
	struct ring_replicas order = {0};
	for (int answers = 1; answers >= 0; answers--) {
		for (uint16_t i = 0; i < replicas->count; i++) {
			if (resp_contact_answers(w, replicas->members[i]) == answers)
				order.members[order.count++] = replicas->members[i];
		}
	}
	/* One may have come back in between. */
	return order.count == replicas->count ? order : *replicas;
}

uint16_t resp_contact_owner(const struct worker *w, const struct ring_map *map, uint32_t block)
{
	return resp_contact_order(w, ring_map_replicas(map, block)).members[0];
}

bool resp_contact_covers(const void *ctx, struct worker *w, uint32_t block)
{
	const struct ring_map *map = atomic_load_explicit(&w->shared->map, memory_order_acquire);
	uint16_t self = atomic_load_explicit(&w->shared->self, memory_order_relaxed);
	(void)ctx;
	return resp_contact_owner(w, map, block) == self;
}

/* Those that a block moves to have a part in its operations, too. */
static bool is_replica(const struct ring_map *map, uint32_t block, uint16_t member)
{
	const struct ring_replicas *old = ring_map_replicas(map, block);
	const struct ring_replicas *next = ring_map_next(map, block);
	return ring_replicas_find(old, member) < old->count ||
	       ring_replicas_find(next, member) < next->count;
}

/* What is under way may have been done: it is not to be sent to another node again. */
static bool has_begun(const struct resp_call *call)
{
	return exec_has_more(call->session) || call->state->progress.done > 0 ||
	       call->state->search != NULL;
}

bool resp_contact_is_elsewhere(const struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	size_t first = (size_t)call->command->first_key;
	if (!resp_redirects(call) || first == 0 || first >= call->argc)
		return false;
	uint32_t slot = ring_slot_of_key(call->args[first]);
	return !is_replica(map, ring_block_of_slot(slot, map->blocks), resp_self(call));
}

bool resp_contact_moves(struct resp_call *call)
{
	if (!resp_contact_is_elsewhere(call) || has_begun(call))
		return false;
	const struct ring_map *map = resp_map(call);
	uint32_t slot = ring_slot_of_key(call->args[call->command->first_key]);
	uint32_t block = ring_block_of_slot(slot, map->blocks);
	struct resp_contact contact;
	resp_contact_find(call, map, resp_contact_owner(call->worker, map, block), &contact);
	resp_write_errorf(call->out, "MOVED %u %s:%u", (unsigned)slot, contact.host,
			  (unsigned)contact.port);
	return true;
}
