# SPDX-License-Identifier: Apache-2.0
"""What one connection asks for, and how long the others wait for it: one worker serves all."""
import threading

import pytest

from harness import RespError, wait_until

MIB = 1 << 20
SETTINGS = ("store.fsync=never", "workers.count=1", "store.segment_size=20MiB")
TURN_BYTES = 8 * 1024  # of input: at most half of what is read at once


class Reader:
    """Reads replies in a thread of its own, and counts them."""

    def __init__(self, client, replies):
        self.client = client
        self.left = replies
        self.begun = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.read)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        assert self.failure is None and self.left == 0, self.failure

    def read(self):
        try:
            while self.left > 0:
                self.client.receive()
                self.left -= 1
                self.begun.set()
        except (OSError, AssertionError) as failure:
            self.failure = failure
        self.begun.set()


def left_when_another_is_served(node, request):
    """Sends many of an inline request that are read at once; returns the share of them that
    were not answered yet when another connection was."""
    count = TURN_BYTES // len(request)
    with node.client() as busy, node.client() as other:
        assert other.call("PING") == "PONG"
        with Reader(busy, count) as reader:
            busy.send_bytes(request * count)
            reader.begun.wait()
            assert other.call("PING") == "PONG"
            return reader.left / count


@pytest.mark.parametrize("request_line", [
    b"INFO all\r\n", b"SCAN 0 COUNT 4000 MATCH no*\r\n"])
def test_costly_requests_in_a_row(make_node, request_line):
    assert left_when_another_is_served(make_node(*SETTINGS), request_line) > 0.25


def test_large_values_for_inline_requests(make_node):
    """They are sent one by one, as those of requests in the usual form: not all at once."""
    node = make_node(*SETTINGS, "clients.output_max=1MiB")
    value = bytes(8 * MIB)
    with node.client() as client:
        assert client.call("SET", "k", value) == "OK"
        client.send_bytes(b"GET k\r\n" * 20 + b"PING\r\n")
        for _ in range(20):
            assert client.receive() == value
        assert client.receive() == "PONG"


# ---- Requests whose time grows with what they hold ------------------------------------

WORDS_MAX = 1024
PATTERN_MAX = 1024


@pytest.mark.parametrize("words", [
    ("CONFIG", "GET"), ("COMMAND", "INFO"), ("COMMAND", "DOCS"), ("LATENCY", "HISTOGRAM"),
    ("CLIENT", "LIST", "ID"), ("INFO",), ("COMMAND", "GETKEYSANDFLAGS", "DEL")])
def test_too_many_words(shared_node, words):
    with shared_node.client() as client:
        most = (*words, *["1"] * (WORDS_MAX - len(words)))
        assert not isinstance(client.call(*most), RespError)
        reply = client.call(*most, "1")
        assert isinstance(reply, RespError) and "too many arguments" in reply
        assert client.call("EXISTS", *most, "1") == 0


def test_too_many_watched_keys(shared_node):
    with shared_node.client() as client:
        assert client.call("WATCH", *["k"] * 1024) == "OK"
        assert client.call("WATCH", *["k"] * 1025) == "ERR at most 1024 keys can be watched"


@pytest.mark.parametrize("words", [
    ("SCAN", "0", "MATCH"), ("COMMAND", "LIST", "FILTERBY", "PATTERN")])
def test_patterns_that_are_too_long(shared_node, words):
    with shared_node.client() as client:
        assert not isinstance(client.call(*words, "x" * PATTERN_MAX), RespError)
        reply = client.call(*words, "x" * (PATTERN_MAX + 1))
        assert reply == "ERR a pattern has at most 1024 bytes"


def find_first(client):
    """The first key that SCAN returns, and the cursor behind it."""
    cursor = b"0"
    while True:
        cursor, keys = client.call("SCAN", cursor, "COUNT", "1")
        if keys:
            return keys[0], cursor


def test_a_pattern_that_takes_long_to_match(make_node):
    node = make_node(*SETTINGS)
    keys = {b"{one block}%d" % i + b"a" * 2000 for i in range(60)}
    with node.client() as busy, node.client() as other:
        for key in keys:
            assert busy.call("SET", key, "x") == "OK"
        first, cursor = find_first(busy)  # the others are near, and come in one step
        with Reader(busy, 1) as reader:
            busy.send("SCAN", cursor, "COUNT", "1000", "MATCH", "*" + "a" * 200 + "b")
            pings = 0
            while reader.left > 0:
                assert other.call("PING") == "PONG"
                pings += 1
        assert pings > 10
        _, found = busy.call("SCAN", cursor, "COUNT", "1000", "MATCH", "*" + "a" * 200)
        assert sorted(found) == sorted(keys - {first})


def test_a_transaction_with_too_much_to_reply_ends_there(make_node):
    node = make_node(*SETTINGS)
    with node.client() as client, node.client() as other:
        assert client.call("SET", "k", bytes(8 * MIB)) == "OK"
        client.send_bytes(b"".join(client.encode(*words) for words in (
            ("MULTI",), *[("GET", "k")] * 12, *[("ECHO", "x")] * 1000)))
        for reply in ("OK", *["QUEUED"] * 1012):
            assert client.receive() == reply
        client.send("EXEC")
        assert client.is_closed()
        assert b"cmdstat_echo" not in other.call("INFO", "commandstats")


def test_others_are_served_while_a_request_for_many_keys_runs(make_node):
    node = make_node(*SETTINGS)
    with node.client() as busy, node.client() as other:
        request = busy.encode("EXISTS", *range(500_000))
        busy.send_bytes(request[:-1])
        assert other.call("PING") == "PONG"
        with Reader(busy, 1) as reader:
            busy.send_bytes(request[-1:])
            pings = 0
            while reader.left > 0:
                assert other.call("PING") == "PONG"
                pings += 1
        assert pings > 50
        # All of its turns count as its time: that of the last alone would be far less.
        stats = other.call("INFO", "commandstats").split(b"cmdstat_exists:calls=1,usec=")[1]
        assert int(stats.split(b",")[0]) > 10_000


def cold_segments(node):
    return node.status()["store"]["cold_segments"]


def test_many_keys_that_are_on_the_disk(make_node):
    """Each lets the request come again: within the deadline only if it is not parsed each time."""
    node = make_node("store.fsync=never", "workers.count=1", "store.memory=64MiB",
                     "store.segment_size=4MiB", "store.max_value_size=1MiB")
    keys, step = [f"cold{i}" for i in range(40_000)], 200
    with node.client() as client:
        for first in range(0, len(keys), step):
            client.send_bytes(b"".join(client.encode("SET", key, bytes(4000))
                                       for key in keys[first:first + step]))
            assert [client.receive() for _ in range(step)] == ["OK"] * step
        wait_until(lambda: cold_segments(node) > 20, "most are on the disk")
        assert client.call("EXISTS", *keys) == len(keys)
