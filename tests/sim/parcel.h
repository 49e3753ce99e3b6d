/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/parcel - a message on its way, with copies of all that it points to.
 *
 * Owns    Its bytes; whoever holds it back owns it.
 * Thread  one owner.
 */
#ifndef DHT_SIM_PARCEL_H
#define DHT_SIM_PARCEL_H

#include "base/list.h"
#include "node/message.h"

struct parcel {
	struct list link;
	uint16_t to;
	uint32_t life; /* of the link that it travels on */
	struct message m;
};

struct parcel *parcel_create(const struct message *m, uint16_t to);
void parcel_destroy(struct parcel *parcel);

#endif
