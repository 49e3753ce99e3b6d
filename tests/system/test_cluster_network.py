# SPDX-License-Identifier: Apache-2.0
"""The network between the nodes of a cluster breaks under load, in every way that three
nodes have, and heals."""
import itertools

import pytest

import limits
from cluster import Cluster, rounds, victims
from harness import wait_until
from networks import Network, both_ways
from traffic import Traffic

PROGRESS = 30  # operations of each client between two events


@pytest.fixture
def network():
    """Asked for before make_node, so that it is there until the nodes have ended."""
    try:
        with Network() as made:
            yield made
    except limits.Refused as refusal:
        pytest.skip(str(refusal))


class Islands(Cluster):
    """A cluster whose nodes are at places of a network."""

    def __init__(self, network, make_node, count, secret):
        self.network = network
        self.places = {}
        super().__init__(make_node, count, f"cluster.secret_file={secret}")

    def make(self):
        node = super().make(start=False)
        self.places[node] = self.network.add()
        self.places[node].house(node)
        return node.start()

    def cut(self, node, others, ways=both_ways):
        return self.network.cut(*ways(self.places[node], [self.places[o] for o in others]))


@pytest.fixture
def cluster(network, make_node, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("between us\n")
    return Islands(network, make_node, 3, secret)


@pytest.fixture
def traffic(cluster, chance):
    return Traffic(cluster.nodes, chance.random())


def settle(cluster, traffic):
    cluster.wait_settled()
    cluster.wait_caught_up()
    traffic.check(cluster.nodes)


def test_one_is_cut_off(cluster, traffic, chance):
    with traffic:
        traffic.wait_for(PROGRESS)
        for number in rounds():
            for node in victims(cluster.nodes, chance):
                others = cluster.others(node)
                with cluster.cut(node, others):
                    with traffic.watched(f"round {number}, {node.name} cut off", others):
                        traffic.wait_for(PROGRESS, others)
                        wait_until(lambda: cluster.members(others[0])[node.name] == "down",
                                   "the others to notice")
                        traffic.wait_for(PROGRESS, others)
                    traffic.wait_refused(node)
                traffic.wait_for(PROGRESS)
    settle(cluster, traffic)


def test_two_do_not_reach_each_other(cluster, traffic, chance):
    """Both reach the third, and go on, on either side."""
    pairs = list(itertools.combinations(cluster.nodes, 2))
    with traffic:
        traffic.wait_for(PROGRESS)
        for number in rounds():
            for one, other in victims(pairs, chance):
                what = f"round {number}, {one.name} | {other.name}, at "
                with cluster.cut(one, [other]), \
                        traffic.watched(what + one.name, [one]), \
                        traffic.watched(what + other.name, [other]):
                    traffic.wait_for(10 * PROGRESS)
                traffic.wait_for(PROGRESS)
    settle(cluster, traffic)


def test_one_is_heard_but_hears_nobody(cluster, traffic):
    def towards(place, others):
        return [(other, place) for other in others]

    with traffic:
        for number in rounds():
            for node in cluster.nodes:
                others = cluster.others(node)
                with cluster.cut(node, others, towards), \
                        traffic.watched(f"round {number}, {node.name} deaf", others):
                    traffic.wait_for(PROGRESS, others)
                traffic.wait_for(PROGRESS)
    settle(cluster, traffic)
