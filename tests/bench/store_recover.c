/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/store_recover - how long a store takes to open what it holds on disk.
 *
 * Makes a store in a new directory below DIR, closes it, and opens it again, ROUNDS times
 * without hint files and ROUNDS times with them, the files being in the page cache.
 * Prints the seconds of each open, their median and that of the processor's seconds. Keys have 16
 * bytes, values 100.
 *
 * Usage: bench_store_recover [KEYS [OVERWRITES [BLOCKS [DIR]]]]   (10000000 0 1024 /tmp)
 *   OVERWRITES: how many keys, drawn at random, are put once more
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/os.h"
#include "store/os_posix.h"
#include "store/store.h"

enum { KEY_SIZE = 16, VALUE_SIZE = 100, ROUNDS = 5, HASH_SEED = 77 };

static uint32_t blocks;
static char directory[4096];
static struct store_os_posix *posix;

static void fail(const char *doing, int rc)
{
	fprintf(stderr, "%s: %s\n", doing, dht_error_text(rc));
	exit(1);
}

static void locate(void *ctx, struct store_key *key, uint32_t count)
{
	key->hash = hash_bytes_seeded(key->key.data, key->key.len, HASH_SEED);
	key->block = (uint32_t)(key->hash % count);
}

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of all threads, in the kernel too: what the clock shows on a machine that is busy with
 * other things says little. */
static double cpu_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t draw(void)
{
	static uint64_t state = 1;
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 20;
}

static struct store *open_store(struct store_report *report)
{
	struct store_options options = {.blocks = blocks,
					.segment_size_bytes = STORE_SEGMENT_SIZE_MAX,
					.locate = locate,
					.report = report};
	struct store *store;
	int rc = store_open(&options, store_os_posix_view(posix), &store);
	if (rc != 0)
		fail(report->why[0] != '\0' ? report->why : "open", rc);
	return store;
}

/* Does what the committer and the background job do. */
static void serve(struct store *store)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(store))
		rc = store_prepare(store);
	if (rc == 0)
		rc = store_commit(store, STORE_WRITE_ONLY);
	if (rc != 0)
		fail("commit", rc);
}

static void put(struct store *store, uint64_t number, uint64_t counter)
{
	uint8_t id[KEY_SIZE] = {0}, value[VALUE_SIZE];
	struct store_key key = {.key = bytes_of(id, KEY_SIZE)};
	struct ballot acc = ballot_make(0, counter, 0);
	struct record rec = {.kind = RECORD_VALUE,
			     .acc = acc,
			     .ver = acc,
			     .key = key.key,
			     .value = bytes_of(value, VALUE_SIZE)};
	struct store_hit hit;
	uint64_t end;
	memset(value, (int)(number % 251), sizeof(value));
	put_u64(id, number * UINT64_C(0x9e3779b97f4a7c15));
	put_u64(id + 8, number);
	locate(NULL, &key, blocks);
	(void)store_find(store, &key, NULL, &hit);
	int rc;
	while ((rc = store_put(store, 0, &key, &hit, &rec, &end)) == DHT_EAGAIN)
		serve(store);
	if (rc != 0)
		fail("put", rc);
}

static void fill(uint64_t keys, uint64_t overwrites)
{
	struct store_report report;
	struct store *store = open_store(&report);
	for (uint64_t i = 0; i < keys + overwrites; i++) {
		put(store, i < keys ? i : draw() % keys, i + 1);
		if (i % 100000 == 0)
			serve(store);
	}
	if (store_commit(store, STORE_SYNC) != 0)
		fail("sync", DHT_EIO);
	store_close(store);
}

static void make_hints(void)
{
	struct store_report report;
	struct store *store = open_store(&report);
	double begin = now_s(), cpu = cpu_s();
	while (store_wants_background(store)) {
		int rc = store_background(store, &report);
		if (rc != 0)
			fail(report.why, rc);
	}
	printf("making them: %.2f s, CPU %.2f s\n", now_s() - begin, cpu_s() - cpu);
	store_close(store);
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static long rss_kib(void)
{
	long pages = 0, anonymous = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file == NULL || fscanf(file, "%ld %ld", &pages, &anonymous) != 2)
		anonymous = 0;
	if (file != NULL)
		fclose(file);
	return anonymous * (sysconf(_SC_PAGESIZE) / 1024);
}

static void measure(const char *what, uint64_t keys)
{
	double times[ROUNDS], cpu[ROUNDS];
	struct store_report report;
	printf("%-14s", what);
	for (int i = 0; i < ROUNDS; i++) {
		double begin = now_s(), cpu_begin = cpu_s();
		struct store *store = open_store(&report);
		times[i] = now_s() - begin;
		cpu[i] = cpu_s() - cpu_begin;
		printf(" %.2f", times[i]);
		fflush(stdout);
		if (report.keys != keys)
			fail("open found another number of keys", DHT_ECORRUPT);
		if (i == ROUNDS - 1)
			printf("  (resident %ld MiB)", rss_kib() / 1024);
		store_close(store);
	}
	qsort(times, ROUNDS, sizeof(times[0]), by_size);
	qsort(cpu, ROUNDS, sizeof(cpu[0]), by_size);
	printf("  median %.2f s, CPU %.2f s, %llu records, %llu MiB\n", times[ROUNDS / 2],
	       cpu[ROUNDS / 2], (unsigned long long)report.records,
	       (unsigned long long)(report.segment_bytes >> 20));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	uint64_t overwrites = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	blocks = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1024;
	snprintf(directory, sizeof(directory), "%s/store_recover.XXXXXX",
		 argc > 4 ? argv[4] : "/tmp");
	if (keys == 0 || mkdtemp(directory) == NULL)
		fail(directory, DHT_EIO);
	int rc = store_os_posix_open(directory, &posix);
	if (rc != 0)
		fail(directory, rc);
	fill(keys, overwrites);
	measure("without hints", keys);
	make_hints();
	measure("with hints", keys);
	store_os_posix_close(posix);
	(void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
