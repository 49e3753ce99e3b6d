# SPDX-License-Identifier: Apache-2.0
"""What the tests of several nodes share: to join them, to see what they show, to fill them.

A cluster is stable when all its nodes show the same members and epoch, and no job.
"""
import json

from harness import wait_until

BLOCKS = "cluster.blocks=64"


def show(node, *words):
    return json.loads(node.ctl("-o", "json", *words, check=True).stdout)


def said(done):
    """What a refused command says."""
    return done.stderr.decode()


def exit_code(node, *words):
    return node.ctl(*words).returncode


def members_of(node):
    """Names, states and numbers of the members that a node shows."""
    found = show(node, "node", "ls")["nodes"]
    return sorted((member["number"], member["name"], member["state"]) for member in found)


def names_in_slots(node):
    """What CLUSTER NODES has of each node: its id and whether it fails."""
    with node.client() as client:
        lines = client.call("CLUSTER", "NODES").decode().splitlines()
    return sorted((line.split()[0], "fail" in line.split()[2]) for line in lines)


def agree(nodes):
    shown = [(members_of(node), names_in_slots(node)) for node in nodes]
    return all(one == shown[0] for one in shown) and shown[0]


def wait_for_members(nodes, count):
    return wait_until(lambda: (found := agree(nodes)) and len(found[0]) == count and found,
                      f"{count} members at all nodes")


def address(node):
    return f"127.0.0.1:{node.peer_port}"


def join(node, to, *options):
    return node.ctl("join", address(to), "--no-wait", *options)


def is_stable(nodes):
    """Whether all show the same epoch and members, and that no change is going on."""
    epochs = {show(node, "node", "ls")["epoch"] for node in nodes}
    return len(epochs) == 1 and not any(show(node, "job", "ls")["jobs"] for node in nodes)


def wait_stable(nodes, deadline_s=60):
    wait_until(lambda: is_stable(nodes), "the map to be stable", deadline_s)


def make_cluster(make_node, count, *settings):
    """Nodes that are members of one cluster, which is stable."""
    nodes = [make_node(BLOCKS, *settings) for _ in range(count)]
    for node in nodes[1:]:
        done = node.ctl("join", address(nodes[0]), timeout=60)
        assert done.returncode == 0, said(done)
    wait_stable(nodes)
    return nodes


class Keys:
    """Keys with a value of their own each, put at one node and read at all."""

    BATCH = 500

    def __init__(self, count, size=100):
        self.values = {b"key:%d" % i: (b"%d;" % i).ljust(size, b".") for i in range(count)}

    def batches(self):
        items = list(self.values.items())
        return [items[at:at + self.BATCH] for at in range(0, len(items), self.BATCH)]

    def put(self, node):
        with node.client() as client:
            for batch in self.batches():
                client.send_bytes(b"".join(client.encode("SET", *item) for item in batch))
                for key, _ in batch:
                    assert (reply := client.receive()) == "OK", (key, reply)
        return self

    def check(self, *nodes):
        """Every key is there, at every node."""
        for node in nodes:
            with node.client() as client:
                for batch in self.batches():
                    client.send_bytes(b"".join(client.encode("GET", key) for key, _ in batch))
                    for key, value in batch:
                        assert (reply := client.receive()) == value, (node.name, key, reply)
