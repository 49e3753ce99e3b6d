/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/event - what is to happen, in the order of simulated time.
 *
 * Why     A run is single-threaded and knows no other clock: time is that of the event
 *         taken last. Events of the same time come in the order in which they were added.
 * Owns    Its slots; what an event points to is owned elsewhere.
 * Thread  one owner.
 */
#ifndef DHT_SIM_EVENT_H
#define DHT_SIM_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/effects.h"

enum { EVENTS_MAX = 32768 };

struct parcel;
struct work;

/* Those marked * are of a host in its incarnation, and nothing once that has ended. */
enum event_kind {
	EVENT_MESSAGE,    /* parcel: arrives at host */
	EVENT_PEER_LOST,  /* detail: the peer * */
	EVENT_NOT_SENT,   /* timer: block and tag of a FORWARD that has not left * */
	EVENT_TIMER,      /* timer * */
	EVENT_WRITE,      /* the committer begins * */
	EVENT_SYNC,       /* the disk is done * */
	EVENT_FETCHED,    /* work: a cold record has been read * */
	EVENT_MAP,        /* detail: the epoch that has been fetched * */
	EVENT_ADOPT,      /* a map goes on to be adopted * */
	EVENT_HOUSEKEEP,  /* of the store * */
	EVENT_START,      /* of a host that is down * */
	EVENT_CLIENT,     /* host: the client, that may begin an operation */
	EVENT_IMPATIENCE, /* host: the client; detail: its request */
	EVENT_BACKGROUND, /* detail: row of the table of background activity */
};

struct event {
	uint64_t at_us;
	uint32_t order;
	uint32_t detail;
	uint8_t kind, host;
	uint32_t incarnation;
	union {
		struct parcel *parcel;
		struct work *work;
		struct node_timer timer;
	};
};

struct events {
	uint32_t count, order;
	struct event heap[EVENTS_MAX];
};

void events_init(struct events *e);

/* Adds an event; its order is set here. */
void events_push(struct events *e, struct event event);

/* Takes the next event. False: there is none. */
bool events_pop(struct events *e, struct event *event);

#endif
