/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix against the kernel: what test_disk.c does not ask of both disks. Failing
 * system calls are provoked by definitions of them in this program, in front of libc's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "helper_directory.h"
#include "store/os.h"
#include "store/os_posix.h"
#include "store/os_posix_files.h"
#include "unit.h"

enum { PAGE = 4096 };

/* ---- System calls that fail -------------------------------------------------------- */

enum call {
	PWRITE,
	FDATASYNC,
	FSYNC,
	RENAMEAT,
	RENAMEAT2,
	UNLINKAT,
	SYNC_FILE_RANGE,
	FSTAT,
	CALLS
};

static struct {
	_Atomic int count;
	_Atomic int fail_at; /* value of count; 0: never */
	_Atomic int errnum;
	void (*_Atomic meanwhile)(void); /* what another thread does during the next one */
} calls[CALLS];
static _Atomic size_t pwrite_max = SIZE_MAX; /* more is written short */

/* Whether this call is to fail, with errno set. */
static bool is_to_fail(enum call call)
{
	void (*meanwhile)(void) = atomic_exchange(&calls[call].meanwhile, NULL);
	if (meanwhile != NULL)
		meanwhile();
	if (atomic_fetch_add(&calls[call].count, 1) + 1 != atomic_load(&calls[call].fail_at))
		return false;
	errno = atomic_load(&calls[call].errnum);
	return true;
}

/* The n-th of these calls from now fails. */
static void plan_failure(enum call call, int n, int errnum)
{
	atomic_store(&calls[call].errnum, errnum);
	atomic_store(&calls[call].fail_at, atomic_load(&calls[call].count) + n);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	size_t max = atomic_load(&pwrite_max);
	if (is_to_fail(PWRITE))
		return -1;
	return syscall(SYS_pwrite64, fd, data, len < max ? len : max, offset);
}

int fdatasync(int fd)
{
	return is_to_fail(FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return is_to_fail(FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int renameat(int from, const char *old_name, int to, const char *new_name)
{
	return is_to_fail(RENAMEAT) ? -1
				    : (int)syscall(SYS_renameat2, from, old_name, to, new_name, 0);
}

int renameat2(int from, const char *old_name, int to, const char *new_name, unsigned flags)
{
	return is_to_fail(RENAMEAT2)
		   ? -1
		   : (int)syscall(SYS_renameat2, from, old_name, to, new_name, flags);
}

int unlinkat(int directory, const char *name, int flags)
{
	return is_to_fail(UNLINKAT) ? -1 : (int)syscall(SYS_unlinkat, directory, name, flags);
}

int sync_file_range(int fd, off64_t offset, off64_t len, unsigned how)
{
	if (is_to_fail(SYNC_FILE_RANGE))
		return -1;
	return (int)syscall(SYS_sync_file_range, fd, offset, len, how);
}

int fstat(int fd, struct stat *status)
{
	if (is_to_fail(FSTAT))
		return -1;
	return (int)syscall(SYS_newfstatat, fd, "", status, AT_EMPTY_PATH);
}

/* ---- The disk ---------------------------------------------------------------------- */

static struct {
	int errors;
	int warnings;
	char last[LOG_LINE_MAX];
} logged;

static void count_line(enum log_level level, const char *line, void *ctx)
{
	logged.errors += level == LOG_error;
	logged.warnings += level == LOG_warn;
	snprintf(logged.last, sizeof(logged.last), "%s", line);
	if (strncmp(line, "module=assert", 13) == 0)
		fprintf(stderr, "%s\n", line);
}

static struct helper_directory directory;
static struct store_os_posix *posix;
static const struct store_os *os;

static void open_disk(void)
{
	log_set_sink(count_line, NULL);
	helper_directory_make(&directory);
	ck_assert_int_eq(store_os_posix_open(directory.path, &posix), 0);
	os = store_os_posix_view(posix);
}

static void close_disk(void)
{
	store_os_posix_close(posix);
	helper_directory_remove(&directory);
}

static void reopen_disk(void)
{
	store_os_posix_close(posix);
	ck_assert_int_eq(store_os_posix_open(directory.path, &posix), 0);
	os = store_os_posix_view(posix);
}

/* The path of something below the data directory; valid until the next call. */
static const char *path_of(const char *name)
{
	static char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", directory.path, name);
	return path;
}

static void make_file(const char *name, off_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	int count = -2; /* . and .. */
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static int count_files(void)
{
	return count_entries(path_of("segments"));
}

static int count_descriptors(void)
{
	return count_entries("/proc/self/fd");
}

/* ---- Names ------------------------------------------------------------------------- */

static void note(void *arg, enum store_os_file kind, uint32_t slot, uint64_t size)
{
	uint64_t *sum = arg;
	*sum += (slot + size * 1000) * (kind == STORE_OS_HINT ? 1000000 : 1);
}

START_TEST(list_tells_segments_from_the_rest)
{
	open_disk();
	make_file("segments/00000000.seg", 1);
	make_file("segments/0000ffff.seg", 2);
	make_file("segments/00000007.seg.new", 3); /* removed */
	make_file("segments/00000007.hint", 4);
	make_file("segments/00010000.seg", 5); /* no such slot */
	make_file("segments/0000000A.seg", 6); /* and other names that are none */
	make_file("segments/000000b.seg", 7);
	make_file("segments/ 000000c.seg", 8);
	make_file("segments/00000001.segs", 9);
	make_file("segments/notes\nlevel=error", 10);
	ck_assert_int_eq(mkdir(path_of("segments/00000002.seg"), 0700), 0);
	ck_assert_int_eq(mkdir(path_of("segments/00000003.new"), 0700), 0);
	ck_assert_int_eq(symlink("00000000.seg", path_of("segments/00000004.seg")), 0);
	uint64_t sum = 0;
	ck_assert_int_eq(os->list(os->ctx, note, &sum), 0);
	ck_assert_uint_eq(sum, 0xffff + 3000 + UINT64_C(4007) * 1000000);
	ck_assert_int_eq(logged.warnings, 9);
	ck_assert_int_eq(logged.errors, 0);
	ck_assert_int_eq(access(path_of("segments/00000007.seg.new"), F_OK), -1);
	ck_assert_int_eq(count_files(), 12);

	/* Neither a link nor a directory is opened as a segment. */
	char byte;
	ck_assert_int_eq(os->read(os->ctx, 4, 0, &byte, 1), DHT_EIO);
	ck_assert_int_eq(os->read(os->ctx, 2, 0, &byte, 1), DHT_EIO);
	ck_assert_int_eq(os->create(os->ctx, 4, PAGE), DHT_EINVAL);
	close_disk();
}
END_TEST

START_TEST(files_are_where_they_are_documented)
{
	struct stat status;
	open_disk();
	ck_assert_int_eq(os->create(os->ctx, 0x2a, 5 * PAGE), 0);
	ck_assert_int_eq(stat(path_of("segments/0000002a.seg"), &status), 0);
	ck_assert_int_eq(status.st_size, 5 * PAGE);
	ck_assert_int_eq(status.st_mode & 07777 & ~0640, 0);
	/* Really there, no hole. */
	ck_assert_int_ge(status.st_blocks * 512, 5 * PAGE);
	ck_assert_int_eq(os->file_replace(os->ctx, "identity", "id", 2), 0);
	ck_assert_int_eq(stat(path_of("identity"), &status), 0);
	ck_assert_int_eq(os->file_replace(os->ctx, "segments/0000002a.hint", "h", 1), 0);
	ck_assert_int_eq(stat(path_of("segments/0000002a.hint"), &status), 0);
	ck_assert_int_eq(count_files(), 2);
	ck_assert_int_eq(count_entries(directory.path), 3); /* and identity.new */

	/* All there for the next one that opens the directory. */
	char text[2];
	size_t len;
	reopen_disk();
	ck_assert_int_eq(os->file_read(os->ctx, "identity", text, 2, &len), 0);
	ck_assert_mem_eq(text, "id", 2);
	ck_assert_int_eq(os->read(os->ctx, 0x2a, 5 * PAGE - 2, text, 2), 0);
	close_disk();
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------ */

START_TEST(open_says_what_is_wrong)
{
	struct store_os_posix *other;
	open_disk();
	ck_assert_int_eq(store_os_posix_open(path_of("absent"), &other), DHT_ENOTFOUND);
	ck_assert_ptr_null(other);
	make_file("plain", 0);
	ck_assert_int_eq(store_os_posix_open(path_of("plain"), &other), DHT_EIO);
	ck_assert_int_eq(mkdir(path_of("odd"), 0700), 0);
	make_file("odd/segments", 0);
	ck_assert_int_eq(store_os_posix_open(path_of("odd"), &other), DHT_EIO);
	ck_assert_int_eq(mkdir(path_of("fresh"), 0700), 0);
	plan_failure(FSYNC, 1, EIO);
	ck_assert_int_eq(store_os_posix_open(path_of("fresh"), &other), DHT_EIO);
	ck_assert_int_eq(store_os_posix_open(path_of("fresh"), &other), 0);
	store_os_posix_close(other);
	store_os_posix_close(NULL);
	close_disk();
}
END_TEST

START_TEST(permissions_are_an_error_of_their_own)
{
	struct store_os_posix *other;
	char byte;
	size_t len;
	open_disk();
	make_file("identity", 1);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(chmod(path_of("segments/00000001.seg"), 0), 0);
	ck_assert_int_eq(chmod(path_of("identity"), 0), 0);
	ck_assert_int_eq(chmod(path_of("segments"), 0500), 0);
	ck_assert_int_eq(chmod(directory.path, 0755), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);

	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), DHT_EDENIED);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", &byte, 1, &len), DHT_EDENIED);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), DHT_EDENIED);
	ck_assert_int_eq(os->remove(os->ctx, 1), DHT_EDENIED);
	ck_assert_int_eq(os->file_replace(os->ctx, "segments/00000001.hint", "", 0), DHT_EDENIED);
	ck_assert_int_eq(logged.errors, 5);
	ck_assert_ptr_nonnull(strstr(logged.last, "doing=create file=00000001.hint.new"));

	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(directory.path, 0), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(store_os_posix_open(directory.path, &other), DHT_EDENIED);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(directory.path, 0700), 0);
	ck_assert_int_eq(chmod(path_of("segments"), 0700), 0);
	close_disk();
}
END_TEST

START_TEST(a_short_file_is_damage)
{
	static char data[2 * PAGE];
	open_disk();
	make_file("segments/00000001.seg", PAGE + 10);
	uint8_t *memory = os->segment_alloc(os->ctx, 2 * PAGE);
	memory[PAGE] = 1;
	ck_assert_int_eq(os->read(os->ctx, 1, PAGE, data, 10), 0);
	ck_assert_int_eq(os->read(os->ctx, 1, PAGE, data, 11), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(logged.last, "file=00000001.seg end=4106"));
	ck_assert_int_eq(os->map(os->ctx, 1, memory, 2 * PAGE, STORE_OS_MAP_READ), DHT_ECORRUPT);
	ck_assert_int_eq(memory[PAGE], 1);
	ck_assert_int_eq(os->write(os->ctx, 1, PAGE + 9, data, 2), DHT_EINVAL);
	os->segment_free(os->ctx, memory, 2 * PAGE);
	close_disk();
}
END_TEST

/* Each step that create takes, with an error of its own. */
START_TEST(create_leaves_nothing_behind)
{
	static const struct {
		enum call call;
		int n;
		int errnum;
		int expected;
	} steps[] = {
	    {PWRITE, 1, ENOSPC, DHT_ENOSPC},   {PWRITE, 3, EDQUOT, DHT_ENOSPC},
	    {PWRITE, 2, EIO, DHT_EIO},         {SYNC_FILE_RANGE, 1, EIO, DHT_EIO},
	    {FSYNC, 1, ENOSPC, DHT_EIO},       {RENAMEAT, 1, EACCES, DHT_EDENIED},
	    {RENAMEAT, 1, ENOSPC, DHT_ENOSPC}, {FSYNC, 2, EIO, DHT_EIO},
	};
	enum { SIZE = 5 << 20 };
	char byte = 1;
	open_disk();
	for (size_t i = 0; i < DHT_ARRAY_LEN(steps); i++) {
		logged.errors = 0;
		plan_failure(steps[i].call, steps[i].n, steps[i].errnum);
		ck_assert_msg(os->create(os->ctx, 1, SIZE) == steps[i].expected, "step %zu", i);
		ck_assert_int_eq(logged.errors, steps[i].expected == DHT_ENOSPC ? 0 : 1);
		ck_assert_int_eq(count_files(), 0);
		ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), DHT_ENOTFOUND);
	}
	/* Interrupted and short writes are none. */
	plan_failure(PWRITE, 2, EINTR);
	atomic_store(&pwrite_max, 300000);
	ck_assert_int_eq(os->create(os->ctx, 1, SIZE), 0);
	ck_assert_int_eq(os->read(os->ctx, 1, SIZE - 1, &byte, 1), 0);
	ck_assert_int_eq(byte, 0);
	close_disk();
}
END_TEST

START_TEST(a_leftover_that_stays_is_removed_later)
{
	uint64_t sum = 0;
	open_disk();
	plan_failure(PWRITE, 1, ENOSPC);
	plan_failure(UNLINKAT, 1, EIO);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), DHT_ENOSPC);
	ck_assert_int_eq(count_files(), 1);
	plan_failure(UNLINKAT, 1, EIO);
	ck_assert_int_eq(os->list(os->ctx, note, &sum), DHT_EIO);
	ck_assert_int_eq(os->list(os->ctx, note, &sum), 0);
	ck_assert_uint_eq(sum, 0);
	ck_assert_int_eq(count_files(), 0);
	close_disk();
}
END_TEST

START_TEST(replace_keeps_the_old_or_has_the_new)
{
	static const struct {
		enum call call;
		int n;
		int errnum;
		int expected;
		bool is_new;
	} steps[] = {
	    {PWRITE, 1, ENOSPC, DHT_ENOSPC, false}, {PWRITE, 1, EIO, DHT_EIO, false},
	    {FSYNC, 1, ENOSPC, DHT_EIO, false},     {RENAMEAT2, 1, EIO, DHT_EIO, false},
	    {FSYNC, 2, EIO, DHT_EIO, true},
	};
	char text[4];
	size_t len;
	open_disk();
	for (size_t i = 0; i < DHT_ARRAY_LEN(steps); i++) {
		ck_assert_int_eq(os->file_replace(os->ctx, "identity", "old", 3), 0);
		plan_failure(steps[i].call, steps[i].n, steps[i].errnum);
		ck_assert_int_eq(os->file_replace(os->ctx, "identity", "new!", 4),
				 steps[i].expected);
		ck_assert_int_eq(os->file_read(os->ctx, "identity", text, 4, &len), 0);
		ck_assert_uint_eq(len, steps[i].is_new ? 4 : 3);
		ck_assert_mem_eq(text, steps[i].is_new ? "new!" : "old", len);
		/* What may be the file that a crash brings back is not written over. */
		ck_assert_int_eq(access(path_of("identity.new"), F_OK),
				 steps[i].expected == DHT_ENOSPC ? 0 : -1);
	}
	plan_failure(UNLINKAT, 1, EIO);
	ck_assert_int_eq(os->file_remove(os->ctx, "identity"), DHT_EIO);
	plan_failure(FSYNC, 1, EIO);
	ck_assert_int_eq(os->file_remove(os->ctx, "identity"), DHT_EIO);
	ck_assert_int_eq(os->file_read(os->ctx, "identity", text, 4, &len), DHT_ENOTFOUND);
	ck_assert_int_eq(access(path_of("identity.new"), F_OK), -1);
	close_disk();
}
END_TEST

static void expect_content(const char *name, const char *expected)
{
	char text[64];
	FILE *file = fopen(path_of(name), "r");
	ck_assert_ptr_nonnull(file);
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	ck_assert_str_eq(text, expected);
}

static ino_t inode_of(const char *name)
{
	struct stat status;
	ck_assert_int_eq(stat(path_of(name), &status), 0);
	return status.st_ino;
}

static int replace(const char *text)
{
	return os->file_replace(os->ctx, "identity", text, strlen(text));
}

START_TEST(two_files_change_places)
{
	open_disk();
	ck_assert_int_eq(replace("first"), 0);
	ino_t first = inode_of("identity"), spare = inode_of("identity.new");
	ck_assert_int_eq(replace("second, longer"), 0);
	ck_assert_uint_eq(inode_of("identity"), spare);
	ck_assert_uint_eq(inode_of("identity.new"), first);
	expect_content("identity.new", "first");
	ck_assert_int_eq(replace("3rd"), 0);
	ck_assert_uint_eq(inode_of("identity"), first);
	expect_content("identity", "3rd");
	expect_content("identity.new", "second, longer");
	close_disk();
}
END_TEST

START_TEST(names_that_cannot_be_exchanged_are_replaced)
{
	static const int errnums[] = {EINVAL, ENOSYS, EOPNOTSUPP};
	open_disk();
	for (size_t i = 0; i < DHT_ARRAY_LEN(errnums); i++) {
		ck_assert_int_eq(replace("old"), 0);
		ino_t spare = inode_of("identity.new");
		plan_failure(RENAMEAT2, 1, errnums[i]);
		ck_assert_int_eq(replace("new"), 0);
		expect_content("identity", "new");
		ck_assert_uint_eq(inode_of("identity"), spare);
		ck_assert_uint_ne(inode_of("identity.new"), spare);
	}
	plan_failure(RENAMEAT2, 1, EINVAL);
	plan_failure(RENAMEAT, 1, EIO);
	ck_assert_int_eq(replace("newer"), DHT_EIO);
	expect_content("identity", "new");
	close_disk();
}
END_TEST

START_TEST(a_spare_with_another_link_is_left_alone)
{
	char other[PATH_MAX + 64];
	open_disk();
	ck_assert_int_eq(replace("first"), 0);
	snprintf(other, sizeof(other), "%s", path_of("backup"));
	ck_assert_int_eq(link(path_of("identity"), other), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(replace("later"), 0);
		expect_content("identity", "later");
		expect_content("backup", "first");
	}
	close_disk();
}
END_TEST

/* A process that was killed may have left the exchange of two names to the disk's leisure. */
START_TEST(entries_are_durable_before_a_spare_is_used)
{
	open_disk();
	ck_assert_int_eq(replace("first"), 0);
	store_os_posix_close(posix);
	posix = NULL;
	plan_failure(FSYNC, 1, EIO);
	ck_assert_int_eq(store_os_posix_open(directory.path, &posix), DHT_EIO);
	ck_assert_ptr_null(posix);
	close_disk();
}
END_TEST

START_TEST(a_failed_sync_is_not_tried_again)
{
	open_disk();
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), 0);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "a", 1), 0);
	ck_assert_int_eq(os->write(os->ctx, 2, 0, "b", 1), 0);
	plan_failure(FDATASYNC, 1, ENOSPC); /* bytes may be lost all the same */
	ck_assert_int_eq(os->sync(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(logged.errors, 1);
	int before = calls[FDATASYNC].count;
	ck_assert_int_eq(os->sync(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "a", 1), DHT_EIO);
	ck_assert_int_eq(calls[FDATASYNC].count, before);
	ck_assert_int_eq(os->sync(os->ctx, 2), 0);
	ck_assert_int_eq(os->remove(os->ctx, 1), 0);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "a", 1), 0);
	ck_assert_int_eq(os->sync(os->ctx, 1), 0);
	close_disk();
}
END_TEST

START_TEST(failed_writes_and_removes_are_reported)
{
	char data[10] = "";
	open_disk();
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	atomic_store(&pwrite_max, 3);
	plan_failure(PWRITE, 3, ENOSPC);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "0123456789", 10), DHT_ENOSPC);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 10), 0);
	ck_assert_mem_eq(data, "012345\0\0\0", 10);
	plan_failure(PWRITE, 2, EINTR);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, "0123456789", 10), 0);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 10), 0);
	ck_assert_mem_eq(data, "0123456789", 10);
	plan_failure(UNLINKAT, 1, EIO);
	ck_assert_int_eq(os->remove(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 1), 0);
	plan_failure(FSYNC, 1, EIO);
	ck_assert_int_eq(os->remove(os->ctx, 1), DHT_EIO);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, data, 1), DHT_ENOTFOUND);
	close_disk();
}
END_TEST

/* The real thing: a file system of 1 MiB, in a mount namespace of this process. */
START_TEST(a_full_file_system_refuses)
{
	enum { SIZE = 256 << 10 };
	open_disk();
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", path_of("segments"), "tmpfs", 0, "size=1m") != 0) {
		printf("skipped a_full_file_system_refuses: cannot mount a tmpfs: %s\n",
		       strerror(errno));
		close_disk();
		return;
	}
	reopen_disk();
	uint32_t slots = 0;
	int rc = 0;
	while (slots < 8 && (rc = os->create(os->ctx, slots, SIZE)) == 0)
		slots++;
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert_uint_ge(slots, 3);
	ck_assert_uint_le(slots, 4);
	ck_assert_int_eq(count_files(), (int)slots);
	ck_assert_int_eq(logged.errors, 0);
	/* Written space still takes writes; with a segment less there is room again. */
	ck_assert_int_eq(os->write(os->ctx, 0, SIZE - 4, "data", 4), 0);
	ck_assert_int_eq(os->sync(os->ctx, 0), 0);
	ck_assert_int_eq(os->remove(os->ctx, 1), 0);
	ck_assert_int_eq(os->create(os->ctx, 1, SIZE), 0);
	store_os_posix_close(posix);
	ck_assert_int_eq(umount(path_of("segments")), 0);
	posix = NULL;
	close_disk();
}
END_TEST

static void fill_file_system(void)
{
	static const char zeros[PAGE];
	int fd = open(path_of("ballast"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		continue;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

static int replace_pages(char first, size_t pages)
{
	char content[3 * PAGE] = {first};
	return os->file_replace(os->ctx, "manifest", content, pages * PAGE);
}

START_TEST(named_files_are_replaced_on_a_full_file_system)
{
	char first;
	size_t len;
	open_disk();
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", directory.path, "tmpfs", 0, "size=256k") != 0) {
		printf("skipped named_files_are_replaced_on_a_full_file_system: cannot mount a "
		       "tmpfs: %s\n",
		       strerror(errno));
		close_disk();
		return;
	}
	reopen_disk();
	ck_assert_int_eq(replace_pages('a', 1), 0);
	ck_assert_int_eq(replace("first"), 0);
	fill_file_system();
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(replace(i % 2 == 0 ? "second" : "third, longer"), 0);
		expect_content("identity", i % 2 == 0 ? "second" : "third, longer");
		ck_assert_int_eq(replace_pages('b', 1), 0);
	}
	/* It grows: refused, and the disk is as it was. */
	ck_assert_int_eq(replace_pages('c', 2), DHT_ENOSPC);
	ck_assert_int_eq(os->file_read(os->ctx, "manifest", NULL, 0, &len), DHT_ETOOBIG);
	ck_assert_uint_eq(len, PAGE);
	ck_assert_int_eq(replace_pages('d', 1), 0);
	reopen_disk();
	ck_assert_int_eq(replace_pages('e', 1), 0);
	ck_assert_int_eq(logged.errors, 0);
	/* After it has grown, two are as large. */
	ck_assert_int_eq(unlink(path_of("ballast")), 0);
	ck_assert_int_eq(replace_pages('f', 3), 0);
	fill_file_system();
	ck_assert_int_eq(replace_pages('g', 3), 0);
	ck_assert_int_eq(replace_pages('h', 3), 0);
	ck_assert_int_eq(os->file_read(os->ctx, "manifest", &first, 0, &len), DHT_ETOOBIG);
	ck_assert_uint_eq(len, 3 * PAGE);
	store_os_posix_close(posix);
	ck_assert_int_eq(umount(directory.path), 0);
	posix = NULL;
	close_disk();
}
END_TEST

/* ---- Descriptors ------------------------------------------------------------------- */

START_TEST(descriptors_are_bounded)
{
	enum { FILES = OS_POSIX_FILES_MAX + 40 };
	uint32_t got;
	open_disk();
	int before = count_descriptors();
	/* Their durability is of no interest here, their number is. */
	for (uint32_t slot = 0; slot < FILES; slot++) {
		char name[32];
		snprintf(name, sizeof(name), "segments/%08x.seg", slot);
		make_file(name, PAGE);
	}
	int syncs = calls[FDATASYNC].count;
	for (int i = 0; i < 2 * STORE_OS_UNSYNCED_MAX; i++)
		ck_assert_int_eq(os->write(os->ctx, 0, 0, &i, sizeof(i)), 0);
	ck_assert_int_eq(calls[FDATASYNC].count, syncs);
	for (uint32_t slot = 0; slot < FILES; slot++)
		ck_assert_int_eq(os->write(os->ctx, slot, 0, &slot, sizeof(slot)), 0);
	/* The oldest were synced, so that they could be closed. */
	ck_assert_int_eq(calls[FDATASYNC].count - syncs, FILES - STORE_OS_UNSYNCED_MAX);
	ck_assert_int_le(count_descriptors() - before, OS_POSIX_FILES_MAX);
	for (int round = 0; round < 2; round++) {
		for (uint32_t slot = 0; slot < FILES; slot++) {
			ck_assert_int_eq(os->read(os->ctx, slot, 0, &got, sizeof(got)), 0);
			ck_assert_uint_eq(got, slot);
		}
		ck_assert_int_eq(count_descriptors() - before, OS_POSIX_FILES_MAX);
	}
	/* An error of such a sync is the write's. */
	plan_failure(FDATASYNC, 1, EIO);
	ck_assert_int_eq(os->write(os->ctx, 0, 0, &got, sizeof(got)), DHT_EIO);
	store_os_posix_close(posix);
	ck_assert_int_eq(count_descriptors(), before - 2);
	posix = NULL;
	close_disk();
}
END_TEST

static void read_first_byte(void)
{
	char byte;
	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), 0);
}

/* Two threads find a file closed and open it. */
START_TEST(a_file_opened_twice_keeps_one_descriptor)
{
	char byte;
	open_disk();
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	int before = count_descriptors();
	atomic_store(&calls[FSTAT].meanwhile, read_first_byte);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), 0);
	ck_assert_int_eq(count_descriptors(), before + 1);
	ck_assert_int_eq(os->remove(os->ctx, 1), 0);
	ck_assert_int_eq(count_descriptors(), before);
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	plan_failure(FSTAT, 1, EIO);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), DHT_EIO);
	ck_assert_int_eq(count_descriptors(), before);
	close_disk();
}
END_TEST

static void remove_oldest(void)
{
	ck_assert_int_eq(os->remove(os->ctx, 0), 0);
	ck_assert_int_eq(os->create(os->ctx, 0, PAGE), 0);
}

/* The background job removes the very file that a write syncs because too many wait. */
START_TEST(a_file_may_go_while_a_write_syncs_it)
{
	char data[5] = "";
	open_disk();
	for (uint32_t slot = 0; slot <= STORE_OS_UNSYNCED_MAX + 2; slot++) {
		char name[32];
		snprintf(name, sizeof(name), "segments/%08x.seg", slot);
		make_file(name, PAGE);
		if (slot == STORE_OS_UNSYNCED_MAX)
			atomic_store(&calls[FDATASYNC].meanwhile, remove_oldest);
		int before = count_descriptors();
		ck_assert_int_eq(os->write(os->ctx, slot, 0, "data", 4), 0);
		ck_assert_int_le(count_descriptors(), before + 1);
	}
	ck_assert_ptr_null(atomic_load(&calls[FDATASYNC].meanwhile));
	ck_assert_int_eq(os->read(os->ctx, 0, 0, data, 4), 0);
	ck_assert_mem_eq(data, "\0\0\0\0", 4);

	/* The failure of such a sync is the write's and, from then on, the file's. */
	for (uint32_t slot = 0; slot < 3; slot++)
		ck_assert_int_eq(os->write(os->ctx, slot, 0, "data", 4), 0);
	plan_failure(FDATASYNC, 1, EIO);
	ck_assert_int_eq(os->create(os->ctx, 99, PAGE), 0);
	ck_assert_int_eq(os->write(os->ctx, 99, 0, "data", 4), DHT_EIO);
	int failed = 0;
	for (uint32_t slot = 0; slot <= STORE_OS_UNSYNCED_MAX; slot++)
		failed += os->sync(os->ctx, slot) == DHT_EIO;
	ck_assert_int_eq(failed, 1);
	close_disk();
}
END_TEST

START_TEST(no_descriptor_is_no_fault_of_the_disk)
{
	struct rlimit limit;
	char byte;
	open_disk();
	ck_assert_int_eq(os->create(os->ctx, 1, PAGE), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), DHT_ENOMEM);
	ck_assert_int_eq(os->create(os->ctx, 2, PAGE), DHT_ENOMEM);
	limit.rlim_cur = before;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(os->read(os->ctx, 1, 0, &byte, 1), 0);
	close_disk();
}
END_TEST

START_TEST(no_address_space_is_no_fault_of_the_disk)
{
	open_disk();
	ck_assert_ptr_null(os->segment_alloc(os->ctx, (size_t)1 << 62));
	close_disk();
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------- */

enum { MAPPED = 5 << 20, READERS = 2, ROUNDS = 12 };

struct reading {
	const uint64_t *words;
	_Atomic bool stop;
	_Atomic unsigned passes[READERS];
	_Atomic unsigned wrong;
	_Atomic unsigned next_reader;
};

static void *read_memory(void *arg)
{
	struct reading *reading = arg;
	unsigned me = atomic_fetch_add(&reading->next_reader, 1);
	while (!atomic_load(&reading->stop)) {
		for (size_t i = 0; i < MAPPED / sizeof(uint64_t); i += 8) {
			if (reading->words[i] != i * 0x9e3779b97f4a7c15ull)
				atomic_fetch_add(&reading->wrong, 1);
		}
		atomic_fetch_add(&reading->passes[me], 1);
	}
	return NULL;
}

static void wait_for_passes(struct reading *reading)
{
	for (unsigned i = 0; i < READERS; i++) {
		unsigned before = atomic_load(&reading->passes[i]);
		while (atomic_load(&reading->passes[i]) < before + 2)
			sched_yield();
	}
}

static bool is_resident(uint8_t *memory)
{
	unsigned char page;
	ck_assert_int_eq(mincore(memory, PAGE, &page), 0);
	return (page & 1) != 0;
}

/* It is there, and nothing else has changed: neither what was written before nor what was
 * mapped meanwhile. */
START_TEST(touched_memory_is_there)
{
	enum { HALF = MAPPED / 2 };
	open_disk();
	uint8_t *memory = os->segment_alloc(os->ctx, MAPPED);
	memory[10] = 1;
	ck_assert(!is_resident(memory + MAPPED - PAGE));
	os->segment_touch(os->ctx, memory, HALF);
	ck_assert(is_resident(memory + HALF - PAGE));
	ck_assert(!is_resident(memory + MAPPED - PAGE));
	ck_assert_int_eq(memory[10], 1);
	ck_assert_int_eq(memory[HALF - 1], 0);
	ck_assert_int_eq(os->create(os->ctx, 1, MAPPED), 0);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, memory, HALF), 0);
	ck_assert_int_eq(os->map(os->ctx, 1, memory, MAPPED, STORE_OS_MAP_READ), 0);
	os->segment_touch(os->ctx, memory, MAPPED);
	ck_assert_int_eq(memory[10], 1);
	os->segment_free(os->ctx, memory, MAPPED);
	close_disk();
}
END_TEST

/* Readers of the memory notice nothing of the exchange; it is done over and over, of
 * a mapping against another one after the first time. */
START_TEST(readers_do_not_notice_the_exchange)
{
	pthread_t threads[READERS];
	open_disk();
	uint8_t *memory = os->segment_alloc(os->ctx, MAPPED);
	uint64_t *words = (uint64_t *)(void *)memory;
	for (size_t i = 0; i < MAPPED / sizeof(uint64_t); i++)
		words[i] = i * 0x9e3779b97f4a7c15ull;
	ck_assert_int_eq(os->create(os->ctx, 1, MAPPED), 0);
	ck_assert_int_eq(os->write(os->ctx, 1, 0, memory, MAPPED), 0);

	struct reading reading = {.words = words};
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_memory, &reading), 0);
	wait_for_passes(&reading);
	for (int round = 0; round < ROUNDS; round++) {
		ck_assert_int_eq(os->map(os->ctx, 1, memory, MAPPED, STORE_OS_MAP_READ), 0);
		wait_for_passes(&reading);
	}
	atomic_store(&reading.stop, true);
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(reading.wrong, 0);
	os->segment_free(os->ctx, memory, MAPPED);
	close_disk();
}
END_TEST

/* Tasks 0 and 1 of the first run wait for each other, where there are two processors. */
struct meeting {
	_Atomic unsigned runs[100];
	_Atomic unsigned waiting;
	bool must_meet;
};

static void meet(void *arg, uint32_t task)
{
	struct meeting *meeting = arg;
	atomic_fetch_add(&meeting->runs[task], 1);
	if (!meeting->must_meet || task > 1)
		return;
	atomic_fetch_add(&meeting->waiting, 1);
	while (atomic_load(&meeting->waiting) < 2)
		sched_yield();
}

START_TEST(tasks_run_once_each_and_side_by_side)
{
	struct meeting meeting = {.must_meet = sysconf(_SC_NPROCESSORS_ONLN) > 1};
	open_disk();
	os->parallel(os->ctx, DHT_ARRAY_LEN(meeting.runs), meet, &meeting);
	for (size_t i = 0; i < DHT_ARRAY_LEN(meeting.runs); i++)
		ck_assert_uint_eq(meeting.runs[i], 1);
	os->parallel(os->ctx, 0, meet, &meeting);
	ck_assert_uint_eq(meeting.runs[0], 1);
	close_disk();
}
END_TEST

static void note_thread(void *arg, uint32_t task)
{
	pthread_t *runner = arg;
	runner[task] = pthread_self();
}

START_TEST(tasks_run_in_the_caller_on_one_processor)
{
	cpu_set_t before, one;
	pthread_t runner[5];
	open_disk();
	ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int i = 0; CPU_COUNT(&one) == 0; i++) {
		if (CPU_ISSET(i, &before))
			CPU_SET(i, &one);
	}
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	os->parallel(os->ctx, DHT_ARRAY_LEN(runner), note_thread, runner);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(before), &before), 0);
	for (size_t i = 0; i < DHT_ARRAY_LEN(runner); i++)
		ck_assert(pthread_equal(runner[i], pthread_self()));
	close_disk();
}
END_TEST

enum { COLD_FILES = OS_POSIX_FILES_MAX + 60, COLD_READS = 4000 };

/* Reads cold files at random: each holds its slot, or that plus COLD_FILES. All readers
 * take the same way: who is behind finds files open and catches up, so that they keep
 * opening the same one at the same time. */
static void *read_files(void *arg)
{
	_Atomic unsigned *wrong = arg;
	unsigned seed = 1;
	for (int i = 0; i < COLD_READS; i++) {
		seed = seed * 1103515245 + 12345;
		uint32_t slot = (seed >> 8) % COLD_FILES, got = 0;
		if (os->read(os->ctx, slot, 0, &got, sizeof(got)) != 0 || got % COLD_FILES != slot)
			atomic_fetch_add(wrong, 1);
	}
	return NULL;
}

/* The committer writes and syncs, a background job creates and removes, readers read:
 * descriptors come and go all the while. */
START_TEST(all_threads_share_the_descriptors)
{
	pthread_t threads[READERS];
	_Atomic unsigned wrong = 0;
	open_disk();
	for (uint32_t slot = 0; slot < COLD_FILES; slot++) {
		char name[32];
		snprintf(name, sizeof(name), "segments/%08x.seg", slot);
		make_file(name, PAGE);
		ck_assert_int_eq(os->write(os->ctx, slot, 0, &slot, sizeof(slot)), 0);
	}
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_files, &wrong), 0);
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t slot = i * 7 % COLD_FILES, value = slot + COLD_FILES;
		ck_assert_int_eq(os->write(os->ctx, slot, 0, &value, sizeof(value)), 0);
		if (i % 20 == 0)
			ck_assert_int_eq(os->sync(os->ctx, slot), 0);
		if (i % 50 == 0)
			ck_assert_int_eq(os->create(os->ctx, COLD_FILES, PAGE), 0);
		if (i % 50 == 25)
			ck_assert_int_eq(os->remove(os->ctx, COLD_FILES), 0);
	}
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_le(count_descriptors(), OS_POSIX_FILES_MAX + 16);
	close_disk();
}
END_TEST

UNIT_MAIN("os_posix", 60, list_tells_segments_from_the_rest, files_are_where_they_are_documented,
	  open_says_what_is_wrong, permissions_are_an_error_of_their_own, a_short_file_is_damage,
	  create_leaves_nothing_behind, a_leftover_that_stays_is_removed_later,
	  replace_keeps_the_old_or_has_the_new, two_files_change_places,
	  names_that_cannot_be_exchanged_are_replaced, a_spare_with_another_link_is_left_alone,
	  entries_are_durable_before_a_spare_is_used, a_failed_sync_is_not_tried_again,
	  failed_writes_and_removes_are_reported, a_full_file_system_refuses,
	  named_files_are_replaced_on_a_full_file_system, descriptors_are_bounded,
	  a_file_opened_twice_keeps_one_descriptor, a_file_may_go_while_a_write_syncs_it,
	  no_descriptor_is_no_fault_of_the_disk, no_address_space_is_no_fault_of_the_disk,
	  touched_memory_is_there, readers_do_not_notice_the_exchange,
	  tasks_run_once_each_and_side_by_side, tasks_run_in_the_caller_on_one_processor,
	  all_threads_share_the_descriptors)
