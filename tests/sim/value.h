/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/value - the values of a run, each with a number.
 *
 * Why     The search for an order of operations compares and remembers states by the
 *         thousand: equal bytes are one number.
 * Owns    The bytes, until value_forget.
 * Thread  one owner: there is one table.
 */
#ifndef DHT_SIM_VALUE_H
#define DHT_SIM_VALUE_H

#include "base/bytes.h"

enum {
	VALUE_NONE = 0, /* no value: what an absent key has */
	VALUE_MAX = 1 << 15,
	VALUE_FULL = UINT16_MAX, /* there is no number left */
};

/* Forgets all numbers from `count` on; 0 begins a run. */
void value_forget(uint32_t count);
uint32_t value_count(void);

/* The number of these bytes. */
uint32_t value_intern(struct bytes bytes);
struct bytes value_of(uint32_t number);

#endif
