/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operator asks of the control plane. A change is asked for in one call and looked after
 * in others, by a ticket: nobody waits in between, and whoever asked may be gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/log.h"
#include "server/control.h"

/* ---- Tickets ------------------------------------------------------------------------- */

static struct control_ticket *find(struct control *c, uint64_t number)
{
	struct control_ticket *ticket = &c->tickets[number % CONTROL_TICKETS_MAX];
	return ticket->number == number ? ticket : NULL;
}

/* The oldest one is forgotten for it. */
uint64_t control_ticket_take(struct control *c)
{
	uint64_t number = ++c->ticket;
	c->tickets[number % CONTROL_TICKETS_MAX] =
	    (struct control_ticket){.number = number, .state = CONTROL_TICKET_WAITS};
	return number;
}

void control_ticket_answer(struct control *c, uint64_t number, const struct member_answer *answer)
{
	struct control_ticket *ticket = find(c, number);
	if (ticket == NULL)
		return;
	ticket->state = CONTROL_TICKET_ANSWERED;
	ticket->answer = *answer;
}

enum control_ticket_state control_answer(struct control *c, uint64_t number,
					 struct member_answer *answer)
{
	pthread_mutex_lock(&c->lock);
	const struct control_ticket *ticket = number != 0 ? find(c, number) : NULL;
	enum control_ticket_state state = ticket != NULL ? ticket->state : CONTROL_TICKET_UNKNOWN;
	if (state == CONTROL_TICKET_ANSWERED)
		*answer = ticket->answer;
	pthread_mutex_unlock(&c->lock);
	return state;
}

/* ---- Questions ----------------------------------------------------------------------- */

static int64_t ask(struct control *c, const struct member_request *request,
		   char why[CONTROL_WHY_MAX])
{
	if (c->join.stage != CONTROL_NO_JOIN) {
		snprintf(why, CONTROL_WHY_MAX, "the node is joining a cluster");
		return DHT_EUNSAFE;
	}
	if (member_number(c->member) == MEMBER_NOBODY) {
		snprintf(why, CONTROL_WHY_MAX, "this node is no member of a cluster any more");
		return DHT_EUNSAFE;
	}
	struct member_step step = control_step(c);
	uint64_t ticket = control_ticket_take(c);
	int rc = member_request(c->member, &step, request, ticket);
	return rc != 0 ? rc : (int64_t)ticket;
}

int64_t control_ask(struct control *c, const struct member_request *request,
		    char why[CONTROL_WHY_MAX])
{
	why[0] = '\0';
	pthread_mutex_lock(&c->lock);
	int64_t rc = ask(c, request, why);
	pthread_mutex_unlock(&c->lock);
	/* What it has brought about is the dispatcher's to go on with. */
	wake_signal(c->given.wake);
	return rc;
}

int control_plan(struct control *c, const struct member_request *request, struct member_plan *plan)
{
	pthread_mutex_lock(&c->lock);
	int rc = member_plan(c->member, request, plan);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int control_job(struct control *c, struct member_job *job)
{
	pthread_mutex_lock(&c->lock);
	int rc = member_job(c->member, job);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static int recover(struct control *c, struct control_recovery *recovery, char text[MEMBER_TEXT_MAX])
{
	uint8_t lineage[RING_LINEAGE_SIZE];
	struct member_step step = control_step(c);
	if (c->join.stage != CONTROL_NO_JOIN || member_number(c->member) == MEMBER_NOBODY) {
		snprintf(text, MEMBER_TEXT_MAX, "this node is no member of a cluster");
		return DHT_EUNSAFE;
	}
	ssize_t n = getrandom(lineage, sizeof(lineage), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(lineage));
	int rc = member_recover(c->member, &step, recovery->survivors, recovery->count,
				recovery->is_serious ? lineage : NULL, &recovery->loss, text);
	recovery->job = member_map(c->member)->change.id;
	return rc;
}

int control_recover(struct control *c, struct control_recovery *recovery, char why[CONTROL_WHY_MAX])
{
	char text[MEMBER_TEXT_MAX] = "";
	pthread_mutex_lock(&c->lock);
	int rc = recover(c, recovery, text);
	pthread_mutex_unlock(&c->lock);
	snprintf(why, CONTROL_WHY_MAX, "%s", text);
	if (rc == 0 && recovery->is_serious)
		LOG_WARN("control",
			 "msg=\"recovering the cluster among survivors\" survivors=%zu merged=%u "
			 "empty=%u",
			 recovery->count, recovery->loss.merged, recovery->loss.empty);
	wake_signal(c->given.wake);
	return rc;
}

/* ---- What is shown ------------------------------------------------------------------- */

static void find_worst_skew(struct control *c, struct control_view *view)
{
	const struct ring_map *map = member_map(c->member);
	view->worst_skew_of = RING_MEMBERS_MAX;
	for (size_t i = 0; i < map->member_count; i++) {
		uint16_t number = map->members[i].number;
		int64_t skew_ms = c->skews_ms[number];
		if (number == member_number(c->member) || member_is_down(c->member, number) ||
		    llabs(skew_ms) <= llabs(view->worst_skew_ms))
			continue;
		view->worst_skew_ms = skew_ms;
		view->worst_skew_of = number;
	}
}

static void count_links(const struct control *c, struct control_view *view)
{
	view->refused_links = c->refused;
	for (const struct list *link = c->links.next; link != &c->links; link = link->next) {
		const struct control_link *l = LIST_ENTRY(link, const struct control_link, link);
		view->open_links += l->state == CONTROL_LINK_OPEN && l->peer < MEMBER_GUEST;
	}
}

void control_look(struct control *c, struct control_view *view)
{
	*view = (struct control_view){.self = RING_MEMBERS_MAX};
	pthread_mutex_lock(&c->lock);
	if (c->is_on) {
		view->epoch = c->node_map->epoch;
		memcpy(view->lineage, c->node_map->lineage, sizeof(view->lineage));
		view->wanted_epoch = member_map(c->member)->epoch;
		view->self = member_number(c->member);
		view->is_joining = c->join.stage != CONTROL_NO_JOIN;
		view->has_left = c->has_left;
		snprintf(view->why, sizeof(view->why), "%s", c->join.why);
		find_worst_skew(c, view);
		count_links(c, view);
	}
	pthread_mutex_unlock(&c->lock);
}

bool control_is_joining(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	bool is_joining = c->join.stage != CONTROL_NO_JOIN;
	pthread_mutex_unlock(&c->lock);
	return is_joining;
}
