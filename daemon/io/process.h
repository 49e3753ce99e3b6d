/* SPDX-License-Identifier: Apache-2.0
 *
 * io/process - what the kernel counts of this process.
 *
 * Thread  any.
 */
#ifndef DHT_IO_PROCESS_H
#define DHT_IO_PROCESS_H

#include <stdint.h>

/* Returns what the process takes of the machine's memory, in bytes, the pages of the log that
 * are in it included; 0 if the kernel does not say. */
uint64_t process_resident_bytes(void);

#endif
