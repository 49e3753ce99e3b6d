# SPDX-License-Identifier: Apache-2.0
"""Large values are sent from where they lie: whatever happens to their keys meanwhile."""
import random

import pytest

from harness import wait_until

MIB = 1024 * 1024
SETTINGS = ("store.fsync=never", "workers.count=1")


def content(seed, size):
    return random.Random(seed).randbytes(size)


def overwrite(client, key, size, times):
    for i in range(times):
        assert client.call("SET", key, content(1000 + i, size)) == "OK"


def segments(node):
    return node.status()["store"]["segments"]


@pytest.mark.threads
@pytest.mark.parametrize("size", [16 * 1024 - 1, 16 * 1024, 300_000, 4 * MIB])
def test_replies_among_others_in_order(make_node, size):
    node = make_node(*SETTINGS)
    value = content(size, size)
    with node.client() as client:
        assert client.call("SET", "large", value) == "OK"
        assert client.call("SET", "small", "s") == "OK"
        requests = [("GET", "small"), ("GET", "large"), ("PING",), ("GET", "none"), ("GET", "large"),
                    ("GET", "large"), ("ECHO", "end")]
        client.send_bytes(b"".join(client.encode(*words) for words in requests))
        replies = [client.receive() for _ in requests]
        assert replies == [b"s", value, "PONG", None, value, value, b"end"]


@pytest.mark.threads
def test_muted_replies(make_node):
    node = make_node(*SETTINGS)
    value = content(3, MIB)
    with node.client() as client:
        assert client.call("SET", "k", value) == "OK"
        client.send_bytes(b"".join(client.encode(*words) for words in (
            ("GET", "k"), ("CLIENT", "REPLY", "SKIP"), ("GET", "k"), ("PING",),
            ("CLIENT", "REPLY", "OFF"), ("GET", "k"), ("MGET", "k", "k"),
            ("CLIENT", "REPLY", "ON"), ("GET", "k"))))
        assert [client.receive() for _ in range(4)] == [value, "PONG", "OK", value]


@pytest.mark.threads
def test_a_value_is_sent_as_it_was_when_it_was_read(make_node):
    """The client does not read, and the key's segments are written over many times."""
    node = make_node(*SETTINGS, "workers.park_after=60s")
    size, count = 4 * MIB, 6
    value = content(7, size)
    with node.client() as slow, node.client() as other:
        assert other.call("SET", "k", value) == "OK"
        slow.send_bytes(slow.encode("GET", "k") * count + slow.encode("PING"))
        wait_until(lambda: node.queues()["workers"][0]["requests"] > count, "it was read")
        overwrite(other, "k", size, 40)
        assert other.call("DEL", "k") == 1
        for _ in range(count):
            assert slow.receive() == value
        assert slow.receive() == "PONG"
        assert other.call("GET", "k") is None


@pytest.mark.threads
def test_a_client_that_does_not_read_holds_no_segment_for_long(make_node):
    node = make_node(*SETTINGS, "workers.park_after=200ms")
    size, keys = 4 * MIB, 12
    with node.client() as slow, node.client() as other:
        for i in range(keys):
            assert other.call("SET", f"k{i}", content(i, size)) == "OK"
        slow.send_bytes(b"".join(slow.encode("GET", f"k{i}") for i in range(keys)))
        wait_until(lambda: node.queues()["workers"][0]["requests"] >= 2 * keys, "they were read")
        for i in range(keys):
            assert other.call("DEL", f"k{i}") == 1
        wait_until(lambda: segments(node) <= 3, "the segments are given back")
        for i in range(keys):
            assert slow.receive() == content(i, size)


@pytest.mark.threads
def test_a_client_that_goes_gives_back_what_it_was_sent(make_node):
    node = make_node(*SETTINGS, "workers.park_after=60s")
    size, keys = 4 * MIB, 12
    with node.client() as slow, node.client() as other:
        for i in range(keys):
            assert other.call("SET", f"k{i}", content(i, size)) == "OK"
        slow.send_bytes(b"".join(slow.encode("GET", f"k{i}") for i in range(keys)))
        wait_until(lambda: node.queues()["workers"][0]["requests"] >= 2 * keys, "they were read")
        for i in range(keys):
            assert other.call("DEL", f"k{i}") == 1
        held = segments(node)
        assert held > 3
        slow.close()
        wait_until(lambda: segments(node) <= 3, "the segments are given back")


@pytest.mark.threads
def test_held_replies_keep_large_values(make_node):
    """With fsync always a value that is not durable yet is held back by reference."""
    node = make_node("workers.count=1")
    with node.client() as client:
        for i in range(5):
            value = content(i, MIB)
            client.send_bytes(client.encode("SET", "k", value) + client.encode("GET", "k"))
            assert client.receive() == "OK"
            assert client.receive() == value
