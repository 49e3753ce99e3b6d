/* SPDX-License-Identifier: Apache-2.0 */
#include "server/control.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/address.h"
#include "io/clock.h"
#include "server/watch.h"
#include "wire/hmac.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/peers.h"

enum {
	BUDGET = 4 * PEER_WHOLE_MAX,
	DOUBT_PERCENT = 60, /* of the silence after which one is suspected without a probe */
};

/* While a map is on its way, or somebody joins, there is something to look at that no event
 * tells of. */
#define BUSY_NS UINT64_C(10000000)

/* Before the map is asked again to name this node as it is now: it may have been refused while
 * another change was going on. */
#define ADJUST_NS UINT64_C(5000000000)

/* ---- Settings ------------------------------------------------------------------------ */

static int read_secret(struct control *c, const char *path, char why[CONTROL_WHY_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, c->secret, sizeof(c->secret)) : -1;
	int rc = len >= 0 ? 0 : dht_error_from_errno(errno);
	if (fd >= 0)
		close(fd);
	if (rc != 0) {
		snprintf(why, CONTROL_WHY_MAX, "cannot read cluster.secret_file %.200s: %s", path,
			 dht_error_text(rc));
		return rc;
	}
	/* An editor ends the last line. */
	while (len > 0 && isspace(c->secret[len - 1]))
		len--;
	c->secret_len = (size_t)len;
	if (len > 0 && len < CONTROL_SECRET_MAX)
		return 0;
	snprintf(why, CONTROL_WHY_MAX, "cluster.secret_file %.200s %s", path,
		 len == 0 ? "holds no secret" : "is too long");
	return DHT_EINVAL;
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, "localhost") == 0;
}

static int check_addresses(const struct conf_addr_list *list, const char *key,
			   char why[CONTROL_WHY_MAX])
{
	for (size_t i = 0; i < list->count; i++) {
		if (is_loopback(list->items[i].host))
			continue;
		snprintf(why, CONTROL_WHY_MAX,
			 "%s %.100s is beyond this machine: other nodes are only let in with a "
			 "secret, in cluster.secret_file",
			 key, list->items[i].text);
		return DHT_EINVAL;
	}
	return 0;
}

int control_prepare(struct control *c, const struct conf *conf, char why[CONTROL_WHY_MAX])
{
	if (conf->cluster_secret_file[0] != '\0')
		return read_secret(c, conf->cluster_secret_file, why);
	int rc = check_addresses(&conf->listen_peer, "listen.peer", why);
	return rc != 0 ? rc : check_addresses(&conf->advertise_peer, "advertise.peer", why);
}

static struct member_times times_of(const struct conf *conf)
{
	struct member_times times = MEMBER_TIMES_DEFAULT;
	times.heartbeat_us = conf->peers_heartbeat_ms * 1000;
	times.suspect_after_us = conf->peers_suspect_after_ms * 1000;
	times.doubt_us = times.suspect_after_us * DOUBT_PERCENT / 100;
	return times;
}

/* ---- Life ---------------------------------------------------------------------------- */

static int make_member(struct control *c, const struct ring_map *map)
{
	const struct control_given *given = &c->given;
	struct member_times times = times_of(given->conf);
	struct bytes note = {0};
	(void)store_note(given->exec->store, RECORD_VOTE, 0, &note);
	int rc = ring_map_copy(map, map->epoch, &c->node_map);
	if (rc == 0)
		rc =
		    member_create(given->identity->id, map, note, (uint32_t)given->identity->starts,
				  &times, clock_monotonic_ns() / NS_PER_US, &c->member);
	c->has_left = founding_number(map, given->identity->id) == RING_MEMBERS_MAX;
	return rc;
}

static int make_parts(struct control *c)
{
	const struct control_given *g = &c->given;
	c->peers = calloc(RING_MEMBERS_MAX, sizeof(*c->peers));
	c->skews_ms = calloc(RING_MEMBERS_MAX, sizeof(*c->skews_ms));
	c->decoder = malloc(sizeof(*c->decoder));
	if (c->peers == NULL || c->skews_ms == NULL || c->decoder == NULL)
		return DHT_ENOMEM;
	adoption_init(&c->adoption, g->exec, g->committer, g->workers, g->worker_count, g->wake);
	int rc = fins_init(&c->fins, g->exec, g->committer, g->workers, g->worker_count, g->wake);
	if (rc == 0)
		rc = fence_init(&c->fence, g->workers, g->worker_count, g->wake);
	return rc;
}

int control_init(struct control *c, const struct control_given *given, const struct ring_map *map,
		 char why[CONTROL_WHY_MAX])
{
	uint64_t random[2];
	c->given = *given;
	c->timer.watch.fd = -1;
	c->started_ns = clock_monotonic_ns();
	c->budget = (struct peer_budget){.max = BUDGET};
	pthread_mutex_init(&c->lock, NULL);
	list_init(&c->links);
	list_init(&c->dead);
	ssize_t n = getrandom(random, sizeof(random), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(random));
	c->run = random[0];
	c->random = random[1];
	c->is_on = true;
	control_effects_init(c);
	int rc = make_member(c, map);
	if (rc == 0)
		rc = make_parts(c);
	if (rc == 0)
		rc = timer_open_once(&c->timer, given->poller, WATCH_CONTROL_TIMER);
	if (rc != 0)
		snprintf(why, CONTROL_WHY_MAX, "the control plane: %s", dht_error_text(rc));
	return rc;
}

static int listen_to_peers(struct control *c, char why[CONTROL_WHY_MAX])
{
	const struct conf_addr_list *addresses = &c->given.conf->listen_peer;
	for (size_t i = 0; i < addresses->count; i++) {
		const struct conf_addr *address = &addresses->items[i];
		struct listener *l = &c->listeners[i];
		_Static_assert((int)LISTENER_WHY_MAX <= (int)CONTROL_WHY_MAX, "room for it");
		int rc =
		    listener_open_tcp(l, address->host, address->port, WATCH_PEER_LISTENER, why);
		if (rc != 0)
			return rc;
		c->listener_count = i + 1;
		rc = poller_add(c->given.poller, &l->watch, EPOLLIN);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* True for a fresh node that is to join whoever founded the cluster: the node whose advertised
 * address is the first seed is that one. */
static bool is_to_join(const struct control *c)
{
	const struct conf_addr_list *seeds = &c->given.conf->cluster_seeds;
	struct founding_self self;
	if (seeds->count == 0 || c->has_left || member_map(c->member)->member_count > 1 ||
	    member_map(c->member)->epoch > FOUNDING_EPOCH)
		return false;
	founding_describe(c->given.conf, c->given.identity->id, &self);
	for (size_t i = 0; i < self.member.peer_count; i++) {
		if (strcmp(self.peers[i].host, seeds->items[0].host) == 0 &&
		    self.peers[i].port == seeds->items[0].port)
			return false;
	}
	return true;
}

static int join_seeds(struct control *c, char why[CONTROL_WHY_MAX])
{
	int rc = conf_addr_list_copy(&c->join.to, &c->given.conf->cluster_seeds);
	if (rc != 0) {
		snprintf(why, CONTROL_WHY_MAX, "cluster.seeds: %s", dht_error_text(rc));
		return rc;
	}
	c->join.is_seeded = true;
	control_join_begin(c);
	LOG_INFO("control", "msg=\"joining the cluster of cluster.seeds\" first=%s",
		 c->join.to.items[0].text);
	return 0;
}

int control_start(struct control *c, char why[CONTROL_WHY_MAX])
{
	pthread_mutex_lock(&c->lock);
	int rc = listen_to_peers(c, why);
	if (rc == 0 && is_to_join(c))
		rc = join_seeds(c, why);
	pthread_mutex_unlock(&c->lock);
	if (rc == 0)
		control_settle(c);
	return rc;
}

static void close_links(struct control *c)
{
	LIST_FOREACH_SAFE(link, next, &c->links)
	{
		struct control_link *l = LIST_ENTRY(link, struct control_link, link);
		int rc = l->state == CONTROL_LINK_OPEN ? conn_flush(&l->conn) : 0;
		(void)rc;
		list_remove(link);
		control_link_free(l);
	}
	LIST_FOREACH_SAFE(link, next, &c->dead)
	{
		list_remove(link);
		control_link_free(LIST_ENTRY(link, struct control_link, link));
	}
}

void control_stop(struct control *c)
{
	if (!c->is_on)
		return;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->listener_count; i++)
		listener_close(&c->listeners[i]);
	c->listener_count = 0;
	timer_close(&c->timer);
	close_links(c);
	c->is_on = false;
	pthread_mutex_unlock(&c->lock);
	/* It may have to wait for a disk. */
	reseed_stop(&c->reseed);
}

void control_fini(struct control *c)
{
	hmac_wipe(c->secret, sizeof(c->secret));
	if (c->given.exec == NULL)
		return;
	control_stop(c);
	LIST_FOREACH_SAFE(link, next, &c->held)
	{
		struct control_held *held = LIST_ENTRY(link, struct control_held, link);
		list_remove(link);
		buffer_reset(&held->frame);
		free(held);
	}
	adoption_fini(&c->adoption);
	fins_fini(&c->fins);
	fence_fini(&c->fence);
	member_destroy(c->member);
	ring_map_destroy(c->node_map);
	ring_map_destroy(c->adopting);
	conf_addr_list_fini(&c->join.to);
	free(c->peers);
	free(c->skews_ms);
	free(c->decoder);
	pthread_mutex_destroy(&c->lock);
}

/* ---- Events -------------------------------------------------------------------------- */

void control_event(struct control *c, struct watch *watch, uint32_t events, uint64_t now_ns)
{
	pthread_mutex_lock(&c->lock);
	switch ((enum watch_kind)watch->kind) {
	case WATCH_CONTROL_TIMER: {
		struct member_step step = control_step(c);
		timer_take(&c->timer);
		c->armed_ns = 0;
		member_tick(c->member, &step);
		break;
	}
	case WATCH_PEER_LISTENER:
		control_accept(c, DHT_CONTAINER_OF(watch, struct listener, watch), now_ns);
		break;
	case WATCH_CONTROL_LINK:
		control_links_event(c, DHT_CONTAINER_OF(watch, struct control_link, conn.watch),
				    events, now_ns);
		break;
	case WATCH_WAKE:
	case WATCH_SIGNAL:
	case WATCH_TIMER:
	case WATCH_CLIENT_LISTENER:
	case WATCH_ADMIN_LISTENER:
	case WATCH_CLIENT:
	case WATCH_DATA:
	case WATCH_ADMIN:
		DHT_UNREACHABLE();
	}
	pthread_mutex_unlock(&c->lock);
}

void control_want_map(struct control *c, uint16_t member)
{
	pthread_mutex_lock(&c->lock);
	struct member_step step = control_step(c);
	member_want(c->member, &step, member);
	pthread_mutex_unlock(&c->lock);
}

void control_doubt(struct control *c)
{
	if (!c->is_on)
		return;
	struct peers *peers = c->given.shared->peers;
	if (!atomic_load_explicit(&peers->has_doubts, memory_order_relaxed) ||
	    !atomic_exchange(&peers->has_doubts, false))
		return;
	pthread_mutex_lock(&c->lock);
	struct member_step step = control_step(c);
	for (unsigned word = 0; word < DHT_ARRAY_LEN(peers->doubts); word++) {
		uint64_t doubts = atomic_exchange(&peers->doubts[word], 0);
		for (; doubts != 0; doubts &= doubts - 1)
			member_doubt(c->member, &step,
				     (uint16_t)(64 * word + (unsigned)__builtin_ctzll(doubts)));
	}
	pthread_mutex_unlock(&c->lock);
}

void control_committed(struct control *c)
{
	if (atomic_load(&c->awaits) && atomic_exchange(&c->awaits, false))
		wake_signal(c->given.wake);
}

/* Those that wait for the log are told by the committer; those that wait for a map, by its
 * adoption. */
static void ask_for_commit(struct control *c)
{
	if (!control_waits_for_log(c))
		return;
	bool was_asked = atomic_exchange(&c->awaits, true);
	if (!was_asked)
		committer_advance(c->given.committer);
	/* It may have got that far before it could see the flag. */
	control_release(c);
}

static void arm(struct control *c, uint64_t now_ns)
{
	uint64_t wake_ns = member_wake_us(c->member) * NS_PER_US;
	bool is_busy = adoption_is_running(&c->adoption) || c->adopted != c->wanted ||
		       c->join.stage != CONTROL_NO_JOIN || c->is_unpublished;
	if (is_busy && wake_ns > now_ns + BUSY_NS)
		wake_ns = now_ns + BUSY_NS;
	/* 0 is now. */
	if (wake_ns == c->armed_ns && wake_ns != 0)
		return;
	timer_set(&c->timer, wake_ns);
	c->armed_ns = wake_ns;
}

/* ---- This node in the map ------------------------------------------------------------ */

static bool are_equal(const struct ring_address *a, size_t a_count, const struct ring_address *b,
		      size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++) {
		if (a[i].port != b[i].port || strcmp(a[i].host, b[i].host) != 0)
			return false;
	}
	return true;
}

/* Addresses and the name are the configuration's, from one start to the next; zone and weight are
 * the map's once it has them (dhtctl node set). */
static void adjust(struct control *c, uint64_t now_ns)
{
	const struct ring_member *known =
	    ring_map_member(member_map(c->member), member_number(c->member));
	struct founding_self self;
	if (now_ns < c->adjust_ns || known == NULL || c->join.stage != CONTROL_NO_JOIN)
		return;
	founding_describe(c->given.conf, c->given.identity->id, &self);
	self.member.number = known->number;
	self.member.zone = known->zone;
	self.member.weight = known->weight;
	if (strcmp(known->name, self.member.name) == 0 &&
	    are_equal(known->clients, known->client_count, self.clients,
		      self.member.client_count) &&
	    are_equal(known->peers, known->peer_count, self.peers, self.member.peer_count)) {
		c->adjust_ns = UINT64_MAX;
		return;
	}
	struct member_step step = control_step(c);
	struct member_request request = {.kind = MEMBER_REQUEST_ADJUST, .member = self.member};
	int rc = member_request(c->member, &step, &request, control_ticket_take(c));
	c->adjust_ns = now_ns + ADJUST_NS;
	LOG_INFO("control",
		 "msg=\"this node has another name or address than before\" error=\"%s\"",
		 rc == 0 ? "" : dht_error_text(rc));
}

static void free_dead(struct control *c)
{
	LIST_FOREACH_SAFE(link, next, &c->dead)
	{
		list_remove(link);
		control_link_free(LIST_ENTRY(link, struct control_link, link));
	}
}

void control_settle(struct control *c)
{
	if (!c->is_on)
		return;
	pthread_mutex_lock(&c->lock);
	uint64_t now_ns = clock_monotonic_ns();
	control_release(c);
	control_maps_go_on(c, now_ns);
	control_join_tick(c, now_ns);
	adjust(c, now_ns);
	ask_for_commit(c);
	control_accept_tick(c, now_ns);
	control_links_tick(c, now_ns);
	arm(c, now_ns);
	free_dead(c);
	pthread_mutex_unlock(&c->lock);
}
