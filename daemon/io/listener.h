/* SPDX-License-Identifier: Apache-2.0
 *
 * io/listener - listening sockets, TCP and Unix.
 *
 * Why     A Unix socket's file outlives a process that crashed, and is then replaced:
 *         looked at, removed, made anew. Of two daemons that start at once both could
 *         find it stale, so a lock file beside it (PATH.lock, io/lockfile) lets one of
 *         them do so, and is kept as long as the socket.
 * Owns    The descriptor; the file of a Unix socket that it made, and its lock.
 * Thread  the dispatcher.
 * Errors  DHT_EBUSY: the address or the socket is in use; DHT_EDENIED, DHT_EINVAL
 *         (the address cannot be resolved), DHT_EIO; a sentence for the operator in
 *         the caller's buffer says which and why.
 */
#ifndef DHT_IO_LISTENER_H
#define DHT_IO_LISTENER_H

#include <stdint.h>
#include <sys/types.h>

#include "io/lockfile.h"
#include "io/poller.h"

enum { LISTENER_WHY_MAX = 256, LISTENER_BACKLOG = 4096 };

struct listener {
	struct watch watch;
	char *unix_path; /* NULL for TCP */
	dev_t device;    /* of the file that was made there */
	ino_t inode;
	struct lockfile lock; /* of unix_path */
};

/* Binds host:port (a name or a numeric address; the first that it resolves to) and
 * listens. why receives a sentence on failure. */
int listener_open_tcp(struct listener *l, const char *host, uint16_t port, uint32_t kind,
		      char why[LISTENER_WHY_MAX]) DHT_MUST_CHECK;

/* Listens at path with the given mode. A socket file that nobody listens at is
 * replaced; a live one is left alone: DHT_EBUSY, naming the process behind it, also
 * when that one is still about to listen. */
int listener_open_unix(struct listener *l, const char *path, mode_t mode, uint32_t kind,
		       char why[LISTENER_WHY_MAX]) DHT_MUST_CHECK;

/* Closes the socket and removes its file and the lock's, if their paths still name
 * those. A listener that is closed already is left alone. */
void listener_close(struct listener *l);

/* Accepts one connection, non-blocking. Returns its descriptor, DHT_EAGAIN when none
 * waits, DHT_EFULL when the process or the system is out of descriptors, DHT_ENOMEM
 * when the kernel is out of memory. After the last two the socket stays readable: who
 * waits there was not taken off. */
int listener_accept(struct listener *l) DHT_MUST_CHECK;

#endif
