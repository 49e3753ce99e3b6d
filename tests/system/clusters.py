# SPDX-License-Identifier: Apache-2.0
"""Clusters of several daemons, as tests of clients need them: joined, and at rest."""
import json

from harness import wait_until

# Few blocks: what moves is soon there.
BLOCKS = "cluster.blocks=64"


def show(node, *words):
    """What dhtctl prints as JSON."""
    return json.loads(node.ctl("-o", "json", *words, check=True).stdout)


def is_at_rest(nodes):
    """Whether all nodes have the same map, in which everybody is in."""
    shown = [show(node, "node", "ls")["nodes"] for node in nodes]
    if any(len(members) != len(nodes) for members in shown):
        return False
    if any(member["state"] != "up" for members in shown for member in members):
        return False
    return len({node.client().call("CLUSTER", "SLOTS").__repr__() for node in nodes}) == 1


def join(node, to, *options):
    done = node.ctl("join", f"127.0.0.1:{to.peer_port}", "--no-wait", *options)
    assert done.returncode == 0, done.stderr


def make_cluster(make_node, count, *settings):
    """Starts that many nodes and joins them, one after the other."""
    nodes = [make_node(BLOCKS, *settings)]
    for _ in range(count - 1):
        node = make_node(BLOCKS, *settings)
        join(node, nodes[0])
        nodes.append(node)
        wait_until(lambda: is_at_rest(nodes), f"{len(nodes)} nodes at rest")
    return nodes


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
