/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of store/os.h, checked on the kernel's disk and on the test disk; then
 * what the test disk adds: failures, crashes, losses, damage.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "helper_directory.h"
#include "helper_disk.h"
#include "store/os_posix.h"
#include "unit.h"

enum { PAGE = 4096, SIZE = 16 * PAGE };

/* ---- Both ------------------------------------------------------------------------- */

/* The errors that the tests provoke are not worth a line. */
static void drop_line(enum log_level level, const char *line, void *ctx)
{
	if (strncmp(line, "module=assert", 13) == 0)
		fprintf(stderr, "%s\n", line);
}

static void on_both(void (*check)(const struct store_os *os))
{
	struct helper_directory directory;
	struct store_os_posix *posix;
	struct helper_disk disk;
	log_set_sink(drop_line, NULL);

	helper_disk_init(&disk, 1);
	check(&disk.os);
	helper_disk_fini(&disk);

	helper_directory_make(&directory);
	ck_assert_int_eq(store_os_posix_open(directory.path, &posix), 0);
	check(store_os_posix_view(posix));
	store_os_posix_close(posix);
	helper_directory_remove(&directory);
}

struct found {
	unsigned count;
	unsigned hints;
	uint64_t sizes[64]; /* by slot */
};

static void note(void *arg, enum store_os_file kind, uint32_t slot, uint64_t size)
{
	struct found *found = arg;
	ck_assert_uint_lt(slot, DHT_ARRAY_LEN(found->sizes));
	if (kind == STORE_OS_HINT) {
		found->hints++;
		return;
	}
	ck_assert_uint_eq(found->sizes[slot], 0);
	found->sizes[slot] = size;
	found->count++;
}

static struct found list(const struct store_os *os)
{
	struct found found = {0};
	ck_assert_int_eq(os->list(os->ctx, note, &found), 0);
	return found;
}

static void fill(uint8_t *data, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (uint8_t)(seed >> 16);
	}
}

static bool is_all(const uint8_t *data, size_t len, uint8_t byte)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != byte)
			return false;
	}
	return true;
}

static void expect_no_file(const struct store_os *os, uint32_t slot)
{
	uint8_t byte = 0;
	uint8_t *memory = os->segment_alloc(os->ctx, SIZE);
	ck_assert_int_eq(os->read(os->ctx, slot, 0, &byte, 1), DHT_ENOTFOUND);
	ck_assert_int_eq(os->write(os->ctx, slot, 0, &byte, 1), DHT_ENOTFOUND);
	ck_assert_int_eq(os->sync(os->ctx, slot), DHT_ENOTFOUND);
	ck_assert_int_eq(os->remove(os->ctx, slot), DHT_ENOTFOUND);
	ck_assert_int_eq(os->map(os->ctx, slot, memory, SIZE, STORE_OS_MAP_READ), DHT_ENOTFOUND);
	os->segment_free(os->ctx, memory, SIZE);
}

static void check_segments_come_and_go(const struct store_os *os)
{
	static uint8_t data[SIZE];
	ck_assert_uint_eq(list(os).count, 0);
	expect_no_file(os, 5);
	ck_assert_int_eq(os->create(os->ctx, 5, SIZE), 0);
	ck_assert_int_eq(os->create(os->ctx, 0, 3 * PAGE), 0);
	memset(data, 1, sizeof(data));
	ck_assert_int_eq(os->read(os->ctx, 5, 0, data, SIZE), 0);
	ck_assert(is_all(data, SIZE, 0));

	/* Not made anew over what is there. */
	ck_assert_int_eq(os->write(os->ctx, 5, 0, "x", 1), 0);
	ck_assert_int_eq(os->create(os->ctx, 5, SIZE), DHT_EINVAL);
	ck_assert_int_eq(os->read(os->ctx, 5, 0, data, 1), 0);
	ck_assert_int_eq(data[0], 'x');

	struct found found = list(os);
	ck_assert_uint_eq(found.count, 2);
	ck_assert_uint_eq(found.sizes[5], SIZE);
	ck_assert_uint_eq(found.sizes[0], 3 * PAGE);

	ck_assert_int_eq(os->remove(os->ctx, 5), 0);
	expect_no_file(os, 5);
	ck_assert_uint_eq(list(os).count, 1);
	ck_assert_int_eq(os->create(os->ctx, 5, PAGE), 0);
	ck_assert_int_eq(os->read(os->ctx, 5, 0, data, PAGE), 0);
	ck_assert(is_all(data, PAGE, 0));
	ck_assert_int_eq(os->read(os->ctx, 5, PAGE, data, 1), DHT_ECORRUPT);
}

START_TEST(segments_come_and_go)
{
	on_both(check_segments_come_and_go);
}
END_TEST

static void check_writes_stay_inside(const struct store_os *os)
{
	static uint8_t model[SIZE], data[SIZE];
	memset(model, 0, sizeof(model));
	ck_assert_int_eq(os->create(os->ctx, 1, SIZE), 0);
	unsigned seed = 7;
	for (int i = 0; i < 300; i++) {
		seed = seed * 1103515245 + 12345;
		size_t offset = (seed >> 8) % SIZE, len = (seed >> 20) % 2000;
		len = len < SIZE - offset ? len : SIZE - offset;
		fill(model + offset, len, seed);
		ck_assert_int_eq(os->write(os->ctx, 1, offset, model + offset, len), 0);
		if (i % 50 == 0)
			ck_assert_int_eq(os->sync(os->ctx, 1), 0);
		ck_assert_int_eq(os->read(os->ctx, 1, 0, data, SIZE), 0);
		ck_assert_mem_eq(data, model, SIZE);
	}
	ck_assert_int_eq(os->write(os->ctx, 1, SIZE - 1, data, 2), DHT_EINVAL);
	ck_assert_int_eq(os->write(os->ctx, 1, SIZE + 1, data, 0), DHT_EINVAL);
	ck_assert_int_eq(os->write(os->ctx, 1, SIZE_MAX, data, 2), DHT_EINVAL);
	ck_assert_int_eq(os->write(os->ctx, 1, 2, data, SIZE_MAX), DHT_EINVAL);
	ck_assert_int_eq(os->read(os->ctx, 1, SIZE - 1, data, 2), DHT_ECORRUPT);
	ck_assert_int_eq(os->read(os->ctx, 1, SIZE, data, 1), DHT_ECORRUPT);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, data, SIZE), 0);
	ck_assert_mem_eq(data, model, SIZE);
	ck_assert_uint_eq(list(os).sizes[1], SIZE);
}

START_TEST(writes_stay_inside)
{
	on_both(check_writes_stay_inside);
}
END_TEST

/* Whether a process that writes there is killed. */
static bool is_write_fatal(volatile uint8_t *place)
{
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*place = 1;
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void check_mapping_replaces_memory(const struct store_os *os)
{
	static uint8_t data[SIZE];
	uint8_t *memory = os->segment_alloc(os->ctx, SIZE);
	ck_assert_ptr_nonnull(memory);
	ck_assert_uint_eq((uintptr_t)memory % PAGE, 0);
	ck_assert(is_all(memory, SIZE, 0));
	fill(data, SIZE, 3);
	memcpy(memory, data, SIZE);
	ck_assert(!is_write_fatal(memory + 100));

	ck_assert_int_eq(os->create(os->ctx, 2, SIZE), 0);
	ck_assert_int_eq(os->create(os->ctx, 3, SIZE - PAGE), 0);
	ck_assert_int_eq(os->map(os->ctx, 3, memory, SIZE, STORE_OS_MAP_READ), DHT_ECORRUPT);
	ck_assert_int_eq(os->map(os->ctx, 4, memory, SIZE, STORE_OS_MAP_READ), DHT_ENOTFOUND);
	ck_assert_mem_eq(memory, data, SIZE);
	ck_assert(!is_write_fatal(memory));

	/* What was never copied to memory comes from the file. */
	data[SIZE - 1] ^= 1;
	ck_assert_int_eq(os->write(os->ctx, 2, 0, data, SIZE), 0);
	ck_assert_int_eq(os->map(os->ctx, 2, memory, SIZE, STORE_OS_MAP_READ), 0);
	ck_assert_mem_eq(memory, data, SIZE);
	ck_assert(is_write_fatal(memory));
	ck_assert(is_write_fatal(memory + SIZE - 1));

	/* The mapping outlives the file, and a new one of the same slot. */
	ck_assert_int_eq(os->remove(os->ctx, 2), 0);
	ck_assert_int_eq(os->create(os->ctx, 2, SIZE), 0);
	ck_assert_int_eq(os->write(os->ctx, 2, 0, "new", 3), 0);
	ck_assert_mem_eq(memory, data, SIZE);

	/* Mapped again, and only a part of a file. */
	ck_assert_int_eq(os->map(os->ctx, 2, memory, SIZE, STORE_OS_MAP_READ), 0);
	ck_assert_mem_eq(memory, "new", 3);
	os->segment_free(os->ctx, memory, SIZE);
	memory = os->segment_alloc(os->ctx, PAGE);
	ck_assert_int_eq(os->map(os->ctx, 2, memory, PAGE, STORE_OS_MAP_READ), 0);
	ck_assert_mem_eq(memory, "new", 3);
	os->segment_free(os->ctx, memory, PAGE);
}

START_TEST(mapping_replaces_memory)
{
	on_both(check_mapping_replaces_memory);
}
END_TEST

static void expect_file(const struct store_os *os, const char *name, const void *data, size_t len)
{
	static uint8_t got[4 << 20];
	size_t got_len = 99;
	ck_assert_int_eq(os->file_read(os->ctx, name, got, sizeof(got), &got_len), 0);
	ck_assert_uint_eq(got_len, len);
	ck_assert(len == 0 || memcmp(got, data, len) == 0);
}

static void check_named_files_are_replaced(const struct store_os *os)
{
	static uint8_t large[3 << 20];
	uint8_t small[4] = "....";
	size_t len = 99;
	fill(large, sizeof(large), 11);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", small, 4, &len), DHT_ENOTFOUND);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(os->file_remove(os->ctx, "identity"), DHT_ENOTFOUND);

	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "one", 3), 0);
	expect_file(os, "identity", "one", 3);
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", large, sizeof(large)), 0);
	expect_file(os, "identity", large, sizeof(large));
	ck_assert_int_eq(os->file_read(os->ctx, "identity", small, 4, &len), DHT_ETOOBIG);
	ck_assert_uint_eq(len, sizeof(large));
	ck_assert_mem_eq(small, "....", 4);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", NULL, 0, &len), DHT_ETOOBIG);
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "12", 2), 0);
	expect_file(os, "identity", "12", 2);

	/* Hints stand beside the segments and are none. */
	ck_assert_int_eq(os->file_replace(os->ctx, "segments/00000001.hint", NULL, 0), 0);
	expect_file(os, "segments/00000001.hint", NULL, 0);
	ck_assert_int_eq(os->file_replace(os->ctx, "segments/00000001.hint", "hint", 4), 0);
	expect_file(os, "segments/00000001.hint", "hint", 4);
	ck_assert_uint_eq(list(os).count, 0);
	ck_assert_uint_eq(list(os).hints, 1);
	ck_assert_int_eq(os->file_remove(os->ctx, "segments/00000001.hint"), 0);
	ck_assert_uint_eq(list(os).hints, 0);
	ck_assert_int_eq(os->file_read(os->ctx, "segments/00000001.hint", small, 4, &len),
			 DHT_ENOTFOUND);
	expect_file(os, "identity", "12", 2);
	ck_assert_int_eq(os->file_remove(os->ctx, "identity"), 0);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", small, 4, &len), DHT_ENOTFOUND);
}

START_TEST(named_files_are_replaced)
{
	on_both(check_named_files_are_replaced);
}
END_TEST

/* ---- The test disk: failures ------------------------------------------------------- */

START_TEST(the_planned_call_fails)
{
	struct helper_disk disk;
	const struct store_os *os = &disk.os;
	uint8_t byte;
	size_t len;
	helper_disk_init(&disk, 1);
	helper_disk_fail(&disk, HELPER_DISK_CREATE, 2, DHT_ENOSPC);
	helper_disk_fail(&disk, HELPER_DISK_ANY, 4, DHT_ENOMEM);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), DHT_ENOSPC);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), 0);
	ck_assert_int_eq(os->read(os->ctx, 2, 0, &byte, 1), DHT_ENOMEM);
	ck_assert_int_eq(os->read(os->ctx, 2, 0, &byte, 1), 0);
	ck_assert_uint_eq(list(os).count, 2);

	helper_disk_fail(&disk, HELPER_DISK_ALLOC, 1, DHT_ENOMEM);
	ck_assert_ptr_null(os->segment_alloc(os->ctx, PAGE));
	uint8_t *memory = os->segment_alloc(os->ctx, PAGE);
	helper_disk_fail(&disk, HELPER_DISK_MAP, 1, DHT_EIO);
	ck_assert_int_eq(os->map(os->ctx, 1, memory, PAGE, STORE_OS_MAP_READ), DHT_EIO);
	memory[0] = 1;
	os->segment_free(os->ctx, memory, PAGE);
	helper_disk_fail(&disk, HELPER_DISK_LIST, 1, DHT_EIO);
	struct found found = {0};
	ck_assert_int_eq(os->list(os->ctx, note, &found), DHT_EIO);
	ck_assert_uint_eq(found.count, 0);
	helper_disk_fail(&disk, HELPER_DISK_FILE_READ, 1, DHT_EIO);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", &byte, 1, &len), DHT_EIO);

	ck_assert_uint_eq(disk.calls[HELPER_DISK_CREATE], 3);
	ck_assert_uint_eq(disk.calls[HELPER_DISK_READ], 2);
	ck_assert_uint_eq(disk.calls[HELPER_DISK_ANY], 11);
	ck_assert_uint_eq(disk.changes, 3);
	helper_disk_fini(&disk);
}
END_TEST

START_TEST(a_failed_sync_is_final)
{
	struct helper_disk disk;
	const struct store_os *os = &disk.os;
	char got[4];
	helper_disk_init(&disk, 1);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "lost", 4), 0);
	helper_disk_fail(&disk, HELPER_DISK_SYNC, 1, DHT_ENOSPC);
	ck_assert_int_eq(os->sync(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(os->sync(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "more", 4), DHT_EIO);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, got, 4), 0);
	ck_assert_mem_eq(got, "lost", 4);
	helper_disk_power_back(&disk, HELPER_DISK_DROP);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, got, 4), 0);
	ck_assert_mem_eq(got, "\0\0\0\0", 4);
	ck_assert_int_eq(os->sync(os->ctx, 1), 0);
	helper_disk_fini(&disk);
}
END_TEST

START_TEST(a_failed_write_leaves_a_beginning)
{
	static uint8_t ones[SIZE], got[SIZE];
	bool was_partial = false;
	memset(ones, 1, sizeof(ones));
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct helper_disk disk;
		const struct store_os *os = &disk.os;
		helper_disk_init(&disk, seed);
		ck_assert_int_eq(os->create(os->ctx, 1, SIZE), 0);
		helper_disk_fail(&disk, HELPER_DISK_WRITE, 1, DHT_ENOSPC);
		ck_assert_int_eq(os->write(os->ctx, 1, 0, ones, SIZE), DHT_ENOSPC);
		ck_assert_int_eq(os->read(os->ctx, 1, 0, got, SIZE), 0);
		size_t written = 0;
		while (written < SIZE && got[written] == 1)
			written++;
		ck_assert(is_all(got + written, SIZE - written, 0));
		was_partial |= written > 0 && written < SIZE;
		helper_disk_fini(&disk);
	}
	ck_assert(was_partial);
}
END_TEST

START_TEST(a_full_disk_refuses)
{
	struct helper_disk disk;
	const struct store_os *os = &disk.os;
	helper_disk_init(&disk, 1);
	helper_disk_set_capacity(&disk, 3 * PAGE);
	ck_assert_int_eq(os->create(os->ctx, 1, 2 * PAGE), 0);
	ck_assert_int_eq(os->create(os->ctx, 2, 2 * PAGE), DHT_ENOSPC);
	expect_no_file(os, 2);
	/* Replacing needs room for both. */
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", os, sizeof(*os)), 0);
	helper_disk_set_capacity(&disk, 2 * PAGE + sizeof(*os) + 1);
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "22", 2), DHT_ENOSPC);
	expect_file(os, "identity", os, sizeof(*os));
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "1", 1), 0);
	/* Written space can be written again. */
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "here", 4), 0);
	ck_assert_int_eq(os->remove(os->ctx, 1), 0);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), 0);
	/* Below what is used. */
	helper_disk_set_capacity(&disk, 1);
	ck_assert_int_eq(os->create(os->ctx, 3, 0), DHT_ENOSPC);
	helper_disk_fini(&disk);
}
END_TEST

/* ---- The test disk: power ---------------------------------------------------------- */

/* A disk with a durable segment of zeros, 8 sectors long, and unsynced writes:
 *   1 to sectors 0-1, 2 to sectors 4-7, 3 to the end of sector 1 and sector 2. */
static void prepare_unsynced(struct helper_disk *disk, uint64_t seed)
{
	const struct store_os *os = &disk->os;
	uint8_t data[4 * HELPER_DISK_SECTOR];
	helper_disk_init(disk, seed);
	ck_assert_int_eq(os->create(os->ctx, 1, 8 * HELPER_DISK_SECTOR), 0);
	memset(data, 1, sizeof(data));
	ck_assert_int_eq(os->write(os->ctx, 1, 0, data, HELPER_DISK_SECTOR + 100), 0);
	memset(data, 2, sizeof(data));
	ck_assert_int_eq(os->write(os->ctx, 1, 4 * HELPER_DISK_SECTOR, data, sizeof(data)), 0);
	memset(data, 3, sizeof(data));
	ck_assert_int_eq(
	    os->write(os->ctx, 1, HELPER_DISK_SECTOR + 100, data, 2 * HELPER_DISK_SECTOR - 100), 0);
}

static void read_sectors(const struct helper_disk *disk, uint8_t sectors[8][HELPER_DISK_SECTOR])
{
	ck_assert_int_eq(disk->os.read(disk->os.ctx, 1, 0, sectors, 8 * HELPER_DISK_SECTOR), 0);
}

START_TEST(what_is_synced_survives)
{
	static const enum helper_disk_loss losses[] = {HELPER_DISK_KEEP, HELPER_DISK_DROP,
						       HELPER_DISK_TEAR};
	uint8_t before[8][HELPER_DISK_SECTOR], after[8][HELPER_DISK_SECTOR];
	for (size_t i = 0; i < DHT_ARRAY_LEN(losses); i++) {
		struct helper_disk disk;
		prepare_unsynced(&disk, i);
		ck_assert_int_eq(disk.os.sync(disk.os.ctx, 1), 0);
		read_sectors(&disk, before);
		ck_assert_int_eq(before[7][0], 2);
		helper_disk_power_back(&disk, losses[i]);
		read_sectors(&disk, after);
		ck_assert_mem_eq(before, after, sizeof(before));
		ck_assert_int_eq(disk.os.remove(disk.os.ctx, 1), 0);
		helper_disk_power_back(&disk, losses[i]);
		ck_assert_uint_eq(list(&disk.os).count, 0);
		helper_disk_fini(&disk);
	}
}
END_TEST

START_TEST(what_is_not_synced_is_kept_or_dropped)
{
	uint8_t before[8][HELPER_DISK_SECTOR], after[8][HELPER_DISK_SECTOR];
	struct helper_disk disk;
	prepare_unsynced(&disk, 1);
	read_sectors(&disk, before);
	helper_disk_power_back(&disk, HELPER_DISK_KEEP);
	read_sectors(&disk, after);
	ck_assert_mem_eq(before, after, sizeof(before));
	helper_disk_fini(&disk);

	prepare_unsynced(&disk, 1);
	helper_disk_power_back(&disk, HELPER_DISK_DROP);
	read_sectors(&disk, after);
	ck_assert(is_all(after[0], sizeof(after), 0));
	helper_disk_fini(&disk);
}
END_TEST

START_TEST(sectors_are_torn_one_by_one)
{
	bool only_second = false, mixed = false, all = false, none = false, only_first = false;
	for (uint64_t seed = 0; seed < 400; seed++) {
		uint8_t s[8][HELPER_DISK_SECTOR], again[8][HELPER_DISK_SECTOR];
		struct helper_disk disk, copy;
		prepare_unsynced(&disk, seed);
		helper_disk_copy(&copy, &disk, seed);
		helper_disk_seed(&disk, seed);
		helper_disk_power_back(&disk, HELPER_DISK_TEAR);
		helper_disk_power_back(&copy, HELPER_DISK_TEAR);
		read_sectors(&disk, s);
		read_sectors(&copy, again);
		ck_assert_mem_eq(s, again, sizeof(s));

		unsigned second = 0;
		for (int i = 4; i < 8; i++) {
			ck_assert(is_all(s[i], sizeof(s[i]), s[i][0]));
			ck_assert(s[i][0] == 0 || s[i][0] == 2);
			second += s[i][0] == 2;
		}
		ck_assert(is_all(s[0], sizeof(s[0]), s[0][0]) && s[0][0] <= 1);
		ck_assert(is_all(s[2], sizeof(s[2]), s[2][0]) && (s[2][0] == 0 || s[2][0] == 3));
		ck_assert(is_all(s[3], sizeof(s[3]), 0));
		/* Sector 1: nothing, the first write, or both: never the third alone. */
		ck_assert(is_all(s[1], 100, s[1][0]));
		ck_assert(is_all(s[1] + 100, sizeof(s[1]) - 100, s[1][100]));
		ck_assert((s[1][0] == 0 && s[1][100] == 0) ||
			  (s[1][0] == 1 && (s[1][100] == 0 || s[1][100] == 3)));

		bool first = s[0][0] == 1 && s[1][0] == 1;
		all |= first && second == 4 && s[2][0] == 3;
		none |= s[0][0] == 0 && s[1][0] == 0 && second == 0 && s[2][0] == 0;
		only_first |= first && second == 0;
		only_second |= s[0][0] == 0 && s[1][0] == 0 && second == 4;
		mixed |= second == 2;
		helper_disk_fini(&disk);
		helper_disk_fini(&copy);
	}
	ck_assert(all && none && only_first && only_second && mixed);
}
END_TEST

/* A run that changes something in every way; returns after the first error. */
static int run_all_changes(const struct store_os *os)
{
	int rc = os->create(os->ctx, 1, PAGE);
	if (rc == 0)
		rc = os->file_replace(os->ctx, "identity", "first", 5);
	if (rc == 0)
		rc = os->write(os->ctx, 1, 0, "data", 4);
	if (rc == 0)
		rc = os->sync(os->ctx, 1);
	if (rc == 0)
		rc = os->create(os->ctx, 2, PAGE);
	if (rc == 0)
		rc = os->file_replace(os->ctx, "identity", "second!", 7);
	if (rc == 0)
		rc = os->remove(os->ctx, 1);
	if (rc == 0)
		rc = os->file_remove(os->ctx, "identity");
	return rc;
}

enum { CHANGES = 8 };

/* What the disk holds: bits for segments 1 and 2, for the data in 1 (8: a part of it),
 * and the length of identity, which must be one of the two contents. */
static unsigned observe(const struct helper_disk *disk)
{
	const struct store_os *os = &disk->os;
	char text[8], data[4] = "";
	size_t len = 0;
	struct found found = list(os);
	unsigned state = (found.sizes[1] != 0) | (found.sizes[2] != 0) << 1;
	if (found.sizes[1] != 0) {
		ck_assert_uint_eq(found.sizes[1], PAGE);
		ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 4), 0);
		if (data[0] != 0)
			state |= memcmp(data, "data", 4) == 0 ? 4 : 8;
	}
	int rc = os->file_read(os->ctx, "identity", text, sizeof(text), &len);
	ck_assert(rc == 0 || rc == DHT_ENOTFOUND);
	if (rc == 0)
		ck_assert((len == 5 && memcmp(text, "first", 5) == 0) ||
			  (len == 7 && memcmp(text, "second!", 7) == 0));
	return state | (unsigned)len << 4;
}

START_TEST(every_crash_is_before_or_after)
{
	/* By the number of changes that were done: what must be there at least. */
	static const unsigned states[CHANGES + 1] = {
	    0, 1, 1 | 5 << 4, 5 | 5 << 4, 5 | 5 << 4, 7 | 5 << 4, 7 | 7 << 4, 2 | 7 << 4, 2};
	unsigned befores = 0, afters = 0;
	for (uint64_t n = 1; n <= CHANGES; n++) {
		for (uint64_t seed = 0; seed < 60; seed++) {
			struct helper_disk disk;
			uint8_t byte;
			struct found found = {0};
			enum helper_disk_loss loss = (enum helper_disk_loss)(seed % 3);
			helper_disk_init(&disk, seed);
			const struct store_os *os = &disk.os;
			helper_disk_crash_at(&disk, n);
			ck_assert_int_eq(run_all_changes(os), DHT_EIO);
			ck_assert(disk.is_crashed);
			ck_assert_uint_eq(disk.changes, n);

			/* Dead: nothing more happens. */
			ck_assert_int_eq(os->create(os->ctx, 3, PAGE), DHT_EIO);
			ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), DHT_EIO);
			ck_assert_int_eq(os->sync(os->ctx, 1), DHT_EIO);
			ck_assert_int_eq(os->remove(os->ctx, 2), DHT_EIO);
			ck_assert_int_eq(os->file_replace(os->ctx, "identity", "z", 1), DHT_EIO);
			ck_assert_int_eq(os->file_remove(os->ctx, "identity"), DHT_EIO);
			ck_assert_int_eq(os->list(os->ctx, note, &found), DHT_EIO);
			ck_assert_ptr_null(os->segment_alloc(os->ctx, PAGE));
			ck_assert_uint_eq(disk.changes, n);

			helper_disk_power_back(&disk, loss);
			unsigned state = observe(&disk);
			/* Up to the sync the data may be lost, and a part may be there when
			 * the write itself was cut short. */
			unsigned unsure = n == 3 ? 12 : n == 4 ? 4 : 0;
			unsigned before = states[n - 1] & ~unsure, after = states[n] & ~unsure;
			ck_assert_msg((state & ~unsure) == before || (state & ~unsure) == after,
				      "change %u seed %u: %x", (unsigned)n, (unsigned)seed, state);
			befores += (state & ~unsure) == before && before != after;
			afters += (state & ~unsure) == after && before != after;
			ck_assert_int_eq(os->create(os->ctx, 3, PAGE), 0);
			helper_disk_fini(&disk);
		}
	}
	ck_assert_uint_gt(befores, 50);
	ck_assert_uint_gt(afters, 50);
}
END_TEST

START_TEST(a_failed_change_may_have_happened)
{
	unsigned gone = 0, back = 0, replaced = 0, old = 0;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct helper_disk disk;
		const struct store_os *os = &disk.os;
		char data[4];
		size_t len;
		helper_disk_init(&disk, seed);
		ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
		ck_assert_int_eq(os->write(os->ctx, 1, 0, "data", 4), 0);
		ck_assert_int_eq(os->sync(os->ctx, 1), 0);
		ck_assert_int_eq(os->file_replace(os->ctx, "identity", "old", 3), 0);
		helper_disk_fail(&disk, HELPER_DISK_REMOVE, 1, DHT_EIO);
		helper_disk_fail(&disk, HELPER_DISK_FILE_REPLACE, 1, DHT_EIO);
		ck_assert_int_eq(os->remove(os->ctx, 1), DHT_EIO);
		ck_assert_int_eq(os->file_replace(os->ctx, "identity", "new!", 4), DHT_EIO);
		bool was_gone = list(os).count == 0;
		helper_disk_power_back(&disk, HELPER_DISK_TEAR);
		bool is_gone = list(os).count == 0;
		ck_assert(was_gone || !is_gone);
		gone += is_gone;
		back += was_gone && !is_gone;
		if (!is_gone) {
			ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 4), 0);
			ck_assert_mem_eq(data, "data", 4);
		}
		ck_assert_int_eq(os->file_read(os->ctx, "identity", data, 4, &len), 0);
		ck_assert_mem_eq(data, len == 3 ? "old" : "new!", len);
		replaced += len == 4;
		old += len == 3;
		/* Undecided no more. */
		helper_disk_power_back(&disk, HELPER_DISK_DROP);
		ck_assert_int_eq(list(os).count == 0, is_gone);
		helper_disk_fini(&disk);
	}
	ck_assert(gone > 0 && back > 0 && replaced > 0 && old > 0);
}
END_TEST

/* ---- The test disk: damage, guards, waiting ----------------------------------------- */

START_TEST(damage_is_done_where_asked)
{
	struct helper_disk disk;
	const struct store_os *os = &disk.os;
	char name[HELPER_DISK_NAME_MAX];
	uint8_t got[8];
	helper_disk_init(&disk, 1);
	helper_disk_segment_name(0x1f, name);
	ck_assert_str_eq(name, "segments/0000001f.seg");
	ck_assert_int_eq(helper_disk_file_size(&disk, name), -1);
	ck_assert_int_eq(os->create(os->ctx, 0x1f, PAGE), 0);
	ck_assert_int_eq(helper_disk_file_size(&disk, name), PAGE);
	helper_disk_flip(&disk, name, 8 * 2 + 7);
	ck_assert_int_eq(os->read(os->ctx, 0x1f, 0, got, 8), 0);
	ck_assert_mem_eq(got, "\0\0\x80\0\0\0\0\0", 8);
	helper_disk_power_back(&disk, HELPER_DISK_DROP);
	ck_assert_int_eq(os->read(os->ctx, 0x1f, 0, got, 8), 0);
	ck_assert_int_eq(got[2], 0x80);
	helper_disk_cut(&disk, name, 5);
	ck_assert_int_eq(os->read(os->ctx, 0x1f, 0, got, 8), DHT_ECORRUPT);
	ck_assert_int_eq(os->read(os->ctx, 0x1f, 0, got, 5), 0);
	ck_assert_int_eq(helper_disk_file_size(&disk, name), 5);
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "abc", 3), 0);
	helper_disk_flip(&disk, "identity", 0);
	expect_file(os, "identity", "`bc", 3);
	helper_disk_fini(&disk);
}
END_TEST

START_TEST(memory_is_guarded)
{
	struct helper_disk disk;
	helper_disk_init(&disk, 1);
	uint8_t *memory = disk.os.segment_alloc(disk.os.ctx, SIZE);
	ck_assert(is_write_fatal(memory - 1));
	ck_assert(is_write_fatal(memory + SIZE));
	ck_assert(!is_write_fatal(memory));
	ck_assert(!is_write_fatal(memory + SIZE - 1));
	disk.os.segment_free(disk.os.ctx, memory, SIZE);
	helper_disk_fini(&disk);
}
END_TEST

struct gate {
	struct helper_disk *disk;
	sem_t reached;
	sem_t opened;
	_Atomic bool is_synced;
};

static void wait_at_sync(void *arg, enum helper_disk_call kind)
{
	struct gate *gate = arg;
	if (kind != HELPER_DISK_SYNC)
		return;
	sem_post(&gate->reached);
	while (sem_wait(&gate->opened) != 0)
		;
}

static void *sync_behind_gate(void *arg)
{
	struct gate *gate = arg;
	int rc = gate->disk->os.sync(gate->disk->os.ctx, 1);
	gate->is_synced = rc == 0;
	return NULL;
}

START_TEST(a_call_can_be_held_up)
{
	struct helper_disk disk;
	struct gate gate = {.disk = &disk};
	pthread_t thread;
	char got[4];
	helper_disk_init(&disk, 1);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.opened, 0, 0);
	ck_assert_int_eq(disk.os.create(disk.os.ctx, 1, PAGE), 0);
	ck_assert_int_eq(disk.os.write(disk.os.ctx, 1, 0, "data", 4), 0);
	disk.before = wait_at_sync;
	disk.before_arg = &gate;
	ck_assert_int_eq(pthread_create(&thread, NULL, sync_behind_gate, &gate), 0);
	while (sem_wait(&gate.reached) != 0)
		;
	/* Others go on meanwhile. */
	ck_assert_int_eq(disk.os.read(disk.os.ctx, 1, 0, got, 4), 0);
	ck_assert(!gate.is_synced);
	sem_post(&gate.opened);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(gate.is_synced);
	sem_destroy(&gate.reached);
	sem_destroy(&gate.opened);
	helper_disk_fini(&disk);
}
END_TEST

UNIT_MAIN("disk", 60, segments_come_and_go, writes_stay_inside, mapping_replaces_memory,
	  named_files_are_replaced, the_planned_call_fails, a_failed_sync_is_final,
	  a_failed_write_leaves_a_beginning, a_full_disk_refuses, what_is_synced_survives,
	  what_is_not_synced_is_kept_or_dropped, sectors_are_torn_one_by_one,
	  every_crash_is_before_or_after, a_failed_change_may_have_happened,
	  damage_is_done_where_asked, memory_is_guarded, a_call_can_be_held_up)
