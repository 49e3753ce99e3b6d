/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is connected: links that come, links that are opened when there is something to say, and
 * which of them a member is spoken to on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/dial.h"
#include "server/control.h"
#include "server/watch.h"
#include "worker/peers.h"

enum {
	RETRY_MIN_MS = 50,
	RETRY_MAX_MS = 1000,
	PATIENT_TRIES = 8, /* of which a refusal that passes by itself is not told: some seconds */
};

#define LOOK_UP_NS (10 * NS_PER_MS) /* before it is asked again what a name stands for */

/* ---- Handshakes ---------------------------------------------------------------------- */

static enum handshake_code judge_member(const struct control *c, const struct handshake_peer *peer,
					char reason[HANDSHAKE_REASON_SIZE])
{
	const struct ring_map *map = member_map(c->member);
	if (founding_number(map, peer->id) != RING_MEMBERS_MAX || peer->number == MEMBER_NOBODY)
		return HANDSHAKE_NO_CODE;
	if (!peer->is_same_lineage || peer->epoch > map->epoch)
		return HANDSHAKE_NO_MEMBER; /* perhaps a map that is on its way names it */
	snprintf(reason, HANDSHAKE_REASON_SIZE,
		 "the node was removed from the cluster: it comes back with an empty data "
		 "directory, as another one");
	return HANDSHAKE_REMOVED;
}

static enum handshake_code judge(void *ctx, const struct handshake_peer *peer,
				 char reason[HANDSHAKE_REASON_SIZE])
{
	struct control *c = ctx;
	switch (peer->purpose) {
	case HANDSHAKE_CONTROL:
		return judge_member(c, peer, reason);
	case HANDSHAKE_JOIN:
		/* Who joins takes nobody in; and it is the one who has opened its own link. */
		if (c->join.stage == CONTROL_NO_JOIN || c->join.link != NULL)
			return HANDSHAKE_NO_CODE;
		snprintf(reason, HANDSHAKE_REASON_SIZE, "the node has not joined a cluster itself");
		return HANDSHAKE_NOT_READY;
	case HANDSHAKE_DATA:
		if (founding_number(c->node_map, peer->id) == RING_MEMBERS_MAX)
			return HANDSHAKE_NO_MEMBER;
		return c->given.accept_data != NULL ? HANDSHAKE_NO_CODE : HANDSHAKE_NOT_READY;
	case HANDSHAKE_NO_PURPOSE:
	case HANDSHAKE_PURPOSE_COUNT:
		break;
	}
	return HANDSHAKE_NOT_READY;
}

struct handshake_self control_self(struct control *c)
{
	const struct ring_map *map = member_map(c->member);
	const struct ring_member *self = ring_map_member(map, member_number(c->member));
	struct handshake_self handshake = {
	    .cluster = c->given.conf->cluster_name,
	    .number = member_number(c->member),
	    .lineage = map->lineage,
	    .lineage_before = map->lineage_before,
	    .epoch = map->epoch,
	    .is_joining = c->join.stage != CONTROL_NO_JOIN,
	    .run = c->run,
	    .protocol_min = HANDSHAKE_PROTOCOL,
	    .protocol_max = HANDSHAKE_PROTOCOL,
	    .address = self != NULL && self->peer_count > 0 ? &self->peers[0] : NULL,
	    .secret = bytes_of(c->secret, c->secret_len),
	    .judge = judge,
	    .ctx = c,
	};
	memcpy(handshake.id, c->given.identity->id, sizeof(handshake.id));
	return handshake;
}

/* ---- Ends ---------------------------------------------------------------------------- */

static bool is_member(uint32_t peer)
{
	return peer < RING_MEMBERS_MAX;
}

/* A time between half of it and all of it. */
static uint64_t jitter(const struct control *c, uint64_t ns)
{
	return ns / 2 + (c->random >> 11) % (ns / 2 + 1);
}

static void put_off(struct control *c, struct control_peer *peer, uint64_t now_ns)
{
	uint64_t ms = RETRY_MIN_MS;
	for (unsigned i = 0; i < peer->failures && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	peer->failures++;
	peer->address++;
	peer->retry_ns = now_ns + jitter(c, (ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) * NS_PER_MS);
}

static const char *reason_of(const struct control_link *l, int error)
{
	if (error == DHT_EDENIED && l->shake.refusal.reason[0] != '\0')
		return l->shake.refusal.reason;
	return dht_error_text(error);
}

/* The same reason is told once in a row, not with every attempt. */
static void tell(struct control_peer *peer, const struct control_link *l, int error)
{
	const char *reason = reason_of(l, error);
	bool is_passing = error == DHT_EDENIED && refusals_is_passing(l->shake.refusal.code);
	if (strcmp(peer->why, reason) == 0 || (is_passing && peer->failures < PATIENT_TRIES))
		return;
	snprintf(peer->why, sizeof(peer->why), "%s", reason);
	LOG_WARN("control",
		 "msg=\"no link to a member\" member=%" PRIu32 " address=%s error=\"%s\"", l->peer,
		 l->text, reason);
}

static struct control_link *find_open(const struct control *c, uint32_t peer)
{
	LIST_FOREACH_SAFE(link, next, &c->links)
	{
		struct control_link *l = LIST_ENTRY(link, struct control_link, link);
		if (l->peer == peer && l->state == CONTROL_LINK_OPEN)
			return l;
	}
	return NULL;
}

/* The link that a member was spoken to on is closed, and off the list. Where both sides have opened
 * one, there is the other. A process that has ended is known by its links at once. */
static void peer_closed(struct control *c, struct control_link *l, int error, bool was_open)
{
	struct control_peer *peer = &c->peers[l->peer];
	peer->link = find_open(c, l->peer);
	if (was_open && error != 0)
		LOG_INFO("control", "msg=\"link closed\" member=%" PRIu32 " address=%s", l->peer,
			 l->text);
	else if (error != 0)
		tell(peer, l, error);
	if (peer->link != NULL)
		return;
	put_off(c, peer, clock_monotonic_ns());
	if (was_open && error != 0) {
		struct member_step step = control_step(c);
		member_lost(c->member, &step, (uint16_t)l->peer);
	}
}

void control_drop(struct control *c, struct control_link *l, int error)
{
	bool was_open = l->state == CONTROL_LINK_OPEN;
	if (l->state == CONTROL_LINK_CLOSED)
		return;
	c->refused += !was_open && !l->is_opener;
	/* What refuses the other side is still to be sent. */
	if (l->state == CONTROL_LINK_SHAKES) {
		int rc = conn_flush(&l->conn);
		(void)rc;
	}
	control_link_close(l);
	list_remove(&l->link);
	list_push_tail(&c->dead, &l->link);
	control_probe_ended(l, reason_of(l, error));
	if (l->probe != NULL) {
		/* It goes with the next look at all links, which this may be part of. */
		l->probe->opened_ns = 0;
		control_probe_ended(l->probe, NULL);
	}
	if (c->join.link == l)
		control_join_closed(c, error, reason_of(l, error));
	if (is_member(l->peer) && c->peers[l->peer].link == l)
		peer_closed(c, l, error, was_open);
	else if (!l->is_opener && !was_open && error == DHT_EDENIED && l->shake.refusal.is_ours)
		refusals_note(&c->refusals, l->text, &l->shake.refusal, clock_monotonic_ns());
	if (l->peer >= MEMBER_GUEST && l->peer != CONTROL_LINK_NOBODY)
		c->guests[l->peer - MEMBER_GUEST] = NULL;
}

/* ---- Beginnings ---------------------------------------------------------------------- */

uint32_t control_guest(struct control *c, struct control_link *l)
{
	for (uint32_t i = 0; i < CONTROL_GUESTS_MAX; i++) {
		if (c->guests[i] != NULL)
			continue;
		c->guests[i] = l;
		return MEMBER_GUEST + i;
	}
	return CONTROL_LINK_NOBODY;
}

int control_dial(struct control *c, const char *host, uint16_t port, uint32_t peer, uint64_t now_ns,
		 struct control_link **out, char why[CONTROL_WHY_MAX])
{
	struct control_link *l = NULL;
	int fd = dial_host(c->given.resolver, host, port, (unsigned)(c->random >> 32)), rc = fd;
	*out = NULL;
	if (fd >= 0)
		rc = control_link_create(fd, WATCH_CONTROL_LINK, c->given.poller, &c->budget, true,
					 now_ns, &l);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		snprintf(why, CONTROL_WHY_MAX, "%s",
			 rc == DHT_ENOTFOUND ? "the name is not known" : dht_error_text(rc));
		return rc;
	}
	l->peer = peer;
	snprintf(l->text, sizeof(l->text), "%.40s:%u", host, port);
	list_push_tail(&c->links, &l->link);
	*out = l;
	return 0;
}

static void dial_member(struct control *c, uint32_t number, uint64_t now_ns)
{
	struct control_peer *peer = &c->peers[number];
	const struct ring_member *member = ring_map_member(member_map(c->member), (uint16_t)number);
	char why[CONTROL_WHY_MAX];
	if (now_ns < peer->retry_ns || member == NULL || member->peer_count == 0)
		return;
	const struct ring_address *to = &member->peers[peer->address % member->peer_count];
	int rc = control_dial(c, to->host, to->port, number, now_ns, &peer->link, why);
	if (rc == DHT_EAGAIN)
		peer->retry_ns = now_ns + LOOK_UP_NS;
	else if (rc != 0)
		put_off(c, peer, now_ns);
}

/* True if the link is still one to the member that has this number now; who has left is spoken
 * to as long as the link lasts. */
static bool fits(const struct control *c, const struct control_link *l)
{
	const struct ring_member *member =
	    ring_map_member(member_map(c->member), (uint16_t)l->peer);
	return member == NULL || l->state != CONTROL_LINK_OPEN ||
	       memcmp(member->id, l->shake.peer.id, sizeof(member->id)) == 0;
}

static struct control_link *link_of(struct control *c, uint32_t peer)
{
	if (peer >= MEMBER_GUEST)
		return peer - MEMBER_GUEST < CONTROL_GUESTS_MAX ? c->guests[peer - MEMBER_GUEST]
								: NULL;
	if (!is_member(peer))
		return NULL;
	struct control_link *l = c->peers[peer].link;
	if (l != NULL && !fits(c, l)) {
		control_drop(c, l, 0);
		l = NULL;
	}
	if (l == NULL)
		dial_member(c, peer, clock_monotonic_ns());
	return c->peers[peer].link;
}

void control_send(struct control *c, uint32_t peer, struct bytes frame)
{
	/* While the node stops workers still ask for something; nobody looks after a link then. */
	struct control_link *l = c->is_on ? link_of(c, peer) : NULL;
	if (l == NULL)
		return;
	int rc = control_link_queue(l, frame);
	/* A slow receiver loses messages, which are said again. */
	if (rc != 0)
		LOG_DEBUG("control", "msg=\"message lost\" peer=%" PRIu32 " error=\"%s\"", peer,
			  dht_error_text(rc));
}

/* ---- Open links ---------------------------------------------------------------------- */

/* An earlier one that the same node has opened in the same direction is of no use any more. */
static void drop_earlier(struct control *c, const struct control_link *l)
{
	LIST_FOREACH_SAFE(link, next, &c->links)
	{
		struct control_link *other = LIST_ENTRY(link, struct control_link, link);
		if (other != l && other->peer == l->peer && other->is_opener == l->is_opener)
			control_drop(c, other, 0);
	}
}

static int opened(struct control *c, struct control_link *l)
{
	const struct handshake_peer *other = &l->shake.peer;
	if (other->purpose == HANDSHAKE_DATA) {
		int rc = control_data_accept(c, l);
		control_drop(c, l, rc);
		return 0;
	}
	if (l->probes != NULL) {
		control_probe_ended(l, NULL);
		control_drop(c, l, 0);
		return 0;
	}
	if (l->is_opener && l->peer >= MEMBER_GUEST) {
		control_join_opened(c, l);
		return 0;
	}
	uint16_t number = other->purpose == HANDSHAKE_CONTROL
			      ? founding_number(member_map(c->member), other->id)
			      : RING_MEMBERS_MAX;
	if (!is_member(number)) {
		l->peer = control_guest(c, l);
		return l->peer == CONTROL_LINK_NOBODY ? DHT_EFULL : 0;
	}
	struct control_peer *peer = &c->peers[number];
	l->peer = number;
	drop_earlier(c, l);
	if (peer->link == NULL || peer->link->state != CONTROL_LINK_OPEN) {
		/* What waits for the other one to open goes on this one. */
		if (peer->link != NULL && peer->link != l) {
			int rc =
			    buffer_append(&l->conn.out.bytes, buffer_head(&peer->link->waiting),
					  peer->link->waiting.len, CONTROL_LINK_OUT_MAX);
			(void)rc;
			buffer_reset(&peer->link->waiting);
		}
		peer->link = l;
	}
	peer->failures = 0;
	peer->why[0] = '\0';
	peers_note_back(c->given.shared->peers, number);
	LOG_INFO("control", "msg=\"link open\" member=%u address=%s is_opener=%d", number, l->text,
		 l->is_opener);
	return 0;
}

static int on_frame(void *ctx, struct control_link *l, const struct peer_frame *frame)
{
	struct control *c = ctx;
	struct member_message m;
	if (l->peer == CONTROL_LINK_NOBODY) {
		int rc = opened(c, l);
		if (rc != 0 || l->state == CONTROL_LINK_CLOSED)
			return rc != 0 ? rc : DHT_ECLOSED;
	}
	/* Who has the number now has not said this; nor may an answer, sent on the way, close the
	 * link that the message lies in. */
	if (is_member(l->peer) && !fits(c, l))
		return DHT_ECLOSED;
	if (frame->type == PEER_REFUSAL) {
		int rc = handshake_read_refusal(frame, &l->shake.refusal);
		return rc != 0 ? rc : DHT_EDENIED;
	}
	if (frame->type != PEER_CONTROL)
		return DHT_EPROTO;
	int rc = wire_control_decode(c->decoder, frame, &m);
	if (rc != 0) {
		LOG_WARN("control", "msg=\"bad message\" address=%s error=\"%s\"", l->text,
			 c->decoder->why);
		return rc;
	}
	if (control_join_takes(c, l, &m) || control_probe_takes(c, l, &m))
		return 0;
	struct member_step step = control_step(c);
	member_handle(c->member, &step, l->peer, &m);
	return 0;
}

static int connected(struct control *c, struct control_link *l)
{
	struct handshake_self self = control_self(c);
	bool joins = l->peer >= MEMBER_GUEST;
	const struct ring_member *member =
	    joins ? NULL : ring_map_member(member_map(c->member), (uint16_t)l->peer);
	if (!joins && member == NULL)
		return DHT_ECLOSED; /* it has left meanwhile */
	return control_link_greet(l, &self, joins ? HANDSHAKE_JOIN : HANDSHAKE_CONTROL,
				  !joins                   ? member->id
				  : l->expected[0] != '\0' ? l->expected
							   : NULL);
}

void control_links_event(struct control *c, struct control_link *l, uint32_t events,
			 uint64_t now_ns)
{
	int rc = 0;
	(void)now_ns;
	if (l->state == CONTROL_LINK_CLOSED)
		return;
	if (l->state == CONTROL_LINK_CONNECTS)
		rc = connected(c, l);
	if (rc == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
	    l->state != CONTROL_LINK_CONNECTS) {
		bool was_open = l->state == CONTROL_LINK_OPEN;
		struct handshake_self self = control_self(c);
		rc = control_link_read(l, &self, on_frame, c);
		/* Without a frame behind it. */
		if (rc == 0 && !was_open && l->state == CONTROL_LINK_OPEN &&
		    (l->is_opener || l->peer == CONTROL_LINK_NOBODY))
			rc = opened(c, l);
	}
	if (rc < 0)
		control_drop(c, l, rc);
}

void control_links_tick(struct control *c, uint64_t now_ns)
{
	LIST_FOREACH_SAFE(link, next, &c->links)
	{
		struct control_link *l = LIST_ENTRY(link, struct control_link, link);
		int rc = control_link_flush(l, c->given.poller);
		if (rc == 0 && l->state != CONTROL_LINK_OPEN &&
		    now_ns > l->opened_ns + CONTROL_LINK_OPEN_NS)
			rc = DHT_EUNAVAIL;
		if (rc != 0)
			control_drop(c, l, rc);
	}
}
