/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/handshake_code - the messages of a handshake as bytes, and back (proto/peer.proto).
 *
 * Why     The steps of a handshake (wire/handshake.h) see checked values.
 * Owns    Nothing: texts of a decoded message lie in its bytes.
 * Thread  any; pure.
 */
#ifndef DHT_WIRE_HANDSHAKE_CODE_H
#define DHT_WIRE_HANDSHAKE_CODE_H

#include "wire/handshake.h"
#include "wire/hmac.h"

/* X(NAME, name, number) */
#define HELLO_FIELDS(X)                                                                            \
	X(PROTOCOL, protocol, 1)                                                                   \
	X(CLUSTER, cluster, 2)                                                                     \
	X(NODE_ID, node_id, 3)                                                                     \
	X(LINEAGE, lineage, 4)                                                                     \
	X(EPOCH, epoch, 5)                                                                         \
	X(MEMBER, member, 6)                                                                       \
	X(FEATURES, features, 7)                                                                   \
	X(PURPOSE, purpose, 8)                                                                     \
	X(NONCE, nonce, 9)                                                                         \
	X(PROTOCOL_MIN, protocol_min, 10)                                                          \
	X(FLAGS, flags, 11)                                                                        \
	X(RUN, run, 12)                                                                            \
	X(LINEAGE_BEFORE, lineage_before, 13)                                                      \
	X(ADDRESS, address, 14)

enum hello_field {
#define X(NAME, name, number) HELLO_##NAME = number,
	HELLO_FIELDS(X)
#undef X
};

enum handshake_field {
	CHALLENGE_HELLO = 1,
	PROOF_HMAC = 1,
	REFUSAL_CODE = 1,
	REFUSAL_REASON = 2,
};

enum { HELLO_FLAG_HAS_SECRET = 1 };

struct handshake_hello {
	uint32_t protocol_min, protocol_max;
	struct bytes cluster;
	char id[RING_ID_SIZE];
	uint8_t lineage[RING_LINEAGE_SIZE]; /* 0: none */
	uint64_t lineage_before;
	uint64_t epoch;
	uint16_t number; /* MEMBER_NOBODY: none */
	uint64_t features;
	uint64_t purpose, flags; /* may be ones that are not known */
	uint8_t nonce[HANDSHAKE_NONCE_SIZE];
	uint64_t run;
	struct bytes host;
	uint16_t port;
};

/* Writes the message of HELLO, or that of CHALLENGE; returns its length. */
size_t handshake_code_hello(uint8_t out[HANDSHAKE_MESSAGE_MAX], const struct handshake_self *self,
			    enum handshake_purpose purpose,
			    const uint8_t nonce[HANDSHAKE_NONCE_SIZE]);
size_t handshake_code_challenge(uint8_t out[HANDSHAKE_MESSAGE_MAX],
				const struct handshake_self *self, enum handshake_purpose purpose,
				const uint8_t nonce[HANDSHAKE_NONCE_SIZE]);

/* Read them. False: it is none, a field that must be there is missing or out of range. */
bool handshake_code_take_hello(struct bytes message, struct handshake_hello *hello);
bool handshake_code_take_challenge(struct bytes message, struct handshake_hello *hello);

/* Appends the frame of a message. */
int handshake_code_frame(struct buffer *out, enum peer_frame_type type,
			 struct bytes message) DHT_MUST_CHECK;

/* hmac: of HMAC_SIZE bytes, or empty. */
int handshake_code_proof(struct buffer *out, struct bytes hmac) DHT_MUST_CHECK;
bool handshake_code_take_proof(struct bytes message, struct bytes *hmac);

int handshake_code_refusal(struct buffer *out,
			   const struct handshake_refusal *refusal) DHT_MUST_CHECK;
bool handshake_code_take_refusal(struct bytes message, struct handshake_refusal *refusal);

#endif
