# SPDX-License-Identifier: Apache-2.0
"""SCAN: every key that is there throughout is returned, and patterns match as in Redis."""
import contextlib
import subprocess

import pytest

from harness import RespConnection, free_port, wait_until
from test_redis_strings import INTEGER, SYNTAX, talk

CURSOR = "ERR invalid cursor"
BLOCKS = 1024
HASH_BITS = 20


def scan(client, *options, on_reply=lambda: None):
    """All that a whole scan returns, in order, and the number of calls."""
    cursor, seen, calls = b"0", [], 0
    while calls == 0 or cursor != b"0":
        cursor, found = client.call("SCAN", cursor, *options)
        seen += found
        calls += 1
        on_reply()
    return seen, calls


def fill(client, keys):
    for at in range(0, len(keys), 1000):
        client.call("MSET", *[word for key in keys[at:at + 1000] for word in (key, "v")])


# ---- All keys ------------------------------------------------------------------------

def test_an_empty_node(node):
    with node.client() as client:
        assert scan(client)[0] == []


@pytest.mark.parametrize("count", [1, 7, 100, 1000000])
def test_every_key_comes_once(shared_node, count):
    with shared_node.client() as client:
        keys = [b"once:%d" % i for i in range(5000)]
        fill(client, keys)
        seen, calls = scan(client, "MATCH", "once:*", "COUNT", count)
        assert sorted(seen) == sorted(keys)
        assert calls <= 2 * BLOCKS + 2 * len(keys) // min(count, 4096)
        assert set(keys) <= set(scan(client, "COUNT", count)[0])


def test_count_bounds_a_call(node):
    with node.client() as client:
        fill(client, [b"k%d" % i for i in range(20000)])
        for count, most in ((10, 40), (100, 140), (10**9, 4096 + 64)):
            cursor, found = client.call("SCAN", 0, "COUNT", count)
            assert cursor != b"0" and 0 < len(found) <= most


def test_keys_that_stay_are_returned_while_others_come_and_go(node, chance):
    with node.client() as client, node.client() as other:
        stay = [b"stay:%d" % i for i in range(3000)]
        fill(client, stay)
        added = 0

        def change():
            nonlocal added
            if added >= 20000:
                return  # a slow scan has as many replies as there are blocks
            fill(other, [b"more:%d" % (added + i) for i in range(500)])
            other.call("DEL", *[b"more:%d" % chance.randrange(added + 500) for _ in range(200)])
            other.call("MSET", *[word for key in chance.sample(stay, 100)
                                 for word in (key, "again")])
            added += 500

        seen, _ = scan(client, "COUNT", 100, "MATCH", "stay:*", on_reply=change)
        assert added > 3000 and set(seen) == set(stay)


def test_expired_keys_are_not_returned(node):
    with node.client() as client:
        client.call("SET", "gone", "v", "PX", 1)
        client.call("SET", "stays", "v", "EX", 100)
        wait_until(lambda: client.call("EXISTS", "gone") == 0, "the key expires")
        assert scan(client)[0] == [b"stays"]


def test_a_pipelined_scan(node):
    with node.client() as client:
        fill(client, [b"k%d" % i for i in range(100)])
        client.send("SCAN", 0, "COUNT", 100000)
        client.send("SCAN", "x")
        client.send("SCAN", 0, "COUNT", 1)
        client.send("PING")
        cursor, found = client.receive()
        assert cursor.isdigit() and 0 < len(found) <= 100
        assert client.receive() == CURSOR
        cursor, found = client.receive()
        assert cursor != b"0" and len(found) == 1
        assert client.receive() == "PONG"


# ---- Arguments -----------------------------------------------------------------------

def test_wrong_arguments(shared_node):
    last = BLOCKS << HASH_BITS
    talk(shared_node,
         *[(("SCAN", cursor), CURSOR) for cursor in (
             "abc", "-1", " 0", "0 ", "1.0", "0x10", 2**64, last, 2**64 - 1, "9" * 100)],
         (f"SCAN {last - 1}", [b"0", []]),
         ("SCAN abc COUNT x", CURSOR),
         ("SCAN 0 COUNT", SYNTAX), ("SCAN 0 COUNT 0", SYNTAX), ("SCAN 0 COUNT -5", SYNTAX),
         ("SCAN 0 COUNT abc", INTEGER), ("SCAN 0 COUNT abc bogus", INTEGER),
         ("SCAN 0 COUNT abc COUNT 5", INTEGER), ("SCAN 0 bogus COUNT abc", SYNTAX),
         ("SCAN 0 MATCH", SYNTAX), ("SCAN 0 TYPE", SYNTAX), ("SCAN 0 TYPE zset bogus", SYNTAX))


def test_types(node):
    with node.client() as client:
        client.call("SET", "k", "v")
        assert scan(client, "TYPE", "string")[0] == [b"k"]
        assert scan(client, "type", "STRING", "match", "k")[0] == [b"k"]
        assert scan(client, "TYPE", "list") == ([], 1)
        assert scan(client, "TYPE", "bogus")[0] == []


# ---- Patterns ------------------------------------------------------------------------

def test_patterns(node):
    with node.client() as client:
        keys = [b"", b"a", b"ab", b"abc", b"b", b"a*", b"a\0b", b"\xff"]
        fill(client, keys)
        for pattern, matched in ((b"*", keys), (b"", [b""]), (b"a", [b"a"]),
                                 (b"a?", [b"ab", b"a*"]), (b"a\\*", [b"a*"]),
                                 (b"[^a]", [b"b", b"\xff"]), (b"a\0*", [b"a\0b"]),
                                 (b"**", [key for key in keys if key]), (b"x*", []),
                                 (b"?b*", [b"ab", b"abc"])):
            seen, _ = scan(client, "MATCH", pattern, "COUNT", 1000)
            assert sorted(seen) == sorted(matched), pattern


@contextlib.contextmanager
def redis_server(directory):
    """A connection to a redis-server of its own."""
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir",
         str(directory)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def connect():
        assert process.poll() is None, "redis-server ended while starting"
        with contextlib.suppress(ConnectionError):
            return RespConnection(port)
        return None

    try:
        with wait_until(connect, "redis-server serves") as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def test_patterns_match_as_in_redis(node, chance, tmp_path):
    """Random patterns over a small alphabet, so that many of them match something."""
    alphabet = [b"a", b"b", b"c", b"-", b"]", b"[", b"\\", b"*", b"^", b"\x80", b"\xff"]
    elements = alphabet + [b"*", b"?", b"*", b"[", b"[^", b"a-c", b"]", b"\\"]

    def word(parts, most):
        return b"".join(chance.choice(parts) for _ in range(chance.randrange(most + 1)))

    with node.client() as client, redis_server(tmp_path) as redis:
        keys = sorted({word(alphabet, 5) for _ in range(600)})
        fill(client, keys)
        fill(redis, keys)
        matched = 0
        for _ in range(300):
            pattern = word(elements, 8)
            expected = sorted(redis.call("KEYS", pattern))
            seen, _ = scan(client, "MATCH", pattern, "COUNT", 1000000)
            assert sorted(seen) == expected, pattern
            matched += bool(expected)
        assert matched > 50
