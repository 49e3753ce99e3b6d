/* SPDX-License-Identifier: Apache-2.0
 *
 * make_store DIRECTORY RECORDS - leaves in a data directory what a daemon leaves there
 * after a clean stop: an identity, and a log of so many values of 1,000 bytes in segments
 * of 1 MiB. For tests of damage, which need to know exactly what lies where.
 *
 * Prints the offset at which the log ends in its last segment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "server/datadir.h"
#include "server/identity.h"
#include "store/os_posix.h"
#include "store/store.h"

enum { BLOCKS = 64, VALUE = 1000 };

/* The same directory each time. */
static void draw(void *out, size_t len)
{
	memset(out, 0x5a, len);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = (uint32_t)(key->hash % blocks);
}

static void require(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "make_store: %s: %s\n", what, dht_error_text(rc));
	exit(1);
}

/* What a daemon's committer and its background job do, in turn. */
static void commit(struct store *store)
{
	require(store_commit(store, STORE_SYNC), "store_commit");
	while (store_wants_segment(store)) {
		require(store_prepare(store), "store_prepare");
		require(store_commit(store, STORE_SYNC), "store_commit");
	}
}

static void put(struct store *store, uint64_t number)
{
	uint8_t name[8] = {0}, value[VALUE];
	struct store_hit hit;
	uint64_t end;
	struct store_key key = {.key = bytes_of(name, sizeof(name))};
	struct record record = {
	    .kind = RECORD_VALUE,
	    .acc = ballot_make(0, number + 1, 0),
	    .ver = ballot_make(0, number + 1, 0),
	    .key = key.key,
	    .value = bytes_of(value, sizeof(value)),
	};
	put_u64(name, number);
	memset(value, (int)('a' + number % 26), sizeof(value));
	locate(NULL, &key, BLOCKS);
	for (;;) {
		(void)store_find(store, &key, NULL, &hit);
		int rc = store_put(store, 0, &key, &hit, &record, &end);
		if (rc == 0)
			return;
		if (rc != DHT_EAGAIN)
			require(rc, "store_put");
		commit(store);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: make_store DIRECTORY RECORDS\n", stderr);
		return 2;
	}
	char why[DATADIR_WHY_MAX];
	struct datadir datadir;
	struct store_os_posix *posix;
	struct identity identity;
	struct store *store;
	uint64_t count = strtoull(argv[2], NULL, 10);
	require(datadir_open(&datadir, argv[1], why), "datadir_open");
	require(store_os_posix_open(argv[1], &posix), "store_os_posix_open");
	const struct store_os *os = store_os_posix_view(posix);
	require(identity_load(os, draw, "", CONF_FSYNC_ALWAYS, &identity, why), "identity_load");
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = STORE_SEGMENT_SIZE_MIN, .locate = locate};
	require(store_open(&options, os, &store), "store_open");
	require(identity_begin(os, &identity, why), "identity_begin");
	for (uint64_t number = 0; number < count; number++)
		put(store, number);
	commit(store);
	uint64_t end = store_durable(store) & ((UINT64_C(1) << STORE_OFFSET_BITS) - 1);
	store_close(store);
	require(identity_stop(os, &identity, count, why), "identity_stop");
	store_os_posix_close(posix);
	datadir_close(&datadir);
	printf("%" PRIu64 "\n", end);
	return 0;
}
