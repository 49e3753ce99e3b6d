/* SPDX-License-Identifier: Apache-2.0 */
#include "server/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "node/node.h"
#include "server/datadir.h"
#include "server/identity.h"
#include "store/os_posix.h"
#include "store/store.h"

static void note_damage(void *ctx, const char *why)
{
	uint64_t *damages = ctx;
	(*damages)++;
	fprintf(stderr, "dhtd: %s\n", why);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	const struct identity *identity = ctx;
	*key = node_locate(key->key, identity->hash_seed, blocks);
}

static int check_files(const char *data_dir, struct store_report *report, uint64_t *damages)
{
	struct store_os_posix *posix;
	char why[IDENTITY_WHY_MAX] = "";
	int rc = store_os_posix_open(data_dir, &posix);
	if (rc != 0)
		return rc;
	const struct store_os *os = store_os_posix_view(posix);
	struct identity identity;
	bool has_identity = false;
	rc = identity_check(os, &identity, &has_identity, why);
	if (why[0] != '\0')
		note_damage(damages, why);
	if (rc == 0 || rc == DHT_ECORRUPT) {
		/* Without the seed of the hashes the hint files cannot be compared. */
		struct store_options options = {
		    .locate = has_identity ? locate : NULL,
		    .ctx = &identity,
		    .hash_id = has_identity ? identity.hash_seed : 0,
		    .report = report,
		};
		int checked = store_check(&options, os, note_damage, damages);
		rc = checked != 0 ? checked : rc;
	}
	store_os_posix_close(posix);
	return rc;
}

int check_store(const char *data_dir)
{
	struct datadir datadir;
	struct store_report report = {0};
	char why[DATADIR_WHY_MAX];
	struct stat status;
	uint64_t damages = 0;
	/* datadir_open would make one. */
	if (stat(data_dir, &status) != 0) {
		fprintf(stderr, "dhtd: cannot check %s: %s\n", data_dir, strerror(errno));
		return 1;
	}
	log_set_level(LOG_warn);
	if (datadir_open(&datadir, data_dir, why) != 0) {
		fprintf(stderr, "dhtd: %s\n", why);
		return 1;
	}
	int rc = check_files(data_dir, &report, &damages);
	datadir_close(&datadir);
	if (rc != 0 && rc != DHT_ECORRUPT) {
		fprintf(stderr, "dhtd: cannot check %s to the end: %s\n", data_dir,
			dht_error_text(rc));
		return 1;
	}
	printf("segments: %" PRIu64 "\nrecords: %" PRIu64 "\nbytes: %" PRIu64
	       "\ntorn_bytes: %" PRIu64 "\ndamages: %" PRIu64 "\n",
	       report.segments, report.records, report.segment_bytes, report.cut_bytes, damages);
	return damages == 0 ? 0 : 1;
}
