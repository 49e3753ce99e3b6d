/* SPDX-License-Identifier: Apache-2.0 */
#include "io/wake.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

int wake_open(struct wake *w, struct poller *p, uint32_t kind)
{
	w->watch = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .kind = kind};
	if (w->watch.fd < 0)
		return dht_error_from_errno(errno);
	int rc = poller_add(p, &w->watch, EPOLLIN | EPOLLET);
	if (rc != 0)
		wake_close(w);
	return rc;
}

void wake_close(struct wake *w)
{
	if (w->watch.fd >= 0)
		close(w->watch.fd);
	w->watch.fd = -1;
}

void wake_signal(struct wake *w)
{
	/* EAGAIN would need 2^64 - 2 unread signals. */
	ssize_t n = write(w->watch.fd, &(uint64_t){1}, sizeof(uint64_t));
	DHT_ASSERT(n == sizeof(uint64_t));
}
