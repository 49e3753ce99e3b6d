/* SPDX-License-Identifier: Apache-2.0
 *
 * io/endpoint - the addresses of the two ends of a TCP connection, as text.
 *
 * Thread  any.
 */
#ifndef DHT_IO_ENDPOINT_H
#define DHT_IO_ENDPOINT_H

#include <stdint.h>

enum {
	ENDPOINT_HOST_MAX = 46,              /* a numeric address and a NUL */
	ENDPOINT_MAX = ENDPOINT_HOST_MAX + 8 /* with brackets and a port */
};

/* Write `host:port`, or `[v6]:port`, of the other end and of ours; an empty text if the
 * connection is gone or is not of TCP. */
void endpoint_peer(int fd, char text[ENDPOINT_MAX]);
void endpoint_local(int fd, char text[ENDPOINT_MAX]);

/* Writes the numeric address of our end alone, and returns the port; as above, 0 then. */
uint16_t endpoint_local_host(int fd, char host[ENDPOINT_HOST_MAX]);

#endif
