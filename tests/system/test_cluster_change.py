# SPDX-License-Identifier: Apache-2.0
"""Members come and go under load: nobody is told a lie, and nothing that was acknowledged
is lost."""
import pytest

from cluster import SETTLE_S, Cluster, rounds, said
from harness import wait_until
from traffic import Traffic

PROGRESS = 30  # operations of each client between two events
UNSAFE = 9     # exit code of what is refused


@pytest.fixture
def cluster(make_node):
    return Cluster(make_node, 3)


@pytest.fixture
def traffic(cluster, chance):
    return Traffic(cluster.nodes, chance.random())


def settle(cluster, traffic):
    cluster.wait_settled()
    traffic.check(cluster.nodes)


def test_one_joins_and_another_leaves(cluster, traffic):
    with traffic:
        for _ in rounds():
            traffic.wait_for(PROGRESS)
            fourth = cluster.make()
            with traffic.watched("join of a fourth"):
                cluster.join(fourth)
            cluster.nodes.append(fourth)
            cluster.wait_settled()
            traffic.add(fourth)
            traffic.wait_for(PROGRESS)
            first = cluster.nodes.pop(0)
            with traffic.watched("leave of the first", cluster.nodes):
                cluster.leave(first)
            cluster.wait_settled()
            traffic.remove(first)
            first.stop()
            traffic.wait_for(PROGRESS)
    settle(cluster, traffic)


def test_a_join_is_cancelled(cluster, traffic):
    """Whoever was to join is out, and has nothing; another one may come."""
    with traffic:
        for _ in rounds():
            traffic.wait_for(PROGRESS)
            guest = cluster.make()
            job = cluster.join(guest, "--no-wait")
            done = cluster.nodes[0].ctl("job", "cancel", job, timeout=SETTLE_S)
            assert done.returncode == 0, said(done)
            cluster.wait_settled()
            wait_until(lambda: guest.ctl("health").returncode != 0, "the guest to know")
            assert guest.ctl("join", cluster.address()).returncode == UNSAFE
            guest.stop()
            traffic.wait_for(PROGRESS)
    settle(cluster, traffic)


def test_one_that_is_down_misses_epochs(cluster, traffic):
    """The others change members twice meanwhile; it comes back with an old map and old data."""
    with traffic:
        for _ in rounds():
            traffic.wait_for(PROGRESS)
            late, survivors = cluster.nodes[-1], cluster.nodes[:-1]
            late.kill()
            traffic.wait_for(PROGRESS, survivors)
            before = survivors[0].status()["epoch"]
            fourth = cluster.make()
            cluster.join(fourth)
            cluster.nodes.append(fourth)
            traffic.wait_for(PROGRESS, survivors)
            assert survivors[0].status()["epoch"] >= before + 2
            late.start()
            cluster.wait_settled()
            traffic.wait_for(PROGRESS)
            cluster.nodes.remove(fourth)
            cluster.leave(fourth)
            fourth.stop()
    settle(cluster, traffic)
