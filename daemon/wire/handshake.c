/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/handshake.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/handshake_code.h"
#include "wire/hmac.h"

/* ---- Words --------------------------------------------------------------------------- */

static const struct {
	const char *name, *text;
} codes[] = {{"", ""},
#define X(name, text) {#name, text},
	     HANDSHAKE_CODES(X)
#undef X
};

static const char *const purposes[] = {"none",
#define X(name, text) text,
				       HANDSHAKE_PURPOSES(X)
#undef X
};

const char *handshake_code_name(enum handshake_code code)
{
	DHT_ASSERT(code < HANDSHAKE_CODE_COUNT);
	return codes[code].name;
}

const char *handshake_purpose_name(enum handshake_purpose purpose)
{
	DHT_ASSERT(purpose < HANDSHAKE_PURPOSE_COUNT);
	return purposes[purpose];
}

/* ---- Refusing ------------------------------------------------------------------------ */

/* A reason goes to the log of the other side: a line, and nothing else. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((uint8_t)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static int refuse(struct handshake *h, enum handshake_code code, const char *reason,
		  struct buffer *out)
{
	struct handshake_refusal *refusal = &h->refusal;
	bool has_reason = reason != NULL && reason[0] != '\0';
	*refusal = (struct handshake_refusal){.code = code, .is_ours = true};
	snprintf(refusal->reason, sizeof(refusal->reason), "%s",
		 has_reason ? reason : codes[code].text);
	make_printable(refusal->reason);
	h->step = HANDSHAKE_IS_REFUSED;
	return handshake_code_refusal(out, refusal);
}

int handshake_refuse(struct handshake *h, enum handshake_code code, const char *reason,
		     struct buffer *out)
{
	DHT_ASSERT(h->step < HANDSHAKE_IS_DONE);
	DHT_ASSERT(code > HANDSHAKE_NO_CODE && code < HANDSHAKE_CODE_COUNT);
	return refuse(h, code, reason, out);
}

/* For what handshake_take returns. */
static int deny(struct handshake *h, enum handshake_code code, const char *reason,
		struct buffer *out)
{
	int rc = refuse(h, code, reason, out);
	return rc != 0 ? rc : DHT_EDENIED;
}

int handshake_read_refusal(const struct peer_frame *frame, struct handshake_refusal *refusal)
{
	DHT_ASSERT(frame->type == PEER_REFUSAL);
	if (!handshake_code_take_refusal(frame->message, refusal))
		return DHT_EPROTO;
	if (refusal->reason[0] == '\0')
		snprintf(refusal->reason, sizeof(refusal->reason), "%s", codes[refusal->code].text);
	return 0;
}

/* ---- Whether they belong together ---------------------------------------------------- */

struct check {
	struct handshake *h;
	const struct handshake_self *self;
	const struct handshake_hello *hello; /* of the other side */
	char *reason;
};

static enum handshake_code check_version(const struct check *c)
{
	uint32_t our_min = c->self->protocol_min, our_max = c->self->protocol_max;
	uint32_t min = c->hello->protocol_min, max = c->hello->protocol_max;
	bool is_opener = c->h->is_opener;
	c->h->peer.protocol = our_max < max ? our_max : max;
	if (our_min <= max && min <= our_max)
		return HANDSHAKE_NO_CODE;
	snprintf(c->reason, HANDSHAKE_REASON_SIZE,
		 "a node of protocol %u to %u connects to one of protocol %u to %u",
		 is_opener ? our_min : min, is_opener ? our_max : max, is_opener ? min : our_min,
		 is_opener ? max : our_max);
	return HANDSHAKE_VERSION;
}

/* Only what this version knows is agreed on. */
static enum handshake_code check_form(const struct check *c)
{
	const struct handshake_hello *hello = c->hello;
	struct handshake *h = c->h;
	if ((hello->flags & ~(uint64_t)HELLO_FLAG_HAS_SECRET) != 0 ||
	    hello->purpose == HANDSHAKE_NO_PURPOSE || hello->purpose >= HANDSHAKE_PURPOSE_COUNT ||
	    (h->is_opener && hello->purpose != h->purpose))
		return HANDSHAKE_MALFORMED;
	h->purpose = (enum handshake_purpose)hello->purpose;
	return HANDSHAKE_NO_CODE;
}

static enum handshake_code check_cluster(const struct check *c)
{
	struct bytes ours = bytes_of_text(c->self->cluster), theirs = c->hello->cluster;
	if (bytes_equal(ours, theirs))
		return HANDSHAKE_NO_CODE;
	struct bytes from = c->h->is_opener ? ours : theirs, to = c->h->is_opener ? theirs : ours;
	snprintf(c->reason, HANDSHAKE_REASON_SIZE,
		 "a node of the cluster \"%.*s\" connects to one of the cluster \"%.*s\"",
		 (int)from.len, from.data, (int)to.len, to.data);
	return HANDSHAKE_OTHER_CLUSTER;
}

static enum handshake_code check_node(const struct check *c)
{
	const struct handshake_hello *hello = c->hello;
	const char *expected = c->h->expected;
	if (strcmp(hello->id, c->self->id) == 0) {
		if (hello->run == c->self->run)
			return HANDSHAKE_MYSELF;
		snprintf(c->reason, HANDSHAKE_REASON_SIZE,
			 "two nodes have the id %s: a data directory was copied", hello->id);
		return HANDSHAKE_SAME_ID;
	}
	if (expected[0] != '\0' && strcmp(hello->id, expected) != 0) {
		snprintf(c->reason, HANDSHAKE_REASON_SIZE,
			 "the node %s was expected at this address, it is the node %s", expected,
			 hello->id);
		return HANDSHAKE_OTHER_NODE;
	}
	/* Nobody draws the same one: it was sent back. */
	return memcmp(hello->nonce, c->h->nonce, sizeof(hello->nonce)) == 0 ? HANDSHAKE_MALFORMED
									    : HANDSHAKE_NO_CODE;
}

static enum handshake_code check_secret(const struct check *c)
{
	bool we = c->self->secret.len > 0, they = (c->hello->flags & HELLO_FLAG_HAS_SECRET) != 0;
	if (we == they)
		return HANDSHAKE_NO_CODE;
	snprintf(c->reason, HANDSHAKE_REASON_SIZE,
		 "only the node that %s has a cluster.secret_file",
		 we == c->h->is_opener ? "connects" : "is connected to");
	return HANDSHAKE_SECRET_MISSING;
}

static uint64_t first_of(const uint8_t lineage[RING_LINEAGE_SIZE])
{
	return get_u64(lineage);
}

/* One of them has the map of a recovery, the other one that which it took the place of. */
static bool is_recovered(const struct check *c)
{
	uint64_t ours = first_of(c->self->lineage), theirs = first_of(c->hello->lineage);
	uint64_t our_before = c->self->lineage_before, their_before = c->hello->lineage_before;
	return (our_before != 0 && our_before == theirs) ||
	       (their_before != 0 && their_before == ours);
}

static enum handshake_code check_lineage(const struct check *c)
{
	static const uint8_t none[RING_LINEAGE_SIZE];
	const uint8_t *ours = c->self->lineage, *theirs = c->hello->lineage;
	enum handshake_purpose purpose = c->h->purpose;
	bool is_same = memcmp(ours, theirs, sizeof(none)) == 0;
	bool has_one = memcmp(ours, none, sizeof(none)) != 0;
	c->h->peer.is_same_lineage = is_same && has_one;
	if ((is_same && has_one) || purpose == HANDSHAKE_JOIN ||
	    (purpose == HANDSHAKE_CONTROL && is_recovered(c)))
		return HANDSHAKE_NO_CODE;
	if (!c->self->is_joining)
		return HANDSHAKE_OTHER_LINEAGE;
	snprintf(c->reason, HANDSHAKE_REASON_SIZE, "the node is joining a cluster");
	return HANDSHAKE_NOT_READY;
}

static enum handshake_code check(const struct check *c)
{
	static enum handshake_code (*const checks[])(const struct check *) = {
	    check_version, check_form, check_cluster, check_node, check_secret, check_lineage,
	};
	enum handshake_code code = HANDSHAKE_NO_CODE;
	for (size_t i = 0; i < DHT_ARRAY_LEN(checks) && code == HANDSHAKE_NO_CODE; i++)
		code = checks[i](c);
	return code;
}

static void note_peer(struct handshake *h, const struct handshake_self *self,
		      const struct handshake_hello *hello)
{
	struct handshake_peer *peer = &h->peer;
	*peer = (struct handshake_peer){.number = hello->number,
					.lineage_before = hello->lineage_before,
					.epoch = hello->epoch,
					.run = hello->run,
					.features = hello->features & self->features,
					.port = hello->port};
	memcpy(peer->id, hello->id, sizeof(peer->id));
	memcpy(peer->lineage, hello->lineage, sizeof(peer->lineage));
	if (hello->host.len > 0)
		memcpy(peer->host, hello->host.data, hello->host.len);
}

/* Checks what the other side says of itself; refuses if need be. */
static int meet(struct handshake *h, const struct handshake_self *self,
		const struct handshake_hello *hello, struct buffer *out)
{
	char reason[HANDSHAKE_REASON_SIZE] = "";
	note_peer(h, self, hello);
	enum handshake_code code =
	    check(&(struct check){.h = h, .self = self, .hello = hello, .reason = reason});
	h->peer.purpose = h->purpose;
	return code != HANDSHAKE_NO_CODE ? deny(h, code, reason, out) : 0;
}

static int judge(struct handshake *h, const struct handshake_self *self, struct buffer *out)
{
	char reason[HANDSHAKE_REASON_SIZE] = "";
	if (self->judge == NULL)
		return 0;
	enum handshake_code code = self->judge(self->ctx, &h->peer, reason);
	return code != HANDSHAKE_NO_CODE ? deny(h, code, reason, out) : 0;
}

/* ---- Proofs -------------------------------------------------------------------------- */

static uint8_t *put_sized(uint8_t *p, const uint8_t *bytes, size_t len)
{
	put_u32(p, (uint32_t)len);
	memcpy(p + 4, bytes, len);
	return p + 4 + len;
}

/* Makes the proof of one side. Whose it is is part of it, so that it is none of the other's. */
static int make_proof(const struct handshake *h, struct bytes secret, bool of_opener,
		      uint8_t hmac[HMAC_SIZE])
{
	static const char opener[] = "dhtd peer opener", acceptor[] = "dhtd peer acceptor";
	struct bytes role = bytes_of_text(of_opener ? opener : acceptor);
	uint8_t data[sizeof(acceptor) + 2 * (4 + HANDSHAKE_MESSAGE_MAX)], *end = data;
	memcpy(end, role.data, role.len);
	end = put_sized(end + role.len, h->hello, h->hello_len);
	end = put_sized(end, h->challenge, h->challenge_len);
	return hmac_sha256(secret, bytes_of(data, (size_t)(end - data)), hmac);
}

static int send_proof(const struct handshake *h, const struct handshake_self *self,
		      struct buffer *out)
{
	uint8_t hmac[HMAC_SIZE];
	if (self->secret.len == 0)
		return handshake_code_proof(out, (struct bytes){0});
	int rc = make_proof(h, self->secret, h->is_opener, hmac);
	return rc != 0 ? rc : handshake_code_proof(out, bytes_of(hmac, sizeof(hmac)));
}

static int check_proof(struct handshake *h, const struct handshake_self *self, struct bytes message,
		       struct buffer *out)
{
	struct bytes hmac;
	uint8_t expected[HMAC_SIZE];
	if (!handshake_code_take_proof(message, &hmac))
		return deny(h, HANDSHAKE_MALFORMED, NULL, out);
	if ((hmac.len > 0) != (self->secret.len > 0))
		return deny(h, HANDSHAKE_SECRET_MISSING, NULL, out);
	if (hmac.len == 0)
		return 0;
	int rc = make_proof(h, self->secret, !h->is_opener, expected);
	if (rc == 0 && !hmac_is_equal(hmac.data, expected))
		rc = deny(h, HANDSHAKE_SECRET_DIFFERS, NULL, out);
	hmac_wipe(expected, sizeof(expected));
	return rc;
}

/* ---- Steps --------------------------------------------------------------------------- */

int handshake_open(struct handshake *h, const struct handshake_self *self,
		   enum handshake_purpose purpose, const char *expected,
		   const uint8_t nonce[HANDSHAKE_NONCE_SIZE], struct buffer *out)
{
	DHT_ASSERT(purpose > HANDSHAKE_NO_PURPOSE && purpose < HANDSHAKE_PURPOSE_COUNT);
	*h = (struct handshake){
	    .step = HANDSHAKE_EXPECTS_CHALLENGE, .is_opener = true, .purpose = purpose};
	memcpy(h->nonce, nonce, sizeof(h->nonce));
	if (expected != NULL)
		snprintf(h->expected, sizeof(h->expected), "%s", expected);
	h->hello_len = handshake_code_hello(h->hello, self, purpose, nonce);
	return handshake_code_frame(out, PEER_HELLO, bytes_of(h->hello, h->hello_len));
}

void handshake_accept(struct handshake *h, const uint8_t nonce[HANDSHAKE_NONCE_SIZE])
{
	*h = (struct handshake){.step = HANDSHAKE_EXPECTS_HELLO};
	memcpy(h->nonce, nonce, sizeof(h->nonce));
}

static int take_hello(struct handshake *h, const struct handshake_self *self, struct bytes message,
		      struct buffer *out)
{
	struct handshake_hello hello;
	if (!handshake_code_take_hello(message, &hello))
		return deny(h, HANDSHAKE_MALFORMED, NULL, out);
	int rc = meet(h, self, &hello, out);
	if (rc != 0)
		return rc;
	memcpy(h->hello, message.data, message.len);
	h->hello_len = message.len;
	h->challenge_len = handshake_code_challenge(h->challenge, self, h->purpose, h->nonce);
	h->step = HANDSHAKE_EXPECTS_PROOF;
	return handshake_code_frame(out, PEER_CHALLENGE, bytes_of(h->challenge, h->challenge_len));
}

static int take_challenge(struct handshake *h, const struct handshake_self *self,
			  struct bytes message, struct buffer *out)
{
	struct handshake_hello hello;
	if (!handshake_code_take_challenge(message, &hello))
		return deny(h, HANDSHAKE_MALFORMED, NULL, out);
	int rc = meet(h, self, &hello, out);
	if (rc == 0)
		rc = judge(h, self, out);
	if (rc != 0)
		return rc;
	memcpy(h->challenge, message.data, message.len);
	h->challenge_len = message.len;
	h->step = HANDSHAKE_EXPECTS_PROOF;
	return send_proof(h, self, out);
}

static int take_proof(struct handshake *h, const struct handshake_self *self, struct bytes message,
		      struct buffer *out)
{
	int rc = check_proof(h, self, message, out);
	if (rc == 0 && !h->is_opener)
		rc = judge(h, self, out);
	if (rc == 0 && !h->is_opener)
		rc = send_proof(h, self, out);
	if (rc == 0)
		h->step = HANDSHAKE_IS_DONE;
	return rc;
}

static int take_refusal(struct handshake *h, const struct peer_frame *frame)
{
	h->step = HANDSHAKE_IS_REFUSED;
	if (handshake_read_refusal(frame, &h->refusal) != 0) {
		h->refusal = (struct handshake_refusal){.code = HANDSHAKE_MALFORMED};
		snprintf(h->refusal.reason, sizeof(h->refusal.reason), "%s",
			 codes[HANDSHAKE_MALFORMED].text);
	}
	return DHT_EDENIED;
}

static int take_frame(struct handshake *h, const struct handshake_self *self,
		      const struct peer_frame *frame, struct buffer *out)
{
	bool is_opener = h->is_opener;
	bool is_plain = frame->payload.len == 0 && frame->call == 0;
	if (is_plain && frame->type == PEER_REFUSAL && h->step != HANDSHAKE_EXPECTS_HELLO)
		return take_refusal(h, frame);
	if (is_plain && h->step == HANDSHAKE_EXPECTS_HELLO && frame->type == PEER_HELLO)
		return take_hello(h, self, frame->message, out);
	if (is_plain && h->step == HANDSHAKE_EXPECTS_CHALLENGE && frame->type == PEER_CHALLENGE)
		return take_challenge(h, self, frame->message, out);
	if (is_plain && h->step == HANDSHAKE_EXPECTS_PROOF && frame->type == PEER_PROOF)
		return take_proof(h, self, frame->message, out);
	return deny(h, HANDSHAKE_MALFORMED,
		    is_opener ? "the node that is connected to sent something else than a handshake"
			      : "the node that connects sent something else than a handshake",
		    out);
}

int handshake_take(struct handshake *h, const struct handshake_self *self, struct bytes arrived,
		   size_t *taken, struct buffer *out)
{
	DHT_ASSERT(h->step < HANDSHAKE_IS_DONE);
	*taken = 0;
	while (h->step < HANDSHAKE_IS_DONE) {
		if (*taken == arrived.len)
			return 0;
		struct peer_frame frame;
		size_t size;
		struct bytes rest = bytes_of(arrived.data + *taken, arrived.len - *taken);
		int rc = peer_frame_parse(rest, &frame, &size);
		/* Whoever announces more is not waited for. */
		if (rc < 0 || size > HANDSHAKE_FRAME_MAX)
			return deny(h, HANDSHAKE_MALFORMED, NULL, out);
		if (rc == 0)
			return 0;
		*taken += size;
		rc = take_frame(h, self, &frame, out);
		if (rc != 0)
			return rc;
	}
	return 1;
}
