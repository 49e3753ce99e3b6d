/* SPDX-License-Identifier: Apache-2.0 */
#include "server/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/manifest.h"
#include "store/os.h"

enum { FILE_MAX = 512, ID_BYTES = 16 };

#define FORMAT_LINE "dhtd identity, format 1\n"
#define NO_BOOT_ID  "unknown"

/* How the run that the file tells of has ended, up to now. */
struct stop {
	bool is_clean;
	uint64_t counter; /* 0 if it is not clean */
};

static const char *stop_word(bool is_clean)
{
	return is_clean ? "clean" : "unclean";
}

/* ---- The file's text ---------------------------------------------------------------- */

/* Returns the length of the text. */
static size_t encode(const struct identity *identity, struct stop stop, char out[FILE_MAX])
{
	const char *boot_id = identity->boot_id[0] != '\0' ? identity->boot_id : NO_BOOT_ID;
	int body =
	    snprintf(out, FILE_MAX,
		     FORMAT_LINE "id %s\nhash_seed %016" PRIx64 "\nstarts %" PRIu64
				 "\nboot_id %s\nfsync %s\nstop %s\ncounter %" PRIu64 "\n",
		     identity->id, identity->hash_seed, identity->starts, boot_id,
		     conf_fsync_name(identity->fsync), stop_word(stop.is_clean), stop.counter);
	DHT_ASSERT(body > 0 && body < FILE_MAX);
	uint64_t checksum = hash_bytes(out, (size_t)body);
	int end =
	    snprintf(out + body, FILE_MAX - (size_t)body, "checksum %016" PRIx64 "\n", checksum);
	DHT_ASSERT(end > 0 && body + end < FILE_MAX);
	return (size_t)(body + end);
}

/* Reads `NAME VALUE\n` at *at into value, and moves *at behind it. */
static bool take_line(const char **at, const char *name, char *value, size_t size)
{
	size_t name_len = strlen(name);
	if (strncmp(*at, name, name_len) != 0 || (*at)[name_len] != ' ')
		return false;
	const char *text = *at + name_len + 1;
	size_t len = strcspn(text, "\n");
	if (len >= size || text[len] != '\n')
		return false;
	memcpy(value, text, len);
	value[len] = '\0';
	*at = text + len + 1;
	return true;
}

static bool parse_fsync(const char *word, enum conf_fsync *fsync)
{
	for (int i = 0; i < CONF_FSYNC_COUNT; i++) {
		*fsync = (enum conf_fsync)i;
		if (strcmp(word, conf_fsync_name(*fsync)) == 0)
			return true;
	}
	return false;
}

/* Returns NULL, or what is wrong with the text. That the fields are written as they must
 * be is seen by writing them again. */
static const char *decode(const char *text, size_t len, struct identity *out, struct stop *stop)
{
	char seed[24], starts[24], fsync[16], word[16], counter[24], again[FILE_MAX];
	const char *at = text + strlen(FORMAT_LINE);
	*out = (struct identity){0};
	if (strncmp(text, FORMAT_LINE, strlen(FORMAT_LINE)) != 0)
		return "its first line is not that of format 1";
	if (!take_line(&at, "id", out->id, sizeof(out->id)) ||
	    !take_line(&at, "hash_seed", seed, sizeof(seed)) ||
	    !take_line(&at, "starts", starts, sizeof(starts)) ||
	    !take_line(&at, "boot_id", out->boot_id, sizeof(out->boot_id)) ||
	    !take_line(&at, "fsync", fsync, sizeof(fsync)) || !parse_fsync(fsync, &out->fsync) ||
	    !take_line(&at, "stop", word, sizeof(word)) ||
	    !take_line(&at, "counter", counter, sizeof(counter)))
		return "a line is missing or wrong";
	out->hash_seed = strtoull(seed, NULL, 16);
	out->starts = strtoull(starts, NULL, 10);
	stop->is_clean = strcmp(word, stop_word(true)) == 0;
	stop->counter = strtoull(counter, NULL, 10);
	if (strcmp(out->boot_id, NO_BOOT_ID) == 0)
		out->boot_id[0] = '\0';
	if (encode(out, *stop, again) != len || memcmp(again, text, len) != 0)
		return "its checksum does not match";
	if (strspn(out->id, "0123456789abcdef") != IDENTITY_ID_SIZE - 1)
		return "its id is not 32 hexadecimal digits";
	return NULL;
}

/* ---- The file ----------------------------------------------------------------------- */

static int fail(char why[IDENTITY_WHY_MAX], int error, const char *what)
{
	snprintf(why, IDENTITY_WHY_MAX, "cannot %s the file " IDENTITY_NAME " of node.data_dir: %s",
		 what, dht_error_text(error));
	return error;
}

static int damaged(char why[IDENTITY_WHY_MAX], const char *what)
{
	snprintf(why, IDENTITY_WHY_MAX,
		 "the file " IDENTITY_NAME " of node.data_dir is damaged: %s; restore it, or let "
		 "this node begin anew with an empty data directory",
		 what);
	return DHT_ECORRUPT;
}

static int replace(const struct store_os *os, const struct identity *identity, struct stop stop,
		   char why[IDENTITY_WHY_MAX])
{
	char text[FILE_MAX];
	size_t len = encode(identity, stop, text);
	int rc = os->file_replace(os->ctx, IDENTITY_NAME, text, len);
	return rc == 0 ? 0 : fail(why, rc, "write");
}

static void found_segment(void *arg, enum store_os_file kind, uint32_t slot, uint64_t size)
{
	(void)slot;
	(void)size;
	if (kind == STORE_OS_SEGMENT)
		*(bool *)arg = true;
}

/* *found is set if the directory has a manifest, without which no log is complete. */
static int find_manifest(const struct store_os *os, bool *found, char why[IDENTITY_WHY_MAX])
{
	size_t len;
	int rc = os->file_read(os->ctx, MANIFEST_NAME, NULL, 0, &len);
	*found = rc == 0 || rc == DHT_ETOOBIG;
	return *found || rc == DHT_ENOTFOUND ? 0 : fail(why, rc, "look for a log beside");
}

/* Refuses a directory whose log belonged to a node that is not known any more. */
static int expect_no_log(const struct store_os *os, char why[IDENTITY_WHY_MAX])
{
	bool has_segment = false, has_manifest;
	int rc = os->list(os->ctx, found_segment, &has_segment);
	if (rc != 0)
		return fail(why, rc, "look for a log beside");
	rc = find_manifest(os, &has_manifest, why);
	if (rc != 0 || !(has_segment || has_manifest))
		return rc;
	snprintf(why, IDENTITY_WHY_MAX,
		 "the file " IDENTITY_NAME " is missing in node.data_dir, but there is a log: "
		 "restore the file, or let this node begin anew with an empty data directory");
	return DHT_ECORRUPT;
}

/* Refuses a node that has run and lost all that it knew. */
static int expect_log(const struct store_os *os, const struct identity *identity,
		      char why[IDENTITY_WHY_MAX])
{
	bool has_manifest = true;
	int rc = identity->starts > 0 ? find_manifest(os, &has_manifest, why) : 0;
	if (rc != 0 || has_manifest)
		return rc;
	snprintf(why, IDENTITY_WHY_MAX,
		 "the log is missing in node.data_dir, but the file " IDENTITY_NAME
		 " counts %" PRIu64 " starts: restore the directory, or let this node begin anew "
		 "with an empty one",
		 identity->starts);
	return DHT_ECORRUPT;
}

static int create(const struct store_os *os, identity_random_fn random, struct identity *out,
		  char why[IDENTITY_WHY_MAX])
{
	uint8_t id[ID_BYTES];
	random(id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(out->id + 2 * i, 3, "%02x", id[i]);
	random(&out->hash_seed, sizeof(out->hash_seed));
	return replace(os, out, (struct stop){.is_clean = true}, why);
}

/* ---- A run -------------------------------------------------------------------------- */

void identity_read_boot_id(char out[IDENTITY_BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, out, IDENTITY_BOOT_ID_SIZE - 1) : 0;
	if (fd >= 0)
		close(fd);
	out[len > 0 ? len : 0] = '\0';
	if (strspn(out, "0123456789abcdef-") != IDENTITY_BOOT_ID_SIZE - 1)
		out[0] = '\0';
}

/* Reads the file and compares it with what is beside it: DHT_ENOTFOUND, without a sentence,
 * if there is neither. */
static int read_identity(const struct store_os *os, struct identity *out, struct stop *stop,
			 char why[IDENTITY_WHY_MAX])
{
	char text[FILE_MAX];
	size_t len = 0;
	int rc = os->file_read(os->ctx, IDENTITY_NAME, text, sizeof(text) - 1, &len);
	if (rc == DHT_ETOOBIG)
		return damaged(why, "it is too long");
	if (rc == DHT_ENOTFOUND) {
		rc = expect_no_log(os, why);
		return rc != 0 ? rc : DHT_ENOTFOUND;
	}
	if (rc != 0)
		return fail(why, rc, "read");
	text[len] = '\0';
	const char *problem = decode(text, len, out, stop);
	return problem != NULL ? damaged(why, problem) : expect_log(os, out, why);
}

int identity_check(const struct store_os *os, struct identity *out, bool *found,
		   char why[IDENTITY_WHY_MAX])
{
	struct stop stop;
	int rc = read_identity(os, out, &stop, why);
	*found = rc == 0;
	return rc == DHT_ENOTFOUND ? 0 : rc;
}

int identity_load(const struct store_os *os, identity_random_fn random, const char *boot_id,
		  enum conf_fsync fsync, struct identity *out, char why[IDENTITY_WHY_MAX])
{
	struct stop stop = {.is_clean = true};
	*out = (struct identity){.fsync = fsync};
	DHT_ASSERT(strlen(boot_id) < sizeof(out->boot_id));
	int rc = read_identity(os, out, &stop, why);
	if (rc == DHT_ENOTFOUND)
		rc = create(os, random, out, why);
	if (rc != 0)
		return rc;
	bool is_same_boot = boot_id[0] != '\0' && strcmp(boot_id, out->boot_id) == 0;
	out->last_fsync = out->fsync;
	out->last_counter = stop.counter;
	out->has_stopped_cleanly = stop.is_clean;
	out->may_have_forgotten =
	    !out->has_stopped_cleanly && out->last_fsync != CONF_FSYNC_ALWAYS && !is_same_boot;
	out->fsync = fsync;
	snprintf(out->boot_id, sizeof(out->boot_id), "%s", boot_id);
	return 0;
}

int identity_begin(const struct store_os *os, struct identity *identity, char why[IDENTITY_WHY_MAX])
{
	struct identity begun = *identity;
	begun.starts++;
	int rc = replace(os, &begun, (struct stop){.is_clean = false}, why);
	if (rc == 0)
		*identity = begun;
	return rc;
}

int identity_set_seed(const struct store_os *os, struct identity *identity, uint64_t hash_seed,
		      char why[IDENTITY_WHY_MAX])
{
	struct identity changed = *identity;
	changed.hash_seed = hash_seed;
	int rc = replace(os, &changed, (struct stop){.is_clean = false}, why);
	if (rc == 0)
		*identity = changed;
	return rc;
}

int identity_stop(const struct store_os *os, const struct identity *identity, uint64_t counter,
		  char why[IDENTITY_WHY_MAX])
{
	return replace(os, identity, (struct stop){.is_clean = true, .counter = counter}, why);
}

uint64_t identity_ceiling(const struct identity *identity, uint64_t log_ceiling,
			  uint64_t highest_counter)
{
	uint64_t ceiling = identity->has_stopped_cleanly ? identity->last_counter : log_ceiling;
	return ceiling > highest_counter ? ceiling : highest_counter;
}
