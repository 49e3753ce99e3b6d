/* SPDX-License-Identifier: Apache-2.0 */
#include "node/message.h"

const char *message_name(enum message_kind kind)
{
	static const char *const names[] = {
#define X(name, old) #name,
	    MESSAGE_KINDS(X)
#undef X
	};
	DHT_ASSERT(kind < MESSAGE_KIND_COUNT);
	return names[kind];
}
