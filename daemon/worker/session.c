/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/session.h"

#include <stdlib.h>

#include "io/clock.h"

void sessions_init(struct sessions *all)
{
	*all = (struct sessions){.next_id = 1};
	pthread_mutex_init(&all->lock, NULL);
	list_init(&all->all);
	list_init(&all->walks);
}

void sessions_fini(struct sessions *all)
{
	DHT_ASSERT(list_is_empty(&all->all) && list_is_empty(&all->walks));
	pthread_mutex_destroy(&all->lock);
}

static bool is_client(const struct session *s)
{
	return s->protocol->handed_kind == JOB_client;
}

struct session *session_create(struct sessions *all, int fd, uint32_t watch_kind,
			       const struct protocol *protocol)
{
	struct session *s = calloc(1, sizeof(*s) + protocol->state_size);
	if (s == NULL)
		return NULL;
	conn_init(&s->conn, fd, watch_kind, &transport_plain);
	s->protocol = protocol;
	s->sessions = all;
	s->created_ns = clock_monotonic_ns();
	session_set_active(s, s->created_ns);
	list_init(&s->hot_link);
	list_init(&s->ready_link);
	list_init(&s->held_link);
	list_init(&s->wait_link);
	fetch_init(&s->fetches);
	pthread_mutex_lock(&all->lock);
	s->id = all->next_id++;
	list_push_tail(&all->all, &s->link);
	pthread_mutex_unlock(&all->lock);
	if (is_client(s))
		atomic_fetch_add_explicit(&all->clients, 1, memory_order_relaxed);
	return s;
}

/* Takes the session out of the registry; walks that would come to it next go on behind it. */
static void unlist(struct sessions *all, struct session *s)
{
	pthread_mutex_lock(&all->lock);
	LIST_FOREACH_SAFE(link, following, &all->walks)
	{
		struct sessions_walk *walk = LIST_ENTRY(link, struct sessions_walk, link);
		if (walk->next == &s->link)
			walk->next = s->link.next;
	}
	list_remove(&s->link);
	pthread_mutex_unlock(&all->lock);
}

void session_destroy(struct session *s)
{
	struct sessions *all = s->sessions;
	DHT_ASSERT(list_is_empty(&s->hot_link) && list_is_empty(&s->ready_link) &&
		   list_is_empty(&s->held_link) && list_is_empty(&s->wait_link) &&
		   list_is_empty(&s->fetches.all) && s->under_way == NULL);
	unlist(all, s);
	if (s->protocol->closed != NULL)
		s->protocol->closed(s);
	conn_fini(&s->conn);
	if (is_client(s))
		atomic_fetch_sub_explicit(&all->clients, 1, memory_order_relaxed);
	free(s);
}

void session_kill(struct session *s)
{
	atomic_store_explicit(&s->killed, true, memory_order_relaxed);
	conn_cut(&s->conn);
}

void sessions_walk_begin(struct sessions_walk *walk, struct sessions *all)
{
	pthread_mutex_lock(&all->lock);
	*walk = (struct sessions_walk){.all = all, .next = all->all.next, .end_id = all->next_id};
	list_push_tail(&all->walks, &walk->link);
	pthread_mutex_unlock(&all->lock);
}

bool sessions_walk_on(struct sessions_walk *walk, session_visit_fn visit, void *ctx)
{
	struct sessions *all = walk->all;
	unsigned visited = 0;
	pthread_mutex_lock(&all->lock);
	while (visited < SESSIONS_PIECE && walk->next != &all->all) {
		struct session *s = LIST_ENTRY(walk->next, struct session, link);
		if (s->id >= walk->end_id)
			break;
		walk->next = walk->next->next;
		visit(ctx, s);
		visited++;
	}
	if (visited == 0)
		list_remove(&walk->link);
	pthread_mutex_unlock(&all->lock);
	return visited > 0;
}
