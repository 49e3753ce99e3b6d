/* SPDX-License-Identifier: Apache-2.0 */
#include "io/poller.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"

static const uint32_t parked_events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;

int poller_open(struct poller *p)
{
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	return p->fd >= 0 ? 0 : dht_error_from_errno(errno);
}

void poller_close(struct poller *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* ThreadSanitizer's epoll_ctl notes an access to the descriptor, which close() writes to
 * in its eyes. By then another thread may own the watch: it took over, by way of kind,
 * what happened before control() released it, and that note is not a part of it. The
 * kernel itself needs no such order: it has looked the descriptor up before the event can
 * fire. So the call that gives a watch away goes past the tool. */
static int epoll_control(int epoll_fd, int op, int fd, struct epoll_event *event)
{
#ifdef __SANITIZE_THREAD__
	if (op == EPOLL_CTL_MOD)
		return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
#endif
	return epoll_ctl(epoll_fd, op, fd, event);
}

static int control(struct poller *p, int op, struct watch *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};
	int fd = w->fd;
	/* Another thread may take the event, and the watch, before the call returns: this
	 * is the last that is done with it here. */
	uint32_t kind = atomic_load_explicit(&w->kind, memory_order_relaxed);
	atomic_store_explicit(&w->kind, kind, memory_order_release);
	return epoll_control(p->fd, op, fd, &event) == 0 ? 0 : dht_error_from_errno(errno);
}

int poller_add(struct poller *p, struct watch *w, uint32_t events)
{
	return control(p, EPOLL_CTL_ADD, w, events);
}

void poller_change(struct poller *p, struct watch *w, uint32_t events)
{
	int rc = control(p, EPOLL_CTL_MOD, w, events);
	DHT_ASSERT(rc == 0);
}

int poller_add_hot(struct poller *p, struct watch *w)
{
	return control(p, EPOLL_CTL_ADD, w, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

int poller_add_parked(struct poller *p, struct watch *w)
{
	return control(p, EPOLL_CTL_ADD, w, parked_events);
}

int poller_rearm_parked(struct poller *p, struct watch *w)
{
	return control(p, EPOLL_CTL_MOD, w, parked_events);
}

void poller_remove(struct poller *p, struct watch *w)
{
	int rc = control(p, EPOLL_CTL_DEL, w, 0);
	DHT_ASSERT(rc == 0);
}

int poller_wait(struct poller *p, struct epoll_event *events, int max, uint64_t timeout_ns)
{
	/* Whole milliseconds, rounded up: a timer is never waited for in a spin. */
	int timeout_ms = -1;
	if (timeout_ns != UINT64_MAX) {
		uint64_t ms = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
		timeout_ms = ms > 3600 * 1000 ? 3600 * 1000 : (int)ms;
	}
	int n = epoll_wait(p->fd, events, max, timeout_ms);
	if (n < 0)
		DHT_ASSERT(errno == EINTR);
	return n < 0 ? 0 : n;
}
