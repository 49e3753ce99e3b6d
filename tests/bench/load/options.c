/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *const protocol_names[] = {
    [LOAD_RESP] = "resp",
    [LOAD_MEMCACHED] = "memcached",
};

static const char *const command_names[] = {
    [LOAD_PING] = "ping",
    [LOAD_ECHO] = "echo",
    [LOAD_GET] = "get",
    [LOAD_SET] = "set",
};

static const char usage[] =
    "usage: bench_load [OPTION]...\n"
    "Loads a server and reports its rate, latency and CPU time per request.\n"
    "\n"
    "  --host HOST          where the server listens (127.0.0.1)\n"
    "  --port PORT          (7401); may be repeated: connections take turns at several\n"
    "  --protocol NAME      resp or memcached (resp)\n"
    "  --command NAME       ping, echo, get or set; memcached: get or set (ping)\n"
    "  --connections N      (1)\n"
    "  --pipeline N         requests in flight on a connection (1)\n"
    "  --threads N          threads that generate the load (1)\n"
    "  --keys N             keys to choose from, all equally likely (100000)\n"
    "  --value-size BYTES   (100)\n"
    "  --prepared N         choose and write N requests for each connection beforehand, and\n"
    "                       send them again and again; 0: each is written before it is\n"
    "                       sent (0)\n"
    "  --fill               store every key once before anything else\n"
    "  --warmup SECONDS     run this long before measuring (0.5)\n"
    "  --duration SECONDS   measure for this long (5)\n"
    "  --requests N         measure this many requests instead\n"
    "  --every-key          measure one request for each key, in order, instead\n"
    "  --rate N             open loop: requests a second, sent when due whatever the\n"
    "                       server does; latency counts from the time it was due\n"
    "  --timeout SECONDS    give up when nothing has arrived for this long (10)\n"
    "  --server-pid PID     report the CPU time of this process per request; may be repeated\n"
    "  --seed N             of the choice of keys (1)\n"
    "  --trace FILE         write two 64-bit numbers for each reply that was measured:\n"
    "                       when its latency began (CLOCK_MONOTONIC) and the latency, in ns\n"
    "  --json               print one JSON object instead of one line of text\n"
    "  --help\n"
    "\n"
    "Closed loop (without --rate): a connection sends its whole pipeline, waits for\n"
    "all replies, and sends the next. Every reply is compared byte by byte.\n"
    "SIGINT ends the measurement early, with what was due by then.\n"
    "Exits with 1 when a reply was wrong or missing, 2 on a wrong command line.\n";

static _Noreturn void DHT_PRINTF(1, 2) wrong_usage(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("bench_load: ", stderr);
	vfprintf(stderr, fmt, args);
	fputs("\nbench_load --help explains the options\n", stderr);
	va_end(args);
	exit(2);
}

const char *load_protocol_name(enum load_protocol protocol)
{
	return protocol_names[protocol];
}

const char *load_command_name(enum load_command command)
{
	return command_names[command];
}

unsigned load_ring_slots(const struct load_options *o)
{
	return o->prepared > o->pipeline ? o->prepared : o->pipeline;
}

static uint64_t parse_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	/* strtoull takes a sign and leading blanks; a number here is digits alone. */
	if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number < min ||
	    number > max)
		wrong_usage("--%s: %s is not a number from %llu to %llu", option, text,
			    (unsigned long long)min, (unsigned long long)max);
	return number;
}

static uint64_t parse_seconds(const char *option, const char *text, double min)
{
	const double max = 86400;
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(seconds) || seconds < min || seconds > max)
		wrong_usage("--%s: %s is not a number of seconds from %g to %g", option, text, min,
			    max);
	return (uint64_t)(seconds * 1e9);
}

static unsigned parse_name(const char *option, const char *text, const char *const *names,
			   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0)
			return (unsigned)i;
	}
	wrong_usage("--%s: there is no %s", option, text);
}

static void check(const struct load_options *o)
{
	if (o->protocol == LOAD_MEMCACHED && o->command != LOAD_GET && o->command != LOAD_SET)
		wrong_usage("memcached knows get and set only");
	if (o->threads > o->connections)
		wrong_usage("more threads (%u) than connections (%u)", o->threads, o->connections);
	if (o->every_key && o->requests != 0)
		wrong_usage("--every-key says how many requests there are");
	if (o->prepared != 0 && o->prepared < o->pipeline)
		wrong_usage("fewer requests prepared (%u) than in flight (%u)", o->prepared,
			    o->pipeline);
	if (o->prepared != 0 && o->every_key)
		wrong_usage("--every-key makes its requests as it sends them");
	if ((o->value_size_bytes + 128) * load_ring_slots(o) > LOAD_RING_MAX)
		wrong_usage("%u values of %zu bytes are more than a connection may hold",
			    load_ring_slots(o), o->value_size_bytes);
}

/* One row an option: how it is written, and what reads its argument. */
#define NUMBERS(X)                                                                                 \
	X(connections, "connections", 1, LOAD_CONNECTIONS_MAX)                                     \
	X(pipeline, "pipeline", 1, LOAD_PIPELINE_MAX)                                              \
	X(prepared, "prepared", 0, LOAD_PREPARED_MAX)                                              \
	X(threads, "threads", 1, LOAD_THREADS_MAX)                                                 \
	X(keys, "keys", 1, 999999999999)                                                           \
	X(value_size_bytes, "value-size", 0, LOAD_VALUE_MAX)                                       \
	X(requests, "requests", 1, 1000000000000)                                                  \
	X(rate, "rate", 1, 100000000)                                                              \
	X(seed, "seed", 0, UINT64_MAX)
#define SECONDS(X)                                                                                 \
	X(warmup_ns, "warmup", 0)                                                                  \
	X(duration_ns, "duration", 0.001)                                                          \
	X(timeout_ns, "timeout", 0.1)

enum option_code {
	OPTION_HOST = 1,
	OPTION_PORT,
	OPTION_SERVER_PID,
	OPTION_PROTOCOL,
	OPTION_COMMAND,
	OPTION_FILL,
	OPTION_EVERY_KEY,
	OPTION_TRACE,
	OPTION_JSON,
	OPTION_HELP,
#define X(field, ...) OPTION_##field,
	NUMBERS(X) SECONDS(X)
#undef X
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPTION_HOST},
    {"port", required_argument, NULL, OPTION_PORT},
    {"server-pid", required_argument, NULL, OPTION_SERVER_PID},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"command", required_argument, NULL, OPTION_COMMAND},
    {"fill", no_argument, NULL, OPTION_FILL},
    {"every-key", no_argument, NULL, OPTION_EVERY_KEY},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
#define X(field, name, ...) {name, required_argument, NULL, OPTION_##field},
    NUMBERS(X) SECONDS(X)
#undef X
	{NULL, 0, NULL, 0},
};

/* The place of one more of an option that may be repeated. */
static unsigned next_server(const char *option, unsigned *count)
{
	if (*count == LOAD_SERVERS_MAX)
		wrong_usage("--%s: at most %d", option, LOAD_SERVERS_MAX);
	return (*count)++;
}

static void take_option(struct load_options *o, int code)
{
	switch (code) {
	case OPTION_HOST:
		o->host = optarg;
		break;
	case OPTION_PORT:
		parse_number("port", optarg, 1, 65535);
		o->ports[next_server("port", &o->port_count)] = optarg;
		break;
	case OPTION_SERVER_PID:
		o->server_pids[next_server("server-pid", &o->server_pid_count)] =
		    (pid_t)parse_number("server-pid", optarg, 1, INT32_MAX);
		break;
	case OPTION_PROTOCOL:
		o->protocol =
		    parse_name("protocol", optarg, protocol_names, DHT_ARRAY_LEN(protocol_names));
		break;
	case OPTION_COMMAND:
		o->command =
		    parse_name("command", optarg, command_names, DHT_ARRAY_LEN(command_names));
		break;
	case OPTION_FILL:
		o->fill = true;
		break;
	case OPTION_EVERY_KEY:
		o->every_key = true;
		break;
	case OPTION_TRACE:
		o->trace = optarg;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case OPTION_HELP:
		fputs(usage, stdout);
		exit(0);
#define X(field, name, min, max)                                                                   \
	case OPTION_##field:                                                                       \
		o->field = (__typeof__(o->field))parse_number(name, optarg, min, max);             \
		break;
		NUMBERS(X)
#undef X
#define X(field, name, min)                                                                        \
	case OPTION_##field:                                                                       \
		o->field = parse_seconds(name, optarg, min);                                       \
		break;
		SECONDS(X)
#undef X
	default:
		exit(2); /* getopt_long has said why */
	}
}

void load_options_parse(struct load_options *o, int argc, char **argv)
{
	*o = (struct load_options){
	    .protocol = LOAD_RESP,
	    .command = LOAD_PING,
	    .host = "127.0.0.1",
	    .connections = 1,
	    .pipeline = 1,
	    .threads = 1,
	    .keys = 100000,
	    .value_size_bytes = 100,
	    .duration_ns = 5000000000,
	    .warmup_ns = 500000000,
	    .timeout_ns = 10000000000,
	    .seed = 1,
	};
	for (;;) {
		int code = getopt_long(argc, argv, "", long_options, NULL);
		if (code == -1)
			break;
		take_option(o, code);
	}
	if (optind < argc)
		wrong_usage("%s: no such argument", argv[optind]);
	if (o->port_count == 0)
		o->ports[o->port_count++] = "7401";
	check(o);
}
