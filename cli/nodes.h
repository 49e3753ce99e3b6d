/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/nodes - the members of a cluster as a table and as JSON: cmd_status.c has the code.
 *
 * Thread  the main thread.
 */
#ifndef DHT_CLI_NODES_H
#define DHT_CLI_NODES_H

#include "admin.pb-c.h"
#include "cli/json.h"

/* Prints a table with a legend of the states in it. */
void cli_nodes_print(Dhtd__Admin__NodeStatus *const *nodes, size_t count);

json_t *cli_nodes_json(const Dhtd__Admin__NodeStatus *node);

#endif
