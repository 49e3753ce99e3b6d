/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer_status - the outcomes that one node may tell another one.
 *
 * Why     What a node says of its own disk, or of what it waits for, must not become what
 *         the other one says of its own.
 */
#ifndef DHT_WIRE_PEER_STATUS_H
#define DHT_WIRE_PEER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Sets *status to 0 or the error of this number; false: it is none that may be told. */
static inline bool peer_status_of(uint64_t number, int *status)
{
	*status = 0;
	if (number == 0)
		return true;
	if (number > UINT8_MAX)
		return false;
	*status = -(int)number;
	if (*status == DHT_EAGAIN || *status == DHT_EDAMAGED)
		return false;
	switch ((enum dht_error) * status) {
#define X(name, code, exit_code, text) case name:
		DHT_ERRORS(X)
#undef X
		return true;
	}
	return false;
}

#endif
