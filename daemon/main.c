/* SPDX-License-Identifier: Apache-2.0
 *
 * dhtd - options and configuration; server/server.h does the rest.
 */
#include <errno.h>
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
#include "server/usage.h"

enum { SETS_MAX = 256 };

struct options {
	const char *path;
	const char *sets[SETS_MAX];
	size_t set_count;
	bool check_config;
	bool check_store;
	bool accepts_loss;
};

/* Text that was asked for counts only when it was written. */
static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "dhtd: cannot write to standard output: %s\n", strerror(errno));
	return USAGE_EXIT_FAILED;
}

/* Returns -1 to go on, or the exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
	int code;
	while ((code = usage_next_option(argc, argv)) != -1) {
		switch (code) {
		case USAGE_CONFIG:
			options->path = optarg;
			break;
		case USAGE_SET:
			if (options->set_count == SETS_MAX) {
				fprintf(stderr, "dhtd: more than %d --set options\n", SETS_MAX);
				return USAGE_EXIT_CONF;
			}
			options->sets[options->set_count++] = optarg;
			break;
		case USAGE_CHECK_CONFIG:
			options->check_config = true;
			break;
		case USAGE_CHECK_STORE:
			options->check_store = true;
			break;
		case USAGE_ACCEPT_LOSS:
			options->accepts_loss = true;
			break;
		case USAGE_PRINT_DEFAULTS:
			conf_print_defaults(stdout);
			return finish_output();
		case USAGE_VERSION:
			printf("dhtd %s\n", DHT_VERSION);
			return finish_output();
		case USAGE_HELP:
			usage_print(stdout);
			return finish_output();
		default:
			fputs("Try dhtd --help.\n", stderr);
			return USAGE_EXIT_CONF;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "dhtd: unexpected argument %s; try dhtd --help\n", argv[optind]);
		return USAGE_EXIT_CONF;
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
		return USAGE_EXIT_CONF;
	}
	if (options.check_store) {
		code = check_store(conf.node_data_dir);
		conf_fini(&conf);
		return finish_output() == 0 ? code : USAGE_EXIT_FAILED;
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
	    .accepts_loss = options.accepts_loss,
	};
	logsink_install(conf.node_name);
	return server_run(&conf, &source);
}
