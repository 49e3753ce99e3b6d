/* SPDX-License-Identifier: Apache-2.0
 *
 * faults - system calls that fail when a test says so.
 *
 * Why     A test cannot use up the memory of the kernel, or every descriptor of the
 *         system, and leave the machine in peace. Preloaded into a daemon, this makes
 *         calls fail while $DHT_FAULTS/NAME is a symbolic link whose target is the
 *         number of the error: reading that needs no descriptor.
 *             accept4     every call
 *             epoll_add   epoll_ctl with EPOLL_CTL_ADD
 *             epoll_del   epoll_ctl with EPOLL_CTL_DEL
 *             epoll_wait  every call
 *             fdatasync   every call
 *             wake        write of as many bytes as an eventfd takes
 *             create      openat that makes a new segment file
 *             identity    openat of that file, or its spare, for writing
 *             pread       every call, and pwrite likewise
 *         With the word "wait" in place of a number the call waits until the link is gone,
 *         as on a disk that does not answer, and then works.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAIT_US = 1000 };

/* Whether the call has to fail; errno is set then. */
static int has_fault(const char *name)
{
	char path[4096], target[16];
	const char *directory = getenv("DHT_FAULTS");
	int saved = errno;
	if (directory == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	for (;;) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0) {
			errno = saved;
			return 0;
		}
		target[n] = '\0';
		if (strcmp(target, "wait") != 0)
			break;
		usleep(WAIT_US);
	}
	errno = atoi(target);
	return 1;
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (has_fault("accept4"))
		return -1;
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && has_fault("epoll_add"))
		return -1;
	if (op == EPOLL_CTL_DEL && has_fault("epoll_del"))
		return -1;
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	if (has_fault("epoll_wait"))
		return -1;
	return (int)syscall(SYS_epoll_pwait, epoll, events, max, timeout, NULL, 0);
}

int fdatasync(int fd)
{
	if (has_fault("fdatasync"))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	if (has_fault("pread"))
		return -1;
	return syscall(SYS_pread64, fd, data, len, offset);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (has_fault("pwrite"))
		return -1;
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
	if (len == sizeof(uint64_t) && has_fault("wake"))
		return -1;
	return syscall(SYS_write, fd, data, len);
}

int openat(int directory, const char *name, int flags, ...)
{
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list args;
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
		if (strstr(name, ".seg") != NULL && has_fault("create"))
			return -1;
	}
	if ((flags & O_ACCMODE) != O_RDONLY && strstr(name, "identity") != NULL &&
	    has_fault("identity"))
		return -1;
	return (int)syscall(SYS_openat, directory, name, flags, mode);
}
