# SPDX-License-Identifier: Apache-2.0
"""What systemd is to a service: the socket that takes its notifications."""
import os
import socket
import time

from harness import DEADLINE_S


class NotifySocket:
    """Receives the datagrams of sd_notify; close it, or use it as a context manager."""

    def __init__(self, directory):
        self.path = directory / "notify.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def environment(self, watchdog_s=None):
        """What the service manager sets for a service; WATCHDOG_PID is left out, as it
        would have to name a process that does not exist yet."""
        variables = {"NOTIFY_SOCKET": os.fspath(self.path)}
        if watchdog_s is not None:
            variables["WATCHDOG_USEC"] = str(int(watchdog_s * 1_000_000))
        return variables

    def receive(self, deadline_s=DEADLINE_S):
        """The lines of the next datagram; None if there is none in time."""
        self.socket.settimeout(deadline_s)
        try:
            return self.socket.recv(65536).decode().split("\n")
        except TimeoutError:
            return None

    def receive_until(self, line, deadline_s=DEADLINE_S):
        """Takes datagrams up to one that holds the line; returns that one."""
        end = time.monotonic() + deadline_s
        while True:
            lines = self.receive(max(0.001, end - time.monotonic()))
            assert lines is not None, f"no {line} within {deadline_s} s"
            if line in lines:
                return lines

    def discard(self):
        """Throws away what has come up to now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(65536)
        except BlockingIOError:
            pass
