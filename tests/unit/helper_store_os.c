/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_store_os.h"

#include <check.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* True when the countdown ends with this call. */
static bool fails_now(_Atomic long *countdown)
{
	return atomic_load(countdown) != HEAP_OS_NEVER && atomic_fetch_sub(countdown, 1) == 0;
}

static uint8_t *segment_alloc(void *ctx, size_t size)
{
	struct heap_os *heap = ctx;
	if (fails_now(&heap->segment_in))
		return NULL;
	if (atomic_fetch_add(&heap->segments, 1) >= atomic_load(&heap->segments_max)) {
		atomic_fetch_sub(&heap->segments, 1);
		return NULL;
	}
	uint8_t *memory = aligned_alloc(DHT_CACHE_LINE, size);
	DHT_ASSERT(memory != NULL);
	memset(memory, 0xa5, size);
	return memory;
}

static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	struct heap_os *heap = ctx;
	memset(memory, 0x5a, size);
	free(memory);
	ck_assert_int_gt(atomic_fetch_sub(&heap->segments, 1), 0);
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	struct heap_os *heap = ctx;
	DHT_ASSERT((table == NULL) == (old_size == 0));
	if (new_size > old_size && fails_now(&heap->table_in))
		return NULL;
	atomic_fetch_add(&heap->table_bytes, (long)new_size - (long)old_size);
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	/* Always another address: what still points to the old table is found. */
	unsigned char *moved = malloc(new_size);
	DHT_ASSERT(moved != NULL);
	memset(moved, 0xa5, new_size);
	if (table != NULL)
		memcpy(moved, table, old_size < new_size ? old_size : new_size);
	free(table);
	return moved;
}

void heap_os_init(struct heap_os *heap)
{
	*heap = (struct heap_os){
	    .os = {.ctx = heap,
		   .segment_alloc = segment_alloc,
		   .segment_free = segment_free,
		   .table_resize = table_resize},
	    .segments_max = LONG_MAX,
	    .table_in = HEAP_OS_NEVER,
	    .segment_in = HEAP_OS_NEVER,
	};
}

void heap_os_fini(struct heap_os *heap)
{
	ck_assert_int_eq(atomic_load(&heap->segments), 0);
	ck_assert_int_eq(atomic_load(&heap->table_bytes), 0);
}
