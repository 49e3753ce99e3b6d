/* SPDX-License-Identifier: Apache-2.0
 *
 * server/notify - readiness, status text and watchdog towards systemd (libsystemd;
 * outside of systemd every call does nothing).
 *
 * Thread  the main thread.
 */
#ifndef DHT_SERVER_NOTIFY_H
#define DHT_SERVER_NOTIFY_H

#include <stdint.h>

#include "base/assert.h"

/* Returns the watchdog's interval, 0 if there is none. */
uint64_t notify_watchdog_ns(void);

void notify_ready(const char *status);
void notify_status(const char *status);

/* The start goes on: shows how far it is and asks for more time. */
void notify_starting(const char *status);

void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void);

#endif
