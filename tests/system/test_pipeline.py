# SPDX-License-Identifier: Apache-2.0
"""Requests that a client sends without waiting for replies, to keys with several replicas.

They are under way together; that must show in nothing but the time that they take.
"""
import random
import time

import pytest

from harness import RespConnection, RespError, wait_until
from members import make_cluster

pytestmark = pytest.mark.threads

NODES = 3
DEADLINE_S = 5  # after which an operation without a quorum is given up


@pytest.fixture
def cluster(make_node):
    return make_cluster(make_node, NODES)


def send_all(connection, requests):
    """Sends all requests at once; returns their replies."""
    connection.send_bytes(b"".join(RespConnection.encode(*request) for request in requests))
    return [connection.receive() for _ in requests]


class Model:
    """What the commands used here do, one after the other."""

    def __init__(self):
        self.values = {}

    def run(self, name, *words):
        return getattr(self, name.lower())(*words)

    def set(self, key, value):
        self.values[key] = value
        return "OK"

    def get(self, key):
        return self.values.get(key, "").encode() if key in self.values else None

    def append(self, key, tail):
        self.values[key] = self.values.get(key, "") + tail
        return len(self.values[key])

    def incr(self, key):
        self.values[key] = str(int(self.values.get(key, "0")) + 1)
        return int(self.values[key])

    def mset(self, *words):
        for key, value in zip(words[::2], words[1::2]):
            self.values[key] = value
        return "OK"

    def mget(self, *keys):
        return [self.get(key) for key in keys]

    def exists(self, *keys):
        return sum(key in self.values for key in keys)

    # "DEL"
    def __getattr__(self, name):
        assert name == "del"
        return lambda *keys: sum(self.values.pop(key, None) is not None for key in keys)

    def expire(self, key, _seconds):
        return int(key in self.values)

    def ping(self):
        return "PONG"


def draw_request(draw):
    keys = [f"k{draw.randrange(12)}" for _ in range(draw.randrange(1, 6))]
    value = str(draw.randrange(1000))
    return draw.choice([
        ("SET", keys[0], value), ("GET", keys[0]), ("APPEND", "text" + keys[0], value),
        ("INCR", "n" + keys[0]), ("MGET", *keys), ("DEL", *keys), ("EXISTS", *keys),
        ("EXPIRE", keys[0], "1000"), ("PING",),
        ("MSET", *(word for key in keys for word in (key, value + key))),
    ])


@pytest.mark.parametrize("seed", range(4))
def test_replies_are_those_of_one_request_after_the_other(cluster, seed):
    draw, model = random.Random(seed), Model()
    for number in range(12):
        with cluster[number % NODES].client() as connection:
            requests = [draw_request(draw) for _ in range(draw.randrange(1, 120))]
            replies = send_all(connection, requests)
        assert list(zip(requests, replies)) == [(each, model.run(*each)) for each in requests]


def test_what_is_no_key_command_stays_at_its_place(cluster):
    with cluster[0].client() as connection:
        replies = send_all(connection, [
            ("SET", "a", "1"), ("GET", "b"), ("MULTI",), ("INCR", "a"), ("INCR", "a"), ("EXEC",),
            ("GET", "a"), ("NONSENSE", "a"), ("SET", "a"), ("SET", "b", "2"), ("HELLO", "3"),
            ("MGET", "a", "b", "c"), ("MULTI",), ("SET", "c", "5"), ("DISCARD",), ("GET", "c"),
            ("WATCH", "a"), ("SET", "a", "9"), ("MULTI",), ("GET", "a"), ("EXEC",)])
        assert replies[:7] == ["OK", None, "OK", "QUEUED", "QUEUED", [2, 3], b"3"]
        assert all(isinstance(reply, RespError) for reply in replies[7:9])
        assert replies[9] == "OK" and replies[10][b"proto"] == 3
        assert replies[11] == [b"3", b"2", None]
        assert replies[12:16] == ["OK", "QUEUED", "OK", None]
        assert replies[16:21] == ["OK", "OK", "OK", "QUEUED", None]


def test_requests_of_one_connection_are_under_way_together(cluster):
    """Where no quorum is to be had each takes its whole deadline, but all take the same one."""
    first, *others = cluster
    with first.client() as connection:
        assert send_all(connection, [("SET", f"key{i}", "1") for i in range(20)]) == ["OK"] * 20
        for node in others:
            node.kill()
        began = time.monotonic()
        replies = send_all(connection, [("GET", f"key{i}") for i in range(20)] +
                           [("MSET", *(word for i in range(40) for word in (f"m{i}", "1")))])
        assert time.monotonic() - began < 3 * DEADLINE_S
        assert all(reply.startswith("CLUSTERDOWN") for reply in replies[:20])
        # Others of its keys were tried meanwhile.
        assert replies[20].startswith("UNCERTAIN")


def test_a_client_that_goes_leaves_nothing_behind(cluster):
    node = cluster[0]
    for number in range(30):
        with node.client() as connection:
            connection.send_bytes(b"".join(RespConnection.encode("INCR", f"left{i}")
                                           for i in range(50)))
            if number % 2:
                connection.receive()
    with node.client() as connection:
        wait_until(lambda: node.status()["connections"] == 1, "only this client to be left")
        assert send_all(connection, [("SET", f"left{i}", "x") for i in range(50)]) == ["OK"] * 50
        assert connection.call("MGET", "left0", "left49") == [b"x", b"x"]
