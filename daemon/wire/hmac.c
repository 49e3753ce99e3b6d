/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/hmac.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/error.h"

int hmac_sha256(struct bytes key, struct bytes data, uint8_t out[HMAC_SIZE])
{
	unsigned len = 0;
	DHT_ASSERT(key.len > 0 && key.len <= INT_MAX);
	if (HMAC(EVP_sha256(), key.data, (int)key.len, data.data, data.len, out, &len) == NULL)
		return DHT_ENOMEM;
	DHT_ASSERT(len == HMAC_SIZE);
	return 0;
}

bool hmac_is_equal(const uint8_t a[HMAC_SIZE], const uint8_t b[HMAC_SIZE])
{
	return CRYPTO_memcmp(a, b, HMAC_SIZE) == 0;
}

void hmac_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
