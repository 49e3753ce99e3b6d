/* SPDX-License-Identifier: Apache-2.0
 *
 * dhtd - options and configuration; server/server.h does the rest.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/conf.h"
#include "server/check.h"
#include "server/logsink.h"
#include "server/server.h"

enum { EXIT_CONF = 2, SETS_MAX = 256 };

struct options {
	const char *path;
	const char *sets[SETS_MAX];
	size_t set_count;
	bool check_config;
	bool check_store;
};

static const char help[] =
    "usage: dhtd [-c FILE] [--set KEY=VALUE]... [--check-config | --check-store]\n"
    "       dhtd --print-defaults | --version | --help\n"
    "\n"
    "The dhtd daemon: one node of a replicated, durable hash table. Runs in the\n"
    "foreground and logs to standard error; dhtctl talks to it.\n"
    "\n"
    "  -c, --config FILE   read FILE (default: " CONF_DEFAULT_FILE ", if it exists)\n"
    "      --set KEY=VALUE override a setting, for example\n"
    "                      --set listen.client=127.0.0.1:7001; lists are comma-separated\n"
    "      --check-config  check the configuration and exit: 0 good, 2 bad\n"
    "      --check-store   verify every file of the data directory, which no dhtd uses, and\n"
    "                      exit: 0 no damage, 1 damage or failure\n"
    "      --print-defaults\n"
    "                      print every setting with its default as a commented file\n"
    "      --version       print the version\n"
    "      --help          print this\n"
    "\n"
    "Signals: SIGTERM and SIGINT stop cleanly within 5 s, SIGHUP reloads the configuration.\n"
    "Exit codes: 0 stopped cleanly, 1 failed (the log says why), 2 usage or configuration.\n";

enum option_code {
	OPTION_SET = 256,
	OPTION_CHECK,
	OPTION_CHECK_STORE,
	OPTION_DEFAULTS,
	OPTION_VERSION,
	OPTION_HELP
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, OPTION_SET},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"check-store", no_argument, NULL, OPTION_CHECK_STORE},
    {"print-defaults", no_argument, NULL, OPTION_DEFAULTS},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

/* Text that was asked for counts only when it was written. */
static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "dhtd: cannot write to standard output: %s\n", strerror(errno));
	return 1;
}

/* Returns -1 to go on, or the exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
	int code;
	while ((code = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		switch (code) {
		case 'c':
			options->path = optarg;
			break;
		case OPTION_SET:
			if (options->set_count == SETS_MAX) {
				fprintf(stderr, "dhtd: more than %d --set options\n", SETS_MAX);
				return EXIT_CONF;
			}
			options->sets[options->set_count++] = optarg;
			break;
		case OPTION_CHECK:
			options->check_config = true;
			break;
		case OPTION_CHECK_STORE:
			options->check_store = true;
			break;
		case OPTION_DEFAULTS:
			conf_print_defaults(stdout);
			return finish_output();
		case OPTION_VERSION:
			printf("dhtd %s\n", DHT_VERSION);
			return finish_output();
		case OPTION_HELP:
			fputs(help, stdout);
			return finish_output();
		default:
			fputs("Try dhtd --help.\n", stderr);
			return EXIT_CONF;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "dhtd: unexpected argument %s; try dhtd --help\n", argv[optind]);
		return EXIT_CONF;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int code = parse_options(argc, argv, &options);
	if (code >= 0)
		return code;
	if (options.path == NULL && access(CONF_DEFAULT_FILE, F_OK) == 0)
		options.path = CONF_DEFAULT_FILE;

	char host_name[HOST_NAME_MAX + 1] = "localhost";
	gethostname(host_name, sizeof(host_name) - 1);
	struct conf conf;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	int rc = conf_init_defaults(&conf, host_name);
	if (rc == 0)
		rc =
		    conf_load_file(&conf, options.path, options.sets, options.set_count, &problems);
	if (rc != 0) {
		conf_problems_print(&problems, stderr);
		if (problems.count == 0)
			fprintf(stderr, "dhtd: %s: %s\n",
				options.path != NULL ? options.path : "configuration",
				rc == DHT_EIO ? strerror(errno) : dht_error_text(rc));
		conf_problems_fini(&problems);
		conf_fini(&conf);
		return EXIT_CONF;
	}
	if (options.check_store) {
		code = check_store(conf.node_data_dir);
		conf_fini(&conf);
		return finish_output() == 0 ? code : 1;
	}
	if (options.check_config) {
		conf_fini(&conf);
		return 0;
	}
	struct server_source source = {
	    .path = options.path,
	    .sets = options.sets,
	    .set_count = options.set_count,
	    .host_name = host_name,
	};
	logsink_install(conf.node_name);
	return server_run(&conf, &source);
}
