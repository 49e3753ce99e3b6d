/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/handshake: both ends against each other, and what comes in between.
 */
#include "wire/handshake.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "peer.pb-c.h"
#include "unit.h"
#include "wire/handshake_code.h"

enum { MORE = 0 };

/* ---- Two ends ------------------------------------------------------------------------ */

static const uint8_t lineages[3][RING_LINEAGE_SIZE] = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9}, {9, 8, 7, 6, 5, 4, 3, 2, 1}, {0}};
static struct ring_address addresses[2];
static char hosts[2][16] = {"10.0.0.1", "::1"};

struct end {
	struct handshake h;
	struct handshake_self self;
	struct buffer sent; /* to the other end */
	struct buffer all;  /* everything that was sent */
	int rc;
	unsigned judged;
	enum handshake_code verdict;
};

static struct end opener, acceptor;

static enum handshake_code judge(void *ctx, const struct handshake_peer *peer,
				 char reason[HANDSHAKE_REASON_SIZE])
{
	struct end *end = ctx;
	ck_assert(peer->purpose == opener.h.purpose && strlen(peer->id) == RING_ID_SIZE - 1);
	end->judged++;
	if (end->verdict != HANDSHAKE_NO_CODE)
		snprintf(reason, HANDSHAKE_REASON_SIZE, "judged\nby %u", peer->number);
	return end->verdict;
}

static void make_end(struct end *end, unsigned i)
{
	addresses[i] = (struct ring_address){hosts[i], (uint16_t)(7402 + i)};
	*end = (struct end){.self = {.cluster = "dht",
				     .number = (uint16_t)i,
				     .lineage = lineages[0],
				     .epoch = 40 + i,
				     .run = 1000 + i,
				     .protocol_min = HANDSHAKE_PROTOCOL,
				     .protocol_max = HANDSHAKE_PROTOCOL,
				     .features = 6 - i,
				     .address = &addresses[i],
				     .secret = bytes_of_text("correct horse battery"),
				     .judge = judge,
				     .ctx = end}};
	snprintf(end->self.id, sizeof(end->self.id), "%032x", 0xabc0u + i);
}

static void make_ends(void)
{
	buffer_reset(&opener.sent);
	buffer_reset(&opener.all);
	buffer_reset(&acceptor.sent);
	buffer_reset(&acceptor.all);
	make_end(&opener, 0);
	make_end(&acceptor, 1);
}

/* What was appended since is noted. */
static void note(struct end *end, size_t before)
{
	size_t more = end->sent.len - before;
	ck_assert_int_eq(buffer_append(&end->all, buffer_head(&end->sent) + before, more, SIZE_MAX),
			 0);
}

static void begin(enum handshake_purpose purpose, const char *expected)
{
	static uint8_t drawn;
	uint8_t nonces[2][HANDSHAKE_NONCE_SIZE] = {{1, ++drawn}, {2, drawn}};
	int rc =
	    handshake_open(&opener.h, &opener.self, purpose, expected, nonces[0], &opener.sent);
	ck_assert_int_eq(rc, 0);
	note(&opener, 0);
	handshake_accept(&acceptor.h, nonces[1]);
}

/* Gives `to` what `from` has sent, so many bytes at a time. */
static void pass(struct end *from, struct end *to, size_t piece)
{
	static uint8_t arrived[64 * 1024];
	size_t len = 0;
	while (from->sent.len > 0 && to->rc == MORE) {
		size_t n = from->sent.len < piece ? from->sent.len : piece, taken;
		ck_assert(len + n <= sizeof(arrived));
		memcpy(arrived + len, buffer_head(&from->sent), n);
		buffer_consume(&from->sent, n);
		len += n;
		/* Exactly these bytes, which a sanitizer guards. */
		uint8_t *guarded = malloc(len);
		memcpy(guarded, arrived, len);
		size_t before = to->sent.len;
		to->rc =
		    handshake_take(&to->h, &to->self, bytes_of(guarded, len), &taken, &to->sent);
		note(to, before);
		free(guarded);
		ck_assert(taken <= len);
		len -= taken;
		memmove(arrived, arrived + taken, len);
	}
	buffer_consume(&from->sent, from->sent.len);
}

static void run(size_t piece)
{
	for (int i = 0; i < 4 && (opener.sent.len > 0 || acceptor.sent.len > 0); i++) {
		pass(&opener, &acceptor, piece);
		pass(&acceptor, &opener, piece);
	}
}

static void shake(enum handshake_purpose purpose)
{
	begin(purpose, NULL);
	run(SIZE_MAX);
}

static void require_done(void)
{
	ck_assert_int_eq(opener.rc, 1);
	ck_assert_int_eq(acceptor.rc, 1);
	ck_assert(opener.h.step == HANDSHAKE_IS_DONE && acceptor.h.step == HANDSHAKE_IS_DONE);
}

/* Both know it, for one reason, in the same words. */
static void require_refused(enum handshake_code code, bool by_acceptor, const char *words)
{
	const struct handshake_refusal *a = &opener.h.refusal, *b = &acceptor.h.refusal;
	ck_assert_int_eq(opener.rc, DHT_EDENIED);
	ck_assert_int_eq(acceptor.rc, DHT_EDENIED);
	ck_assert_str_eq(handshake_code_name(a->code), handshake_code_name(code));
	ck_assert_int_eq(b->code, code);
	ck_assert_str_eq(a->reason, b->reason);
	ck_assert_msg(strstr(a->reason, words) != NULL, "%s", a->reason);
	ck_assert(b->is_ours == by_acceptor && a->is_ours != by_acceptor);
}

/* ---- Those that belong together ------------------------------------------------------ */

START_TEST(both_learn_who_the_other_one_is)
{
	for (int purpose = HANDSHAKE_CONTROL; purpose < HANDSHAKE_PURPOSE_COUNT; purpose++) {
		make_ends();
		shake((enum handshake_purpose)purpose);
		require_done();
		const struct handshake_peer *a = &opener.h.peer, *b = &acceptor.h.peer;
		ck_assert(a->purpose == b->purpose && (int)a->purpose == purpose);
		ck_assert_str_eq(a->id, acceptor.self.id);
		ck_assert_str_eq(b->id, opener.self.id);
		ck_assert(a->number == 1 && b->number == 0 && a->epoch == 41 && b->epoch == 40);
		ck_assert(a->run == 1001 && b->run == 1000 && a->is_same_lineage);
		ck_assert(memcmp(b->lineage, lineages[0], sizeof(b->lineage)) == 0);
		ck_assert(a->features == (6 & 5) && b->features == (6 & 5));
		ck_assert(a->protocol == HANDSHAKE_PROTOCOL && b->protocol == HANDSHAKE_PROTOCOL);
		ck_assert_str_eq(a->host, "::1");
		ck_assert_str_eq(b->host, "10.0.0.1");
		ck_assert(a->port == 7403 && b->port == 7402);
		ck_assert(opener.judged == 1 && acceptor.judged == 1);
	}
	make_ends();
}
END_TEST

START_TEST(the_longest_fields_fit)
{
	static char host[RING_TEXT_MAX + 1], cluster[HANDSHAKE_CLUSTER_MAX + 1];
	struct ring_address address = {host, UINT16_MAX};
	memset(host, 'h', RING_TEXT_MAX);
	memset(cluster, 'c', HANDSHAKE_CLUSTER_MAX);
	make_ends();
	opener.self.cluster = acceptor.self.cluster = cluster;
	opener.self.address = &address;
	opener.self.epoch = opener.self.features = opener.self.run = UINT64_MAX;
	opener.self.lineage_before = UINT64_MAX;
	opener.self.protocol_max = UINT32_MAX;
	opener.self.number = RING_MEMBERS_MAX - 1;
	shake(HANDSHAKE_DATA);
	require_done();
	ck_assert_str_eq(acceptor.h.peer.host, host);
	ck_assert_uint_le(opener.h.hello_len, 512);
	make_ends();
}
END_TEST

START_TEST(bytes_may_come_one_by_one)
{
	make_ends();
	begin(HANDSHAKE_CONTROL, acceptor.self.id);
	run(1);
	require_done();
	make_ends();
}
END_TEST

START_TEST(what_comes_behind_the_proof_is_not_touched)
{
	make_ends();
	begin(HANDSHAKE_DATA, NULL);
	pass(&opener, &acceptor, SIZE_MAX);
	pass(&acceptor, &opener, SIZE_MAX);
	pass(&opener, &acceptor, SIZE_MAX);
	ck_assert_int_eq(acceptor.rc, 1);
	size_t proof = acceptor.sent.len, taken;
	ck_assert_int_eq(buffer_append(&acceptor.sent, "more", 4, SIZE_MAX), 0);
	int rc = handshake_take(&opener.h, &opener.self,
				bytes_of(buffer_head(&acceptor.sent), acceptor.sent.len), &taken,
				&opener.sent);
	ck_assert_int_eq(rc, 1);
	ck_assert_uint_eq(taken, proof);
	make_ends();
}
END_TEST

START_TEST(nobody_needs_a_secret_that_nobody_has)
{
	make_ends();
	opener.self.secret = acceptor.self.secret = (struct bytes){0};
	shake(HANDSHAKE_CONTROL);
	require_done();
	make_ends();
}
END_TEST

START_TEST(versions_overlap_or_are_refused)
{
	static const struct {
		uint32_t opener[2], acceptor[2], spoken;
	} rows[] = {{{1, 3}, {2, 5}, 3}, {{2, 5}, {1, 3}, 3}, {{1, 1}, {1, 9}, 1},
		    {{4, 4}, {4, 4}, 4}, {{3, 4}, {1, 2}, 0}, {{1, 2}, {3, 4}, 0}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++) {
		make_ends();
		opener.self.protocol_min = rows[i].opener[0];
		opener.self.protocol_max = rows[i].opener[1];
		acceptor.self.protocol_min = rows[i].acceptor[0];
		acceptor.self.protocol_max = rows[i].acceptor[1];
		shake(HANDSHAKE_CONTROL);
		if (rows[i].spoken == 0) {
			require_refused(HANDSHAKE_VERSION, true,
					i == 4 ? "3 to 4 connects to one of protocol 1 to 2"
					       : "1 to 2 connects to one of protocol 3 to 4");
			continue;
		}
		require_done();
		ck_assert_uint_eq(opener.h.peer.protocol, rows[i].spoken);
		ck_assert_uint_eq(acceptor.h.peer.protocol, rows[i].spoken);
	}
	make_ends();
}
END_TEST

/* ---- Those that do not --------------------------------------------------------------- */

START_TEST(both_have_the_same_secret)
{
	make_ends();
	opener.self.secret = bytes_of_text("correct horse batterz");
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_SECRET_DIFFERS, true, "secrets");
	ck_assert(acceptor.judged == 0); /* who has proved nothing is told nothing */
	make_ends();
	opener.self.secret = (struct bytes){0};
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_SECRET_MISSING, true, "is connected to has");
	make_ends();
	acceptor.self.secret = (struct bytes){0};
	shake(HANDSHAKE_JOIN);
	require_refused(HANDSHAKE_SECRET_MISSING, true, "connects has");
	make_ends();
}
END_TEST

START_TEST(both_are_of_one_cluster)
{
	for (int purpose = HANDSHAKE_CONTROL; purpose < HANDSHAKE_PURPOSE_COUNT; purpose++) {
		make_ends();
		opener.self.cluster = "prod";
		shake((enum handshake_purpose)purpose);
		require_refused(HANDSHAKE_OTHER_CLUSTER, true,
				"\"prod\" connects to one of the cluster \"dht\"");
		make_ends();
		opener.self.lineage = lineages[1];
		opener.self.number = MEMBER_NOBODY;
		shake((enum handshake_purpose)purpose);
		if (purpose == HANDSHAKE_JOIN) {
			require_done();
			ck_assert(!opener.h.peer.is_same_lineage);
			ck_assert(acceptor.h.peer.number == MEMBER_NOBODY);
		} else {
			require_refused(HANDSHAKE_OTHER_LINEAGE, true, "different clusters");
		}
	}
	/* Members may know of who joins before it has their map. */
	make_ends();
	opener.self.lineage = lineages[1];
	acceptor.self.is_joining = true;
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_NOT_READY, true, "is joining a cluster");
	/* Those that were founded by nobody have nothing in common. */
	make_ends();
	opener.self.lineage = acceptor.self.lineage = lineages[2];
	shake(HANDSHAKE_DATA);
	require_refused(HANDSHAKE_OTHER_LINEAGE, true, "");
	make_ends();
}
END_TEST

START_TEST(a_survivor_of_a_recovery_is_reached)
{
	for (int purpose = HANDSHAKE_CONTROL; purpose < HANDSHAKE_PURPOSE_COUNT; purpose++) {
		for (int by_recovered = 0; by_recovered < 2; by_recovered++) {
			make_ends();
			struct end *recovered = by_recovered ? &opener : &acceptor;
			recovered->self.lineage = lineages[1];
			recovered->self.lineage_before = get_u64(lineages[0]);
			shake((enum handshake_purpose)purpose);
			if (purpose == HANDSHAKE_DATA) {
				require_refused(HANDSHAKE_OTHER_LINEAGE, true, "");
				continue;
			}
			require_done();
			ck_assert(!opener.h.peer.is_same_lineage);
			recovered->self.lineage_before++;
		}
	}
	make_ends();
	opener.self.lineage = lineages[1];
	opener.self.lineage_before = get_u64(lineages[0]) + 1;
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_OTHER_LINEAGE, true, "");
	make_ends();
}
END_TEST

START_TEST(a_node_is_another_one_and_the_right_one)
{
	make_ends();
	memcpy(opener.self.id, acceptor.self.id, sizeof(opener.self.id));
	opener.self.run = acceptor.self.run;
	shake(HANDSHAKE_JOIN);
	require_refused(HANDSHAKE_MYSELF, true, "itself");
	make_ends();
	memcpy(opener.self.id, acceptor.self.id, sizeof(opener.self.id));
	shake(HANDSHAKE_JOIN);
	require_refused(HANDSHAKE_SAME_ID, true, acceptor.self.id);
	make_ends();
	begin(HANDSHAKE_CONTROL, "00000000000000000000000000000077");
	run(SIZE_MAX);
	require_refused(HANDSHAKE_OTHER_NODE, false, "0077 was expected");
	make_ends();
}
END_TEST

START_TEST(who_knows_the_map_judges)
{
	make_ends();
	acceptor.verdict = HANDSHAKE_REMOVED;
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_REMOVED, true, "judged?by 0");
	make_ends();
	opener.verdict = HANDSHAKE_NO_MEMBER;
	shake(HANDSHAKE_CONTROL);
	require_refused(HANDSHAKE_NO_MEMBER, false, "judged?by 1");
	make_ends();
}
END_TEST

START_TEST(the_caller_may_end_it)
{
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	pass(&opener, &acceptor, SIZE_MAX);
	ck_assert_int_eq(handshake_refuse(&acceptor.h, HANDSHAKE_LATE, NULL, &acceptor.sent), 0);
	acceptor.rc = DHT_EDENIED;
	buffer_consume(&opener.sent, opener.sent.len);
	/* It comes behind the CHALLENGE, so the opener has sent its proof by then. */
	pass(&acceptor, &opener, SIZE_MAX);
	require_refused(HANDSHAKE_LATE, true, "too long");
	make_ends();
}
END_TEST

/* ---- What is not sent by a node ------------------------------------------------------ */

/* Gives one end these bytes. */
static int give(struct end *to, const void *data, size_t len)
{
	size_t taken, before = to->sent.len;
	to->rc = handshake_take(&to->h, &to->self, bytes_of(data, len), &taken, &to->sent);
	note(to, before);
	return to->rc;
}

static void require_malformed(const struct end *end)
{
	ck_assert_int_eq(end->rc, DHT_EDENIED);
	ck_assert(end->h.refusal.code == HANDSHAKE_MALFORMED && end->h.refusal.is_ours);
}

START_TEST(what_is_cut_short_is_waited_for)
{
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	for (size_t len = 0; len < opener.sent.len; len++)
		ck_assert_int_eq(give(&acceptor, buffer_head(&opener.sent), len), MORE);
	ck_assert_uint_eq(acceptor.sent.len, 0);
	make_ends();
}
END_TEST

START_TEST(no_changed_byte_is_taken)
{
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	uint8_t sent[HANDSHAKE_FRAME_MAX];
	size_t len = opener.sent.len;
	memcpy(sent, buffer_head(&opener.sent), len);
	for (size_t i = 0; i < len; i++) {
		sent[i] ^= 0x11;
		make_ends();
		begin(HANDSHAKE_CONTROL, NULL);
		/* A length that is longer is waited for. */
		ck_assert(give(&acceptor, sent, len) == DHT_EDENIED ||
			  (acceptor.rc == MORE && i >= 4 && i < 8));
		sent[i] ^= 0x11;
	}
	make_ends();
}
END_TEST

/* Makes a frame. */
static size_t frame_of(uint8_t *out, enum peer_frame_type type, uint32_t call, struct bytes message,
		       size_t payload)
{
	size_t size = PEER_FRAME_HEADER + message.len + payload;
	peer_frame_put_header(out, type, 0, call, message.len, size);
	if (message.len > 0)
		memmove(out + PEER_FRAME_HEADER, message.data, message.len);
	memset(out + PEER_FRAME_HEADER + message.len, 0, payload);
	struct bytes all = bytes_of(out, size);
	peer_frame_seal(out, &all, 1);
	return size;
}

START_TEST(nothing_else_is_taken_before_it_is_over)
{
	static uint8_t frame[PEER_FRAME_MAX];
	for (int type = PEER_HELLO; type < PEER_FRAME_TYPE_COUNT; type++) {
		if (type == PEER_PART)
			continue;
		size_t len = frame_of(frame, (enum peer_frame_type)type, 0, (struct bytes){0}, 0);
		make_ends();
		begin(HANDSHAKE_CONTROL, NULL);
		give(&acceptor, frame, len);
		require_malformed(&acceptor);
		give(&opener, frame, len);
		if (type != PEER_REFUSAL)
			require_malformed(&opener);
		else
			ck_assert(opener.rc == DHT_EDENIED && !opener.h.refusal.is_ours);
	}
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	struct bytes hello = bytes_of(opener.h.hello, opener.h.hello_len);
	give(&acceptor, frame, frame_of(frame, PEER_HELLO, 1, hello, 0));
	require_malformed(&acceptor);
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	give(&acceptor, frame, frame_of(frame, PEER_HELLO, 0, hello, 1));
	require_malformed(&acceptor);
	make_ends();
}
END_TEST

/* Its header alone is enough to refuse it: no memory is spent on strangers. */
START_TEST(a_long_frame_is_not_waited_for)
{
	uint8_t header[PEER_FRAME_HEADER];
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	peer_frame_put_header(header, PEER_HELLO, 0, 0, HANDSHAKE_MESSAGE_MAX, HANDSHAKE_FRAME_MAX);
	ck_assert_int_eq(give(&acceptor, header, sizeof(header)), MORE);
	peer_frame_put_header(header, PEER_HELLO, 0, 0, HANDSHAKE_MESSAGE_MAX + 1,
			      HANDSHAKE_FRAME_MAX + 1);
	give(&acceptor, header, sizeof(header));
	require_malformed(&acceptor);
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	give(&acceptor, "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", 35);
	require_malformed(&acceptor);
	make_ends();
}
END_TEST

START_TEST(a_proof_that_is_sent_back_proves_nothing)
{
	/* To whom it came from, as that of the other side. */
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	pass(&opener, &acceptor, SIZE_MAX);
	pass(&acceptor, &opener, SIZE_MAX);
	give(&opener, buffer_head(&opener.sent), opener.sent.len);
	ck_assert_int_eq(opener.rc, DHT_EDENIED);
	ck_assert_int_eq(opener.h.refusal.code, HANDSHAKE_SECRET_DIFFERS);
	/* All that a node sends, to itself. */
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	acceptor.self = opener.self;
	run(SIZE_MAX);
	require_refused(HANDSHAKE_MYSELF, true, "itself");
	/* HELLO as CHALLENGE, under another id. */
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	uint8_t message[HANDSHAKE_MESSAGE_MAX], frame[HANDSHAKE_FRAME_MAX];
	size_t len =
	    handshake_code_challenge(message, &acceptor.self, HANDSHAKE_CONTROL, opener.h.nonce);
	give(&opener, frame, frame_of(frame, PEER_CHALLENGE, 0, bytes_of(message, len), 0));
	require_malformed(&opener);
	make_ends();
}
END_TEST

START_TEST(a_recorded_handshake_proves_nothing)
{
	struct buffer recorded = BUFFER_EMPTY;
	make_ends();
	shake(HANDSHAKE_CONTROL);
	require_done();
	/* What the opener said, to the same acceptor. */
	ck_assert_int_eq(
	    buffer_append(&recorded, buffer_head(&opener.all), opener.all.len, SIZE_MAX), 0);
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	give(&acceptor, buffer_head(&recorded), recorded.len);
	ck_assert_int_eq(acceptor.rc, DHT_EDENIED);
	ck_assert_int_eq(acceptor.h.refusal.code, HANDSHAKE_SECRET_DIFFERS);
	/* What the acceptor said, to the same opener. */
	make_ends();
	shake(HANDSHAKE_CONTROL);
	buffer_consume(&recorded, recorded.len);
	ck_assert_int_eq(
	    buffer_append(&recorded, buffer_head(&acceptor.all), acceptor.all.len, SIZE_MAX), 0);
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	give(&opener, buffer_head(&recorded), recorded.len);
	ck_assert_int_eq(opener.rc, DHT_EDENIED);
	ck_assert_int_eq(opener.h.refusal.code, HANDSHAKE_SECRET_DIFFERS);
	buffer_reset(&recorded);
	make_ends();
}
END_TEST

/* Somebody in between changes the purpose: both proofs are of what was said and heard. */
START_TEST(what_is_changed_on_the_way_is_noticed)
{
	uint8_t message[HANDSHAKE_MESSAGE_MAX], frame[HANDSHAKE_FRAME_MAX];
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	size_t len = handshake_code_hello(message, &opener.self, HANDSHAKE_DATA, opener.h.nonce);
	give(&acceptor, frame, frame_of(frame, PEER_HELLO, 0, bytes_of(message, len), 0));
	ck_assert_int_eq(acceptor.rc, MORE);
	/* The opener is told what it asked for. */
	len =
	    handshake_code_challenge(message, &acceptor.self, HANDSHAKE_CONTROL, acceptor.h.nonce);
	buffer_consume(&opener.sent, opener.sent.len);
	give(&opener, frame, frame_of(frame, PEER_CHALLENGE, 0, bytes_of(message, len), 0));
	ck_assert_int_eq(opener.rc, MORE);
	give(&acceptor, buffer_head(&opener.sent), opener.sent.len);
	ck_assert_int_eq(acceptor.rc, DHT_EDENIED);
	ck_assert_int_eq(acceptor.h.refusal.code, HANDSHAKE_SECRET_DIFFERS);
	/* Or is not. */
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	len = handshake_code_challenge(message, &acceptor.self, HANDSHAKE_DATA, acceptor.h.nonce);
	give(&opener, frame, frame_of(frame, PEER_CHALLENGE, 0, bytes_of(message, len), 0));
	require_malformed(&opener);
	make_ends();
}
END_TEST

START_TEST(a_proof_where_none_is_due_is_refused)
{
	struct buffer out = BUFFER_EMPTY;
	uint8_t hmac[HMAC_SIZE] = {0};
	ck_assert_int_eq(handshake_code_proof(&out, bytes_of(hmac, sizeof(hmac))), 0);
	make_ends();
	opener.self.secret = acceptor.self.secret = (struct bytes){0};
	begin(HANDSHAKE_CONTROL, NULL);
	pass(&opener, &acceptor, SIZE_MAX);
	give(&acceptor, buffer_head(&out), out.len);
	ck_assert_int_eq(acceptor.h.refusal.code, HANDSHAKE_SECRET_MISSING);
	buffer_consume(&out, out.len);
	ck_assert_int_eq(handshake_code_proof(&out, (struct bytes){0}), 0);
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	pass(&opener, &acceptor, SIZE_MAX);
	give(&acceptor, buffer_head(&out), out.len);
	ck_assert_int_eq(acceptor.h.refusal.code, HANDSHAKE_SECRET_MISSING);
	buffer_reset(&out);
	make_ends();
}
END_TEST

/* ---- Fields -------------------------------------------------------------------------- */

static bool takes(const Dhtd__Peer__Hello *hello)
{
	uint8_t packed[2 * HANDSHAKE_MESSAGE_MAX];
	struct handshake_hello got;
	ck_assert_uint_le(dhtd__peer__hello__get_packed_size(hello), sizeof(packed));
	return handshake_code_take_hello(bytes_of(packed, dhtd__peer__hello__pack(hello, packed)),
					 &got);
}

#define CHECK(want, change)                                                                        \
	do {                                                                                       \
		Dhtd__Peer__Hello *hello = dhtd__peer__hello__unpack(NULL, len, message);          \
		ck_assert(hello != NULL && hello->base.n_unknown_fields == 0);                     \
		Dhtd__Peer__Address *address = hello->address;                                     \
		Dhtd__Peer__Hello kept = *hello;                                                   \
		char *host = address->host;                                                        \
		change;                                                                            \
		ck_assert_msg(takes(hello) == (want), "%s", #change);                              \
		address->host = host;                                                              \
		*hello = kept;                                                                     \
		dhtd__peer__hello__free_unpacked(hello, NULL);                                     \
	} while (0)

START_TEST(fields_of_a_hello_are_bounded)
{
	uint8_t message[HANDSHAKE_MESSAGE_MAX], nonce[HANDSHAKE_NONCE_SIZE] = {7};
	char text[300];
	make_ends();
	size_t len = handshake_code_hello(message, &opener.self, HANDSHAKE_CONTROL, nonce);
	memset(text, 'x', sizeof(text));
	text[HANDSHAKE_CLUSTER_MAX] = '\0';
	CHECK(true, (void)0);
	CHECK(true, hello->has_member = false);
	CHECK(true, hello->has_lineage = false);
	CHECK(true, hello->address = NULL);
	CHECK(true, hello->cluster = text);
	text[HANDSHAKE_CLUSTER_MAX] = 'x';
	text[HANDSHAKE_CLUSTER_MAX + 1] = '\0';
	CHECK(false, hello->cluster = text);
	text[1] = '\n';
	text[2] = '\0';
	CHECK(false, hello->cluster = text);
	CHECK(false, address->host = text);
	text[0] = '\0';
	CHECK(false, address->host = text);
	CHECK(false, address->port = 0);
	CHECK(false, address->port = UINT16_MAX + 1);
	CHECK(false, hello->node_id.len = 15);
	CHECK(false, hello->has_node_id = false);
	CHECK(false, hello->lineage.len = 8);
	CHECK(false, hello->has_nonce = false);
	CHECK(false, hello->nonce.len = 16);
	CHECK(false, hello->member = RING_MEMBERS_MAX);
	CHECK(false, hello->has_protocol = false);
	CHECK(false, hello->has_protocol_min = true; hello->protocol_min = 2);
}
END_TEST

START_TEST(fields_have_the_numbers_of_the_schema)
{
	const ProtobufCMessageDescriptor *type = &dhtd__peer__hello__descriptor;
	unsigned count = 0;
#define X(NAME, name, number)                                                                      \
	ck_assert_uint_eq(protobuf_c_message_descriptor_get_field_by_name(type, #name)->id,        \
			  HELLO_##NAME);                                                           \
	count++;
	HELLO_FIELDS(X)
#undef X
	ck_assert_uint_eq(count, type->n_fields);
	ck_assert_uint_eq(dhtd__peer__challenge__descriptor.fields[0].id, CHALLENGE_HELLO);
	ck_assert_uint_eq(dhtd__peer__proof__descriptor.fields[0].id, PROOF_HMAC);
	ck_assert_uint_eq(dhtd__peer__refusal__descriptor.fields[0].id, REFUSAL_CODE);
	ck_assert_uint_eq(dhtd__peer__refusal__descriptor.fields[1].id, REFUSAL_REASON);
}
END_TEST

/* What a node of a later version says that this one does not know. */
START_TEST(what_is_new_is_passed_over_where_it_may_be)
{
	static const uint8_t more[] = {0x98, 0x06, 1}, code[] = {0x08, 77},
			     control[] = {0x12, 2, 'a', '\x1b'};
	uint8_t message[HANDSHAKE_MESSAGE_MAX], frame[HANDSHAKE_FRAME_MAX];
	struct handshake_refusal refusal;
	make_ends();
	begin(HANDSHAKE_CONTROL, NULL);
	size_t len = handshake_code_hello(message, &opener.self, HANDSHAKE_CONTROL, opener.h.nonce);
	memcpy(message + len, more, sizeof(more));
	len += sizeof(more);
	give(&acceptor, frame, frame_of(frame, PEER_HELLO, 0, bytes_of(message, len), 0));
	ck_assert_int_eq(acceptor.rc, MORE);
	struct peer_frame refused = {.type = PEER_REFUSAL, .message = bytes_of(code, sizeof(code))};
	ck_assert_int_eq(handshake_read_refusal(&refused, &refusal), 0);
	ck_assert(refusal.code == HANDSHAKE_OTHER && refusal.reason[0] != '\0');
	refused.message = bytes_of(control, sizeof(control));
	ck_assert_int_eq(handshake_read_refusal(&refused, &refusal), DHT_EPROTO);
	make_ends();
}
END_TEST

/* RFC 4231, test cases 2 and 6. */
START_TEST(hmac_is_that_of_the_standard)
{
	static const uint8_t first[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e},
			     second[] = {0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f};
	uint8_t hmac[HMAC_SIZE], other[HMAC_SIZE], key[131];
	ck_assert_int_eq(
	    hmac_sha256(bytes_of_text("Jefe"), bytes_of_text("what do ya want for nothing?"), hmac),
	    0);
	ck_assert_mem_eq(hmac, first, sizeof(first));
	memset(key, 0xaa, sizeof(key));
	ck_assert_int_eq(hmac_sha256(bytes_of(key, sizeof(key)),
				     bytes_of_text("Test Using Larger Than Block-Size Key - "
						   "Hash Key First"),
				     hmac),
			 0);
	ck_assert_mem_eq(hmac, second, sizeof(second));
	memcpy(other, hmac, sizeof(other));
	ck_assert(hmac_is_equal(hmac, other));
	other[HMAC_SIZE - 1] ^= 1;
	ck_assert(!hmac_is_equal(hmac, other));
	hmac_wipe(other, sizeof(other));
	ck_assert(other[0] == 0 && other[HMAC_SIZE - 1] == 0);
}
END_TEST

UNIT_MAIN("handshake", 60, both_learn_who_the_other_one_is, the_longest_fields_fit,
	  bytes_may_come_one_by_one, what_comes_behind_the_proof_is_not_touched,
	  nobody_needs_a_secret_that_nobody_has, versions_overlap_or_are_refused,
	  both_have_the_same_secret, both_are_of_one_cluster, a_survivor_of_a_recovery_is_reached,
	  a_node_is_another_one_and_the_right_one, who_knows_the_map_judges, the_caller_may_end_it,
	  what_is_cut_short_is_waited_for, no_changed_byte_is_taken,
	  nothing_else_is_taken_before_it_is_over, a_long_frame_is_not_waited_for,
	  a_proof_that_is_sent_back_proves_nothing, a_recorded_handshake_proves_nothing,
	  what_is_changed_on_the_way_is_noticed, a_proof_where_none_is_due_is_refused,
	  fields_of_a_hello_are_bounded, fields_have_the_numbers_of_the_schema,
	  what_is_new_is_passed_over_where_it_may_be, hmac_is_that_of_the_standard)
