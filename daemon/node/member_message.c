/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_message.h"

#include "ring/share.h"

static const struct {
	const char *name;
	bool from_guest;
} kinds[] = {
#define X(name, from_guest) {#name, from_guest},
    MEMBER_MESSAGE_KINDS(X)
#undef X
};

const char *member_message_name(enum member_message_kind kind)
{
	DHT_ASSERT(kind < MEMBER_MESSAGE_KIND_COUNT);
	return kinds[kind].name;
}

static bool is_text(const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, RING_TEXT_MAX + 1);
	return len > 0 && len <= RING_TEXT_MAX;
}

static bool are_addresses(const struct ring_address *addresses, size_t count)
{
	if (count > RING_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!is_text(addresses[i].host) || addresses[i].port == 0)
			return false;
	}
	return true;
}

static bool is_member(const struct ring_member *member)
{
	return strspn(member->id, "0123456789abcdef") == RING_ID_SIZE - 1 &&
	       member->id[RING_ID_SIZE - 1] == '\0' && is_text(member->name) &&
	       is_text(member->zone) && member->weight > 0 && member->weight <= RING_WEIGHT_MAX &&
	       are_addresses(member->clients, member->client_count) &&
	       are_addresses(member->peers, member->peer_count);
}

static bool is_request(const struct member_request *request)
{
	if (request == NULL || request->kind >= MEMBER_REQUEST_KIND_COUNT)
		return false;
	switch (request->kind) {
	case MEMBER_REQUEST_JOIN:
		return is_member(&request->member);
	case MEMBER_REQUEST_REPLACE:
		return is_member(&request->member) && request->number < RING_MEMBERS_MAX;
	case MEMBER_REQUEST_ADJUST:
		return is_member(&request->member) && request->member.number < RING_MEMBERS_MAX;
	case MEMBER_REQUEST_LEAVE:
	case MEMBER_REQUEST_REMOVE:
		return request->number < RING_MEMBERS_MAX;
	case MEMBER_REQUEST_CANCEL:
	case MEMBER_REQUEST_KIND_COUNT:
		break;
	}
	return true;
}

/* A guest asks to join, and for nothing else. */
static bool may_guest_ask(const struct member_request *request)
{
	return request->kind == MEMBER_REQUEST_JOIN || request->kind == MEMBER_REQUEST_REPLACE;
}

static bool is_beat(const struct member_message *m)
{
	if (m->fin_count > MEMBER_FINS_MAX || m->news_count > MEMBER_NEWS_MAX)
		return false;
	for (size_t i = 0; i < m->news_count; i++) {
		if (m->news[i].member >= RING_MEMBERS_MAX)
			return false;
	}
	return true;
}

bool member_message_is_valid(const struct member_message *m)
{
	if (m->kind >= MEMBER_MESSAGE_KIND_COUNT || m->from > MEMBER_NOBODY ||
	    m->map.len > MEMBER_VALUE_MAX || m->ballot.member > MEMBER_NOBODY ||
	    m->accepted.member > MEMBER_NOBODY)
		return false;
	if (m->kind == MEMBER_REQUEST && !is_request(m->request))
		return false;
	if (m->kind == MEMBER_ANSWER && (m->answer == NULL || m->answer->status > 0 ||
					 memchr(m->answer->text, 0, MEMBER_TEXT_MAX) == NULL))
		return false;
	if (m->kind == MEMBER_BEAT && !is_beat(m))
		return false;
	return true;
}

bool member_message_may_come_from_guest(const struct member_message *m)
{
	return kinds[m->kind].from_guest &&
	       (m->kind != MEMBER_REQUEST || may_guest_ask(m->request));
}
