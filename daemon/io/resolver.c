/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/clock.h"

enum { NAME_MAX_BYTES = 256 };

#define KEEP_NS   (30 * NS_PER_S) /* before a name is looked up again */
#define FAILED_NS NS_PER_S        /* the same if it had no address */

struct name {
	char host[NAME_MAX_BYTES]; /* "": unused */
	bool is_wanted;            /* is to be looked up, or is being */
	bool was_looked_up;
	unsigned count; /* of the addresses */
	char addresses[RESOLVER_ADDRESSES_MAX][ENDPOINT_HOST_MAX];
	uint64_t until_ns, used_ns;
};

/* The thread may outlive the owner: the last of the two frees it. */
struct resolver {
	pthread_mutex_t lock;
	bool has_thread, is_over;
	struct name names[RESOLVER_NAMES];
};

static void free_all(struct resolver *r)
{
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- The thread -------------------------------------------------------------------------- */

static struct name *find_wanted(struct resolver *r)
{
	for (size_t i = 0; i < RESOLVER_NAMES; i++) {
		if (r->names[i].is_wanted)
			return &r->names[i];
	}
	return NULL;
}

static unsigned look_up(const char *host, char addresses[RESOLVER_ADDRESSES_MAX][ENDPOINT_HOST_MAX])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found;
	unsigned count = 0;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return 0;
	for (const struct addrinfo *at = found; at != NULL && count < RESOLVER_ADDRESSES_MAX;
	     at = at->ai_next) {
		if (getnameinfo(at->ai_addr, at->ai_addrlen, addresses[count], ENDPOINT_HOST_MAX,
				NULL, 0, NI_NUMERICHOST) == 0)
			count++;
	}
	freeaddrinfo(found);
	return count;
}

/* The name may have made room for another one meanwhile. */
static void take(struct resolver *r, const char *host,
		 char addresses[RESOLVER_ADDRESSES_MAX][ENDPOINT_HOST_MAX], unsigned count)
{
	for (size_t i = 0; i < RESOLVER_NAMES; i++) {
		struct name *name = &r->names[i];
		if (strcmp(name->host, host) != 0)
			continue;
		name->is_wanted = false;
		name->was_looked_up = true;
		name->until_ns = clock_monotonic_ns() + (count > 0 ? KEEP_NS : FAILED_NS);
		if (count > 0) {
			memcpy(name->addresses, addresses, sizeof(name->addresses));
			name->count = count;
		}
		return;
	}
}

static void *thread_main(void *arg)
{
	struct resolver *r = arg;
	struct name *name;
	pthread_mutex_lock(&r->lock);
	while (!r->is_over && (name = find_wanted(r)) != NULL) {
		char host[NAME_MAX_BYTES],
		    addresses[RESOLVER_ADDRESSES_MAX][ENDPOINT_HOST_MAX] = {{0}};
		memcpy(host, name->host, sizeof(host));
		pthread_mutex_unlock(&r->lock);
		unsigned count = look_up(host, addresses);
		pthread_mutex_lock(&r->lock);
		take(r, host, addresses, count);
	}
	bool is_last = r->is_over;
	r->has_thread = false;
	pthread_mutex_unlock(&r->lock);
	if (is_last)
		free_all(r);
	return NULL;
}

/* Without a thread it is tried again with the next question. */
static void want(struct resolver *r, struct name *name)
{
	pthread_t thread;
	pthread_attr_t attributes;
	name->is_wanted = true;
	if (r->has_thread || pthread_attr_init(&attributes) != 0)
		return;
	r->has_thread = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
			pthread_create(&thread, &attributes, thread_main, r) == 0;
	pthread_attr_destroy(&attributes);
}

/* ---- Questions --------------------------------------------------------------------------- */

static struct name *find(struct resolver *r, const char *host)
{
	struct name *oldest = &r->names[0];
	for (size_t i = 0; i < RESOLVER_NAMES; i++) {
		struct name *name = &r->names[i];
		if (strcmp(name->host, host) == 0)
			return name;
		if (name->used_ns < oldest->used_ns)
			oldest = name;
	}
	*oldest = (struct name){0};
	snprintf(oldest->host, sizeof(oldest->host), "%s", host);
	return oldest;
}

static int look(struct resolver *r, const char *host, unsigned turn,
		char numeric[ENDPOINT_HOST_MAX])
{
	uint64_t now_ns = clock_monotonic_ns();
	struct name *name = find(r, host);
	name->used_ns = now_ns;
	if (now_ns >= name->until_ns)
		want(r, name);
	if (name->count == 0)
		return name->was_looked_up && !name->is_wanted ? DHT_ENOTFOUND : DHT_EAGAIN;
	memcpy(numeric, name->addresses[turn % name->count], ENDPOINT_HOST_MAX);
	return 0;
}

static bool is_numeric(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

int resolver_look(struct resolver *r, const char *host, unsigned turn,
		  char numeric[ENDPOINT_HOST_MAX])
{
	size_t len = strlen(host);
	/* One with a zone (fe80::1%eth0) is numeric, too. */
	if (is_numeric(host) || strchr(host, '%') != NULL) {
		snprintf(numeric, ENDPOINT_HOST_MAX, "%s", host);
		return len < ENDPOINT_HOST_MAX ? 0 : DHT_ENOTFOUND;
	}
	if (len == 0 || len >= NAME_MAX_BYTES)
		return DHT_ENOTFOUND;
	pthread_mutex_lock(&r->lock);
	int rc = look(r, host, turn, numeric);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* ---- Set-up ------------------------------------------------------------------------------ */

int resolver_create(struct resolver **out)
{
	struct resolver *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return DHT_ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return 0;
}

void resolver_destroy(struct resolver *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	bool has_thread = r->has_thread;
	r->is_over = true;
	pthread_mutex_unlock(&r->lock);
	if (!has_thread)
		free_all(r);
}
