/* SPDX-License-Identifier: Apache-2.0
 *
 * io/poller - one epoll instance.
 *
 * Why     A descriptor lives in two of them: parked at the dispatcher's, armed with
 *         EPOLLONESHOT and re-armed by EPOLL_CTL_MOD (never ADD), and, while it is
 *         hot, edge-triggered at its worker's. The calls here name these states.
 * Owns    The epoll descriptor; watches belong to the caller and outlive their
 *         registration. Closing a descriptor ends its registrations.
 * Thread  poller_wait: the owner. The others: any thread that owns the watch; what it
 *         did before a registration is seen by whoever reads the kind of the watch
 *         that an event brings.
 * Errors  negative DHT_E*; poller_wait never fails.
 */
#ifndef DHT_IO_POLLER_H
#define DHT_IO_POLLER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/assert.h"

/* What is registered: embedded in the object that the event is for. */
struct watch {
	int fd;
	/* The owner's enum: tells what the watch is embedded in. It is the first thing
	 * that is read of an event, so it carries the object from thread to thread: the
	 * kernel orders the registration before the event, but the language does not
	 * know that. */
	_Atomic uint32_t kind;
};

struct poller {
	int fd;
};

int poller_open(struct poller *p) DHT_MUST_CHECK;
void poller_close(struct poller *p);

/* Level-triggered, for listeners, signals, timers. events: EPOLLIN and so on. */
int poller_add(struct poller *p, struct watch *w, uint32_t events) DHT_MUST_CHECK;

/* Lets a level-triggered descriptor wait for other events; for none with 0, while it
 * stays registered. Needs no memory, so it never fails. */
void poller_change(struct poller *p, struct watch *w, uint32_t events);

/* Edge-triggered for input and output at once: a hot connection needs no further
 * call however its interest changes. */
int poller_add_hot(struct poller *p, struct watch *w) DHT_MUST_CHECK;

/* Registers a connection as parked: armed once for input or the peer's close. */
int poller_add_parked(struct poller *p, struct watch *w) DHT_MUST_CHECK;

/* Arms a parked connection again; from here on it belongs to the poller's owner. */
int poller_rearm_parked(struct poller *p, struct watch *w) DHT_MUST_CHECK;

/* Takes a descriptor out, which stays open. */
void poller_remove(struct poller *p, struct watch *w);

/* Waits up to timeout_ns (UINT64_MAX: for ever) and fills events; data.ptr is the
 * watch. Returns their number, 0 after the timeout or a signal. */
int poller_wait(struct poller *p, struct epoll_event *events, int max, uint64_t timeout_ns);

#endif
