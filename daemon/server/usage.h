/* SPDX-License-Identifier: Apache-2.0
 *
 * server/usage - what dhtd takes on its command line, and how it answers.
 *
 * Why     Options, signals and exit codes are one table each: the parser of options, --help
 *         and the manual are made from them.
 * Owns    Nothing.
 * Thread  the main thread.
 */
#ifndef DHT_SERVER_USAGE_H
#define DHT_SERVER_USAGE_H

#include <getopt.h>
#include <stdio.h>

#include "conf/conf.h"

#define USAGE_SUMMARY "one node of a replicated, durable hash table"

/* X("what may stand behind the name"): the ways to call it. */
#define USAGE_FORMS(X)                                                                             \
	X("[-c FILE] [--set KEY=VALUE]... [--check-config | --check-store | --accept-loss]")       \
	X("--print-defaults | --version | --help")

/* X(ID, 'letter' or 0, "name", "what the help calls its value" or NULL, "text") */
#define USAGE_OPTIONS(X)                                                                           \
	X(CONFIG, 'c', "config", "FILE",                                                           \
	  "read FILE (default: " CONF_DEFAULT_FILE ", if it exists)")                              \
	X(SET, 0, "set", "KEY=VALUE",                                                              \
	  "override a setting, for example --set listen.client=127.0.0.1:7001; the elements of "   \
	  "a list are separated by commas")                                                        \
	X(CHECK_CONFIG, 0, "check-config", NULL,                                                   \
	  "check the configuration and exit: 0 good, 2 bad")                                       \
	X(CHECK_STORE, 0, "check-store", NULL,                                                     \
	  "verify every file of the data directory, which no dhtd uses, and exit: 0 no damage, "   \
	  "1 damage or failure")                                                                   \
	X(ACCEPT_LOSS, 0, "accept-loss", NULL,                                                     \
	  "start although the machine stopped while store.fsync was not always, and this node is " \
	  "one of several: the cluster may lose acknowledged writes")                              \
	X(PRINT_DEFAULTS, 0, "print-defaults", NULL,                                               \
	  "print every setting with its default, as a commented file, and exit")                   \
	X(VERSION, 0, "version", NULL, "print the version and exit")                               \
	X(HELP, 0, "help", NULL, "print a summary of this and exit")

/* X(NAME, "what dhtd does then") */
#define USAGE_SIGNALS(X)                                                                           \
	X(SIGTERM, "stop cleanly within 5 s")                                                      \
	X(SIGINT, "the same")                                                                      \
	X(SIGHUP, "reload the configuration")

/* X(NAME, code, "when") */
#define USAGE_EXITS(X)                                                                             \
	X(STOPPED, 0, "stopped cleanly, or what was asked for is done")                            \
	X(FAILED, 1, "failed: the log says why")                                                   \
	X(CONF, 2, "wrong usage, or a bad configuration")

enum usage_exit {
#define X(name, code, text) USAGE_EXIT_##name = (code),
	USAGE_EXITS(X)
#undef X
};

/* What getopt_long returns for each option. */
enum usage_option {
	USAGE_FIRST = 256, /* beyond all letters */
#define X(id, letter, name, value, text) USAGE_##id,
	USAGE_OPTIONS(X)
#undef X
};

extern const struct option usage_long_options[];

/* As getopt_long, with a letter turned into what its long name gives. */
int usage_next_option(int argc, char **argv);

/* Prints the page of --help. */
void usage_print(FILE *out);

#endif
