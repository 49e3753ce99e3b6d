# SPDX-License-Identifier: Apache-2.0
"""What clients see of a cluster of several nodes: whose slots are whose, all keys, MOVED."""
import functools
import json
import time

import pytest

from cluster import Cluster, owners, scan
from harness import RespError, run_together, wait_until

pytestmark = pytest.mark.threads

SLOTS = 16384


def fill(node, count, prefix="key"):
    """Stores keys; their names as bytes."""
    keys = [f"{prefix}:{i}".encode() for i in range(count)]
    with node.client() as client:
        client.send_bytes(b"".join(client.encode("SET", key, b"v" + key) for key in keys))
        assert all(client.receive() == "OK" for _ in keys)
    return keys


def test_every_node_counts_and_lists_all_keys_once(make_node):
    nodes = Cluster(make_node, 4).nodes
    keys = fill(nodes[3], 500)
    for node in nodes:
        with node.client() as client:
            assert client.call("DBSIZE") == len(keys)
            assert sorted(scan(client)) == sorted(keys)
            assert sorted(scan(client, "COUNT", 1000)) == sorted(keys)
            assert scan(client, "MATCH", "key:7") == [b"key:7"]
            slot = client.call("CLUSTER", "KEYSLOT", "key:7")
            assert client.call("CLUSTER", "COUNTKEYSINSLOT", slot) >= 1
            assert b"key:7" in client.call("CLUSTER", "GETKEYSINSLOT", slot, 100)
        dumped = node.ctl("-o", "json", "dump", check=True).stdout.splitlines()
        assert len(dumped) == len(keys)


def port_of(error):
    """The port of a MOVED, which has exactly three words."""
    word, _, address = error.split(" ")
    assert isinstance(error, RespError) and word == "MOVED"
    host, port = address.rsplit(":", 1)
    assert host == "127.0.0.1"
    return int(port)


def test_moved_names_the_node_that_serves(make_node):
    nodes = Cluster(make_node, 4, "clients.redirect=moved").nodes
    by_port = {node.client_port: node for node in nodes}
    keys = [f"key:{i}".encode() for i in range(200)]
    moved = 0
    shown = owners(nodes[0])
    for key in keys:
        with nodes[0].client() as client:
            slot = client.call("CLUSTER", "KEYSLOT", key)
            reply = client.call("SET", key, "v")
            if reply == "OK":
                continue
            moved += 1
            assert reply.split(" ")[1] == str(slot)
            assert port_of(reply) == shown[slot]
            # The same in a transaction, which ends with it.
            assert client.call("MULTI") == "OK"
            assert port_of(client.call("SET", key, "w")) == shown[slot]
            assert client.call("EXEC").startswith("EXECABORT")
        with by_port[port_of(reply)].client() as client:
            assert client.call("SET", key, "v") == "OK"
    assert moved > 0
    # Many at once are told the same.
    with nodes[1].client() as client:
        client.send_bytes(b"".join(client.encode("SET", key, "v") for key in keys))
        for key in keys:
            reply = client.receive()
            assert reply == "OK" or port_of(reply) == shown[int(reply.split(" ")[1])]
    # Each node counts and lists what clients are told it has.
    counts, listed = [], []
    for node in nodes:
        with node.client() as client:
            counts.append(client.call("DBSIZE"))
            found = scan(client)
            assert len(found) == counts[-1] > 0
            assert all(shown[client.call("CLUSTER", "KEYSLOT", key)] == node.client_port
                       for key in found)
            listed += found
    assert sum(counts) == len(keys) and sorted(listed) == sorted(keys)


def test_a_node_that_was_away_misses_nothing(make_node):
    """It lists and counts what the others have, before it has caught up."""
    nodes = Cluster(make_node, 3).nodes
    keys = set(fill(nodes[0], 300))
    nodes[0].kill()
    keys |= set(fill(nodes[1], 300, "more"))
    with nodes[1].client() as client:
        for key in [f"key:{i}".encode() for i in range(100)]:
            assert client.call("DEL", key) == 1
            keys.remove(key)
        assert client.call("SET", "key:200", "new") == "OK"
    nodes[0].start()
    for node in nodes:
        with node.client() as client:
            assert client.call("DBSIZE") == len(keys)
            assert sorted(scan(client)) == sorted(keys)
        lines = node.ctl("-o", "json", "dump", check=True).stdout.splitlines()
        dumped = {entry["key"]: entry["value"] for entry in map(json.loads, lines)}
        assert {key.encode() for key in dumped} == keys
        assert dumped["key:200"] == "new" and dumped["more:7"] == "vmore:7"


def test_a_dead_node_owns_no_slots_within_a_second(make_node):
    nodes = Cluster(make_node, 3).nodes
    gone = nodes[2].client_port
    assert gone in owners(nodes[0]).values()
    nodes[2].kill()
    began = time.monotonic()
    for node in nodes[:2]:
        wait_until(lambda: gone not in owners(node).values(), "the slots to be another's")
        with node.client() as client:
            lines = client.call("CLUSTER", "NODES").decode().splitlines()
            failed, = [line.split() for line in lines if "fail" in line.split()[2]]
            assert failed[1].startswith(f"127.0.0.1:{gone}@") and len(failed) == 8
            assert len(owners(node)) == SLOTS
            assert b"cluster_state:ok" in client.call("CLUSTER", "INFO")
    assert time.monotonic() - began < 1
    nodes[2].start()
    wait_until(lambda: gone in owners(nodes[0]).values(), "the slots to be its again")


# ---- Without a majority ------------------------------------------------------------------

def key_of(node, prefix):
    """A key whose writes this node coordinates."""
    shown = owners(node)
    with node.client() as client:
        return next(key for key in (f"{prefix}:{i}" for i in range(1000))
                    if shown[client.call("CLUSTER", "KEYSLOT", key)] == node.client_port)


def test_what_was_not_done_and_what_is_not_known(make_node):
    """Two of three nodes are killed: no write that is refused as CLUSTERDOWN was or will be done."""
    nodes = Cluster(make_node, 3).nodes
    survivor = nodes[0]
    known = [key_of(survivor, f"known{i}") for i in range(3)]
    other = key_of(nodes[1], "other")
    with survivor.client() as client:
        for key in [*known, other]:
            assert client.call("SET", key, "before") == "OK"
        slots = {key: client.call("CLUSTER", "KEYSLOT", key) for key in [*known, other]}
    for node in nodes[1:]:
        node.kill()
    replies = {}

    def write(key):
        with survivor.client() as client:
            replies[key] = client.call("SET", key, "after")

    run_together([functools.partial(write, key) for key in [*known, other]])
    for key in known:
        # Written by this node alone so far: it accepts at once, and that may be decided yet.
        assert replies[key] == ("UNCERTAIN the write may or may not have been applied, slot "
                                f"{slots[key]} (1/3)")
    # The one that wrote it last is gone: this node asks first, and nobody promises.
    assert replies[other] == f"CLUSTERDOWN no quorum for slot {slots[other]} (1/3)"
    with survivor.client() as client:
        began = time.monotonic()
        for words in (["GET", other], ["DBSIZE"], ["SCAN", "0"]):
            reply = client.call(*words)
            assert isinstance(reply, RespError) and reply.startswith("CLUSTERDOWN no quorum for slot")
        assert time.monotonic() - began < 3 * 6
        info = client.call("CLUSTER", "INFO")
        assert b"cluster_state:fail" in info and b"cluster_slots_ok:0\r" in info
        assert len(owners(survivor)) == SLOTS
    for node in nodes[1:]:
        node.start()
    with nodes[1].client() as client:
        wait_until(lambda: client.call("GET", other) == b"before", "a majority")
    for key in known:
        values = []
        for node in nodes:
            with node.client() as client:
                values.append(client.call("GET", key))
        # One of the reads may decide what was not known; from then on it is so.
        seen = values.index(b"after") if b"after" in values else len(values)
        assert values == [b"before"] * seen + [b"after"] * (len(values) - seen)


# ---- dhtctl locate -----------------------------------------------------------------------

def test_locate_shows_what_each_replica_has(make_node):
    cluster = Cluster(make_node, 4)
    nodes, show = cluster.nodes, cluster.show
    with nodes[0].client() as client:
        assert client.call("SET", "key", "value") == "OK"
    for node in nodes:
        replicas = show(node, "locate", "key")["replicas"]
        assert len(replicas) == 3 and all(replica["answers"] for replica in replicas)
        assert [replica["coordinates"] for replica in replicas] == [True, False, False]
        # Two at least have voted; all of them for the same.
        held = [replica for replica in replicas if "ballot" in replica]
        assert len(held) >= 2
        assert len({(replica["ballot"], replica["version"]) for replica in held}) == 1
        assert not any(replica["deleted"] for replica in held)
        assert show(node, "locate", "no such key")["replicas"][0].keys() & {"ballot"} == set()
    first = next(node for node in nodes if node.name == replicas[0]["name"])
    others = [node for node in nodes if node is not first]
    first.kill()
    for node in others:
        wait_until(lambda: show(node, "locate", "key")["replicas"][1]["coordinates"],
                   "another one to coordinate")
        dead, *alive = show(node, "locate", "key")["replicas"]
        assert dead["down"] and not dead["answers"] and not dead["coordinates"]
        assert all(replica["answers"] for replica in alive)
    assert b"no answer" in others[0].ctl("locate", "key", check=True).stdout
