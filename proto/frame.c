/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/frame.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

void admin_frame_put_header(uint8_t header[ADMIN_FRAME_HEADER], size_t len)
{
	DHT_ASSERT(len > 0 && len <= ADMIN_FRAME_MAX);
	put_u32_be(header, (uint32_t)len);
}

int admin_frame_get_header(const uint8_t *data, size_t have, size_t *len)
{
	if (have < ADMIN_FRAME_HEADER)
		return 0;
	uint32_t length = get_u32_be(data);
	if (length == 0)
		return DHT_EPROTO;
	if (length > ADMIN_FRAME_MAX)
		return DHT_ETOOBIG;
	*len = length;
	return 1;
}
