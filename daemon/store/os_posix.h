/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix - struct store_os over a data directory:
 *
 *     data_dir/NAME                 named files, "identity" for one
 *     data_dir/segments/%08x.seg    a segment, by its slot
 *     data_dir/segments/NAME.hint   named files
 *     NAME.new                      in either: not complete yet
 *
 * Owns    Descriptors: the two directories', and at most OS_POSIX_FILES_MAX segments'
 *         beside those in use and those waiting for a sync. The lock on the data
 *         directory is the caller's (server/datadir).
 * Thread  open and close: one thread, while nobody uses the view. The rest: store/os.h.
 * Errors  open: DHT_ENOMEM, DHT_EDENIED, DHT_EIO, DHT_ENOSPC, DHT_ENOTFOUND (no such
 *         directory); the cause was logged.
 */
#ifndef DHT_STORE_OS_POSIX_H
#define DHT_STORE_OS_POSIX_H

#include "base/assert.h"

struct store_os;
struct store_os_posix;

/* Opens a data directory that exists and creates what is missing in it. */
int store_os_posix_open(const char *data_dir, struct store_os_posix **out) DHT_MUST_CHECK;

/* Closes it; NULL is allowed. Memory of segments is not given back. */
void store_os_posix_close(struct store_os_posix *posix);

/* The table that the store works with, valid until close. */
const struct store_os *store_os_posix_view(const struct store_os_posix *posix);

#endif
