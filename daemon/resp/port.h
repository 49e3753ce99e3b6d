/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/port - the client port: its protocol together with what the commands about the
 * node read of the daemon.
 *
 * Thread  set up by the server before there are workers; any afterwards.
 */
#ifndef DHT_RESP_PORT_H
#define DHT_RESP_PORT_H

#include "conf/conf.h"
#include "resp/stats.h"
#include "worker/session.h"

/* What HELLO and INFO say; clients derive from it what they may send. */
#define RESP_REDIS_VERSION "7.2.4"

enum {
	RESP_ID_SIZE = 41, /* 40 hexadecimal digits and a NUL */
};

/* What the server counts of the port's connections, since the start. */
struct resp_accepted {
	uint64_t accepted, refused;
};

/* What the server tells of the node. */
struct resp_node {
	const char *version; /* of dhtd */
	const char *name;
	char id[RESP_ID_SIZE]; /* 32 digits of its own, and zeros */
	char run_id[RESP_ID_SIZE];
	char *executable;  /* path; empty if it is not known */
	char *config_file; /* absolute path; empty: none */
	uint64_t started_ns;
	uint64_t started_unix_s;
	const struct conf *conf; /* settings that take a restart; the others: `setting` */
	const struct worker *workers;
	unsigned worker_count;
	bool is_advertised; /* its addresses in the map are those that it was told to give out */
	void *ctx;
	/* Returns the value of a setting, any of them, for the caller to free; NULL: no memory. */
	char *(*setting)(void *ctx, const struct conf_item *item);
	struct resp_accepted (*accepted)(void *ctx);
};

struct resp_port {
	struct protocol protocol; /* first: a session points to it */
	struct resp_stats_shared stats;
	struct resp_node node; /* the server's; filled in before the first session */
	/* Where the connections were counted at the last CONFIG RESETSTAT. */
	_Atomic uint64_t accepted_before, refused_before;
	_Atomic bool redirects;        /* clients.redirect is moved */
	_Atomic uint64_t http_told_ns; /* when the log last told of HTTP; 0: never */
	/* Requests a second, as of the last look of resp_port_sample. */
	_Atomic uint64_t requests_per_s;
	uint64_t sampled_ns, sampled_calls; /* the sampler's */
};

void resp_port_init(struct resp_port *port);
void resp_port_fini(struct resp_port *port);

/* To be called about once a second, by one thread. */
void resp_port_sample(struct resp_port *port, uint64_t now_ns);

/* Adds up what the workers have counted. */
struct resp_stats_total resp_port_total(const struct resp_port *port);

/* The same of one command. */
struct resp_stats_sum resp_port_sum(const struct resp_port *port,
				    const struct resp_command *command);

/* Adds up a command's times of all workers. False: it was never called. */
bool resp_port_times(const struct resp_port *port, const struct resp_command *command,
		     struct histogram *times);

/* The counters of worker i of port->node.worker_count. */
const struct resp_stats *resp_port_stats(const struct resp_port *port, unsigned i);

static inline struct resp_port *resp_port_of(const struct session *s)
{
	return DHT_CONTAINER_OF(s->protocol, struct resp_port, protocol);
}

#endif
