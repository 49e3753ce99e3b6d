# SPDX-License-Identifier: Apache-2.0
"""Clocks of a cluster that are set apart: what time it is decides nothing but when a key
expires, and one that is dead by one clock, and was said to be, is dead for all."""
import signal
import time

import pytest

from cluster import Cluster, rounds
from harness import wait_until
from preload import preload
from traffic import Traffic

PROGRESS = 30  # operations of each client between two events
STOP_S = 2  # more than peers.max_skew
APART_S = {"n2": 40, "n3": 3600}  # ahead of the first; keys live for a minute


class Apart(Cluster):
    """A cluster whose second and third node have clocks of their own."""

    def make(self):
        node = super().make(start=False)
        if node.name in APART_S:
            node.environment["DHT_CLOCK_OFFSET"] = str(APART_S[node.name])
            preload(node, "clocks")
        return node.start()


@pytest.fixture
def cluster(make_node):
    return Apart(make_node, 3)


def clock_of(node):
    """Seconds since 1970, as the node sees them."""
    with node.client() as client:
        return int(client.call("TIME")[0])


def tells_of_skew(node):
    return any("clock" in reason for reason in node.status()["reasons"])


def test_clocks_apart(cluster, chance):
    nodes = cluster.nodes
    now = clock_of(nodes[0])
    for node in nodes[1:]:
        assert abs(clock_of(node) - now - APART_S[node.name]) < 30
    for node in nodes:
        wait_until(lambda node=node: tells_of_skew(node), f"{node.name} to tell of the skew")
    with Traffic(nodes, chance.random(), expiries=True) as traffic:
        for _ in rounds():
            for node in nodes:
                traffic.wait_for(PROGRESS)
                node.kill()
                traffic.wait_for(PROGRESS, cluster.others(node))
                node.start()
        traffic.wait_for(PROGRESS)
    cluster.wait_settled()
    traffic.check(nodes)


def test_who_stood_still_tells_of_no_skew(make_node):
    """Heartbeats that waited for it are old when it reads them."""
    nodes = Cluster(make_node, 3).nodes
    stopped = nodes[1]
    end = time.monotonic() + STOP_S
    stopped.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: time.monotonic() > end and nodes[0].status()["reasons"],
                   "the others to miss it")
    finally:
        stopped.signal(signal.SIGCONT)
    for node in nodes:
        wait_until(lambda node=node: node.status()["health"] == "ok", f"{node.name} to be well")
    for node in nodes:
        assert b"clock of a member" not in node.log(), node.name
