/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/slowlog - the latest requests that took long.
 *
 * Why     Which requests are slow, and whose, is the first question about a node that
 *         answers late. One log for all workers: it is written rarely.
 * Owns    Its entries, with shortened copies of their arguments.
 * Thread  any; init, fini: set-up.
 * Errors  Without memory a request is not noted.
 */
#ifndef DHT_RESP_SLOWLOG_H
#define DHT_RESP_SLOWLOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"

struct resp_call;
struct resp_out;

enum {
	RESP_SLOW_ARGS = 32,       /* arguments of a request that are noted */
	RESP_SLOW_ARG_BYTES = 128, /* of each */
};

struct resp_slowlog {
	_Atomic uint64_t takes_ns; /* requests that took as long are noted */
	pthread_mutex_t lock;      /* of the rest */
	uint64_t after_ns;         /* clients.slow_after */
	uint64_t max;              /* clients.slow_max: entries */
	struct list entries;       /* oldest first */
	uint64_t count, next_id;
};

/* Makes an empty log that takes nothing before its settings are known. */
void resp_slowlog_init(struct resp_slowlog *log);
void resp_slowlog_fini(struct resp_slowlog *log);

/* Takes over clients.slow_after and clients.slow_max; drops what is too much. */
void resp_slowlog_set(struct resp_slowlog *log, uint64_t after_ns, uint64_t max);

/* clients.slow_after in microseconds. */
uint64_t resp_slowlog_after_us(struct resp_slowlog *log);

/* True for a request that took so long that it is to be noted. */
static inline bool resp_slowlog_takes(const struct resp_slowlog *log, uint64_t ns)
{
	return ns >= atomic_load_explicit(&log->takes_ns, memory_order_relaxed);
}

/* Notes a request. */
void resp_slowlog_add(struct resp_slowlog *log, const struct resp_call *call, uint64_t ns);

uint64_t resp_slowlog_count(struct resp_slowlog *log);
void resp_slowlog_clear(struct resp_slowlog *log);

/* Writes the latest entries, at most max of them, newest first, as SLOWLOG GET does. */
void resp_slowlog_write(struct resp_slowlog *log, uint64_t max, struct resp_out *out);

#endif
