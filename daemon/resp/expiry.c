/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/expiry.h"

#include "base/error.h"
#include "base/text.h"
#include "io/clock.h"
#include "resp/table.h"

int resp_time_convert(enum resp_time kind, int64_t amount, int64_t *at_ms)
{
	bool is_seconds = kind == RESP_TIME_EX || kind == RESP_TIME_EXAT;
	bool is_relative = kind == RESP_TIME_EX || kind == RESP_TIME_PX;
	int64_t base = is_relative ? (int64_t)clock_expiry_ms() : 0;
	if (is_seconds && __builtin_mul_overflow(amount, 1000, &amount))
		return DHT_EINVAL;
	return __builtin_add_overflow(amount, base, at_ms) ? DHT_EINVAL : 0;
}

int resp_time_parse(enum resp_time kind, struct bytes arg, int64_t *at_ms)
{
	int64_t amount;
	if (!text_parse_integer(arg, &amount))
		return DHT_ETYPE;
	return amount > 0 ? resp_time_convert(kind, amount, at_ms) : DHT_EINVAL;
}

void resp_time_refuse(struct resp_call *call, int error)
{
	char name[RESP_NAME_MAX];
	if (error == DHT_ETYPE) {
		resp_reply_status(call, error);
		return;
	}
	resp_table_name(call->command, name);
	resp_write_errorf(call->out, "ERR invalid expire time in '%s' command", name);
}

int resp_time_of_options(const struct resp_options *options, struct op *op)
{
	for (unsigned kind = 0; kind < RESP_TIME_COUNT; kind++) {
		int64_t at_ms;
		if (!resp_has_option(options, kind))
			continue;
		int rc = resp_time_parse((enum resp_time)kind, options->values[kind], &at_ms);
		if (rc == 0)
			resp_expire_at(op, at_ms);
		return rc;
	}
	return 0;
}
