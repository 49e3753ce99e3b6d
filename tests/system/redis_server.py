# SPDX-License-Identifier: Apache-2.0
"""Debian's redis-server in the place of a node: what the tests of clients hold dhtd to.

With pytest's option --redis these tests run against it, as a cluster of one that keeps
its keys over a restart. It has as much of harness.Node as they use.
"""
import pathlib
import subprocess

from harness import DEADLINE_S, RespConnection, free_port, wait_until

SLOTS_LAST = 16383


class RedisServer:
    def __init__(self, directory, name="redis"):
        self.name = name
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir(parents=True)
        self.client_port = free_port()
        self.process = None

    def start(self):
        command = ["redis-server", "--port", str(self.client_port), "--bind", "127.0.0.1",
                   "--dir", str(self.directory), "--logfile", "log", "--appendonly", "yes",
                   "--cluster-enabled", "yes", "--cluster-port", str(free_port()),
                   "--cluster-announce-ip", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_until(self.serves, f"{self.name} serves")
        return self

    def serves(self):
        """Whether all slots are served; a new server takes them by this."""
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log_tail()}"
        try:
            with self.client() as client:
                client.call("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS_LAST)
                return b"cluster_state:ok" in client.call("CLUSTER", "INFO")
        except (ConnectionError, TypeError):  # not listening; an error while it loads
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)

    def client(self):
        return RespConnection(self.client_port)

    def log_tail(self, lines=40):
        return "\n".join((self.directory / "log").read_text().splitlines()[-lines:])
