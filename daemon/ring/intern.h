/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/intern - arrays in which no two items are equal, so that a number stands for one.
 *
 * Why     Thousands of blocks have the same few lists and the same state: a block keeps a
 *         number, and equal ones are the same number.
 * Owns    The index; the array is the caller's, grown here.
 * Thread  one.
 * Errors  DHT_ENOMEM; DHT_EFULL beyond INTERN_MAX items. Nothing is changed then.
 */
#ifndef DHT_RING_INTERN_H
#define DHT_RING_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { INTERN_MAX = UINT16_MAX }; /* so that UINT16_MAX is no number */

/* All zero: empty. */
struct intern {
	void *items;
	size_t count, cap;
	uint16_t *index; /* open addressing by hash, INTERN_MAX where it is empty */
	size_t index_cap;
};

/* Finds the item, of item_size bytes without padding, or adds it. */
int intern_number(struct intern *table, const void *item, size_t item_size,
		  uint16_t *number) DHT_MUST_CHECK;

void intern_fini(struct intern *table);

#endif
