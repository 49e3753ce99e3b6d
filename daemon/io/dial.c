/* SPDX-License-Identifier: Apache-2.0 */
#include "io/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/resolver.h"

static int error_of(int errnum)
{
	switch (errnum) {
	case EMFILE:
	case ENFILE:
		return DHT_EFULL;
	case ECONNREFUSED:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return DHT_EUNAVAIL;
	default:
		return dht_error_from_errno(errnum);
	}
}

static void set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void dial_prepare(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DIAL_UNACKNOWLEDGED_MS);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, DIAL_IDLE_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, DIAL_TRY_S);
}

static int begin(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_of(errno);
	dial_prepare(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)
		return fd;
	int rc = error_of(errno);
	close(fd);
	return rc;
}

int dial_tcp(const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[8];
	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return DHT_EINVAL;
	int rc = begin(found);
	freeaddrinfo(found);
	return rc;
}

int dial_host(struct resolver *resolver, const char *host, uint16_t port, unsigned turn)
{
	char first[ENDPOINT_HOST_MAX] = "", numeric[ENDPOINT_HOST_MAX];
	int rc = DHT_EUNAVAIL;
	if (resolver == NULL)
		return dial_tcp(host, port);
	/* The name may be looked up anew in between: then the first one need not come again. */
	for (unsigned tries = 0; tries < RESOLVER_ADDRESSES_MAX; tries++) {
		rc = resolver_look(resolver, host, turn + tries, numeric);
		if (rc == 0 && strcmp(first, numeric) == 0)
			return DHT_EUNAVAIL; /* all of them were tried */
		if (rc == 0)
			rc = dial_tcp(numeric, port);
		if (rc != DHT_EUNAVAIL && rc != DHT_EIO)
			return rc;
		if (first[0] == '\0')
			memcpy(first, numeric, sizeof(first));
	}
	return rc;
}
