/* SPDX-License-Identifier: Apache-2.0 */
#include "server/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "server/watch.h"
#include "wire/admin.h"

enum {
	ACCEPT_MAX = 64, /* connections accepted from one listener in a row */
	ADMIN_SOCKET_MODE = 0660,
	ANSWER_MAX = 128, /* bytes of a refusal to a client */
};

/* What each trouble is called: in the log, when it begins and when it is over, and to
 * who is refused. */
static const struct {
	enum log_level level;
	const char *begins;
	const char *is_over;
	const char *answer;
} troubles[TROUBLE_COUNT] = {
    [TROUBLE_CROWDED] = {LOG_warn, "clients.max reached, refusing connections",
			 "below clients.max again", "max number of clients reached"},
    [TROUBLE_DESCRIPTORS] = {LOG_error, "out of file descriptors, refusing connections",
			     "file descriptors are available again",
			     "the daemon is out of file descriptors"},
    [TROUBLE_MEMORY] = {LOG_error, "out of memory for connections, they are refused or wait",
			"memory for connections is available again", "the daemon is out of memory"},
    [TROUBLE_WATCHES] = {LOG_error, "fs.epoll.max_user_watches reached, refusing connections",
			 "below fs.epoll.max_user_watches again",
			 "the daemon is out of epoll watches"},
};

static void count(_Atomic uint64_t *counter)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + 1, memory_order_relaxed);
}

static uint64_t client_number(const struct acceptor *a)
{
	return atomic_load_explicit(&a->sessions->clients, memory_order_relaxed);
}

static uint64_t client_max(const struct acceptor *a)
{
	return atomic_load_explicit(&a->clients_max, memory_order_relaxed);
}

/* ---- Troubles -------------------------------------------------------------------- */

/* The trouble is met, and costs so many connections. */
static void meet(struct acceptor *a, enum trouble trouble, uint64_t refused, uint64_t now_ns)
{
	if (episode_note(&a->episodes[trouble], refused, now_ns))
		log_write(troubles[trouble].level, "acceptor", "msg=\"%s\" clients=%llu max=%llu",
			  troubles[trouble].begins, (unsigned long long)client_number(a),
			  (unsigned long long)client_max(a));
}

static void open_reserve(struct acceptor *a)
{
	if (a->reserve_fd < 0)
		a->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_out_of_descriptors(const struct acceptor *a)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	close(fd);
	return fd >= a->descriptors_max;
}

/* The kernel hands out the lowest number that is free: one that high says that only those
 * are left which the store may need, and a store without descriptors stops the node. */
static bool is_reserved(const struct acceptor *a, int fd)
{
	return fd >= a->descriptors_max;
}

/* Nobody has to knock for a trouble to last. What only an attempt can tell is over
 * when no attempt has failed for long enough. */
static bool lasts(const struct acceptor *a, enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_CROWDED:
		return client_number(a) >= client_max(a);
	case TROUBLE_DESCRIPTORS:
		return is_out_of_descriptors(a);
	case TROUBLE_MEMORY:
	case TROUBLE_WATCHES:
	case TROUBLE_COUNT:
		break;
	}
	return false;
}

/* Tells the peer, in the language of its port, why it is refused. A fresh socket takes
 * a line; if not, the close that follows says enough. */
static void tell(int fd, uint32_t listener_kind, enum trouble trouble)
{
	ssize_t sent = 0;
	if (listener_kind == WATCH_CLIENT_LISTENER) {
		char line[ANSWER_MAX];
		int len = snprintf(line, sizeof(line), "-ERR %s\r\n", troubles[trouble].answer);
		DHT_ASSERT(len > 0 && len < ANSWER_MAX);
		sent = send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		struct buffer answer = BUFFER_EMPTY;
		if (wire_admin_error(&answer, 0, DHT_EFULL, troubles[trouble].answer) == 0)
			sent =
			    send(fd, buffer_head(&answer), answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		buffer_reset(&answer);
	}
	(void)sent;
}

static void refuse(struct acceptor *a, const struct listener *l, int fd, enum trouble trouble,
		   uint64_t now_ns)
{
	count(&a->stats.refused);
	meet(a, trouble, 1, now_ns);
	tell(fd, l->watch.kind, trouble);
}

/* ---- Resting --------------------------------------------------------------------- */

static void arm_one(struct acceptor *a, struct listener *l, uint32_t events)
{
	if (l->watch.fd >= 0)
		poller_change(a->poller, &l->watch, events);
}

/* Arms the listeners for these events; registered they stay, so that going on needs
 * nothing that may have run out. */
static void arm(struct acceptor *a, uint32_t events)
{
	for (size_t i = 0; i < a->client_count; i++)
		arm_one(a, &a->clients[i], events);
	arm_one(a, &a->admin, events);
}

/* Who waits cannot even be refused: no look at any backlog before the next tick. */
static void rest(struct acceptor *a)
{
	arm(a, 0);
	a->is_resting = true;
}

static void go_on(struct acceptor *a)
{
	a->is_resting = false;
	arm(a, EPOLLIN);
}

/* ---- Accepting ------------------------------------------------------------------- */

/* Out of descriptors: gives up the reserve to tell the next client so, instead of
 * letting it wait in the backlog; the connections that are open go on. Returns what
 * listener_accept does, 0 for a client that was refused. */
static int accept_starved(struct acceptor *a, struct listener *l, uint64_t now_ns)
{
	meet(a, TROUBLE_DESCRIPTORS, 0, now_ns);
	if (a->reserve_fd < 0)
		return DHT_EFULL;
	close(a->reserve_fd);
	a->reserve_fd = -1;
	int fd = listener_accept(l);
	if (fd >= 0) {
		refuse(a, l, fd, TROUBLE_DESCRIPTORS, now_ns);
		close(fd);
	}
	open_reserve(a);
	return fd < 0 ? fd : 0;
}

/* Makes a parked session of it, or refuses it. */
static void accept_one(struct acceptor *a, const struct listener *l, int fd, uint64_t now_ns)
{
	bool is_admin = l->watch.kind == WATCH_ADMIN_LISTENER;
	if (!is_admin && client_number(a) >= client_max(a)) {
		refuse(a, l, fd, TROUBLE_CROWDED, now_ns);
		close(fd);
		return;
	}
	if (is_reserved(a, fd)) {
		refuse(a, l, fd, TROUBLE_DESCRIPTORS, now_ns);
		close(fd);
		return;
	}
	struct session *s = session_create(a->sessions, fd, is_admin ? WATCH_ADMIN : WATCH_CLIENT,
					   is_admin ? a->admin_protocol : a->client_protocol);
	if (s == NULL) {
		refuse(a, l, fd, TROUBLE_MEMORY, now_ns);
		close(fd);
		return;
	}
	/* Counted first: what is watched may be anybody's. */
	atomic_fetch_add_explicit(&a->sessions->parked, 1, memory_order_relaxed);
	int rc = poller_add_parked(a->poller, &s->conn.watch);
	if (rc != 0) {
		atomic_fetch_sub_explicit(&a->sessions->parked, 1, memory_order_relaxed);
		refuse(a, l, fd, rc == DHT_ENOSPC ? TROUBLE_WATCHES : TROUBLE_MEMORY, now_ns);
		session_destroy(s);
		return;
	}
	count(&a->stats.accepted);
	if (!is_admin)
		count(&a->stats.clients);
}

void acceptor_take(struct acceptor *a, struct listener *l, uint64_t now_ns)
{
	for (int i = 0; i < ACCEPT_MAX && !a->is_resting; i++) {
		int fd = listener_accept(l);
		if (fd >= 0)
			accept_one(a, l, fd, now_ns);
		else if (fd == DHT_EFULL)
			fd = accept_starved(a, l, now_ns);
		if (fd == DHT_EAGAIN)
			return;
		if (fd == DHT_ENOMEM)
			meet(a, TROUBLE_MEMORY, 0, now_ns);
		if (fd < 0)
			rest(a);
	}
}

void acceptor_tick(struct acceptor *a, uint64_t now_ns)
{
	uint64_t lost = atomic_load_explicit(&a->sessions->lost, memory_order_relaxed);
	if (lost > a->lost_seen)
		meet(a, TROUBLE_WATCHES, lost - a->lost_seen, now_ns);
	a->lost_seen = lost;
	open_reserve(a);
	if (a->is_resting)
		go_on(a);
	for (int t = 0; t < TROUBLE_COUNT; t++) {
		struct episode *e = &a->episodes[t];
		if (e->is_open && lasts(a, (enum trouble)t))
			meet(a, (enum trouble)t, 0, now_ns);
		if (episode_close(e, now_ns))
			LOG_INFO("acceptor", "msg=\"%s\" refused=%llu", troubles[t].is_over,
				 (unsigned long long)e->refused);
	}
}

/* ---- Opening and closing --------------------------------------------------------- */

void acceptor_init(struct acceptor *a, struct poller *poller)
{
	*a = (struct acceptor){
	    .poller = poller,
	    .admin = {.watch = {.fd = -1}},
	    .reserve_fd = -1,
	    .descriptors_max = INT_MAX,
	};
	open_reserve(a);
}

void acceptor_fini(struct acceptor *a)
{
	for (size_t i = 0; i < a->client_count; i++)
		listener_close(&a->clients[i]);
	a->client_count = 0;
	listener_close(&a->admin);
	if (a->reserve_fd >= 0)
		close(a->reserve_fd);
	a->reserve_fd = -1;
}

int acceptor_listen_admin(struct acceptor *a, const char *path, char why[LISTENER_WHY_MAX])
{
	int rc = listener_open_unix(&a->admin, path, ADMIN_SOCKET_MODE, WATCH_ADMIN_LISTENER, why);
	if (rc == 0)
		rc = poller_add(a->poller, &a->admin.watch, EPOLLIN);
	return rc;
}

int acceptor_listen_clients(struct acceptor *a, const struct conf_addr_list *addresses,
			    char why[LISTENER_WHY_MAX])
{
	for (size_t i = 0; i < addresses->count; i++) {
		const struct conf_addr *address = &addresses->items[i];
		int rc = listener_open_tcp(&a->clients[i], address->host, address->port,
					   WATCH_CLIENT_LISTENER, why);
		if (rc != 0)
			return rc;
		a->client_count = i + 1;
		rc = poller_add(a->poller, &a->clients[i].watch, EPOLLIN);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Accepts who has connected by now. */
static void close_port(struct acceptor *a, struct listener *l, uint64_t now_ns)
{
	a->is_resting = false;
	for (int i = 0; i < LISTENER_BACKLOG / ACCEPT_MAX; i++)
		acceptor_take(a, l, now_ns);
	listener_close(l);
}

void acceptor_close_ports(struct acceptor *a, uint64_t now_ns)
{
	for (size_t i = 0; i < a->client_count; i++)
		close_port(a, &a->clients[i], now_ns);
	a->client_count = 0;
	close_port(a, &a->admin, now_ns);
}
