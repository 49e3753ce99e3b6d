/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/assert.h"

void helper_directory_make(struct helper_directory *directory)
{
	const char *parent = getenv("TMPDIR");
	int len = snprintf(directory->path, sizeof(directory->path), "%s/dhtd-test-XXXXXX",
			   parent != NULL ? parent : "/tmp");
	DHT_ASSERT(len > 0 && (size_t)len < sizeof(directory->path));
	const char *made = mkdtemp(directory->path);
	DHT_ASSERT(made != NULL);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	return remove(path);
}

void helper_directory_remove(struct helper_directory *directory)
{
	int rc = nftw(directory->path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	DHT_ASSERT(rc == 0);
}
