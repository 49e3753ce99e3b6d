# SPDX-License-Identifier: Apache-2.0
"""Small file systems and memory limits; they need privileges, and say so if those lack."""
import contextlib
import ctypes
import os
import pathlib

libc = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2

CGROUP = pathlib.Path("/sys/fs/cgroup")


class Refused(Exception):
    """This machine does not grant it; the text says what."""


@contextlib.contextmanager
def small_disk(directory, size_bytes):
    """A file system of its own at `directory`, which is made."""
    directory.mkdir()
    options = f"size={size_bytes},mode=700".encode()
    if libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, options) != 0:
        raise Refused(f"mount of a tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield directory
    finally:
        libc.umount2(os.fsencode(directory), MNT_DETACH)


def free_bytes(directory):
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


@contextlib.contextmanager
def memory_limit(name, size_bytes):
    """A control group of so much memory, page cache included; yields a function that puts
    the calling process into it."""
    version_2 = (CGROUP / "cgroup.controllers").exists()
    group = CGROUP / name if version_2 else CGROUP / "memory" / name
    limit = group / ("memory.max" if version_2 else "memory.limit_in_bytes")
    try:
        group.mkdir()
    except OSError as problem:
        raise Refused(f"a control group: {problem}") from None
    try:
        try:
            limit.write_text(str(size_bytes))
        except OSError as problem:
            raise Refused(f"a limit of memory: {problem}") from None
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()
