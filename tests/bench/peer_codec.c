/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/peer_codec - nanoseconds and bytes per message between nodes, on one core.
 *
 *     bench_peer_codec [ROUNDS]
 *
 * A line per message: bytes of its frame, bytes of these beside key and value; time to
 * encode (frame and checksum) and to decode (parse, verify and check). Then the same fields through
 * the generated code, without a frame, its memory taken from an arena. The figure is the
 * best of ROUNDS rounds, because what disturbs a round only ever makes it slower.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "peer.pb-c.h"
#include "wire/peer.h"

enum { REPEATS = 200000, ROUNDS_DEFAULT = 7, KEY_LEN = 16, VALUE_LEN = 100, VERSION = 12 };

static const uint8_t filling[64 * 1024];
static struct buffer out;
static struct wire_peer_decoder decoder;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct message sample(enum message_kind kind, size_t value_len)
{
	struct ballot b = ballot_make(VERSION, 123456789, 3);
	struct message m = {
	    .kind = kind,
	    .from = 3,
	    .block = 777,
	    .version = VERSION,
	    .tag = 5ull << 40 | 123456,
	    .key = bytes_of(filling, KEY_LEN),
	    .b = b,
	    .is_ok = kind == MESSAGE_OK || kind == MESSAGE_PROMISE,
	};
	if (kind == MESSAGE_OK)
		m.bound = ballot_successor(b);
	if (kind == MESSAGE_ACCEPT || kind == MESSAGE_PROMISE) {
		m.record.acc = m.record.ver = b;
		m.record.pver = ballot_make(VERSION, 123456000, 2);
		m.record.value = bytes_of(filling, value_len);
	}
	if (kind == MESSAGE_ACCEPT)
		m.next = ballot_successor(b);
	return m;
}

static void encode(const struct message *m)
{
	struct wire_frame frame;
	buffer_consume(&out, out.len);
	int rc = wire_peer_encode(m, 0, &out, SIZE_MAX, &frame);
	DHT_ASSERT(rc == 0);
}

static void decode(const struct message *m)
{
	struct peer_frame frame;
	struct message decoded;
	size_t size;
	int rc = peer_frame_parse(bytes_of(buffer_head(&out), out.len), &frame, &size);
	DHT_ASSERT(rc == 1);
	rc = wire_peer_decode(&decoder, &frame, m->from, &decoded);
	DHT_ASSERT(rc == 0 && decoded.tag == m->tag);
}

/* ---- The same with generated code ---------------------------------------------------- */

static Dhtd__Peer__PeerMessage generated;
static uint8_t packed[128 * 1024];
static size_t packed_len;
static uint8_t arena[128 * 1024] __attribute__((aligned(16)));
static size_t arena_used;

static void *arena_alloc(void *ctx, size_t size)
{
	void *at = arena + arena_used;
	arena_used += (size + 15) / 16 * 16;
	DHT_ASSERT(arena_used <= sizeof(arena));
	return at;
}

static void arena_free(void *ctx, void *at)
{
}

static ProtobufCAllocator allocator = {arena_alloc, arena_free, NULL};

static void begin_generated(const struct message *m)
{
	struct peer_frame frame;
	size_t size;
	encode(m);
	int rc = peer_frame_parse(bytes_of(buffer_head(&out), out.len), &frame, &size);
	DHT_ASSERT(rc == 1);
	arena_used = 0;
	generated =
	    *dhtd__peer__peer_message__unpack(&allocator, frame.message.len, frame.message.data);
}

static void pack(const struct message *m)
{
	packed_len = dhtd__peer__peer_message__get_packed_size(&generated);
	DHT_ASSERT(packed_len <= sizeof(packed));
	dhtd__peer__peer_message__pack(&generated, packed);
}

static void unpack(const struct message *m)
{
	size_t before = arena_used;
	Dhtd__Peer__PeerMessage *message =
	    dhtd__peer__peer_message__unpack(&allocator, packed_len, packed);
	DHT_ASSERT(message != NULL && message->tag == m->tag);
	arena_used = before;
}

/* ---- Times --------------------------------------------------------------------------- */

static double best_ns(void (*step)(const struct message *), const struct message *m, int rounds)
{
	double best = 1e9;
	for (int round = 0; round < rounds; round++) {
		uint64_t start = now_ns();
		for (int i = 0; i < REPEATS; i++)
			step(m);
		double ns = (double)(now_ns() - start) / REPEATS;
		if (ns < best)
			best = ns;
	}
	return best;
}

static void measure(enum message_kind kind, size_t value_len, int rounds)
{
	struct message m = sample(kind, value_len);
	encode(&m);
	double encode_ns = best_ns(encode, &m, rounds);
	double decode_ns = best_ns(decode, &m, rounds);
	size_t size = out.len;
	begin_generated(&m);
	double pack_ns = best_ns(pack, &m, rounds);
	double unpack_ns = best_ns(unpack, &m, rounds);
	printf("%-8s %6zu %6zu %6zu %8.1f %8.1f %8.1f %8.1f\n", message_name(kind),
	       m.record.value.len, size, size - m.key.len - m.record.value.len, encode_ns,
	       decode_ns, pack_ns, unpack_ns);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS_DEFAULT;
	printf("%d-byte key; nanoseconds\n%-8s %6s %6s %6s %8s %8s %8s %8s\n", KEY_LEN, "message",
	       "value", "bytes", "beside", "encode", "decode", "pack", "unpack");
	measure(MESSAGE_PREPARE, 0, rounds);
	measure(MESSAGE_PROMISE, VALUE_LEN, rounds);
	measure(MESSAGE_ACCEPT, VALUE_LEN, rounds);
	measure(MESSAGE_ACCEPT, 1000, rounds);
	measure(MESSAGE_ACCEPT, sizeof(filling), rounds);
	measure(MESSAGE_OK, 0, rounds);
	buffer_reset(&out);
	wire_peer_decoder_fini(&decoder);
	return 0;
}
