/* SPDX-License-Identifier: Apache-2.0 */
#include "io/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Writes the numeric address, an IPv4 one that arrived over IPv6 as what it is; host is
 * empty for another family. */
static void format_host(const union address *address, char host[ENDPOINT_HOST_MAX])
{
	host[0] = '\0';
	if (address->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->v4.sin_addr, host, ENDPOINT_HOST_MAX);
	else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
		inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], host, ENDPOINT_HOST_MAX);
	else if (address->any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, ENDPOINT_HOST_MAX);
}

static uint16_t port_of(const union address *address)
{
	return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port
						       : address->v6.sin6_port);
}

static void format(const union address *address, char text[ENDPOINT_MAX])
{
	char host[ENDPOINT_HOST_MAX];
	bool is_v6 = false;
	format_host(address, host);
	for (const char *c = host; *c != '\0'; c++)
		is_v6 = is_v6 || *c == ':';
	text[0] = '\0';
	if (host[0] != '\0')
		snprintf(text, ENDPOINT_MAX, is_v6 ? "[%s]:%u" : "%s:%u", host, port_of(address));
}

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *len);

static union address address_of(int fd, name_fn name)
{
	union address address = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(address);
	if (name(fd, &address.any, &len) != 0)
		address.any.sa_family = AF_UNSPEC;
	return address;
}

void endpoint_peer(int fd, char text[ENDPOINT_MAX])
{
	union address address = address_of(fd, getpeername);
	format(&address, text);
}

void endpoint_local(int fd, char text[ENDPOINT_MAX])
{
	union address address = address_of(fd, getsockname);
	format(&address, text);
}

uint16_t endpoint_local_host(int fd, char host[ENDPOINT_HOST_MAX])
{
	union address address = address_of(fd, getsockname);
	format_host(&address, host);
	return host[0] == '\0' ? 0 : port_of(&address);
}
