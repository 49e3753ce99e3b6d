/* SPDX-License-Identifier: Apache-2.0
 *
 * How this node, a cluster of its own, becomes a member of another one.
 *
 *     closes     clients are answered as while the node starts; no worker runs an operation
 *     connects   a link to a member, by the address that was given, or one after the other of
 *                cluster.seeds
 *     probes     the member is reached by the address that it gives out, too
 *     looks      only to replace somebody: the map, for who that is
 *     asks       the member asks to be let in, and gets the cluster's map
 *     adopts     the identity gets the cluster's seed of hashes, then the node the map
 *     opens      no worker knows the old seed any more: clients are served
 *
 * With seeds all of it is tried until it works; else a refusal opens again at once.
 *
 * A node with another seed and its own map founds anew at its next start (server/founding.h): so
 * either order of what becomes durable is good after a crash, as nothing that counts is stored.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/address.h"
#include "io/clock.h"
#include "ring/code.h"
#include "server/control.h"
#include "worker/exec.h"

#define RETRY_NS (250 * NS_PER_MS)
#define PATIENCE_NS                                                                                \
	(10 * NS_PER_S) /* for a link, and the map of somebody who is to be replaced               \
			 */

static void set_closed(struct control *c, bool is_closed)
{
	atomic_store(&c->given.shared->is_closed, is_closed);
}

/* ---- Ends ---------------------------------------------------------------------------- */

static void forget_link(struct control *c)
{
	struct control_link *l = c->join.link;
	c->join.link = NULL;
	if (l != NULL)
		control_drop(c, l, 0);
}

static void end(struct control *c)
{
	conf_addr_list_fini(&c->join.to);
	c->join = (struct control_join){.stage = CONTROL_NO_JOIN};
}

/* The same is told once in a row. */
static void tell_why(struct control_join *join, const char *text)
{
	if (strcmp(join->why, text) == 0)
		return;
	snprintf(join->why, sizeof(join->why), "%s", text);
	LOG_WARN("control", "msg=\"cannot join\" error=\"%s\"", text);
}

/* The attempt is over: what asked for it is told, seeds are tried again. */
static void give_up(struct control *c, int status, const char *text)
{
	struct control_join *join = &c->join;
	struct member_answer answer = {.status = status};
	snprintf(answer.text, sizeof(answer.text), "%s", text);
	tell_why(join, text);
	forget_link(c);
	/* Its place may be another link's next. */
	member_join_cancel(c->member);
	if (join->is_seeded) {
		join->stage = CONTROL_JOIN_CONNECTS;
		join->is_answered = false;
		join->next++;
		join->retry_ns = clock_monotonic_ns() + RETRY_NS;
		return;
	}
	if (join->ticket != 0)
		control_ticket_answer(c, join->ticket, &answer);
	set_closed(c, false);
	end(c);
}

/* ---- Who joins ----------------------------------------------------------------------- */

static bool has_data(const struct control *c)
{
	struct store_counts counts;
	store_count(c->given.exec->store, &counts);
	return counts.keys > 0;
}

static void describe(const struct control *c, struct founding_self *self)
{
	founding_describe(c->given.conf, c->given.identity->id, self);
	if (c->join.zone[0] != '\0')
		self->member.zone = (char *)(uintptr_t)c->join.zone; /* not written */
	if (c->join.weight != 0)
		self->member.weight = c->join.weight;
}

static void ask(struct control *c, enum member_request_kind kind, uint16_t replaced)
{
	struct founding_self self;
	struct member_step step = control_step(c);
	describe(c, &self);
	struct member_request request = {
	    .kind = kind,
	    .number = replaced,
	    .member = self.member,
	    .lineage = get_u64(member_map(c->member)->lineage),
	    .has_data = has_data(c) && !c->join.discards_data,
	};
	c->join.stage = CONTROL_JOIN_ASKS;
	int rc = member_join(c->member, &step, c->join.link->peer, &request, 0);
	if (rc != 0)
		give_up(c, rc, dht_error_text(rc));
}

/* ---- Who is replaced ----------------------------------------------------------------- */

uint16_t control_find_member(const struct ring_map *map, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	for (size_t i = 0; i < map->member_count; i++) {
		const struct ring_member *member = &map->members[i];
		if (strcmp(member->name, text) == 0 || strcmp(member->id, text) == 0)
			return member->number;
	}
	if (*text != '\0' && *end == '\0' && number < RING_MEMBERS_MAX &&
	    ring_map_member(map, (uint16_t)number) != NULL)
		return (uint16_t)number;
	return RING_MEMBERS_MAX;
}

static void want_map(struct control *c)
{
	struct buffer frame = BUFFER_EMPTY;
	struct wire_frame unused;
	struct member_message m = {.kind = MEMBER_WANT_MAP,
				   .from = MEMBER_NOBODY,
				   .lineage = get_u64(member_map(c->member)->lineage),
				   .epoch = member_map(c->member)->epoch};
	if (wire_control_encode(&m, 0, &frame, PEER_FRAME_MAX, &unused) == 0)
		control_send(c, c->join.link->peer, bytes_of(buffer_head(&frame), frame.len));
	buffer_reset(&frame);
}

bool control_join_takes(struct control *c, struct control_link *l, const struct member_message *m)
{
	struct ring_map *map;
	if (c->join.stage != CONTROL_JOIN_LOOKS || c->join.link != l || m->kind != MEMBER_MAP)
		return false;
	if (ring_map_decode(m->map, NULL, &map) != 0)
		return true; /* it is asked for again */
	uint16_t replaced = control_find_member(map, c->join.replaced);
	ring_map_destroy(map);
	if (replaced == RING_MEMBERS_MAX)
		give_up(c, DHT_EINVAL, "the cluster has no member of that name, number or id");
	else
		ask(c, MEMBER_REQUEST_REPLACE, replaced);
	return true;
}

/* ---- Events -------------------------------------------------------------------------- */

static void go_ahead(struct control *c)
{
	if (c->join.replaced[0] == '\0') {
		ask(c, MEMBER_REQUEST_JOIN, 0);
		return;
	}
	c->join.stage = CONTROL_JOIN_LOOKS;
	want_map(c);
}

/* The member was reached by another address than the one that it gives out. */
static void await_probe(struct control *c)
{
	char text[MEMBER_TEXT_MAX];
	struct control_link *l = c->join.link;
	/* Its name was being looked up. */
	if (l->reach == CONTROL_REACH_UNKNOWN)
		(void)control_probe(c, l, l->shake.peer.host, l->shake.peer.port);
	if (l->reach == CONTROL_REACHED)
		go_ahead(c);
	if (l->reach != CONTROL_UNREACHABLE)
		return;
	snprintf(text, sizeof(text), "this node cannot reach the member's advertise.peer %.100s",
		 l->unreached);
	give_up(c, DHT_EUNSAFE, text);
}

void control_join_opened(struct control *c, struct control_link *l)
{
	if (c->join.stage != CONTROL_JOIN_CONNECTS || c->join.link != l) {
		control_drop(c, l, 0);
		return;
	}
	const struct handshake_peer *other = &l->shake.peer;
	const struct conf_addr *to = &c->join.to.items[c->join.next % c->join.to.count];
	if (other->port == 0 || (other->port == to->port && strcmp(other->host, to->host) == 0)) {
		go_ahead(c);
		return;
	}
	c->join.stage = CONTROL_JOIN_PROBES;
	(void)control_probe(c, l, other->host, other->port);
}

void control_join_closed(struct control *c, int status, const char *why)
{
	char text[MEMBER_TEXT_MAX];
	struct control_join *join = &c->join;
	const char *to = join->to.count > 0 ? join->to.items[join->next % join->to.count].text : "";
	bool is_refused = status == DHT_EDENIED;
	join->link = NULL;
	if (join->stage != CONTROL_JOIN_CONNECTS && join->stage != CONTROL_JOIN_PROBES &&
	    join->stage != CONTROL_JOIN_LOOKS)
		return;
	if (is_refused)
		snprintf(text, sizeof(text), "%s", why);
	else
		snprintf(text, sizeof(text), "no member answers at %.60s: %.80s", to, why);
	give_up(c, is_refused ? DHT_EUNSAFE : DHT_EIO, text);
}

void control_join_answered(struct control *c, const struct member_answer *answer)
{
	if (c->join.stage != CONTROL_JOIN_ASKS && c->join.stage != CONTROL_JOIN_ADOPTS)
		return;
	if (answer->status != 0) {
		give_up(c, answer->status, answer->text);
		return;
	}
	c->join.is_answered = true;
	c->join.job = answer->job;
	c->join.until_ns = clock_monotonic_ns() + PATIENCE_NS;
}

int control_join_prepare(struct control *c, const struct ring_map *map, struct adoption_join *join)
{
	char why[IDENTITY_WHY_MAX] = "";
	uint64_t now_ns = clock_monotonic_ns();
	*join = (struct adoption_join){
	    .number = founding_number(map, c->given.identity->id),
	    .hash_seed = map->hash_seed,
	};
	if (join->number == RING_MEMBERS_MAX)
		return DHT_EINVAL;
	if (now_ns < c->join.retry_ns)
		return DHT_EAGAIN;
	int rc = reseed_go_on(&c->reseed, c->given.os, c->given.identity, map->hash_seed,
			      c->given.wake, why);
	if (rc == DHT_EAGAIN)
		return rc;
	if (rc != 0) {
		tell_why(&c->join, why);
		c->join.retry_ns = now_ns + RETRY_NS;
		return rc;
	}
	c->join.stage = CONTROL_JOIN_ADOPTS;
	return 0;
}

void control_join_adopted(struct control *c)
{
	c->join.stage = CONTROL_JOIN_OPENS;
	fence_begin(&c->fence);
}

static void connect_next(struct control *c, uint64_t now_ns)
{
	struct control_join *join = &c->join;
	const struct conf_addr *to = &join->to.items[join->next % join->to.count];
	char why[CONTROL_WHY_MAX];
	if (now_ns < join->retry_ns || join->link != NULL)
		return;
	join->until_ns = now_ns + PATIENCE_NS;
	int rc = control_dial(c, to->host, to->port, CONTROL_LINK_NOBODY, now_ns, &join->link, why);
	if (rc != 0) {
		if (rc != DHT_EAGAIN)
			control_join_closed(c, DHT_EIO, why);
		return;
	}
	join->link->peer = control_guest(c, join->link);
	if (join->link->peer == CONTROL_LINK_NOBODY)
		control_drop(c, join->link, DHT_EFULL);
}

static void open_again(struct control *c)
{
	struct member_answer joined = {.job = c->join.job};
	forget_link(c);
	set_closed(c, false);
	if (c->join.ticket != 0)
		control_ticket_answer(c, c->join.ticket, &joined);
	LOG_INFO("control", "msg=\"joined the cluster\" number=%u members=%zu epoch=%" PRIu64,
		 member_number(c->member), c->node_map->member_count, c->node_map->epoch);
	end(c);
}

void control_join_tick(struct control *c, uint64_t now_ns)
{
	switch (c->join.stage) {
	case CONTROL_NO_JOIN:
	case CONTROL_JOIN_ADOPTS:
		return;
	case CONTROL_JOIN_ASKS:
		/* The member gives up by itself, and asks on over the same link; what is wrong with
		 * a link it does not see. Once it has the cluster's map there is no way back,
		 * however long that takes to be the node's. */
		if (c->adopted == c->wanted && (c->join.link == NULL || c->join.is_answered) &&
		    now_ns > c->join.until_ns)
			give_up(c, DHT_EUNCERTAIN,
				"the member that was asked is gone: the join may "
				"have begun");
		return;
	case CONTROL_JOIN_CLOSES:
		if (fence_is_over(&c->fence))
			c->join.stage = CONTROL_JOIN_CONNECTS;
		return;
	case CONTROL_JOIN_CONNECTS:
		connect_next(c, now_ns);
		return;
	case CONTROL_JOIN_PROBES:
		await_probe(c);
		return;
	case CONTROL_JOIN_LOOKS:
		if (now_ns > c->join.until_ns)
			give_up(c, DHT_EIO, "the member that was asked does not answer");
		return;
	case CONTROL_JOIN_OPENS:
		if (fence_is_over(&c->fence))
			open_again(c);
		return;
	}
	DHT_UNREACHABLE();
}

/* ---- The start ----------------------------------------------------------------------- */

void control_join_begin(struct control *c)
{
	set_closed(c, true);
	c->join.stage = CONTROL_JOIN_CLOSES;
	fence_begin(&c->fence);
}

static int refuse(char why[CONTROL_WHY_MAX], int status, const char *text)
{
	snprintf(why, CONTROL_WHY_MAX, "%s", text);
	return status;
}

/* What speaks against it on this side. */
static int check(const struct control *c, const struct control_join_request *request,
		 char why[CONTROL_WHY_MAX])
{
	struct founding_self self;
	founding_describe(c->given.conf, c->given.identity->id, &self);
	if (c->join.stage != CONTROL_NO_JOIN)
		return refuse(why, DHT_EUNSAFE, "the node is joining a cluster already");
	if (member_map(c->member)->member_count > 1 || c->has_left)
		return refuse(why, DHT_EUNSAFE,
			      c->has_left
				  ? "this node has left a cluster: it joins with an empty "
				    "data directory, as another one"
				  : "this node is a member of a cluster of several already");
	if (self.member.peer_count == 0)
		return refuse(why, DHT_EINVAL,
			      "other nodes cannot reach this one: set advertise.peer");
	if (request->address == NULL && c->given.conf->cluster_seeds.count == 0)
		return refuse(why, DHT_EINVAL, "no address was given, and cluster.seeds has none");
	if (has_data(c) && !request->discards_data)
		return refuse(why, DHT_EUNSAFE,
			      "this node holds data, which would be lost: "
			      "--discard-data lets it go");
	return 0;
}

static int set_addresses(struct control *c, const struct control_join_request *request,
			 char why[CONTROL_WHY_MAX])
{
	const char *text = request->address;
	if (text == NULL)
		return conf_addr_list_copy(&c->join.to, &c->given.conf->cluster_seeds);
	int rc = conf_addr_list_add(&c->join.to, bytes_of(text, strlen(text)));
	return rc != DHT_EINVAL ? rc : refuse(why, rc, "that is no address: " CONF_ADDRESS_SYNTAX);
}

static int begin(struct control *c, const struct control_join_request *request,
		 char why[CONTROL_WHY_MAX])
{
	struct control_join *join = &c->join;
	int rc = check(c, request, why);
	if (rc != 0)
		return rc;
	*join = (struct control_join){.discards_data = request->discards_data,
				      .weight = request->weight};
	rc = set_addresses(c, request, why);
	if (rc != 0) {
		end(c);
		return rc;
	}
	snprintf(join->zone, sizeof(join->zone), "%s", request->zone != NULL ? request->zone : "");
	snprintf(join->replaced, sizeof(join->replaced), "%s",
		 request->replaced != NULL ? request->replaced : "");
	join->ticket = control_ticket_take(c);
	control_join_begin(c);
	return 0;
}

int64_t control_ask_join(struct control *c, const struct control_join_request *request,
			 char why[CONTROL_WHY_MAX])
{
	pthread_mutex_lock(&c->lock);
	why[0] = '\0';
	int64_t rc = begin(c, request, why);
	if (rc == 0)
		rc = (int64_t)c->join.ticket;
	pthread_mutex_unlock(&c->lock);
	wake_signal(c->given.wake);
	return rc;
}
