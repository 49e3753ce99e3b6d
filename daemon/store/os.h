/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os - what the store needs from the system: memory for segments and indexes.
 *
 * Why     The store is pure: the daemon, the simulator and the tests run the same code
 *         over different systems, and a test can make any call fail.
 * Owns    Nothing; the table and its ctx outlive the store.
 * Thread  segment_alloc and segment_free: any, at the same time. table_resize: any, one
 *         call at a time for one table.
 * Errors  NULL: no room; what was there before is untouched.
 */
#ifndef DHT_STORE_OS_H
#define DHT_STORE_OS_H

#include <stddef.h>

struct store_os {
	void *ctx;

	/* Returns size bytes of any contents, aligned to a cache line at least. */
	void *(*segment_alloc)(void *ctx, size_t size);
	void (*segment_free)(void *ctx, void *memory, size_t size);

	/* As realloc: table has old_size bytes, or is NULL and old_size 0. With new_size 0
	 * it is freed, and NULL returned. */
	void *(*table_resize)(void *ctx, void *table, size_t old_size, size_t new_size);
};

/* The system of a daemon: anonymous mappings, and the heap for indexes. */
const struct store_os *store_os_posix(void);

#endif
