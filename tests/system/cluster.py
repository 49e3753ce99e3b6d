# SPDX-License-Identifier: Apache-2.0
"""Nodes that are members of one cluster."""
import json
import os
import time

from harness import wait_until

SETTLE_S = 60  # until a change of members is over, on a loaded machine
SETTINGS = ("cluster.blocks=64", "store.segment_size=1MiB", "store.max_value_size=512KiB")

# The tests of clusters repeat what they do for so long: DHT_SOAK=5 has five minutes of each.
SOAK_S = 60 * float(os.environ.get("DHT_SOAK", 0))


def rounds(count=1):
    """Numbers of rounds: so many, or as many as fit into DHT_SOAK."""
    end = time.monotonic() + SOAK_S
    number = 0
    while number < count or time.monotonic() < end:
        yield number
        number += 1


def victims(nodes, chance):
    """Those to which something lasting happens: one by chance, with DHT_SOAK all in turn."""
    return nodes if SOAK_S else [chance.choice(nodes)]


def said(done):
    """What a refused command says."""
    return done.stderr.decode()


class Cluster:
    def __init__(self, make_node, count, *settings):
        self.make_node = make_node
        self.settings = (*SETTINGS, *settings)
        self.nodes = [self.make() for _ in range(count)]
        for node in self.nodes[1:]:
            self.join(node)
        self.wait_settled()

    def make(self, **options):
        """A node that is no member yet."""
        return self.make_node(*self.settings, **options)

    def join(self, node, *options):
        """Makes it a member; returns when it holds what it should, unless told not to wait."""
        done = node.ctl("join", self.address(), *options, timeout=SETTLE_S)
        assert done.returncode == 0, f"{node.name} does not join: {said(done)}"
        return done.stdout.decode().strip()

    @staticmethod
    def leave(node):
        """Returns when the others hold what it held."""
        done = node.ctl("leave", timeout=SETTLE_S)
        assert done.returncode == 0, f"{node.name} does not leave: {said(done)}"

    def address(self):
        """Where a member is reached by one that joins."""
        return self.nodes[0].settings["listen.peer"]

    def others(self, *nodes):
        return [node for node in self.nodes if node not in nodes]

    def show(self, node, *words):
        return json.loads(node.ctl("-o", "json", *words, check=True).stdout)

    def members(self, node):
        """States of the members that a node shows, by name."""
        return {member["name"]: member["state"]
                for member in self.show(node, "node", "ls")["nodes"]}

    def wait_settled(self):
        """Waits until all nodes see all of them up, and no change is going on."""
        wanted = {node.name: "up" for node in self.nodes}

        def is_settled():
            return all(self.members(node) == wanted and not self.show(node, "job", "ls")["jobs"]
                       for node in self.nodes)

        wait_until(is_settled, "all members up and no change under way", SETTLE_S)

    def wait_caught_up(self):
        """Waits until all nodes hold the same number of keys: each is a replica of all."""
        def holds_the_same():
            return len({node.status()["keys"] for node in self.nodes}) == 1

        wait_until(holds_the_same, "all replicas to have the same keys", SETTLE_S)


def owners(node):
    """The client port of the node that each slot is shown to be of."""
    ports = {}
    with node.client() as client:
        for first, last, owner, *_ in client.call("CLUSTER", "SLOTS"):
            ports.update((slot, owner[1]) for slot in range(first, last + 1))
    return ports


def scan(client, *options):
    """All that SCAN returns, from the first cursor to the last."""
    keys, cursor = [], b"0"
    while True:
        cursor, found = client.call("SCAN", cursor, *options)
        keys += found
        if cursor == b"0":
            return keys
