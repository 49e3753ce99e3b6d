/* SPDX-License-Identifier: Apache-2.0
 *
 * node/forward - operations that another node coordinates.
 *
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_NODE_FORWARD_H
#define DHT_NODE_FORWARD_H

#include "node/node.h"

/* FORWARD or RESULT arrived. */
int forward_handle(struct node *, struct node_step *, const struct message *) DHT_MUST_CHECK;

#endif
