/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>

#include "base/assert.h"
#include "store/os.h"

static uint8_t *segment_alloc(void *ctx, size_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return data != MAP_FAILED ? data : NULL;
}

static void segment_free(void *ctx, uint8_t *data, size_t size)
{
	int rc = munmap(data, size);
	DHT_ASSERT(rc == 0);
}

const struct store_os *store_os_posix(void)
{
	static const struct store_os posix = {
	    .segment_alloc = segment_alloc,
	    .segment_free = segment_free,
	};
	return &posix;
}
