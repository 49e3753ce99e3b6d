/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os - what the store needs of the operating system.
 *
 * Why     The store itself is pure; memory for segments comes through here, so that
 *         tests can refuse it, and the kernel gets it back when a segment is empty.
 * Thread  any.
 */
#ifndef DHT_STORE_OS_H
#define DHT_STORE_OS_H

#include <stddef.h>
#include <stdint.h>

struct store_os {
	void *ctx;
	/* Returns zeroed memory for a segment, aligned to a page; NULL if there is none. */
	uint8_t *(*segment_alloc)(void *ctx, size_t size);
	void (*segment_free)(void *ctx, uint8_t *data, size_t size);
};

/* Anonymous mappings. */
const struct store_os *store_os_posix(void);

#endif
