/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/text.h"

#include <stdarg.h>

_Static_assert((int)RESP_REPLY_TEXT_MAX < (int)WORKER_REPLY_MAX, "it fits into a reply");

void resp_text_add(struct resp_text *text, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	if (text->error == 0)
		text->error = buffer_vprintf(&text->buffer, RESP_REPLY_TEXT_MAX, fmt, args);
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
