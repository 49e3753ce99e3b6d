/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "store/os.h"

/* The kernel hands out pages as they are written: a segment that was prepared ahead
 * costs one page. */
static uint8_t *segment_alloc(void *ctx, size_t size)
{
	(void)ctx;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	(void)ctx;
	int rc = munmap(memory, size);
	DHT_ASSERT(rc == 0);
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	return realloc(table, new_size);
}

static void parallel(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg)
{
	(void)ctx;
	for (uint32_t task = 0; task < tasks; task++)
		run(arg, task);
}

const struct store_os *store_os_memory(void)
{
	static const struct store_os os = {
	    .segment_alloc = segment_alloc,
	    .segment_free = segment_free,
	    .table_resize = table_resize,
	    .parallel = parallel,
	};
	return &os;
}
