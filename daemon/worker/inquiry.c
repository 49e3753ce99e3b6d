/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/inquiry.h"

#include "base/error.h"
#include "io/clock.h"
#include "worker/exec.h"

enum { DOUBLINGS_MAX = 6 }; /* of the time after which a question is asked again */

void inquiries_init(struct inquiries *all)
{
	*all = (struct inquiries){.next_us = UINT64_MAX};
	list_init(&all->all);
	list_init(&all->ripe);
}

void inquiries_fini(struct inquiries *all)
{
	DHT_ASSERT(all->count == 0);
	table_fini(&all->by_tag);
}

void inquiry_init(struct inquiry *q, const struct inquiry_kind *kind)
{
	*q = (struct inquiry){.kind = kind};
	list_init(&q->link);
	list_init(&q->ripe);
}

static struct inquiries *inquiries_of(struct worker *w)
{
	return &w->cluster.inquiries;
}

static void forget_tag(struct inquiries *all, struct inquiry *q)
{
	table_remove(&all->by_tag, &q->by_tag);
	q->by_tag.number = 0;
	list_remove(&q->link);
	all->count--;
}

int inquiry_begin(struct worker *w, struct inquiry *q)
{
	struct inquiries *all = inquiries_of(w);
	if (inquiry_is_on(q))
		forget_tag(all, q);
	q->worker = w;
	if (all->count == INQUIRIES_MAX)
		return DHT_EFULL;
	int rc = table_insert(&all->by_tag, &q->by_tag, node_tag(exec_of(w)->node));
	if (rc != 0) {
		q->by_tag.number = 0;
		return rc;
	}
	list_push_tail(&all->all, &q->link);
	all->count++;
	return 0;
}

void inquiry_end(struct inquiry *q)
{
	if (inquiry_is_on(q))
		forget_tag(inquiries_of(q->worker), q);
	list_remove(&q->ripe);
	q->session = NULL;
}

void inquiry_ask(const struct inquiry *q, uint16_t member, struct message *m)
{
	struct worker *w = q->worker;
	const struct node *node = exec_of(w)->node;
	m->from = node->number;
	m->tag = q->by_tag.number;
	links_send(w, NULL, member, m, node_map_end(node), clock_monotonic_ns() / NS_PER_US);
}

void inquiry_wait(struct inquiry *q, unsigned tries, uint64_t latest_us)
{
	struct inquiries *all = inquiries_of(q->worker);
	uint64_t round_us =
	    atomic_load_explicit(&exec_of(q->worker)->node->times.round_us, memory_order_relaxed);
	unsigned doublings = tries < DOUBLINGS_MAX ? tries : DOUBLINGS_MAX;
	q->due_us = clock_monotonic_ns() / NS_PER_US + (round_us << doublings);
	if (q->due_us > latest_us)
		q->due_us = latest_us;
	if (q->due_us < all->next_us)
		all->next_us = q->due_us;
}

void inquiry_await(struct inquiry *q, struct session *s)
{
	q->session = s;
	s->waits = true;
}

void inquiry_ripen(struct inquiry *q)
{
	if (list_is_empty(&q->ripe))
		list_push_tail(&inquiries_of(q->worker)->ripe, &q->ripe);
}

void inquiries_take(struct worker *w, const struct message *m)
{
	struct table_link *link = table_find(&inquiries_of(w)->by_tag, m->tag);
	if (link == NULL)
		return;
	struct inquiry *q = DHT_CONTAINER_OF(link, struct inquiry, by_tag);
	q->kind->take(q, m);
}

void inquiries_settle(struct worker *w)
{
	struct list *at;
	while ((at = list_first(&inquiries_of(w)->ripe)) != NULL) {
		struct inquiry *q = LIST_ENTRY(at, struct inquiry, ripe);
		struct session *s = q->session;
		list_remove(at);
		q->session = NULL;
		if (s == NULL || !s->waits)
			continue;
		s->waits = false;
		worker_make_ready(w, s);
	}
}

void inquiries_run(struct worker *w, uint64_t now_us)
{
	struct inquiries *all = inquiries_of(w);
	if (all->count == 0 || now_us < all->next_us)
		return;
	all->next_us = UINT64_MAX;
	LIST_FOREACH_SAFE(at, next, &all->all)
	{
		struct inquiry *q = LIST_ENTRY(at, struct inquiry, link);
		if (q->due_us <= now_us)
			q->kind->due(q);
	}
	LIST_FOREACH_SAFE(at, next, &all->all)
	{
		struct inquiry *q = LIST_ENTRY(at, struct inquiry, link);
		if (q->due_us < all->next_us)
			all->next_us = q->due_us;
	}
	inquiries_settle(w);
}
