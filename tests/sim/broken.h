/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/broken - which broken variant of daemon/paxos/variant.h is run.
 *
 * Why     Included before each source of the program sim_broken, so that one build has them
 *         all; the daemon, and the program sim, have none.
 * Thread  written once, before anything else.
 */
#ifndef DHT_SIM_BROKEN_H
#define DHT_SIM_BROKEN_H

extern unsigned sim_broken_variant;

#define DHT_PAXOS_VARIANT sim_broken_variant

#endif
