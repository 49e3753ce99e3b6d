# SPDX-License-Identifier: Apache-2.0
"""The disk of one node of a cluster gets full, or hangs, under load: the others go on, and it
does, too, as soon as there is room, or the disk answers."""
import pytest

import limits
from cluster import Cluster
from faults import Faults
from harness import wait_until
from traffic import Traffic

PROGRESS = 30  # operations of each client between two events
DISK_BYTES = 24 << 20
FILL_KEYS, FILL_BYTES = 32, 400_000  # they fit when nothing else is there


@pytest.fixture
def small_disk(tmp_path):
    """Asked for before make_node, so that it is there until the node has ended."""
    try:
        with limits.small_disk(tmp_path / "disk", DISK_BYTES) as directory:
            yield directory
    except limits.Refused as refusal:
        pytest.skip(str(refusal))


class OneOnASmallDisk(Cluster):
    """The second node's data lie on the small disk."""

    def __init__(self, disk, make_node):
        self.disk = disk
        super().__init__(make_node, 3)

    def make(self):
        node = super().make(start=False)
        if node.name == "n2":
            node.settings["node.data_dir"] = str(self.disk / "data")
        return node.start()


def is_full(node):
    return any("space" in reason for reason in node.status()["reasons"])


def fill(node):
    """Stores more than the small disk has room for."""
    with node.client() as client:
        for number in range(FILL_KEYS):
            def is_stored(key=f"fill:{number}"):
                reply = client.call("SET", key, bytes(FILL_BYTES))
                assert reply == "OK" or reply.startswith("UNCERTAIN"), reply
                return reply == "OK"

            wait_until(is_stored, f"value {number} to be stored")


def test_a_full_disk(small_disk, make_node, chance):
    cluster = OneOnASmallDisk(small_disk, make_node)
    full, others = cluster.nodes[1], cluster.others(cluster.nodes[1])
    ballast = small_disk / "ballast"
    with Traffic(cluster.nodes, chance.random()) as traffic:
        traffic.wait_for(PROGRESS)
        ballast.write_bytes(bytes(limits.free_bytes(small_disk)))
        wait_until(lambda: is_full(full), "the disk to be full")
        with traffic.watched("full disk", others):
            fill(others[0])
            traffic.wait_for(PROGRESS, others)
        assert is_full(full)
        full.kill()
        traffic.wait_for(PROGRESS, others)
        ballast.unlink()
        full.start()
        traffic.wait_for(PROGRESS)
        wait_until(lambda: not is_full(full), "the disk to have room")
    holds_all = [node.status()["keys"] for node in others]
    assert min(holds_all) >= FILL_KEYS
    cluster.wait_settled()
    cluster.wait_caught_up()
    traffic.check(cluster.nodes)


class OneWithFaults(Cluster):
    def make(self):
        node = super().make(start=False)
        if node.name == "n2":
            self.faults = Faults(node)
        return node.start()


def test_a_disk_that_hangs(make_node, chance):
    """The node lives, sends heartbeats and answers reads; it acknowledges no write."""
    cluster = OneWithFaults(make_node, 3)
    others = cluster.others(cluster.nodes[1])
    with Traffic(cluster.nodes, chance.random()) as traffic:
        traffic.wait_for(PROGRESS)
        with cluster.faults.of("fdatasync", "wait"):
            # Writes that it coordinates are waited for: it may only be slow.
            with traffic.watched("hung disk", others, gap_max_s=5):
                traffic.wait_for(10 * PROGRESS, others)
        traffic.wait_for(PROGRESS)
    cluster.wait_settled()
    cluster.wait_caught_up()
    traffic.check(cluster.nodes)
