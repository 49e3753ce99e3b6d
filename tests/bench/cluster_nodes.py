# SPDX-License-Identifier: Apache-2.0
"""Three nodes of dhtd and three of etcd, each on its own ports of the loopback interface.

Both kinds are used alike: ports and pids, load(), kill() and restart() of a node."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import rig
from rig import harness

NODES = 3
ETCD_PROJECT = rig.ROOT / "tests" / "bench" / "etcd"
READY_S = 60


def cpu_s(pid):
    """CPU time of a process, exact: its clock as clock_getcpuclockid(3) derives it."""
    return time.clock_gettime((~pid << 3) | 2)


def options_of(options):
    words = []
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return words


class Cluster:
    """What is common: which program loads it, and with what."""

    generator = None

    @property
    def pids(self):
        raise NotImplementedError

    def load_command(self, nodes, **options):
        words = [self.generator, "--json"]
        for node in nodes:
            words += ["--port", str(self.ports[node])]
            words += ["--server-pid", str(self.pids[node])]
        return [*words, *options_of(options)]

    def start_load(self, nodes=range(NODES), **options):
        return subprocess.Popen(self.load_command(nodes, **options), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True)

    def end_load(self, process, may_fail=False):
        out, _ = process.communicate(timeout=rig.STEP_S)
        if not out or (process.returncode != 0 and not may_fail):
            sys.exit(f"{self.generator} exited with {process.returncode}: {out}")
        report = json.loads(out)
        if report["misses"] or report["mismatches"] or report["disconnected"]:
            sys.exit(f"{self.generator}: keys or connections were lost: {out}")
        return report

    def load(self, nodes=range(NODES), **options):
        return self.end_load(self.start_load(nodes, **options))


class Dhtd(Cluster):
    name = "dhtd"

    def __init__(self, directory, build, *settings):
        self.generator = build / "tests" / "bench_load"
        pathlib.Path(directory).mkdir()
        self.set = harness.NodeSet(directory, build)
        self.settings = ("store.fsync=always", "store.segment_size=64MiB", *settings)

    @property
    def nodes(self):
        return self.set.nodes

    @property
    def pids(self):
        return [node.process and node.pid for node in self.nodes]

    @property
    def ports(self):
        return [node.client_port for node in self.nodes]

    def __enter__(self):
        self.set.__enter__()
        try:
            for _ in range(NODES):
                self.make_node()
            for node in self.nodes[1:]:
                node.ctl("join", f"127.0.0.1:{self.nodes[0].peer_port}", check=True,
                         timeout=READY_S)
            self.wait_whole()
        except BaseException:
            self.set.__exit__()
            raise
        return self

    def __exit__(self, *what):
        self.set.__exit__(*what)

    def make_node(self):
        """One more, which is a member of nothing yet."""
        return self.set.make(*self.settings)

    def is_whole(self):
        return all(node.ctl("health").returncode == 0 for node in self.nodes)

    def wait_whole(self):
        harness.wait_until(self.is_whole, "the cluster to be healthy", READY_S)

    def victim(self, number):
        return number % NODES

    def kill(self, node):
        self.nodes[node].kill()

    def restart(self, node):
        self.nodes[node].start()
        self.wait_whole()


class Etcd(Cluster):
    """Debian's, with its defaults."""

    name = "etcd"

    def __init__(self, directory, build):
        self.generator = build / "etcd" / "etcd_load"
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.ports = [harness.free_port() for _ in range(NODES)]
        self.peer_ports = [harness.free_port() for _ in range(NODES)]
        self.processes = [None] * NODES

    @staticmethod
    def version():
        done = subprocess.run(["etcd", "--version"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        return re.search(r"\d+(\.\d+)+", done.stdout).group()

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def start(self, node):
        peers = [f"http://127.0.0.1:{port}" for port in self.peer_ports]
        client = f"http://127.0.0.1:{self.ports[node]}"
        command = ["etcd", "--name", f"e{node}", "--data-dir", self.directory / f"e{node}",
                   "--listen-client-urls", client, "--advertise-client-urls", client,
                   "--listen-peer-urls", peers[node],
                   "--initial-advertise-peer-urls", peers[node],
                   "--initial-cluster", ",".join(f"e{i}={url}" for i, url in enumerate(peers))]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("ETCD_")}
        with open(self.directory / f"log{node}", "ab") as log:
            self.processes[node] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                                    stderr=log, env=environment,
                                                    start_new_session=True)

    def metric(self, node, name):
        """A number of a node's metrics; None while it does not serve."""
        with contextlib.suppress(OSError, urllib.error.URLError):
            url = f"http://127.0.0.1:{self.ports[node]}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
                return float(found.group(1)) if found else None
        return None

    def is_whole(self):
        for process in self.processes:
            if process.poll() is not None:
                sys.exit(f"an etcd has ended: {self.directory}")
        return all(self.metric(node, "etcd_server_has_leader") == 1 for node in range(NODES))

    def wait_whole(self):
        harness.wait_until(self.is_whole, "etcd to have a leader", READY_S)

    def __enter__(self):
        try:
            for node in range(NODES):
                self.start(node)
            self.wait_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def victim(self, _number):
        """The leader."""
        return next(node for node in range(NODES)
                    if self.metric(node, "etcd_server_is_leader") == 1)

    def kill(self, node):
        self.processes[node].kill()
        self.processes[node].wait()

    def restart(self, node):
        self.start(node)
        self.wait_whole()


def build_generator(build):
    """Builds etcd's load generator below the build directory."""
    steps = [["cmake", "-S", ETCD_PROJECT, "-B", build / "etcd", "-DCMAKE_BUILD_TYPE=Release"],
             ["cmake", "--build", build / "etcd"]]
    for step in steps:
        done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}\nthe load generator for etcd was not built; "
                     "packaging/deps.sh bench installs what it needs")


@contextlib.contextmanager
def contestants(directory, build, only=None):
    """Both clusters by name, running at the same time; or one of them."""
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in (Dhtd, Etcd):
            if only is None or kind.name == only:
                made[kind.name] = stack.enter_context(kind(directory / kind.name, build))
        yield made
