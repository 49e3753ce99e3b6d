/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

const char *message_name(enum message_type type)
{
	static const char *const names[] = {
#define X(name) #name,
	    MESSAGE_TYPES(X)
#undef X
	};
	return names[type];
}
