/* SPDX-License-Identifier: Apache-2.0
 *
 * A struct store_os on the heap, for tests: memory comes filled with garbage, a sanitizer
 * sees every byte out of bounds, calls can be made to fail, and what was not given back
 * is known.
 */
#ifndef DHT_TESTS_UNIT_HELPER_STORE_OS_H
#define DHT_TESTS_UNIT_HELPER_STORE_OS_H

#include <stdatomic.h>

#include "store/os.h"

enum { HEAP_OS_NEVER = -1 };

struct heap_os {
	struct store_os os;
	_Atomic long segments;     /* allocated now */
	_Atomic long table_bytes;  /* allocated now */
	_Atomic long segments_max; /* one more than these is refused */
	_Atomic long table_in;     /* growths of a table until one is refused */
	_Atomic long segment_in;   /* the same for segments */
};

/* Nothing fails, and there may be any number of segments. */
void heap_os_init(struct heap_os *heap);

/* Fails the test if anything was not given back. */
void heap_os_fini(struct heap_os *heap);

#endif
