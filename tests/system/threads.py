# SPDX-License-Identifier: Apache-2.0
"""Stops single threads of a daemon, as if they hung.

SIGSTOP stops a process as a whole. ptrace stops one thread and leaves the others alone.
Only the thread that has stopped another may let it go again: use this from one thread.
"""
import ctypes
import os
import pathlib
import signal

from harness import wait_until

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17
WALL = 0x40000000  # wait for threads, too

WORKERS = "dhtd/w"  # how the names of the workers' threads begin

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def task_directory(pid, tid):
    return pathlib.Path(f"/proc/{pid}/task/{tid}")


def threads_of(pid, prefix=WORKERS):
    """The ids of the threads whose name begins with prefix, in the order of the names."""
    names = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        names[(task / "comm").read_text().strip()] = int(task.name)
    return [names[name] for name in sorted(names) if name.startswith(prefix)]


def is_waiting(pid, tid):
    """Whether the thread sleeps in the kernel: then it holds no lock."""
    return (task_directory(pid, tid) / "stat").read_text().rpartition(") ")[2].startswith("S")


class Stopped:
    """Stops threads while they are idle: `with Stopped(node.pid): ...`; all workers if
    none are named. resume() and the end of the block let them go on."""

    def __init__(self, pid, tids=None):
        self.pid = pid
        self.tids = threads_of(pid) if tids is None else list(tids)
        self.stopped = []

    def __enter__(self):
        assert self.tids, "no threads to stop"
        try:
            for tid in self.tids:
                wait_until(lambda tid=tid: is_waiting(self.pid, tid), f"thread {tid} is idle")
                ptrace(PTRACE_SEIZE, tid)
                self.stopped.append(tid)
                ptrace(PTRACE_INTERRUPT, tid)
                _, status = os.waitpid(tid, WALL)
                assert os.WIFSTOPPED(status), f"thread {tid}: status {status:#x}"
        except BaseException:
            self.resume()
            raise
        return self

    def __exit__(self, *_):
        self.resume()

    def resume(self):
        """Lets the threads go on."""
        while self.stopped:
            self.resume_one()

    def resume_one(self):
        """Lets one of the threads go on; if it was killed meanwhile, it is buried."""
        tid = self.stopped.pop()
        try:
            ptrace(PTRACE_DETACH, tid)
        except ProcessLookupError:
            self.bury(tid)

    def bury(self, tid):
        """Takes note of the end of a thread. Without that its process never ends."""
        try:
            while os.WIFSTOPPED(os.waitpid(tid, WALL)[1]):
                pass
        except ChildProcessError:
            pass

    def bury_all(self):
        """Waits for the end of the threads, because their process ends."""
        while self.stopped:
            self.bury(self.stopped.pop())


def stop_process(pid):
    """Stops a process as a whole and returns when it stands still."""
    os.kill(pid, signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{pid}/task")

    def is_stopped():
        return all((task / "stat").read_text().rpartition(") ")[2][0] in "Tt"
                   for task in tasks.iterdir())

    wait_until(is_stopped, "the process stands still")


def continue_process(pid):
    os.kill(pid, signal.SIGCONT)
