/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/exit - the exit codes of dhtctl.
 *
 * Why     Scripts branch on them: they are part of the interface and never change.
 *         Those that stand for an answer of the daemon agree with the exit code
 *         column of base/error.h (a test compares them).
 */
#ifndef DHT_CLI_EXIT_H
#define DHT_CLI_EXIT_H

/* X(NAME, code, what the help page says about it) */
#define CLI_EXITS(X)                                                                               \
	X(OK, 0, "done")                                                                           \
	X(FAILED, 1, "failed")                                                                     \
	X(USAGE, 2, "wrong usage, or an argument was refused")                                     \
	X(NOT_FOUND, 3, "key not found")                                                           \
	X(UNREACHABLE, 4, "daemon not reachable")                                                  \
	X(PRECONDITION, 5, "precondition failed (cas, put --if-...)")                              \
	X(UNCERTAIN, 6, "outcome unknown: the change may or may not have been made")               \
	X(NO_QUORUM, 7, "no quorum")                                                               \
	X(DENIED, 8, "permission denied")                                                          \
	X(UNSAFE, 9, "refused as unsafe")                                                          \
	X(DEGRADED, 10, "health: degraded")                                                        \
	X(UNAVAILABLE, 11, "health: unavailable")                                                  \
	X(INTERRUPTED, 130, "interrupted (SIGINT)")

enum cli_exit {
#define X(name, code, text) CLI_EXIT_##name = (code),
	CLI_EXITS(X)
#undef X
};

#endif
