/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/table - rows of aligned columns for a person to read.
 *
 * Owns    Copies of its titles and cells, cleaned of control characters (cli/text.h).
 * Thread  the main thread.
 * Errors  short of memory, the program says so and ends (cli/message.h).
 */
#ifndef DHT_CLI_TABLE_H
#define DHT_CLI_TABLE_H

#include "base/assert.h"
#include "cli/print.h"

enum { CLI_TABLE_COLUMNS_MAX = 32 };

enum cli_align { CLI_LEFT, CLI_RIGHT };

struct cli_table;

/* Returns a table without columns; cli_table_destroy frees it. */
struct cli_table *cli_table_create(void);
void cli_table_destroy(struct cli_table *table);

/* Adds a column. All columns come before the first cell (asserted), and there are at
 * most CLI_TABLE_COLUMNS_MAX (asserted). */
void cli_table_column(struct cli_table *table, enum cli_align align, const char *title);

/* Adds a formatted cell, from left to right and row by row. */
void cli_table_cell(struct cli_table *table, enum cli_colour colour, const char *fmt, ...)
    DHT_PRINTF(3, 4);

/* Prints the titles and the rows, two spaces between columns, nothing behind the last;
 * the last row is full (asserted). */
void cli_table_print(const struct cli_table *table);

#endif
