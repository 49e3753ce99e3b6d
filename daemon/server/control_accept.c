/* SPDX-License-Identifier: Apache-2.0
 *
 * Who knocks at the peer port. Anybody may, and has taken a descriptor before it is known who it
 * is: so many may stand there, and the one that has said nothing for longest goes for another one.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "server/control.h"
#include "server/watch.h"

enum { ACCEPT_MAX = 64 }; /* links accepted in a row */

/* While nobody can be accepted. */
#define REST_NS UINT64_C(500000000)

/* ---- Resting ------------------------------------------------------------------------- */

static void arm(struct control *c, uint32_t events)
{
	for (size_t i = 0; i < c->listener_count; i++)
		poller_change(c->given.poller, &c->listeners[i].watch, events);
}

/* Who waits stays in the backlog, and the socket readable. */
static void rest(struct control *c, int error, uint64_t now_ns)
{
	if (episode_note(&c->deaf, 0, now_ns))
		LOG_ERROR("control", "msg=\"no link can be accepted\" error=\"%s\"",
			  dht_error_text(error));
	arm(c, 0);
	c->rests_until_ns = now_ns + REST_NS;
}

void control_accept_tick(struct control *c, uint64_t now_ns)
{
	if (episode_close(&c->deaf, now_ns))
		LOG_INFO("control", "msg=\"links are accepted again\"");
	if (episode_close(&c->crowd, now_ns))
		LOG_INFO("control",
			 "msg=\"links are given the time to say who they are again\" refused=%llu",
			 (unsigned long long)c->crowd.refused);
	refusals_tick(&c->refusals, now_ns);
	if (c->rests_until_ns == 0 || now_ns < c->rests_until_ns)
		return;
	c->rests_until_ns = 0;
	arm(c, EPOLLIN);
}

/* ---- Strangers ----------------------------------------------------------------------- */

static bool is_stranger(const struct control_link *l)
{
	return !l->is_opener && l->state == CONTROL_LINK_SHAKES;
}

/* Makes room for one more. */
static void drop_oldest(struct control *c, uint64_t now_ns)
{
	struct control_link *oldest = NULL;
	unsigned count = 0;
	LIST_FOREACH_SAFE(link, next, &c->links)
	{
		struct control_link *l = LIST_ENTRY(link, struct control_link, link);
		if (!is_stranger(l))
			continue;
		oldest = oldest == NULL ? l : oldest;
		count++;
	}
	if (count < CONTROL_STRANGERS_MAX)
		return;
	if (episode_note(&c->crowd, 1, now_ns))
		LOG_WARN("control",
			 "msg=\"many connect to the peer port and nobody has said who it is\" "
			 "latest=%s max=%d",
			 oldest->text, CONTROL_STRANGERS_MAX);
	control_drop(c, oldest, DHT_EFULL);
}

static int take_in(struct control *c, int fd, uint64_t now_ns)
{
	struct control_link *l;
	/* The store may need those that are left. */
	if (fd >= c->given.descriptors_max)
		return DHT_EFULL;
	drop_oldest(c, now_ns);
	int rc = control_link_create(fd, WATCH_CONTROL_LINK, c->given.poller, &c->budget, false,
				     now_ns, &l);
	if (rc == 0)
		list_push_tail(&c->links, &l->link);
	return rc;
}

void control_accept(struct control *c, struct listener *listener, uint64_t now_ns)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = listener_accept(listener), rc = fd;
		if (fd == DHT_EAGAIN)
			return;
		if (fd >= 0)
			rc = take_in(c, fd, now_ns);
		if (rc >= 0)
			continue;
		if (fd >= 0)
			close(fd);
		rest(c, rc, now_ns);
		return;
	}
}
