/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/describe - what COMMAND tells about the rows of the table.
 *
 * Why     Cluster clients ask for all commands at every connect, to learn where keys
 *         stand; redis-cli for their documentation, to show hints. All of it follows
 *         from the rows, and is the same for every client of a protocol: it is made once.
 * Owns    The two replies about all commands, in both protocols, once they were asked for.
 * Thread  any.
 */
#ifndef DHT_RESP_DESCRIBE_H
#define DHT_RESP_DESCRIBE_H

#include "resp/command.h"

/* Appends the ten elements that COMMAND INFO has of a command or subcommand. */
void resp_describe_info(struct resp_out *out, const struct resp_command *command);

/* Appends what COMMAND DOCS has of it: the map alone, without the name. */
void resp_describe_docs(struct resp_out *out, const struct resp_command *command);

/* Append the replies to COMMAND and COMMAND DOCS without names. False: no memory. */
bool resp_describe_all_infos(struct resp_out *out) DHT_MUST_CHECK;
bool resp_describe_all_docs(struct resp_out *out) DHT_MUST_CHECK;

/* Appends the set of words that say what a command does with its keys. */
void resp_describe_access(struct resp_out *out, const struct resp_command *command);

/* Returns the number of commands, those with a parent not counted. */
size_t resp_describe_count(void);

/* The ACL categories of Redis; a command is in those of its flags and its group. */
enum { RESP_CATEGORIES_MAX = 10 };
size_t resp_describe_categories(const struct resp_command *command,
				const char *categories[RESP_CATEGORIES_MAX]);

#endif
