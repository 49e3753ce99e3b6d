/* SPDX-License-Identifier: Apache-2.0
 *
 * server/watch - what is registered with the dispatcher's poller.
 *
 * Thread  any.
 */
#ifndef DHT_SERVER_WATCH_H
#define DHT_SERVER_WATCH_H

enum watch_kind {
	WATCH_WAKE,
	WATCH_SIGNAL,
	WATCH_TIMER,
	WATCH_CLIENT_LISTENER,
	WATCH_ADMIN_LISTENER,
	WATCH_CLIENT, /* parked sessions */
	WATCH_DATA,   /* those of links for data, too */
	WATCH_ADMIN,
	WATCH_PEER_LISTENER, /* the control plane's, as those that follow */
	WATCH_CONTROL_LINK,
	WATCH_CONTROL_TIMER,
};

#endif
