/* SPDX-License-Identifier: Apache-2.0 */
#include "io/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

static int tcp_socket(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Accepted sockets inherit it: a reply never waits for the peer's ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTENER_BACKLOG) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int listener_open_tcp(struct listener *l, const char *host, uint16_t port, uint32_t kind,
		      char why[LISTENER_WHY_MAX])
{
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	int rc = getaddrinfo(host, service, &hints, &found);
	if (rc != 0) {
		snprintf(why, LISTENER_WHY_MAX, "cannot resolve %s: %s", host, gai_strerror(rc));
		return DHT_EINVAL;
	}
	int fd = tcp_socket(found);
	int saved = errno;
	freeaddrinfo(found);
	if (fd < 0) {
		snprintf(why, LISTENER_WHY_MAX, "cannot listen at %s port %u: %s", host, port,
			 saved == EADDRINUSE ? "the port is in use" : strerror(saved));
		return dht_error_from_errno(saved);
	}
	*l = (struct listener){.watch = {.fd = fd, .kind = kind}, .lock = LOCKFILE_NONE};
	return 0;
}

/* Looks who is behind an existing socket file. Returns 0 when nobody is and the
 * file was removed. */
static int clear_stale(const struct sockaddr_un *addr, char why[LISTENER_WHY_MAX])
{
	struct stat st;
	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : dht_error_from_errno(errno);
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, LISTENER_WHY_MAX, "%s exists and is not a socket", addr->sun_path);
		return DHT_EBUSY;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dht_error_from_errno(errno);
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int saved = errno;
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	if (rc == 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	close(fd);
	/* EAGAIN: somebody listens, and its backlog is full. */
	if (rc == 0 || saved == EAGAIN) {
		snprintf(why, LISTENER_WHY_MAX, "another dhtd is running, pid %d, at %s",
			 (int)peer.pid, addr->sun_path);
		return DHT_EBUSY;
	}
	if (saved != ECONNREFUSED) {
		snprintf(why, LISTENER_WHY_MAX, "cannot look at %s: %s", addr->sun_path,
			 strerror(saved));
		return dht_error_from_errno(saved);
	}
	return unlink(addr->sun_path) == 0 || errno == ENOENT ? 0 : dht_error_from_errno(errno);
}

/* Makes the socket; under the lock. Returns it or DHT_E*. */
static int unix_socket(const struct sockaddr_un *addr, mode_t mode, char why[LISTENER_WHY_MAX])
{
	const char *path = addr->sun_path;
	why[0] = '\0';
	int rc = clear_stale(addr, why);
	if (rc != 0) {
		if (why[0] == '\0')
			snprintf(why, LISTENER_WHY_MAX, "cannot replace %s: %s", path,
				 dht_error_text(rc));
		return rc;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dht_error_from_errno(errno);
	/* The file never exists with a wider mode than asked for. */
	mode_t old_mask = umask(0777 & ~mode);
	rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int saved = errno;
	umask(old_mask);
	if (rc == 0 && listen(fd, LISTENER_BACKLOG) != 0) {
		rc = -1;
		saved = errno;
		unlink(path);
	}
	if (rc != 0) {
		close(fd);
		snprintf(why, LISTENER_WHY_MAX, "cannot listen at %s: %s", path, strerror(saved));
		return dht_error_from_errno(saved);
	}
	return fd;
}

/* Takes the lock beside the socket. Its path may be longer than a socket's can be. */
static int lock_unix(struct lockfile *lock, const char *path, char why[LISTENER_WHY_MAX])
{
	char lock_path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(".lock")];
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	long holder;
	int rc = lockfile_take(lock, lock_path, &holder);
	if (rc == DHT_EBUSY)
		snprintf(why, LISTENER_WHY_MAX, "another dhtd is running, pid %ld, at %s", holder,
			 path);
	else if (rc == DHT_EINVAL)
		snprintf(why, LISTENER_WHY_MAX, "%s exists and is not a lock file", lock_path);
	else if (rc != 0 && errno == ENOENT)
		snprintf(why, LISTENER_WHY_MAX, "cannot listen at %s: its directory does not exist",
			 path);
	else if (rc != 0)
		snprintf(why, LISTENER_WHY_MAX, "cannot listen at %s: cannot lock %s: %s", path,
			 lock_path, strerror(errno));
	return rc;
}

int listener_open_unix(struct listener *l, const char *path, mode_t mode, uint32_t kind,
		       char why[LISTENER_WHY_MAX])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(why, LISTENER_WHY_MAX, "the path of a socket is at most %zu bytes",
			 sizeof(addr.sun_path) - 1);
		return DHT_EINVAL;
	}
	strcpy(addr.sun_path, path);

	struct lockfile lock;
	int rc = lock_unix(&lock, path, why);
	if (rc != 0)
		return rc;
	int fd = unix_socket(&addr, mode, why);
	if (fd < 0) {
		lockfile_release(&lock);
		return fd;
	}
	struct stat st = {0};
	(void)lstat(path, &st);
	*l = (struct listener){
	    .watch = {.fd = fd, .kind = kind},
	    .unix_path = strdup(path),
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .lock = lock,
	};
	return 0;
}

void listener_close(struct listener *l)
{
	if (l->watch.fd < 0)
		return;
	close(l->watch.fd);
	l->watch.fd = -1;
	struct stat st;
	if (l->unix_path != NULL && lstat(l->unix_path, &st) == 0 && st.st_dev == l->device &&
	    st.st_ino == l->inode)
		unlink(l->unix_path);
	free(l->unix_path);
	l->unix_path = NULL;
	lockfile_release(&l->lock);
}

int listener_accept(struct listener *l)
{
	for (int tries = 0; tries < 16; tries++) {
		int fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		switch (errno) {
		case EMFILE:
		case ENFILE:
			return DHT_EFULL;
		case ENOBUFS:
		case ENOMEM:
			return DHT_ENOMEM;
		case EAGAIN:
			return DHT_EAGAIN;
		default:
			/* The connection died in the backlog (ECONNABORTED and its kin). */
			break;
		}
	}
	return DHT_EAGAIN;
}
