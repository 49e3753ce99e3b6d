/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix_named - named files of the data directory, replaced on a full disk too.
 *
 * Why     A node must go on, and start, when the disk has not one block left. So beside
 *         NAME there is always NAME.new, the content before this one: the next content is
 *         written over it, then the two change places in one step.
 * Owns    NAME.new; nothing ever reads it.
 * Thread  any; one thread at a time for a name.
 * Errors  as in store/os.h; every failure but "full" and "absent" was logged.
 *
 * What a crash leaves as NAME is the old or the new content, whole:
 * - NAME.new is written and synced before it gets the name.
 * - It is written over only while the directory's entries are known to be durable; else a
 *   crash could give NAME back to the very file that is being written. A process that was
 *   killed may have left them undecided: they are synced before the first use, by
 *   store_os_posix_open. When that sync fails later, NAME.new is given up.
 * - A NAME.new with a second link, from a backup say, is not written over either.
 *
 * Where the file system cannot exchange two names, the new one replaces the old one, and
 * another NAME.new is made of the room that the old one had.
 */
#ifndef DHT_STORE_OS_POSIX_NAMED_H
#define DHT_STORE_OS_POSIX_NAMED_H

#include <stddef.h>

#include "base/assert.h"

/* store_os.file_replace and file_remove, in a directory. DHT_ENOSPC: the new content
 * takes more blocks than the old one, and there are no more; the old one is still there. */
int os_posix_named_replace(int directory, const char *name, const void *data,
			   size_t len) DHT_MUST_CHECK;
int os_posix_named_remove(int directory, const char *name) DHT_MUST_CHECK;

#endif
