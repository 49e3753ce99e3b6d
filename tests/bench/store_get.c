/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/store_get - look-ups in the store against LMDB, in process, on one thread.
 *
 *     bench_store_get [KEYS [ROUNDS]]
 *
 * KEYS keys of 16 bytes with values of 100, every key read once per round, in random
 * order; rounds of all contenders alternate, and the median counts. A get derives what
 * it needs from the key's bytes (hash, slot) and reads the value's first and last byte.
 * LMDB reads within one read transaction, its cheapest way; its map lies in a file
 * below $TMPDIR (/tmp), all of it in the page cache. CPU time of the thread, because
 * others run on the machine too.
 */
#include <err.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "ring/slot.h"
#include "store/os.h"
#include "store/store.h"

enum {
	KEY_SIZE = 16,
	VALUE_SIZE = 100,
	BLOCKS = 1024,
	BATCH = 16,
	KEYS_DEFAULT = 1000000,
	ROUNDS_DEFAULT = 5,
	ROUNDS_MAX = 99,
};

struct bench {
	size_t keys;
	uint8_t *requests; /* the keys in the order in which they are asked for */
	uint64_t expected; /* sum over all gets */
	struct store *store;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char path[256];
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void make_key(uint8_t key[KEY_SIZE], uint64_t n)
{
	put_u64(key, mix(n + 1));
	put_u64(key + 8, n);
}

static void make_value(uint8_t value[VALUE_SIZE], uint64_t n)
{
	memset(value, (int)(n % 251), VALUE_SIZE);
}

static uint64_t touch(const uint8_t *value, size_t len)
{
	return (uint64_t)value[0] + value[len - 1];
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void make_requests(struct bench *b)
{
	b->requests = malloc(b->keys * KEY_SIZE);
	uint32_t *order = malloc(b->keys * sizeof(*order));
	if (b->requests == NULL || order == NULL)
		errx(1, "out of memory");
	for (size_t i = 0; i < b->keys; i++) {
		size_t other = mix(i) % (i + 1);
		order[i] = order[other];
		order[other] = (uint32_t)i;
	}
	for (size_t i = 0; i < b->keys; i++) {
		make_key(b->requests + i * KEY_SIZE, order[i]);
		b->expected += 2 * (order[i] % 251);
	}
	free(order);
}

/* ---- Ours ------------------------------------------------------------------------ */

static struct store_key store_key_of(const uint8_t *data)
{
	struct bytes key = bytes_of(data, KEY_SIZE);
	return (struct store_key){
	    .key = key,
	    .hash = hash_bytes(data, KEY_SIZE),
	    .block = ring_block_of_slot(ring_slot_of_key(key), BLOCKS),
	};
}

static void store_fill(struct bench *b)
{
	struct store_options options = {
	    .blocks = BLOCKS,
	    .segment_size_bytes = STORE_SEGMENT_SIZE_MAX,
	};
	if (store_open(&options, store_os_memory(), &b->store) != 0)
		errx(1, "cannot open the store");
	for (size_t n = 0; n < b->keys; n++) {
		uint8_t data[KEY_SIZE], value[VALUE_SIZE];
		uint64_t end;
		struct store_hit hit;
		make_key(data, n);
		make_value(value, n);
		struct store_key key = store_key_of(data);
		struct record rec = {
		    .acc = ballot_make(0, n + 1, 0),
		    .key = key.key,
		    .value = bytes_of(value, VALUE_SIZE),
		};
		rec.ver = rec.acc;
		if (store_find(b->store, &key, NULL, &hit) != STORE_ABSENT)
			errx(1, "key %zu is there already", n);
		int rc = store_put(b->store, 0, &key, &hit, &rec, &end);
		if (rc != 0)
			errx(1, "put: %s", dht_error_text(rc));
	}
}

static uint64_t store_get(const struct bench *b, const struct store_key *key)
{
	struct store_hit hit;
	if (store_find(b->store, key, NULL, &hit) != STORE_FOUND)
		errx(1, "a key is missing in the store");
	return touch(hit.record.value.data, hit.record.value.len);
}

static uint64_t store_one_by_one(const struct bench *b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->keys; i++) {
		struct store_key key = store_key_of(b->requests + i * KEY_SIZE);
		sum += store_get(b, &key);
	}
	return sum;
}

static uint64_t store_in_batches(const struct bench *b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->keys; i += BATCH) {
		struct store_key keys[BATCH];
		size_t n = b->keys - i < BATCH ? b->keys - i : BATCH;
		for (size_t k = 0; k < n; k++) {
			keys[k] = store_key_of(b->requests + (i + k) * KEY_SIZE);
			store_prefetch_index(b->store, &keys[k]);
		}
		for (size_t k = 0; k < n; k++)
			store_prefetch_record(b->store, &keys[k]);
		for (size_t k = 0; k < n; k++)
			sum += store_get(b, &keys[k]);
	}
	return sum;
}

/* ---- LMDB ------------------------------------------------------------------------ */

static void check_lmdb(int rc, const char *what)
{
	if (rc != 0)
		errx(1, "%s: %s", what, mdb_strerror(rc));
}

static void lmdb_fill(struct bench *b)
{
	const char *dir = getenv("TMPDIR");
	snprintf(b->path, sizeof(b->path), "%s/store_get.XXXXXX", dir != NULL ? dir : "/tmp");
	int fd = mkstemp(b->path);
	if (fd < 0)
		err(1, "%s", b->path);
	close(fd);
	check_lmdb(mdb_env_create(&b->env), "mdb_env_create");
	check_lmdb(mdb_env_set_mapsize(b->env, (b->keys + 10000) * 512), "mdb_env_set_mapsize");
	check_lmdb(mdb_env_open(b->env, b->path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600),
		   "mdb_env_open");
	check_lmdb(mdb_txn_begin(b->env, NULL, 0, &b->txn), "mdb_txn_begin");
	check_lmdb(mdb_dbi_open(b->txn, NULL, 0, &b->dbi), "mdb_dbi_open");
	for (size_t n = 0; n < b->keys; n++) {
		uint8_t data[KEY_SIZE], bytes[VALUE_SIZE];
		make_key(data, n);
		make_value(bytes, n);
		MDB_val key = {KEY_SIZE, data}, value = {VALUE_SIZE, bytes};
		check_lmdb(mdb_put(b->txn, b->dbi, &key, &value, MDB_NOOVERWRITE), "mdb_put");
	}
	check_lmdb(mdb_txn_commit(b->txn), "mdb_txn_commit");
	check_lmdb(mdb_txn_begin(b->env, NULL, MDB_RDONLY, &b->txn), "mdb_txn_begin");
}

static uint64_t lmdb_one_by_one(const struct bench *b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->keys; i++) {
		MDB_val key = {KEY_SIZE, b->requests + i * KEY_SIZE}, value;
		check_lmdb(mdb_get(b->txn, b->dbi, &key, &value), "mdb_get");
		sum += touch(value.mv_data, value.mv_size);
	}
	return sum;
}

static void lmdb_close(struct bench *b)
{
	mdb_txn_abort(b->txn);
	mdb_env_close(b->env);
	unlink(b->path);
}

/* ---- Rounds ---------------------------------------------------------------------- */

static const struct contender {
	const char *name;
	uint64_t (*run)(const struct bench *b);
} contenders[] = {
    {"LMDB", lmdb_one_by_one},
    {"store", store_one_by_one},
    {"store, batches of 16", store_in_batches},
};
enum { CONTENDERS = sizeof(contenders) / sizeof(contenders[0]) };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void run_rounds(const struct bench *b, unsigned rounds)
{
	double ns[CONTENDERS][ROUNDS_MAX], lmdb = 0;
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned c = 0; c < CONTENDERS; c++) {
			double start = now_ns();
			uint64_t sum = contenders[c].run(b);
			ns[c][round] = (now_ns() - start) / (double)b->keys;
			if (sum != b->expected)
				errx(1, "%s: wrong values", contenders[c].name);
		}
	}
	printf("%-22s %8s %8s %8s %8s\n", "get, CPU ns", "median", "least", "most", "of LMDB");
	for (unsigned c = 0; c < CONTENDERS; c++) {
		qsort(ns[c], rounds, sizeof(ns[c][0]), by_value);
		double median = ns[c][rounds / 2];
		lmdb = c == 0 ? median : lmdb;
		printf("%-22s %8.0f %8.0f %8.0f %8.2f\n", contenders[c].name, median, ns[c][0],
		       ns[c][rounds - 1], median / lmdb);
	}
}

int main(int argc, char **argv)
{
	struct bench b = {.keys = argc > 1 ? strtoul(argv[1], NULL, 10) : KEYS_DEFAULT};
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS_DEFAULT;
	if (argc > 3 || b.keys < 1 || b.keys > UINT32_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: %s [KEYS [ROUNDS]]\n", argv[0]);
		return 2;
	}
	make_requests(&b);
	store_fill(&b);
	lmdb_fill(&b);
	run_rounds(&b, (unsigned)rounds);

	struct store_counts counts;
	store_count(b.store, &counts);
	printf("index: %.1f bytes a key\n", (double)counts.index_bytes / (double)counts.keys);
	lmdb_close(&b);
	store_close(b.store);
	free(b.requests);
	return 0;
}
