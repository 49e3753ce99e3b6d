/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/hmac - HMAC-SHA256 (RFC 2104, FIPS 180-4), and what goes with secrets.
 *
 * Why     The one place that knows libcrypto: handshakes see bytes.
 * Owns    Nothing; what it derives from a key on its way is wiped.
 * Thread  any. A function of its arguments, although libcrypto is set up at the first call.
 * Errors  DHT_ENOMEM.
 */
#ifndef DHT_WIRE_HMAC_H
#define DHT_WIRE_HMAC_H

#include "base/assert.h"
#include "base/bytes.h"

enum { HMAC_SIZE = 32 };

/* key: any number of bytes, at least one. */
int hmac_sha256(struct bytes key, struct bytes data, uint8_t out[HMAC_SIZE]) DHT_MUST_CHECK;

/* True if both are equal; how long it takes does not depend on where they differ. */
bool hmac_is_equal(const uint8_t a[HMAC_SIZE], const uint8_t b[HMAC_SIZE]);

/* Overwrites a secret that is not needed any more. */
void hmac_wipe(void *secret, size_t len);

#endif
