/* SPDX-License-Identifier: Apache-2.0
 *
 * boots - which boot of the machine this is.
 *
 * Why     Preloaded into a daemon, this has it read the id of the boot from the file
 *         $DHT_BOOT_ID instead of the kernel's: a test can let the machine stop and start.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int open(const char *path, int flags, ...)
{
	const char *other = getenv("DHT_BOOT_ID");
	mode_t mode = 0;
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_list rest;
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	if (other != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = other;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
