/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_errand.h"

#include <stdio.h>

#include "base/error.h"
#include "node/member_change.h"
#include "node/member_maps.h"
#include "node/member_propose.h"

enum {
	RETRY_US = 300000,
	RETRY_MAP_US =
	    50000, /* of one that has begun: the map is on its way to whom it is asked of */
};

static void end(struct member_errand *errand)
{
	ring_member_fini(&errand->request.member);
	*errand = (struct member_errand){0};
}

void member_errand_fini(struct member *m)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		if (m->errands[i].is_used)
			end(&m->errands[i]);
	}
}

static bool has_member(const struct member_request *request)
{
	return request->kind == MEMBER_REQUEST_JOIN || request->kind == MEMBER_REQUEST_REPLACE ||
	       request->kind == MEMBER_REQUEST_ADJUST;
}

static int begin(struct member *m, const struct member_step *step,
		 const struct member_request *request, struct member_errand **out)
{
	struct member_errand *errand = NULL;
	for (size_t i = 0; errand == NULL && i < MEMBER_ERRANDS; i++)
		errand = m->errands[i].is_used ? NULL : &m->errands[i];
	if (errand == NULL)
		return DHT_EFULL;
	*errand = (struct member_errand){.request = *request,
					 .origin = MEMBER_SELF,
					 .tag = ++m->tags,
					 .retry_us = step->now_us,
					 .deadline_us = step->now_us + m->times.request_us};
	errand->request.member = (struct ring_member){0};
	int rc =
	    has_member(request) ? ring_member_copy(&errand->request.member, &request->member) : 0;
	errand->is_used = rc == 0;
	*out = errand;
	return rc;
}

/* ---- Outcomes ------------------------------------------------------------------------ */

static void tell(struct member *m, const struct member_step *step,
		 const struct member_errand *errand, const struct member_answer *answer)
{
	if (errand->origin == MEMBER_SELF) {
		step->effects->answered(step->effects->ctx, errand->token, answer);
		return;
	}
	struct member_message message = member_message_of(m, MEMBER_ANSWER);
	message.tag = errand->token;
	message.answer = answer;
	step->effects->send(step->effects->ctx, errand->origin, &message, NODE_RESTS_ON_MAP);
}

static void conclude(struct member *m, const struct member_step *step, struct member_errand *errand,
		     const struct member_answer *answer)
{
	struct member_errand done = *errand;
	*errand = (struct member_errand){0};
	tell(m, step, &done, answer);
	ring_member_fini(&done.request.member);
}

static void give_up(struct member *m, const struct member_step *step, struct member_errand *errand)
{
	struct member_answer answer = {.status = DHT_EUNCERTAIN};
	snprintf(answer.text, sizeof(answer.text),
		 "no majority of the voters answered in time: it may begin later");
	conclude(m, step, errand, &answer);
}

/* ---- By a voter ---------------------------------------------------------------------- */

/* Answers, or proposes a map in which the change has begun. Its outcome is seen when that, or
 * another one, is adopted. */
static void decide(struct member *m, const struct member_step *step, struct member_errand *errand)
{
	struct member_answer answer;
	struct ring_map *next;
	if (!member_propose_may(m, step->now_us))
		return;
	member_change_begin(m, &errand->request, step->now_ms, &answer, &next);
	if (next == NULL) {
		conclude(m, step, errand, &answer);
		return;
	}
	member_propose(m, step, next);
	ring_map_destroy(next);
}

/* ---- By others ----------------------------------------------------------------------- */

static void send_request(struct member *m, const struct member_step *step, uint32_t peer,
			 const struct member_errand *errand)
{
	struct member_message message = member_message_of(m, MEMBER_REQUEST);
	if (errand->is_join)
		message.from = MEMBER_NOBODY;
	message.tag = errand->tag;
	message.request = &errand->request;
	step->effects->send(step->effects->ctx, peer, &message, NODE_RESTS_ON_MAP);
}

/* The voters in turn; those that do not answer are passed over while there are others. */
static uint16_t next_voter(const struct member *m, unsigned tries)
{
	const struct ring_voters *voters = &m->map->voters;
	for (uint16_t i = 0; i < voters->count; i++) {
		uint16_t voter = voters->members[(tries + i) % voters->count];
		if (!member_is_down(m, voter))
			return voter;
	}
	return voters->members[tries % voters->count];
}

static void ask(struct member *m, const struct member_step *step, struct member_errand *errand)
{
	if (!errand->is_join)
		errand->asked = next_voter(m, errand->tries);
	errand->tries++;
	errand->retry_us = step->now_us + (errand->is_answered ? RETRY_MAP_US : RETRY_US);
	if (!errand->is_answered)
		send_request(m, step, errand->asked, errand);
	if (errand->is_join) {
		struct member_message message = member_message_of(m, MEMBER_WANT_MAP);
		message.from = MEMBER_NOBODY;
		step->effects->send(step->effects->ctx, errand->asked, &message, 0);
	}
}

static void go_on(struct member *m, const struct member_step *step, struct member_errand *errand)
{
	if (step->now_us >= errand->deadline_us) {
		if (errand->is_answered)
			end(errand);
		else
			give_up(m, step, errand);
	} else if (!errand->is_join && member_is_voter(m)) {
		decide(m, step, errand);
	} else if (step->now_us >= errand->retry_us) {
		ask(m, step, errand);
	}
}

void member_errand_tick(struct member *m, const struct member_step *step)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		if (m->errands[i].is_used)
			go_on(m, step, &m->errands[i]);
	}
}

void member_errand_adopted(struct member *m, const struct member_step *step)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		struct member_errand *errand = &m->errands[i];
		struct member_answer joined = {.job = m->map->change.id};
		/* A joiner that is named has joined, whatever became of the answer. */
		if (errand->is_used && errand->is_join && m->number != MEMBER_NOBODY &&
		    m->map->member_count > 1) {
			if (errand->is_answered)
				end(errand);
			else
				conclude(m, step, errand, &joined);
		}
	}
	member_errand_tick(m, step);
}

bool member_errand_waits_for_map(const struct member *m, uint32_t peer)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		if (m->errands[i].is_used && m->errands[i].is_join && m->errands[i].asked == peer)
			return true;
	}
	return false;
}

/* ---- Messages ------------------------------------------------------------------------ */

static void take_request(struct member *m, const struct member_step *step, uint32_t peer,
			 const struct member_message *message)
{
	struct member_errand *errand;
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		if (m->errands[i].is_used && m->errands[i].origin == peer &&
		    m->errands[i].token == message->tag)
			return; /* told again */
	}
	/* A guest's lineage is that of its messages; who passes it on says which that was. */
	struct member_request request = *message->request;
	if (peer >= MEMBER_GUEST)
		request.lineage = message->lineage;
	if (begin(m, step, &request, &errand) != 0)
		return; /* asked again later */
	errand->origin = peer;
	errand->token = message->tag;
	go_on(m, step, errand);
}

static void take_answer(struct member *m, const struct member_step *step, uint32_t peer,
			const struct member_message *message)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		struct member_errand *errand = &m->errands[i];
		if (!errand->is_used || errand->tag != message->tag || errand->is_answered ||
		    errand->asked != peer)
			continue;
		if (!errand->is_join || message->answer->status != 0) {
			conclude(m, step, errand, message->answer);
			return;
		}
		/* It goes on asking for the map. */
		tell(m, step, errand, message->answer);
		errand->is_answered = true;
		errand->retry_us = step->now_us;
		go_on(m, step, errand);
		return;
	}
}

void member_errand_handle(struct member *m, const struct member_step *step, uint32_t peer,
			  const struct member_message *message)
{
	if (message->kind == MEMBER_REQUEST)
		take_request(m, step, peer, message);
	else
		take_answer(m, step, peer, message);
}

/* ---- The operator -------------------------------------------------------------------- */

int member_request(struct member *m, const struct member_step *step,
		   const struct member_request *request, uint64_t token)
{
	struct member_errand *errand;
	int rc = begin(m, step, request, &errand);
	if (rc != 0)
		return rc;
	errand->token = token;
	go_on(m, step, errand);
	return 0;
}

int member_join(struct member *m, const struct member_step *step, uint32_t peer,
		const struct member_request *request, uint64_t token)
{
	struct member_errand *errand;
	DHT_ASSERT(peer >= MEMBER_GUEST && has_member(request));
	int rc = begin(m, step, request, &errand);
	if (rc != 0)
		return rc;
	errand->token = token;
	errand->is_join = true;
	errand->asked = peer;
	go_on(m, step, errand);
	return 0;
}

void member_join_cancel(struct member *m)
{
	for (size_t i = 0; i < MEMBER_ERRANDS; i++) {
		if (m->errands[i].is_used && m->errands[i].is_join)
			end(&m->errands[i]);
	}
}
