/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/request.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

enum { ARGS_KEEP = 1024 }; /* resp_request_trim leaves this many */

void resp_request_init(struct resp_request *request)
{
	request->args = request->args_fixed;
	request->argc = 0;
	request->consumed = 0;
	request->args_cap = RESP_ARGS_FIXED;
	request->scratch = NULL;
	request->scratch_cap = 0;
	request->error[0] = '\0';
}

void resp_request_fini(struct resp_request *request)
{
	if (request->args != request->args_fixed)
		free(request->args);
	free(request->scratch);
	resp_request_init(request);
}

void resp_request_trim(struct resp_request *request)
{
	if (request->args_cap > ARGS_KEEP || request->scratch != NULL)
		resp_request_fini(request);
}

int resp_request_reserve_args(struct resp_request *request, size_t count)
{
	if (count <= request->args_cap)
		return 0;
	size_t cap = 2 * request->args_cap;
	if (cap < count)
		cap = count;
	bool is_fixed = request->args == request->args_fixed;
	struct bytes *args = realloc(is_fixed ? NULL : request->args, cap * sizeof(*args));
	if (args == NULL)
		return DHT_ENOMEM;
	if (is_fixed)
		memcpy(args, request->args_fixed, request->argc * sizeof(*args));
	request->args = args;
	request->args_cap = cap;
	return 0;
}

struct bytes *resp_request_take_args(struct resp_request *request)
{
	struct bytes *args = request->args;
	DHT_ASSERT(args != request->args_fixed);
	request->args = request->args_fixed;
	request->args_cap = RESP_ARGS_FIXED;
	request->argc = 0;
	return args;
}

int resp_request_reserve_scratch(struct resp_request *request, size_t size)
{
	if (size <= request->scratch_cap)
		return 0;
	uint8_t *scratch = malloc(size);
	if (scratch == NULL)
		return DHT_ENOMEM;
	free(request->scratch);
	request->scratch = scratch;
	request->scratch_cap = size;
	return 0;
}

int resp_request_fail(struct resp_request *request, const char *fmt, ...)
{
	static const char prefix[] = "ERR Protocol error: ";
	const size_t prefix_len = sizeof(prefix) - 1;
	memcpy(request->error, prefix, prefix_len);
	va_list args;
	va_start(args, fmt);
	vsnprintf(request->error + prefix_len, sizeof(request->error) - prefix_len, fmt, args);
	va_end(args);
	return DHT_EPROTO;
}
