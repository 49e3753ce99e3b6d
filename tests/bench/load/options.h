/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/load/options - what the load generator was asked to do.
 *
 * Owns    Nothing: strings point into argv.
 * Errors  A wrong command line ends the program with exit code 2 and a message.
 */
#ifndef DHT_BENCH_LOAD_OPTIONS_H
#define DHT_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum load_protocol { LOAD_RESP, LOAD_MEMCACHED };
enum load_command { LOAD_PING, LOAD_ECHO, LOAD_GET, LOAD_SET };

enum {
	LOAD_CONNECTIONS_MAX = 65536,
	LOAD_PIPELINE_MAX = 4096,
	LOAD_PREPARED_MAX = 1 << 20,
	LOAD_THREADS_MAX = 64,
	LOAD_SERVERS_MAX = 16,
	LOAD_VALUE_MAX = 16 * 1024 * 1024,
	/* Bytes of requests that one connection may hold: in flight, or prepared. */
	LOAD_RING_MAX = 64 * 1024 * 1024,
};

struct load_options {
	enum load_protocol protocol;
	enum load_command command;
	const char *host;
	const char *ports[LOAD_SERVERS_MAX]; /* connections take turns at them */
	unsigned port_count;
	unsigned connections;
	unsigned pipeline; /* requests in flight on one connection, at most */
	unsigned prepared; /* requests a connection has ready and repeats; 0: made as sent */
	unsigned threads;
	uint64_t keys;
	size_t value_size_bytes;
	uint64_t requests; /* of the measured phase; 0: as many as fit in duration_ns */
	uint64_t duration_ns;
	uint64_t warmup_ns; /* 0: none */
	uint64_t rate;      /* requests a second over all connections; 0: closed loop */
	uint64_t timeout_ns;
	uint64_t seed;
	/* Those whose CPU time is measured; none: it is not. */
	pid_t server_pids[LOAD_SERVERS_MAX];
	unsigned server_pid_count;
	bool fill;         /* store every key once before anything else */
	bool every_key;    /* measure one request for each key, in order */
	const char *trace; /* file for the times of every measured request; NULL: none */
	bool json;
};

/* Reads the command line into *o; --help prints the usage and exits with 0. */
void load_options_parse(struct load_options *o, int argc, char **argv);

/* Requests that a connection holds at a time: those in flight, or those prepared. */
unsigned load_ring_slots(const struct load_options *o);

/* The word with which the command line and the report name a protocol or command. */
const char *load_protocol_name(enum load_protocol protocol);
const char *load_command_name(enum load_command command);

#endif
