/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/conf - the configuration: one schema table (conf/schema.def) gives the
 * struct, the parser, the checks, the defaults and the documentation.
 *
 * Why     A setting is one row. Whatever a person reads or types about it (YAML,
 *         --set, --print-defaults, dhtctl config, README, etc/dhtd.yaml) is made
 *         from that row.
 * Owns    struct conf owns its strings and lists; conf_fini frees them.
 * Thread  A struct conf belongs to one thread; conf_items is constant.
 * Errors  All problems of a source are collected in struct conf_problems, one line
 *         each; functions then return DHT_ECONF. DHT_EIO: the file cannot be read.
 */
#ifndef DHT_CONF_CONF_H
#define DHT_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"

enum {
	CONF_FILE_MAX = 1024 * 1024, /* bytes of a configuration file */
	CONF_LIST_MAX = 64,          /* elements of a list setting */
	CONF_PROBLEMS_MAX = 100,     /* further ones are counted, not kept */
};

#define CONF_DEFAULT_FILE "/etc/dhtd/dhtd.yaml"

/* `host:port` or `[v6]:port`, checked; text is as it was written. */
struct conf_addr {
	char *text;
	char *host; /* without brackets */
	uint16_t port;
};

struct conf_addr_list {
	struct conf_addr *items;
	size_t count;
};

/* One field a row of the schema: section_name, with the unit as the last word. */
struct conf {
	char *node_name;
	char *node_data_dir;
	char *node_zone;
	uint64_t node_weight;
	char *cluster_name;
	struct conf_addr_list listen_client;
	struct conf_addr_list listen_peer;
	char *listen_admin;
	struct conf_addr_list advertise_client; /* empty: the listen addresses */
	struct conf_addr_list advertise_peer;
	uint64_t workers_count; /* 0: auto */
	uint64_t workers_park_after_ms;
	uint64_t workers_queue_max;
	uint64_t store_segment_size_bytes;
	uint64_t store_max_value_size_bytes;
	uint64_t clients_max;
	uint64_t clients_output_max_bytes;
	enum log_level log_level;
};

#endif
