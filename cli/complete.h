/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/complete - what may stand in the place of a word, for the completion of shells.
 *
 * Why     The scripts of bash, zsh and fish (packaging/completion) only pass on what is typed
 *         and what comes back, so that they know no command. Commands, options and actions
 *         come from the tables; names of nodes, zones, jobs and settings from the daemon
 *         whose socket is on the line, or is the default.
 * Owns    Nothing.
 * Thread  the main thread.
 * Errors  none: nobody reads them. A daemon that is silent or not there adds nothing.
 */
#ifndef DHT_CLI_COMPLETE_H
#define DHT_CLI_COMPLETE_H

/* What stands in the place of a command: dhtctl --complete WORD... */
#define CLI_COMPLETE_OPTION "--complete"

/* words: what was typed behind dhtctl; the last one, up to the cursor, is to be completed.
 * Prints a line "WORD\tDESCRIPTION" for each that it can become, and "\tfiles" where names of
 * files may stand. Returns CLI_EXIT_OK. */
int cli_complete(int count, char **words);

#endif
