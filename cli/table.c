/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/text.h"

struct cell {
	char *text;
	enum cli_colour colour;
};

struct column {
	char *title;
	enum cli_align align;
	size_t width;
};

struct cli_table {
	struct column columns[CLI_TABLE_COLUMNS_MAX];
	size_t column_count;
	struct cell *cells;
	size_t cell_count;
	size_t cell_room;
};

struct cli_table *cli_table_create(void)
{
	struct cli_table *table = calloc(1, sizeof(*table));
	if (table == NULL)
		cli_message_no_memory();
	return table;
}

void cli_table_destroy(struct cli_table *table)
{
	for (size_t i = 0; i < table->column_count; i++)
		free(table->columns[i].title);
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void cli_table_column(struct cli_table *table, enum cli_align align, const char *title)
{
	DHT_ASSERT(table->column_count < CLI_TABLE_COLUMNS_MAX && table->cell_count == 0);
	char *clean = strdup(title);
	if (clean == NULL)
		cli_message_no_memory();
	cli_text_clean(clean);
	table->columns[table->column_count++] =
	    (struct column){.title = clean, .align = align, .width = cli_text_width(clean)};
}

static struct cell *add_cell(struct cli_table *table)
{
	if (table->cell_count == table->cell_room) {
		size_t room = table->cell_room * 2 + 64;
		struct cell *cells = reallocarray(table->cells, room, sizeof(*cells));
		if (cells == NULL)
			cli_message_no_memory();
		table->cells = cells;
		table->cell_room = room;
	}
	return &table->cells[table->cell_count++];
}

void cli_table_cell(struct cli_table *table, enum cli_colour colour, const char *fmt, ...)
{
	DHT_ASSERT(table->column_count > 0);
	struct column *column = &table->columns[table->cell_count % table->column_count];
	struct cell *cell = add_cell(table);
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&cell->text, fmt, args) < 0)
		cli_message_no_memory();
	va_end(args);
	cli_text_clean(cell->text);
	cell->colour = colour;
	size_t width = cli_text_width(cell->text);
	if (width > column->width)
		column->width = width;
}

static void print_cell(const struct column *column, const char *text, enum cli_colour colour,
		       bool is_last)
{
	int pad = (int)(column->width - cli_text_width(text));
	if (column->align == CLI_RIGHT)
		cli_print("%*s", pad, "");
	cli_print("%s%s%s", cli_print_colour(colour), text, cli_print_colour_end(colour));
	if (is_last)
		cli_print("\n");
	else
		cli_print("%*s  ", column->align == CLI_LEFT ? pad : 0, "");
}

void cli_table_print(const struct cli_table *table)
{
	size_t columns = table->column_count;
	DHT_ASSERT(columns > 0 && table->cell_count % columns == 0);
	for (size_t i = 0; i < columns; i++)
		print_cell(&table->columns[i], table->columns[i].title, CLI_FAINT,
			   i + 1 == columns);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(&table->columns[i % columns], table->cells[i].text,
			   table->cells[i].colour, (i + 1) % columns == 0);
}
