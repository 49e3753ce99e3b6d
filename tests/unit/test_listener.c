/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "helper_directory.h"
#include "io/listener.h"
#include "unit.h"

enum {
	CONTENDERS = 12,
	ROUNDS = 60,
	CHURNERS = 6,
	CHURNS = 3000,
	SUN_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};

static struct helper_directory directory;
static char socket_path[PATH_MAX];
static char lock_path[PATH_MAX + 8];
static char why[LISTENER_WHY_MAX];

static void name_socket(const char *name)
{
	int len = snprintf(socket_path, sizeof(socket_path), "%.64s/%s", directory.path, name);
	ck_assert_int_le(len, SUN_PATH_MAX);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", socket_path);
}

static void set_up(void)
{
	helper_directory_make(&directory);
	name_socket("s");
}

static void tear_down(void)
{
	helper_directory_remove(&directory);
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static int open_listener(struct listener *l)
{
	return listener_open_unix(l, socket_path, 0600, 0, why);
}

/* What a daemon that crashed leaves behind. */
static void leave_stale_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, socket_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	UNIT_REQUIRE(fd >= 0);
	UNIT_REQUIRE(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	close(fd);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static bool file_is(const char *path, const char *text)
{
	char content[64] = "";
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, content, sizeof(content) - 1);
	close(fd);
	return n == (ssize_t)strlen(text) && memcmp(content, text, (size_t)n) == 0;
}

START_TEST(the_lock_lives_and_ends_with_the_listener)
{
	struct listener one, two;
	char pid[32];
	set_up();
	ck_assert_int_eq(open_listener(&one), 0);
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	ck_assert(file_is(lock_path, pid));
	ck_assert(fcntl(one.lock.fd, F_GETFD) & FD_CLOEXEC);
	struct stat st;
	ck_assert(lstat(lock_path, &st) == 0 && (st.st_mode & 07777) == 0600);

	ck_assert_int_eq(open_listener(&two), DHT_EBUSY);
	snprintf(pid, sizeof(pid), "pid %d,", (int)getpid());
	ck_assert(strstr(why, "another dhtd is running") != NULL && strstr(why, pid) != NULL);
	ck_assert(exists(socket_path) && exists(lock_path));

	/* Also while the socket is not there: its owner may be about to listen. */
	ck_assert_int_eq(unlink(socket_path), 0);
	ck_assert_int_eq(open_listener(&two), DHT_EBUSY);
	ck_assert(strstr(why, pid) != NULL);

	listener_close(&one);
	ck_assert(!exists(socket_path) && !exists(lock_path));
	listener_close(&one);
	ck_assert_int_eq(open_listener(&two), 0);
	listener_close(&two);
	tear_down();
}
END_TEST

START_TEST(what_a_crash_left_behind_is_replaced)
{
	struct listener l;
	set_up();
	for (int i = 0; i < 3; i++) {
		leave_stale_socket();
		write_file(lock_path, (const char *[]){"", "4999999\n", "1\n"}[i]);
		ck_assert_int_eq(open_listener(&l), 0);
		listener_close(&l);
		ck_assert(!exists(socket_path) && !exists(lock_path));
	}
	tear_down();
}
END_TEST

START_TEST(what_is_no_lock_file_is_left_alone)
{
	struct listener l;
	set_up();
	write_file(lock_path, "precious");
	ck_assert_int_eq(open_listener(&l), DHT_EINVAL);
	ck_assert(strstr(why, lock_path) != NULL && strstr(why, "not a lock file") != NULL);
	ck_assert(file_is(lock_path, "precious"));
	ck_assert_int_eq(unlink(lock_path), 0);

	ck_assert_int_eq(mkfifo(lock_path, 0600), 0);
	ck_assert_int_eq(open_listener(&l), DHT_EINVAL);
	ck_assert_int_eq(unlink(lock_path), 0);

	char target[PATH_MAX + 8];
	snprintf(target, sizeof(target), "%.64s/target", directory.path);
	write_file(target, "");
	ck_assert_int_eq(symlink(target, lock_path), 0);
	ck_assert_int_ne(open_listener(&l), 0);
	ck_assert(strstr(why, lock_path) != NULL);
	ck_assert(file_is(target, ""));
	ck_assert(!exists(socket_path));
	ck_assert_int_eq(unlink(lock_path), 0);
	ck_assert_int_eq(mkdir(lock_path, 0700), 0);
	ck_assert_int_ne(open_listener(&l), 0);
	tear_down();
}
END_TEST

START_TEST(a_directory_that_is_missing_is_named)
{
	struct listener l;
	set_up();
	name_socket("no/s");
	ck_assert_int_ne(open_listener(&l), 0);
	ck_assert(strstr(why, socket_path) != NULL &&
		  strstr(why, "its directory does not exist") != NULL);
	tear_down();
}
END_TEST

START_TEST(the_longest_path_of_a_socket_has_a_lock_too)
{
	struct listener l, other;
	char name[PATH_MAX];
	set_up();
	size_t length = SUN_PATH_MAX - strlen(directory.path) - 1;
	memset(name, 'x', length);
	name[length] = '\0';
	name_socket(name);
	ck_assert_uint_eq(strlen(socket_path), SUN_PATH_MAX);
	ck_assert_int_eq(open_listener(&l), 0);
	ck_assert(exists(lock_path));
	ck_assert_int_eq(open_listener(&other), DHT_EBUSY);
	ck_assert(strstr(why, socket_path) != NULL);
	listener_close(&l);
	ck_assert(!exists(socket_path) && !exists(lock_path));
	tear_down();
}
END_TEST

START_TEST(only_what_is_ours_is_removed)
{
	struct listener one, two;
	set_up();
	ck_assert_int_eq(open_listener(&one), 0);
	/* By hand, both. */
	ck_assert_int_eq(unlink(socket_path), 0);
	ck_assert_int_eq(unlink(lock_path), 0);
	ck_assert_int_eq(open_listener(&two), 0);
	listener_close(&one);
	ck_assert(exists(socket_path) && exists(lock_path));
	listener_close(&two);
	ck_assert(!exists(socket_path) && !exists(lock_path));
	tear_down();
}
END_TEST

/* ---- Many at once ---------------------------------------------------------------- */

/* What the processes of a round share. */
struct arena {
	_Atomic unsigned ready;
	_Atomic bool go;
	_Atomic unsigned holding; /* now */
	_Atomic unsigned taken;
	_Atomic unsigned refused;
	_Atomic unsigned broken;
	_Atomic unsigned unnamed; /* refused without the pid of a contender */
	_Atomic pid_t contenders[CONTENDERS];
};

static struct arena *arena_make(void)
{
	struct arena *a =
	    mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	UNIT_REQUIRE(a != MAP_FAILED);
	return a;
}

static bool names_a_contender(const struct arena *a)
{
	const char *at = strstr(why, "pid ");
	for (int i = 0; at != NULL && i < CONTENDERS; i++) {
		if (a->contenders[i] == (pid_t)strtol(at + 4, NULL, 10))
			return true;
	}
	return false;
}

/* One daemon: starts with all the others, and listens on if it may. */
static void contend(struct arena *a)
{
	struct listener l;
	atomic_fetch_add(&a->ready, 1);
	while (!atomic_load(&a->go))
		sched_yield();
	int rc = open_listener(&l);
	if (rc == 0) {
		atomic_fetch_add(&a->taken, 1);
		while (true)
			pause(); /* until it is killed: stale again */
	}
	if (rc != DHT_EBUSY)
		atomic_fetch_add(&a->broken, 1);
	else if (!names_a_contender(a))
		atomic_fetch_add(&a->unnamed, 1);
	atomic_fetch_add(&a->refused, 1);
	_exit(0);
}

START_TEST(of_many_that_start_at_once_on_a_stale_socket_one_listens)
{
	set_up();
	struct arena *a = arena_make();
	leave_stale_socket();
	for (int round = 0; round < ROUNDS; round++) {
		memset(a, 0, sizeof(*a));
		for (int i = 0; i < CONTENDERS; i++) {
			pid_t child = fork();
			UNIT_REQUIRE(child >= 0);
			if (child == 0)
				contend(a);
			a->contenders[i] = child;
		}
		while (atomic_load(&a->ready) < CONTENDERS)
			(void)poll(NULL, 0, 1);
		atomic_store(&a->go, true);
		while (atomic_load(&a->taken) + atomic_load(&a->refused) < CONTENDERS)
			(void)poll(NULL, 0, 1);
		unsigned taken = atomic_load(&a->taken);
		for (int i = 0; i < CONTENDERS; i++) {
			kill(a->contenders[i], SIGKILL);
			waitpid(a->contenders[i], NULL, 0);
		}
		ck_assert_msg(taken == 1, "round %d: %u daemons listen", round, taken);
		ck_assert_uint_eq(a->broken, 0);
		ck_assert_uint_eq(a->unnamed, 0);
	}
	munmap(a, sizeof(*a));
	tear_down();
}
END_TEST

/* One holder after the other; each removes the file under those that are about to lock
 * it. */
static void churn(struct arena *a)
{
	for (int i = 0; i < CHURNS; i++) {
		struct lockfile lock;
		long holder;
		int rc = lockfile_take(&lock, lock_path, &holder);
		if (rc == DHT_EBUSY)
			continue;
		if (rc != 0 || atomic_fetch_add(&a->holding, 1) != 0)
			atomic_fetch_add(&a->broken, 1);
		if (rc != 0)
			break;
		atomic_fetch_add(&a->taken, 1);
		sched_yield();
		atomic_fetch_sub(&a->holding, 1);
		lockfile_release(&lock);
	}
	_exit(0);
}

START_TEST(a_lock_that_is_removed_locks_nobody_in)
{
	set_up();
	struct arena *a = arena_make();
	pid_t children[CHURNERS];
	for (int i = 0; i < CHURNERS; i++) {
		children[i] = fork();
		UNIT_REQUIRE(children[i] >= 0);
		if (children[i] == 0)
			churn(a);
	}
	for (int i = 0; i < CHURNERS; i++) {
		int status;
		UNIT_REQUIRE(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	ck_assert_uint_eq(a->broken, 0);
	ck_assert_uint_ge(a->taken, CHURNERS);
	ck_assert(!exists(lock_path));
	munmap(a, sizeof(*a));
	tear_down();
}
END_TEST

UNIT_MAIN("listener", 120, the_lock_lives_and_ends_with_the_listener,
	  what_a_crash_left_behind_is_replaced, what_is_no_lock_file_is_left_alone,
	  a_directory_that_is_missing_is_named, the_longest_path_of_a_socket_has_a_lock_too,
	  only_what_is_ours_is_removed, of_many_that_start_at_once_on_a_stale_socket_one_listens,
	  a_lock_that_is_removed_locks_nobody_in)
