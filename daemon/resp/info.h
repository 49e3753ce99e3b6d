/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/info - the sections of INFO.
 *
 * Why     Monitoring reads them by their names in Redis, so a field that stands for nothing
 *         here and that tools insist on is there with the value that says so.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_INFO_H
#define DHT_RESP_INFO_H

#include "resp/text.h"

/* What several sections read. */
struct resp_info {
	struct resp_call *call;
	const struct resp_node *node;
	struct resp_text *text;
	struct store_counts store;
	struct resp_stats_total total;
};

/* X(name, its head, whether INFO without arguments has it): in the order of the reply */
#define RESP_INFO_SECTIONS(X)                                                                      \
	X(server, "Server", true)                                                                  \
	X(clients, "Clients", true)                                                                \
	X(memory, "Memory", true)                                                                  \
	X(persistence, "Persistence", true)                                                        \
	X(stats, "Stats", true)                                                                    \
	X(replication, "Replication", true)                                                        \
	X(cpu, "CPU", true)                                                                        \
	X(commandstats, "Commandstats", false)                                                     \
	X(errorstats, "Errorstats", true)                                                          \
	X(latencystats, "Latencystats", false)                                                     \
	X(cluster, "Cluster", true)                                                                \
	X(keyspace, "Keyspace", true)                                                              \
	X(store, "Store", true)

#define X(name, head, is_default) void resp_info_##name(struct resp_info *info);
RESP_INFO_SECTIONS(X)
#undef X

#endif
