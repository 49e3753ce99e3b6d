/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts on a file system without one free block: a small tmpfs in a mount namespace of
 * each test, skipped where that is not allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_directory.h"
#include "server/datadir.h"
#include "server/identity.h"
#include "store/os.h"
#include "store/os_posix.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, STARTS = 6, VALUE_SIZE = 100000 };

static struct helper_directory directory;

/* Returns false where a tmpfs cannot be mounted. */
static bool mount_disk(const char *test)
{
	helper_directory_make(&directory);
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", directory.path, "tmpfs", 0, "size=9m") == 0)
		return true;
	printf("skipped %s: cannot mount a tmpfs: %s\n", test, strerror(errno));
	helper_directory_remove(&directory);
	return false;
}

static void unmount_disk(void)
{
	ck_assert_int_eq(umount(directory.path), 0);
	helper_directory_remove(&directory);
}

static void fill_disk(void)
{
	static const char zeros[4096];
	char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s/ballast", directory.path);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		continue;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

/* ---- A node, as server/open.c starts it ------------------------------------------------ */

struct run {
	struct datadir datadir;
	struct store_os_posix *posix;
	struct identity identity;
	struct store *store;
	struct store_report report;
};

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = (uint32_t)(key->hash % blocks);
}

static void draw(void *out, size_t len)
{
	memset(out, 7, len);
}

static void start(struct run *run)
{
	char why[DATADIR_WHY_MAX + IDENTITY_WHY_MAX] = "";
	struct store_options options = {.blocks = BLOCKS,
					.segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
					.locate = locate,
					.report = &run->report};
	*run = (struct run){0};
	ck_assert_int_eq(datadir_open(&run->datadir, directory.path, why), 0);
	ck_assert_int_eq(store_os_posix_open(directory.path, &run->posix), 0);
	const struct store_os *os = store_os_posix_view(run->posix);
	ck_assert_msg(identity_load(os, draw, "", CONF_FSYNC_ALWAYS, &run->identity, why) == 0,
		      "%s", why);
	ck_assert_int_eq(store_open(&options, os, &run->store), 0);
	ck_assert_msg(identity_begin(os, &run->identity, why) == 0, "%s", why);
}

static void stop(struct run *run, bool is_clean)
{
	char why[IDENTITY_WHY_MAX] = "";
	if (is_clean)
		ck_assert_msg(
		    identity_stop(store_os_posix_view(run->posix), &run->identity, 1, why) == 0,
		    "%s", why);
	store_close(run->store);
	store_os_posix_close(run->posix);
	datadir_close(&run->datadir);
}

static int put(struct run *run, uint32_t number)
{
	static const uint8_t value[VALUE_SIZE];
	struct store_key key = {.key = bytes_of(&number, sizeof(number))};
	struct store_hit hit;
	uint64_t end;
	locate(NULL, &key, BLOCKS);
	store_find(run->store, &key, NULL, &hit);
	struct ballot acc = ballot_make(1, number + 1, 1);
	struct record rec = {.kind = RECORD_VALUE,
			     .acc = acc,
			     .ver = acc,
			     .key = key.key,
			     .value = bytes_of(value, sizeof(value))};
	return store_put(run->store, 0, &key, &hit, &rec, &end);
}

/* Makes spares, and commits; returns DHT_ENOSPC if one could not be made. */
static int keep_house(struct run *run)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(run->store))
		rc = store_prepare(run->store);
	ck_assert_int_eq(store_commit(run->store, STORE_SYNC), 0);
	return rc;
}

/* As the server does with each start. */
static void put_ceiling(struct run *run)
{
	uint64_t end;
	ck_assert_int_eq(store_put_ceiling(run->store, 0, run->identity.starts * 1000, &end), 0);
	ck_assert_int_eq(store_commit(run->store, STORE_SYNC), 0);
}

START_TEST(starts_need_no_block)
{
	struct run run;
	uint32_t count = 0;
	int rc = 0;
	if (!mount_disk("starts_need_no_block"))
		return;
	start(&run);
	while (rc == 0 || rc == DHT_EAGAIN) {
		int prepared = keep_house(&run);
		ck_assert(prepared == 0 || prepared == DHT_ENOSPC);
		if (prepared == DHT_ENOSPC)
			fill_disk();
		rc = put(&run, count);
		if (rc == 0)
			count++;
	}
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert_uint_gt(count, 30);
	for (int i = 0; i < STARTS; i++) {
		stop(&run, i % 2 == 0);
		start(&run);
		ck_assert_uint_eq(run.identity.starts, 2 + (uint64_t)i);
		ck_assert_int_eq(run.identity.has_stopped_cleanly, i % 2 == 0);
		ck_assert_uint_eq(run.report.keys, count);
		put_ceiling(&run);
		ck_assert_int_eq(keep_house(&run), DHT_ENOSPC);
	}
	stop(&run, true);
	unmount_disk();
}
END_TEST

UNIT_MAIN("full_disk", 60, starts_need_no_block)
