/* SPDX-License-Identifier: Apache-2.0 */
#include "server/refusals.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

bool refusals_is_passing(enum handshake_code code)
{
	return code == HANDSHAKE_NOT_READY || code == HANDSHAKE_NO_MEMBER;
}

/* Returns the one of this code and host, else one that is free; NULL: all are in use. */
static struct refusals_one *find(struct refusals *r, enum handshake_code code, const char *host)
{
	struct refusals_one *unused = NULL;
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		struct refusals_one *one = &r->items[i];
		if (!one->episode.is_open)
			unused = one;
		else if (one->code == code && strcmp(one->host, host) == 0)
			return one;
	}
	if (unused != NULL) {
		unused->code = code;
		snprintf(unused->host, sizeof(unused->host), "%s", host);
	}
	return unused;
}

void refusals_note(struct refusals *r, const char *address, const struct handshake_refusal *refusal,
		   uint64_t now_ns)
{
	char host[ENDPOINT_MAX];
	const char *port = strrchr(address, ':');
	snprintf(host, sizeof(host), "%.*s",
		 port != NULL ? (int)(port - address) : (int)strlen(address), address);
	struct refusals_one *one =
	    refusals_is_passing(refusal->code) ? NULL : find(r, refusal->code, host);
	if (one != NULL && episode_note(&one->episode, 1, now_ns))
		LOG_WARN("control", "msg=\"refused a link\" address=%s code=%s error=\"%s\"",
			 address, handshake_code_name(refusal->code), refusal->reason);
	else
		LOG_DEBUG("control", "msg=\"refused a link again\" address=%s code=%s error=\"%s\"",
			  address, handshake_code_name(refusal->code), refusal->reason);
}

void refusals_tick(struct refusals *r, uint64_t now_ns)
{
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		struct refusals_one *one = &r->items[i];
		if (episode_close(&one->episode, now_ns))
			LOG_INFO("control",
				 "msg=\"links are not refused any more\" host=%s code=%s "
				 "refused=%llu",
				 one->host, handshake_code_name(one->code),
				 (unsigned long long)one->episode.refused);
	}
}
