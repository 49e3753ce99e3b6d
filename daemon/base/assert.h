/* SPDX-License-Identifier: Apache-2.0
 *
 * base/assert - assertions that stay on in release builds.
 *
 * Why     A broken invariant must stop the node before it can answer or write
 *         something wrong. Operating errors never come here (base/error.h).
 * Thread  any.
 */
#ifndef DHT_BASE_ASSERT_H
#define DHT_BASE_ASSERT_H

#include <stddef.h>
#include <stdint.h>

/* Prints one line that names the place and the broken expression, then aborts. */
_Noreturn void dht_assert_fail(const char *file, int line, const char *expr);

#define DHT_ASSERT(cond)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			dht_assert_fail(__FILE__, __LINE__, #cond);                                \
	} while (0)

/* Marks a place that no caller can reach; a switch over our own enums ends in it. */
#define DHT_UNREACHABLE() dht_assert_fail(__FILE__, __LINE__, "unreachable")

#define DHT_MUST_CHECK                      __attribute__((warn_unused_result))
#define DHT_PRINTF(f, a)                    __attribute__((format(printf, f, a)))
#define DHT_ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define DHT_CONTAINER_OF(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))
#define DHT_CACHE_LINE                      64

#endif
