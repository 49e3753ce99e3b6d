/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/options.h"

#include "base/error.h"
#include "base/text.h"

static const struct resp_option *find(const struct resp_option_table *table, struct bytes word)
{
	for (size_t i = 0; i < table->count; i++) {
		if (resp_is_word(word, table->rows[i].word))
			return &table->rows[i];
	}
	return NULL;
}

static bool refuse(struct resp_call *call, const struct resp_option_table *table, struct bytes word)
{
	if (table->unknown == NULL)
		resp_reply_syntax(call);
	else
		resp_write_errorf(call->out, "ERR %s %.*s", table->unknown, (int)word.len,
				  (const char *)word.data);
	return false;
}

bool resp_options_read(struct resp_call *call, size_t from, const struct resp_option_table *table,
		       struct resp_options *options)
{
	*options = (struct resp_options){0};
	DHT_ASSERT(table->count <= RESP_OPTIONS_MAX);
	for (size_t i = from; i < call->argc; i++) {
		const struct resp_option *row = find(table, call->args[i]);
		if (row == NULL || (options->given & row->excludes) != 0 ||
		    (row->has_value && i + 1 == call->argc))
			return refuse(call, table, call->args[i]);
		size_t index = (size_t)(row - table->rows);
		options->given |= RESP_OPTION(index);
		if (!row->has_value)
			continue;
		options->values[index] = call->args[++i];
		if (row->accepts != NULL && !row->accepts(call, call->args[i]))
			return false;
	}
	return true;
}

bool resp_read_integer(struct resp_call *call, struct bytes arg, int64_t *number)
{
	if (text_parse_integer(arg, number))
		return true;
	resp_reply_status(call, DHT_ETYPE);
	return false;
}

bool resp_read_integer_from(struct resp_call *call, struct bytes arg, int64_t min, int64_t *number)
{
	if (!resp_read_integer(call, arg, number))
		return false;
	if (*number < min)
		resp_reply_syntax(call);
	return *number >= min;
}

void resp_reply_syntax(struct resp_call *call)
{
	resp_write_error(call->out, "ERR syntax error");
}
