/* SPDX-License-Identifier: Apache-2.0
 *
 * base/list - intrusive doubly linked list with a head.
 *
 * Owns    Nothing: the links live in the caller's objects.
 * Thread  none of its own; the list belongs to whoever owns its head.
 */
#ifndef DHT_BASE_LIST_H
#define DHT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

/* True for an empty head, and for a link that is on no list. */
static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_push_tail(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

/* Takes the link off its list and leaves it empty; harmless when it is on none. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

static inline void list_move_tail(struct list *head, struct list *link)
{
	list_remove(link);
	list_push_tail(head, link);
}

/* Moves every link of src to the tail of dst. */
static inline void list_splice_tail(struct list *dst, struct list *src)
{
	if (list_is_empty(src))
		return;
	src->next->prev = dst->prev;
	src->prev->next = dst;
	dst->prev->next = src->next;
	dst->prev = src->prev;
	list_init(src);
}

static inline struct list *list_first(const struct list *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

#define LIST_ENTRY(link, type, member) DHT_CONTAINER_OF(link, type, member)

/* The body may remove the current link. */
#define LIST_FOREACH_SAFE(link, following, head)                                                   \
	for (struct list *link = (head)->next, *following = link->next; link != (head);            \
	     link = following, following = link->next)

#endif
