/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/event - what is to happen, in the order of simulated time.
 *
 * Why     A run is single-threaded and knows no other clock: time is that of the event
 *         taken last. Events of the same time come in the order in which they were added.
 * Owns    Its slots.
 * Thread  one owner.
 */
#ifndef DHT_SIM_EVENT_H
#define DHT_SIM_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum { EVENTS_MAX = 16384 };

enum event_kind {
	EVENT_MESSAGE,    /* detail: index of the message */
	EVENT_SYNCED,     /* of node; detail: its incarnation */
	EVENT_ROUND,      /* of node and key; detail: generation of the operation */
	EVENT_CLIENT,     /* node: the client, that may begin an operation */
	EVENT_IMPATIENCE, /* node: the client; detail: index in the history */
	EVENT_START,      /* of node, that was down; detail: its incarnation */
	EVENT_BACKGROUND, /* detail: row of the table of background activity */
};

struct event {
	uint64_t at_us;
	uint32_t order;
	uint32_t detail;
	uint8_t kind, node, key;
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
