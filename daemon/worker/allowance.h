/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/allowance - bytes that background work may still go over, by a rate.
 *
 * Thread  any.
 */
#ifndef DHT_WORKER_ALLOWANCE_H
#define DHT_WORKER_ALLOWANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct allowance {
	_Atomic uint64_t rate; /* bytes a second */
	_Atomic int64_t left;  /* below 0: more was taken than there was */
};

/* Adds what the rate gives in this time; at most `saved_ns` of it can be saved up. */
void allowance_add(struct allowance *a, uint64_t elapsed_ns, uint64_t saved_ns);

/* Takes bytes; returns what was left before. */
static inline int64_t allowance_take(struct allowance *a, size_t bytes)
{
	return atomic_fetch_sub_explicit(&a->left, (int64_t)bytes, memory_order_relaxed);
}

static inline bool allowance_is_left(const struct allowance *a)
{
	return atomic_load_explicit(&a->left, memory_order_relaxed) > 0;
}

#endif
