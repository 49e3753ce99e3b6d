/* SPDX-License-Identifier: Apache-2.0
 *
 * proto/frame - the frame of the admin socket: a length, then a protobuf message.
 *
 *     0       4                      4+length
 *     +-------+----------------------+
 *     | length| AdminRequest, or     |    length: u32, big endian,
 *     | u32 BE| AdminResponse        |    1 .. ADMIN_FRAME_MAX
 *     +-------+----------------------+
 *
 * Why     Shared by daemon and CLI, so that both agree on the bound.
 * Thread  any; pure functions.
 */
#ifndef DHT_PROTO_FRAME_H
#define DHT_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	ADMIN_FRAME_HEADER = 4,
	/* A value of 16 MiB, its key, and room for the fields around them. */
	ADMIN_FRAME_MAX = 17 * 1024 * 1024,
};

/* Writes the header of a message of len bytes; len is within the bound (asserted). */
void admin_frame_put_header(uint8_t header[ADMIN_FRAME_HEADER], size_t len);

/* Looks at the first `have` bytes of a stream. Returns 1 and the message's length
 * when the header is there and in bounds, 0 when bytes of it are missing,
 * DHT_EPROTO for length 0 and DHT_ETOOBIG beyond the bound. */
int admin_frame_get_header(const uint8_t *data, size_t have, size_t *len)
    __attribute__((warn_unused_result));

#endif
