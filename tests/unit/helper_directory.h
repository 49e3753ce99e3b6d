/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_directory - a directory of the test's own.
 *
 * Errors  abort the test.
 */
#ifndef DHT_TESTS_HELPER_DIRECTORY_H
#define DHT_TESTS_HELPER_DIRECTORY_H

#include <limits.h>

struct helper_directory {
	char path[PATH_MAX];
};

/* Makes an empty one below $TMPDIR or /tmp. */
void helper_directory_make(struct helper_directory *directory);

/* Removes it with all that is in it; on its file system only. */
void helper_directory_remove(struct helper_directory *directory);

#endif
