/* SPDX-License-Identifier: Apache-2.0
 *
 * server/identity: what lasts across restarts, what a start after each kind of end is
 * told, and that damage, crashes and full disks neither lose nor invent a node.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_directory.h"
#include "helper_disk.h"
#include "server/identity.h"
#include "store/manifest.h"
#include "store/os_posix.h"
#include "unit.h"

#define BOOT_A "aaaaaaaa-0000-4000-8000-00000000000a"
#define BOOT_B "bbbbbbbb-0000-4000-8000-00000000000b"

static struct helper_disk disk;
static struct identity identity;
static char why[IDENTITY_WHY_MAX];
static uint8_t next_byte;

/* Other bytes each time. */
static void draw(void *out, size_t len)
{
	memset(out, ++next_byte, len);
}

static void setup(void)
{
	helper_disk_init(&disk, 7);
	next_byte = 0;
	why[0] = '\0';
}

static void teardown(void)
{
	helper_disk_fini(&disk);
}

static int load(const char *boot_id, enum conf_fsync fsync)
{
	why[0] = '\0';
	return identity_load(&disk.os, draw, boot_id, fsync, &identity, why);
}

/* What store_open leaves for identity_load to see. */
static int make_log(void)
{
	return disk.os.file_replace(disk.os.ctx, MANIFEST_NAME, "m", 1);
}

/* A start up to where it may serve. */
static void begin(const char *boot_id, enum conf_fsync fsync)
{
	ck_assert_int_eq(load(boot_id, fsync), 0);
	ck_assert_int_eq(make_log(), 0);
	ck_assert_int_eq(identity_begin(&disk.os, &identity, why), 0);
}

static void write_file(const char *text)
{
	ck_assert_int_eq(disk.os.file_replace(disk.os.ctx, IDENTITY_NAME, text, strlen(text)), 0);
}

static void read_file(char text[512])
{
	size_t len;
	ck_assert_int_eq(disk.os.file_read(disk.os.ctx, IDENTITY_NAME, text, 511, &len), 0);
	text[len] = '\0';
}

static void assert_damaged(void)
{
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), DHT_ECORRUPT);
	ck_assert_msg(strstr(why, "identity") != NULL, "%s", why);
	ck_assert_msg(strstr(why, "is damaged: ") != NULL, "%s", why);
}

START_TEST(a_new_node_draws_its_id_and_seed_once)
{
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	ck_assert_str_eq(identity.id, "01010101010101010101010101010101");
	ck_assert_uint_eq(identity.hash_seed, 0x0202020202020202);
	ck_assert_uint_eq(identity.starts, 0);
	ck_assert(identity.has_stopped_cleanly && !identity.may_have_forgotten);
	ck_assert_int_eq(make_log(), 0);
	for (uint64_t start = 1; start <= 12; start++) {
		helper_disk_power_back(&disk, HELPER_DISK_DROP);
		begin(start % 2 == 0 ? BOOT_A : BOOT_B, CONF_FSYNC_ALWAYS);
		ck_assert_str_eq(identity.id, "01010101010101010101010101010101");
		ck_assert_uint_eq(identity.hash_seed, 0x0202020202020202);
		ck_assert_uint_eq(identity.starts, start);
	}
	ck_assert_uint_eq(next_byte, 2);
}
END_TEST

START_TEST(the_file_is_text)
{
	char text[512];
	begin(BOOT_A, CONF_FSYNC_INTERVAL);
	read_file(text);
	static const char expected[] = "dhtd identity, format 1\n"
				       "id 01010101010101010101010101010101\n"
				       "hash_seed 0202020202020202\n"
				       "starts 1\n"
				       "boot_id " BOOT_A "\n"
				       "fsync interval\n"
				       "stop unclean\n"
				       "counter 0\n"
				       "checksum ";
	ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "%s", text);
	ck_assert_int_eq(identity_stop(&disk.os, &identity, 4711, why), 0);
	read_file(text);
	ck_assert_ptr_nonnull(strstr(text, "\nstarts 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nstop clean\ncounter 4711\n"));
}
END_TEST

START_TEST(a_start_knows_how_the_last_run_ended)
{
	static const struct {
		enum conf_fsync fsync;
		bool clean;
		const char *boot_id; /* of the start afterwards */
		bool may_have_forgotten;
	} cases[] = {
	    {CONF_FSYNC_ALWAYS, true, BOOT_B, false},    {CONF_FSYNC_ALWAYS, false, BOOT_A, false},
	    {CONF_FSYNC_ALWAYS, false, BOOT_B, false},   {CONF_FSYNC_INTERVAL, true, BOOT_B, false},
	    {CONF_FSYNC_INTERVAL, false, BOOT_A, false}, {CONF_FSYNC_INTERVAL, false, BOOT_B, true},
	    {CONF_FSYNC_NEVER, true, BOOT_B, false},     {CONF_FSYNC_NEVER, false, BOOT_A, false},
	    {CONF_FSYNC_NEVER, false, BOOT_B, true},     {CONF_FSYNC_NEVER, false, "", true},
	    {CONF_FSYNC_NEVER, true, "", false},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		begin(BOOT_A, cases[i].fsync);
		if (cases[i].clean)
			ck_assert_int_eq(identity_stop(&disk.os, &identity, 4711, why), 0);
		/* Whatever mode comes next. */
		ck_assert_int_eq(load(cases[i].boot_id, CONF_FSYNC_ALWAYS), 0);
		ck_assert_int_eq(identity.last_fsync, cases[i].fsync);
		ck_assert_int_eq(identity.has_stopped_cleanly, cases[i].clean);
		ck_assert_int_eq(identity.may_have_forgotten, cases[i].may_have_forgotten);
		ck_assert_int_eq(identity.fsync, CONF_FSYNC_ALWAYS);
	}
}
END_TEST

START_TEST(two_unknown_boots_are_not_the_same)
{
	begin("", CONF_FSYNC_NEVER);
	ck_assert_int_eq(load("", CONF_FSYNC_NEVER), 0);
	ck_assert_str_eq(identity.boot_id, "");
	ck_assert(identity.may_have_forgotten);
}
END_TEST

START_TEST(a_refused_start_is_refused_again)
{
	begin(BOOT_A, CONF_FSYNC_NEVER);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(load(BOOT_B, CONF_FSYNC_ALWAYS), 0);
		ck_assert(identity.may_have_forgotten);
		ck_assert_uint_eq(identity.starts, 1);
	}
}
END_TEST

START_TEST(every_flipped_bit_is_found)
{
	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	uint64_t bits = (uint64_t)helper_disk_file_size(&disk, IDENTITY_NAME) * 8;
	ck_assert_uint_gt(bits, 8 * 150);
	for (uint64_t bit = 0; bit < bits; bit++) {
		helper_disk_flip(&disk, IDENTITY_NAME, bit);
		assert_damaged();
		helper_disk_flip(&disk, IDENTITY_NAME, bit);
	}
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
}
END_TEST

START_TEST(a_file_of_another_length_is_damaged)
{
	char text[1024];
	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	read_file(text);
	for (size_t len = strlen(text); len-- > 0;) {
		helper_disk_cut(&disk, IDENTITY_NAME, len);
		assert_damaged();
	}
	strcat(text, "\n");
	write_file(text);
	assert_damaged();
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file(text);
	assert_damaged();
	ck_assert_ptr_nonnull(strstr(why, "too long"));
}
END_TEST

START_TEST(a_file_written_by_hand_needs_every_line_right)
{
	static const char good[] = "dhtd identity, format 1\n"
				   "id 0123456789abcdef0123456789abcdef\n"
				   "hash_seed 0123456789abcdef\n"
				   "starts 3\n"
				   "boot_id unknown\n"
				   "fsync never\n"
				   "stop clean\n"
				   "counter 9\n";
	static const char *const changes[][2] = {
	    {"format 1", "format 2"}, {"id 0", "id  0"},          {"abcdef\nhash", "ABCDEF\nhash"},
	    {"seed 0", "seed "},      {"starts 3", "starts 03"},  {"starts 3", "starts -3"},
	    {"never", "sometimes"},   {"stop clean", "stop yes"}, {"starts 3\n", ""},
	};
	char text[512];
	(void)make_log();
	for (size_t i = 0; i <= DHT_ARRAY_LEN(changes); i++) {
		strcpy(text, good);
		if (i < DHT_ARRAY_LEN(changes)) {
			const char *from = changes[i][0], *at = strstr(good, from);
			ck_assert_ptr_nonnull(at);
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
				 changes[i][1], at + strlen(from));
		}
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "checksum %016llx\n",
			 (unsigned long long)hash_bytes(text, len));
		write_file(text);
		if (i < DHT_ARRAY_LEN(changes))
			assert_damaged();
	}
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	ck_assert_str_eq(identity.id, "0123456789abcdef0123456789abcdef");
	ck_assert_uint_eq(identity.hash_seed, 0x0123456789abcdef);
	ck_assert_uint_eq(identity.starts, 3);
	ck_assert_uint_eq(identity.last_counter, 9);
}
END_TEST

START_TEST(a_clean_stop_makes_the_exact_counter_the_ceiling)
{
	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	ck_assert_uint_eq(identity_ceiling(&identity, 0, 0), 0);
	ck_assert_int_eq(identity_stop(&disk.os, &identity, 700, why), 0);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	ck_assert_uint_eq(identity_ceiling(&identity, 66000, 650), 700);
	/* The log knows of a higher one: the file is older than the log. */
	ck_assert_uint_eq(identity_ceiling(&identity, 66000, 701), 701);

	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	ck_assert_uint_eq(identity_ceiling(&identity, 66000, 650), 66000);
}
END_TEST

START_TEST(a_log_without_an_identity_is_refused)
{
	ck_assert_int_eq(make_log(), 0);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), DHT_ECORRUPT);
	ck_assert_msg(strstr(why, "identity is missing") != NULL, "%s", why);
	ck_assert_int_eq(helper_disk_file_size(&disk, IDENTITY_NAME), -1);

	ck_assert_int_eq(disk.os.file_remove(disk.os.ctx, MANIFEST_NAME), 0);
	ck_assert_int_eq(disk.os.create(disk.os.ctx, 3, 4096), 0);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), DHT_ECORRUPT);
	ck_assert_msg(strstr(why, "identity is missing") != NULL, "%s", why);
	ck_assert_int_eq(helper_disk_file_size(&disk, IDENTITY_NAME), -1);
}
END_TEST

START_TEST(a_node_that_has_run_needs_its_log)
{
	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	ck_assert_int_eq(disk.os.file_remove(disk.os.ctx, MANIFEST_NAME), 0);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), DHT_ECORRUPT);
	ck_assert_msg(strstr(why, "log is missing") != NULL, "%s", why);
	ck_assert_msg(strstr(why, "counts 1 starts") != NULL, "%s", why);
}
END_TEST

START_TEST(errors_of_the_disk_are_passed_on)
{
	static const int errors[] = {DHT_EIO, DHT_ENOSPC, DHT_ENOMEM, DHT_EDENIED};
	for (size_t i = 0; i < DHT_ARRAY_LEN(errors); i++) {
		helper_disk_power_back(&disk, HELPER_DISK_KEEP);
		helper_disk_fail(&disk, HELPER_DISK_FILE_READ, 1, errors[i]);
		ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), errors[i]);
		ck_assert_ptr_nonnull(strstr(why, "cannot read"));
		helper_disk_fail(&disk, HELPER_DISK_LIST, 1, errors[i]);
		ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), errors[i]);
		helper_disk_fail(&disk, HELPER_DISK_FILE_READ, 2, errors[i]);
		ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), errors[i]);
		ck_assert_ptr_nonnull(strstr(why, "look for a log"));
		ck_assert_int_eq(helper_disk_file_size(&disk, IDENTITY_NAME), -1);
	}
}
END_TEST

START_TEST(a_full_disk_changes_nothing)
{
	helper_disk_set_capacity(&disk, 10);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), DHT_ENOSPC);
	ck_assert_msg(strstr(why, "cannot write") != NULL, "%s", why);
	ck_assert_int_eq(helper_disk_file_size(&disk, IDENTITY_NAME), -1);

	helper_disk_set_capacity(&disk, UINT64_MAX);
	begin(BOOT_A, CONF_FSYNC_ALWAYS);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	helper_disk_fail(&disk, HELPER_DISK_FILE_REPLACE, 1, DHT_ENOSPC);
	ck_assert_int_eq(identity_begin(&disk.os, &identity, why), DHT_ENOSPC);
	ck_assert_uint_eq(identity.starts, 1);
	ck_assert_int_eq(identity_begin(&disk.os, &identity, why), 0);
	helper_disk_fail(&disk, HELPER_DISK_FILE_REPLACE, 1, DHT_ENOSPC);
	ck_assert_int_eq(identity_stop(&disk.os, &identity, 4711, why), DHT_ENOSPC);
	ck_assert_int_eq(load(BOOT_A, CONF_FSYNC_ALWAYS), 0);
	ck_assert_uint_eq(identity.starts, 2);
	ck_assert(!identity.has_stopped_cleanly);
}
END_TEST

/* Runs and clean stops until the disk crashes. What was reported as done is there
 * afterwards: the id that was seen, at least as many starts, an unclean end. */
static void crash_at(uint64_t change, enum helper_disk_loss loss)
{
	struct identity known = {0};
	uint64_t begun = 0;
	bool is_running = false;
	int rc = 0;
	helper_disk_crash_at(&disk, change);
	for (int run = 0; rc == 0 && run < 3; run++) {
		rc = load(BOOT_A, CONF_FSYNC_NEVER);
		if (rc == 0)
			known = identity;
		if (rc == 0 && run == 0)
			rc = make_log();
		if (rc == 0)
			rc = identity_begin(&disk.os, &identity, why);
		if (rc == 0) {
			begun = identity.starts;
			is_running = true;
			rc = identity_stop(&disk.os, &identity, 4711, why);
		}
		is_running = is_running && rc != 0;
	}
	UNIT_REQUIRE(disk.is_crashed == (rc != 0));
	helper_disk_power_back(&disk, loss);

	UNIT_REQUIRE(load(BOOT_B, CONF_FSYNC_NEVER) == 0);
	UNIT_REQUIRE(known.id[0] == '\0' || strcmp(known.id, identity.id) == 0);
	UNIT_REQUIRE(known.id[0] == '\0' || known.hash_seed == identity.hash_seed);
	UNIT_REQUIRE(identity.starts == begun || identity.starts == begun + 1);
	/* The mark of a stop that crashed may be there or not. */
	UNIT_REQUIRE(identity.starts == begun || !identity.has_stopped_cleanly);
	UNIT_REQUIRE(is_running || identity.starts > begun || identity.has_stopped_cleanly);
	UNIT_REQUIRE(identity.may_have_forgotten == !identity.has_stopped_cleanly);
}

START_TEST(a_crash_at_any_change_loses_nothing_that_was_reported)
{
	enum { CHANGES = 1 + 1 + 3 * 2, SEEDS = 20 };
	for (int loss = HELPER_DISK_KEEP; loss <= HELPER_DISK_TEAR; loss++) {
		for (uint64_t change = 1; change <= CHANGES; change++) {
			for (uint64_t seed = 1; seed <= SEEDS; seed++) {
				helper_disk_fini(&disk);
				helper_disk_init(&disk, seed * 1000 + change);
				crash_at(change, (enum helper_disk_loss)loss);
			}
		}
	}
}
END_TEST

START_TEST(the_kernel_tells_its_boot)
{
	char first[IDENTITY_BOOT_ID_SIZE], second[IDENTITY_BOOT_ID_SIZE];
	identity_read_boot_id(first);
	identity_read_boot_id(second);
	ck_assert_uint_eq(strlen(first), IDENTITY_BOOT_ID_SIZE - 1);
	ck_assert_str_eq(first, second);
}
END_TEST

START_TEST(on_the_kernels_disk)
{
	struct helper_directory directory;
	struct store_os_posix *posix;
	char id[IDENTITY_ID_SIZE], boot_id[IDENTITY_BOOT_ID_SIZE];
	helper_directory_make(&directory);
	identity_read_boot_id(boot_id);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_os_posix_open(directory.path, &posix), 0);
		const struct store_os *os = store_os_posix_view(posix);
		ck_assert_int_eq(
		    identity_load(os, draw, boot_id, CONF_FSYNC_ALWAYS, &identity, why), 0);
		if (i == 0)
			strcpy(id, identity.id);
		ck_assert_str_eq(identity.id, id);
		ck_assert_int_eq(identity.has_stopped_cleanly, i == 0);
		ck_assert_int_eq(os->file_replace(os->ctx, MANIFEST_NAME, "m", 1), 0);
		ck_assert_int_eq(identity_begin(os, &identity, why), 0);
		ck_assert_uint_eq(identity.starts, i + 1);
		store_os_posix_close(posix);
	}
	helper_directory_remove(&directory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("identity");
	TCase *tcase = tcase_create("identity");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_node_draws_its_id_and_seed_once);
	tcase_add_test(tcase, the_file_is_text);
	tcase_add_test(tcase, a_start_knows_how_the_last_run_ended);
	tcase_add_test(tcase, two_unknown_boots_are_not_the_same);
	tcase_add_test(tcase, a_refused_start_is_refused_again);
	tcase_add_test(tcase, every_flipped_bit_is_found);
	tcase_add_test(tcase, a_file_of_another_length_is_damaged);
	tcase_add_test(tcase, a_file_written_by_hand_needs_every_line_right);
	tcase_add_test(tcase, a_clean_stop_makes_the_exact_counter_the_ceiling);
	tcase_add_test(tcase, a_log_without_an_identity_is_refused);
	tcase_add_test(tcase, a_node_that_has_run_needs_its_log);
	tcase_add_test(tcase, errors_of_the_disk_are_passed_on);
	tcase_add_test(tcase, a_full_disk_changes_nothing);
	tcase_add_test(tcase, a_crash_at_any_change_loses_nothing_that_was_reported);
	tcase_add_test(tcase, the_kernel_tells_its_boot);
	tcase_add_test(tcase, on_the_kernels_disk);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
