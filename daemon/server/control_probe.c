/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether nodes that are about to be members of one cluster reach each other, in both directions.
 *
 * Who is asked to let a node in opens a link to the address that the node gives out, and lets the
 * request pass when it has found the node there; so does the node with the address that the
 * member gives out, where it has come by another one. A link that would work one way alone is
 * named before anything depends on it.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "server/control.h"

/* The joiner asks again: what has to wait is dropped meanwhile. */

static void conclude(struct control_link *l, bool is_reached)
{
	l->reach = is_reached ? CONTROL_REACHED : CONTROL_UNREACHABLE;
}

static void set_why(struct control_link *l, const char *host, uint16_t port, const char *reason)
{
	snprintf(l->unreached, sizeof(l->unreached), "%.60s:%u: %.70s", host, port, reason);
}

bool control_probe(struct control *c, struct control_link *l, const char *host, uint16_t port)
{
	char why[CONTROL_WHY_MAX];
	uint64_t now_ns = clock_monotonic_ns();
	struct control_link *probe;
	int rc = control_dial(c, host, port, CONTROL_LINK_NOBODY, now_ns, &probe, why);
	set_why(l, host, port, rc != 0 ? why : "");
	if (rc == DHT_EAGAIN)
		return true;
	if (rc != 0) {
		conclude(l, false);
		return false;
	}
	memcpy(probe->expected, l->shake.peer.id, sizeof(probe->expected));
	probe->probes = l;
	l->probe = probe;
	l->reach = CONTROL_PROBES;
	probe->peer = control_guest(c, probe);
	if (probe->peer == CONTROL_LINK_NOBODY)
		control_drop(c, probe, DHT_EFULL);
	return l->reach == CONTROL_PROBES;
}

void control_probe_ended(struct control_link *probe, const char *why)
{
	struct control_link *l = probe->probes;
	if (l == NULL)
		return;
	probe->probes = NULL;
	l->probe = NULL;
	conclude(l, why == NULL);
	if (why != NULL)
		snprintf(l->unreached, sizeof(l->unreached), "%.60s: %.70s", probe->text, why);
}

/* ---- Requests of those who want to join ---------------------------------------------- */

static void refuse(struct control *c, const struct control_link *l, const struct member_message *m)
{
	struct buffer frame = BUFFER_EMPTY;
	struct wire_frame unused;
	const struct ring_member *self =
	    ring_map_member(member_map(c->member), member_number(c->member));
	struct member_answer answer = {.status = DHT_EUNSAFE};
	snprintf(answer.text, sizeof(answer.text), "%.20s cannot reach advertise.peer %.110s",
		 self != NULL ? self->name : "the cluster", l->unreached);
	struct member_message reply = {
	    .kind = MEMBER_ANSWER,
	    .from = member_number(c->member),
	    .lineage = get_u64(member_map(c->member)->lineage),
	    .epoch = member_map(c->member)->epoch,
	    .tag = m->tag,
	    .answer = &answer,
	};
	if (wire_control_encode(&reply, 0, &frame, PEER_FRAME_MAX, &unused) == 0)
		control_send(c, l->peer, bytes_of(buffer_head(&frame), frame.len));
	buffer_reset(&frame);
}

static bool asks_to_join(const struct control_link *l, const struct member_message *m)
{
	return !l->is_opener && l->peer >= MEMBER_GUEST && m->kind == MEMBER_REQUEST &&
	       (m->request->kind == MEMBER_REQUEST_JOIN ||
		m->request->kind == MEMBER_REQUEST_REPLACE);
}

bool control_probe_takes(struct control *c, struct control_link *l, const struct member_message *m)
{
	if (!asks_to_join(l, m))
		return false;
	const struct ring_member *member = &m->request->member;
	if (l->reach == CONTROL_REACH_UNKNOWN && member->peer_count > 0 &&
	    control_probe(c, l, member->peers[0].host, member->peers[0].port))
		return true;
	switch (l->reach) {
	case CONTROL_REACH_UNKNOWN:
		set_why(l, "", 0, "there is none");
		refuse(c, l, m);
		return true;
	case CONTROL_PROBES:
		return true;
	case CONTROL_REACHED:
		return false;
	case CONTROL_UNREACHABLE:
		refuse(c, l, m);
		return true;
	}
	DHT_UNREACHABLE();
}
