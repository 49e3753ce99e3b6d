/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/run - dhtctl from its arguments to its exit code.
 *
 * Why     All of main() that can be tested.
 * Owns    The process: signals, standard input and output.
 * Thread  the main thread; once per process.
 */
#ifndef DHT_CLI_RUN_H
#define DHT_CLI_RUN_H

/* Runs dhtctl and returns its exit code; standard output is closed then. */
int cli_run(int argc, char **argv);

#endif
