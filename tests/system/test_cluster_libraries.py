# SPDX-License-Identifier: Apache-2.0
"""Cluster clients as they are shipped, while a node joins: none of them sees an error.

redis-py, ioredis, redis-benchmark and redis-cli learn where the slots are at one node, and have
to follow when they move to another: by MOVED, or because whoever they ask answers anyway.
"""
import json
import pathlib
import re
import subprocess
import threading

import pytest
from redis.cluster import RedisCluster

from cluster import Cluster, owners
from harness import DEADLINE_S, wait_until

CLIENTS = pathlib.Path(__file__).parent / "clients"
KEYS = 300


@pytest.fixture(scope="module")
def installed():
    """The libraries of the lock file; `tests/run.sh deps` has installed them already."""
    done = subprocess.run([CLIENTS / "install.sh"], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout


class PythonLoad:
    """redis-py's cluster client, which writes and reads back in a thread."""

    def __init__(self, port):
        self.client = RedisCluster(host="127.0.0.1", port=port)
        self.rounds = 0
        self.errors = []
        self.goes_on = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def round(self, i):
        key = f"py:{i % KEYS}"
        assert self.client.set(key, i)
        assert self.client.get(key) == str(i).encode()
        count = self.client.incr(f"{{{key}}}n")
        assert count == i // KEYS + 1, f"{key} was counted {count} times"

    def run(self):
        while self.goes_on:
            try:
                self.round(self.rounds)
            except Exception as error:
                self.errors.append(repr(error))
            self.rounds += 1

    def end(self):
        self.goes_on = False
        self.thread.join()
        self.client.close()
        return self.rounds, self.errors


class NodeLoad:
    """ioredis as a cluster client (clients/ioredis_load.js)."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["node", CLIENTS / "ioredis_load.js", "--port", str(port)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        output, _ = self.process.communicate("end\n", timeout=DEADLINE_S)
        result = json.loads(output)
        return result["rounds"], result["errors"]


def benchmark(port):
    """redis-benchmark spreads its requests over all nodes; returns what it complains of.

    It leaves out nodes that have no slots when it begins, and says so, as it says that it was
    told of a slot that has moved.
    """
    done = subprocess.run(
        ["redis-benchmark", "-p", str(port), "--cluster", "-t", "set,get,incr", "-n", "3000",
         "-c", "6", "-r", "1000", "-q"], capture_output=True, text=True, check=False,
        timeout=4 * DEADLINE_S)
    assert done.returncode == 0, done
    rates = re.findall(r"(SET|GET|INCR): [\d.]+ requests per second", done.stdout)
    assert rates == ["SET", "GET", "INCR"], done.stdout
    return [line for line in done.stderr.splitlines()
            if not re.search("has no slots, skipping|slots configuration changed", line)]


def check(port, nodes):
    """redis-cli looks at every node and compares what they say."""
    def passes():
        done = subprocess.run(["redis-cli", "--cluster", "check", f"127.0.0.1:{port}"],
                              capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        return ("[OK] All 16384 slots covered." in done.stdout and
                "[OK] All nodes agree about slots configuration." in done.stdout and
                f"in {nodes} masters" in done.stdout and
                "[ERR]" not in done.stdout)
    # In the middle of a change two nodes may show maps of two epochs for a moment.
    wait_until(passes, "the nodes to agree")


@pytest.mark.parametrize("redirect", ["proxy", "moved"])
def test_a_node_joins_under_cluster_clients(make_node, installed, redirect):
    cluster = Cluster(make_node, 3, f"clients.redirect={redirect}")
    first = cluster.nodes[0]
    port = first.client_port
    check(port, 3)
    loads = [PythonLoad(port), NodeLoad(port)]
    try:
        fourth = cluster.make()
        cluster.join(fourth, "--no-wait")
        cluster.nodes.append(fourth)
        if redirect == "moved":
            # It ends with an error when it is sent to a node that it left out.
            wait_until(lambda: fourth.client_port in owners(first).values(), "its first slot")
        complaints = benchmark(port)
        check(port, 4)
        cluster.wait_settled()
        check(port, 4)
        complaints += benchmark(port)
    finally:
        results = [load.end() for load in loads]
    assert complaints == []
    for rounds, errors in results:
        assert errors == [] and rounds > 50
    if redirect == "moved":
        # Clients that are told so send to the new one what is its.
        with fourth.client() as client:
            stats = client.call("INFO", "commandstats").decode()
            assert int(re.search(r"cmdstat_set:calls=(\d+)", stats)[1]) > 0
