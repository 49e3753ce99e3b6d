/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/session.h"

#include <stdlib.h>

void sessions_init(struct sessions *all)
{
	*all = (struct sessions){.next_id = 1};
	pthread_mutex_init(&all->lock, NULL);
	list_init(&all->all);
}

void sessions_fini(struct sessions *all)
{
	DHT_ASSERT(list_is_empty(&all->all));
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
	list_init(&s->hot_link);
	list_init(&s->ready_link);
	list_init(&s->held_link);
	list_init(&s->wait_link);
	list_init(&s->fetches);
	pthread_mutex_lock(&all->lock);
	s->id = all->next_id++;
	list_push_tail(&all->all, &s->link);
	pthread_mutex_unlock(&all->lock);
	if (is_client(s))
		atomic_fetch_add_explicit(&all->clients, 1, memory_order_relaxed);
	return s;
}

void session_destroy(struct session *s)
{
	struct sessions *all = s->sessions;
	DHT_ASSERT(list_is_empty(&s->hot_link) && list_is_empty(&s->ready_link) &&
		   list_is_empty(&s->held_link) && list_is_empty(&s->wait_link) &&
		   list_is_empty(&s->fetches));
	if (s->protocol->closed != NULL)
		s->protocol->closed(s);
	conn_fini(&s->conn);
	pthread_mutex_lock(&all->lock);
	list_remove(&s->link);
	pthread_mutex_unlock(&all->lock);
	if (is_client(s))
		atomic_fetch_sub_explicit(&all->clients, 1, memory_order_relaxed);
	free(s);
}
