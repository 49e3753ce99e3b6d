/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/code_format - what encoding and decoding of a map have in common.
 */
#ifndef DHT_RING_CODE_FORMAT_H
#define DHT_RING_CODE_FORMAT_H

#include <stdint.h>

enum {
	CODE_FORMAT = 1,
	CODE_FORMAT_RECOVERED = 2, /* with the lineage that a recovery ended */
	CODE_RAW_ID_SIZE = 16,
};
#define CODE_NO_BASE UINT64_MAX

#endif
