/* SPDX-License-Identifier: Apache-2.0 */
#include "server/notify.h"

#include <systemd/sd-daemon.h>

#include "io/clock.h"

#define START_EXTENSION_NS (30 * NS_PER_S)

uint64_t notify_watchdog_ns(void)
{
	uint64_t interval_us = 0;
	return sd_watchdog_enabled(0, &interval_us) > 0 ? interval_us * NS_PER_US : 0;
}

void notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

void notify_starting(const char *status)
{
	sd_notifyf(0, "STATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", status,
		   (unsigned long long)(START_EXTENSION_NS / NS_PER_US));
}

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(clock_monotonic_ns() / NS_PER_US));
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=answering what has arrived, then stopping");
}

void notify_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}
