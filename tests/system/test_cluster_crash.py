# SPDX-License-Identifier: Apache-2.0
"""Nodes of a cluster are killed and stopped under load: nobody is told a lie, and nothing
that was acknowledged is lost."""
import signal
import time

import pytest

from cluster import Cluster, rounds, victims
from harness import run_together
from traffic import Traffic

PROGRESS = 30  # operations of each client between two events
STOP_S = 5


@pytest.fixture
def cluster(make_node):
    return Cluster(make_node, 3)


@pytest.fixture
def traffic(cluster, chance):
    return Traffic(cluster.nodes, chance.random())


def settle(cluster, traffic):
    cluster.wait_settled()
    cluster.wait_caught_up()
    traffic.check(cluster.nodes)


def test_kill_each_in_turn(cluster, traffic):
    with traffic:
        traffic.wait_for(PROGRESS)
        for number in rounds(3):
            for node in cluster.nodes:
                survivors = cluster.others(node)
                with traffic.watched(f"round {number}, kill of {node.name}", survivors):
                    node.kill()
                    traffic.wait_for(PROGRESS, survivors)
                late = traffic.late(node)
                node.start()
                traffic.wait_for(PROGRESS)
                # All its links are new: whatever it asks of the others it is answered.
                assert traffic.late(node) == late
    settle(cluster, traffic)


def test_kill_all_at_once(cluster, traffic):
    with traffic:
        for _ in rounds(2):
            traffic.wait_for(PROGRESS)
            for node in cluster.nodes:
                node.kill()
            run_together([node.start for node in cluster.nodes])
        traffic.wait_for(PROGRESS)
    settle(cluster, traffic)


def test_stop_one_for_a_while(cluster, traffic, chance):
    """A process that takes part in nothing for five seconds, and does not know it."""
    with traffic:
        for number in rounds():
            for node in victims(cluster.nodes, chance):
                survivors = cluster.others(node)
                traffic.wait_for(PROGRESS)
                with traffic.watched(f"round {number}, {node.name} stopped", survivors):
                    end = time.monotonic() + STOP_S
                    node.signal(signal.SIGSTOP)
                    try:
                        while time.monotonic() < end:
                            traffic.wait_for(PROGRESS, survivors)
                    finally:
                        node.signal(signal.SIGCONT)
        traffic.wait_for(PROGRESS)
    settle(cluster, traffic)
