/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/limits - how large a simulated cluster can be.
 *
 * Thread  constants.
 */
#ifndef DHT_SIM_LIMITS_H
#define DHT_SIM_LIMITS_H

enum {
	SIM_HOSTS = 12, /* member numbers, those of lost identities included */
	SIM_KEYS = 4,
	SIM_CLIENTS = 6,
	SIM_EPOCHS = 96,
	SIM_BLOCKS = 64, /* of the map */
	SIM_USED = 2,    /* of these with keys, and changes */
};

#endif
