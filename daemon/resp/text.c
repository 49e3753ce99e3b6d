/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

void resp_text_add(struct resp_text *text, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	size_t size = (size_t)len + 1; /* with a NUL, which is not kept */
	if (text->error == 0)
		text->error = buffer_reserve(&text->buffer, size, RESP_REPLY_TEXT_MAX);
	if (text->error == 0) {
		vsnprintf((char *)buffer_tail(&text->buffer), size, fmt, again);
		text->buffer.len += (size_t)len;
	}
	va_end(again);
	va_end(args);
}

void resp_text_reply(struct resp_text *text, struct resp_call *call)
{
	if (text->error != 0)
		resp_reply_status(call, text->error);
	else
		resp_write_verbatim(call->out, "txt",
				    bytes_of(buffer_head(&text->buffer), text->buffer.len));
	buffer_reset(&text->buffer);
}
