/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_flow - the cheapest flow through a network, for tests that need to know what
 * the best possible result is.
 *
 * Why     It shares nothing with the code under test: successive cheapest paths, each
 *         found by Bellman and Ford's algorithm with a queue.
 * Owns    Its arcs.
 * Errors  None: a failed allocation aborts.
 */
#ifndef DHT_TESTS_HELPER_FLOW_H
#define DHT_TESTS_HELPER_FLOW_H

#include <stddef.h>
#include <stdint.h>

struct flow;

struct flow *flow_create(size_t nodes);
void flow_destroy(struct flow *flow);

/* Between least and most units may go from one node to the other, at `cost` each: from 0
 * to 1,000. Without cycles. */
void flow_add(struct flow *flow, size_t from, size_t to, unsigned least, unsigned most,
	      unsigned cost);

/* Returns the cost of the cheapest flow of `amount` units from source to sink that obeys all
 * bounds; -1 if there is none. To be called once. */
int64_t flow_cheapest(struct flow *flow, size_t source, size_t sink, unsigned amount);

#endif
