# SPDX-License-Identifier: Apache-2.0
"""MULTI, EXEC, DISCARD, WATCH and UNWATCH: transactions on one key."""
import threading

import pytest

from harness import RespError, run_together, wait_until

NESTED = RespError("ERR MULTI calls can not be nested")
NO_MULTI = RespError("ERR EXEC without MULTI")
SPOILED = RespError("EXECABORT Transaction discarded because of previous errors.")
NOT_INTEGER = RespError("ERR value is not an integer or out of range")
SYNTAX = RespError("ERR syntax error")
WORDS_MAX = 16 * 1024
MIB = 1 << 20


def arity(name, prefix="ERR"):
    return RespError(f"{prefix} wrong number of arguments for '{name}' command")


def execute(client, *commands):
    """Sends the commands as one transaction; returns the reply of EXEC."""
    client.send_bytes(b"".join(client.encode(*words)
                               for words in (("MULTI",), *commands, ("EXEC",))))
    assert client.receive() == "OK"
    for words in commands:
        assert client.receive() == "QUEUED", words
    return client.receive()


# Each line is a request and its reply, as Redis 7.0.15 gives them.
SCRIPTS = {
    "a transaction": [
        ("MULTI", "OK"), ("SET a 1", "QUEUED"), ("INCR a", "QUEUED"), ("GET a", "QUEUED"),
        ("EXEC", ["OK", 2, b"2"]), ("EXEC", NO_MULTI)],
    "each sees what the ones before made": [
        ("SET a 1", "OK"), ("MULTI", "OK"), ("GETDEL a", "QUEUED"), ("SET a 2 GET", "QUEUED"),
        ("APPEND a x", "QUEUED"), ("STRLEN a", "QUEUED"), ("GETEX a EX 10", "QUEUED"),
        ("TTL a", "QUEUED"), ("EXEC", [b"1", None, 2, 2, b"2x", 10])],
    "nothing": [("MULTI", "OK"), ("EXEC", [])],
    "no key": [("MULTI", "OK"), ("PING", "QUEUED"), ("ECHO x", "QUEUED"),
               ("EXEC", ["PONG", b"x"])],
    "several keys of one command": [
        ("MULTI", "OK"), ("SET a 1", "QUEUED"), ("EXISTS a a a", "QUEUED"),
        ("MGET a a", "QUEUED"), ("DEL a a", "QUEUED"), ("EXEC", ["OK", 3, [b"1", b"1"], 1])],
    "an error of one is no error of others": [
        ("MULTI", "OK"), ("SET a 1 BAD", "QUEUED"), ("SET a x", "QUEUED"), ("INCR a", "QUEUED"),
        ("GET a", "QUEUED"), ("EXEC", [SYNTAX, "OK", NOT_INTEGER, b"x"])],
    "nested": [("MULTI", "OK"), ("MULTI", NESTED), ("SET a 1", "QUEUED"), ("EXEC", ["OK"])],
    "watch inside": [
        ("MULTI", "OK"), ("WATCH a", RespError("ERR WATCH inside MULTI is not allowed")),
        ("SET a 1", "QUEUED"), ("EXEC", ["OK"])],
    "an unknown command": [
        ("MULTI", "OK"), ("SET a 1", "QUEUED"),
        ("NOSUCH a", RespError("ERR unknown command 'NOSUCH', with args beginning with: 'a' ")),
        ("SET a 2", "QUEUED"), ("EXEC", SPOILED), ("GET a", None), ("EXEC", NO_MULTI)],
    "a wrong number of words": [
        ("MULTI", "OK"), ("GET", arity("get")), ("SET a 1", "QUEUED"), ("EXEC", SPOILED),
        ("MULTI", "OK"), ("MULTI x", arity("multi")), ("EXEC", SPOILED),
        ("MULTI", "OK"), ("WATCH", arity("watch")), ("EXEC", SPOILED),
        ("MULTI", "OK"), ("DISCARD x", arity("discard")), ("EXEC", SPOILED), ("GET a", None)],
    "an exec with words": [
        ("EXEC x", arity("exec", "EXECABORT Transaction discarded because of:")),
        ("MULTI", "OK"), ("SET a 1", "QUEUED"),
        ("EXEC x", arity("exec", "EXECABORT Transaction discarded because of:")),
        ("GET a", None), ("EXEC", NO_MULTI)],
    "discard": [
        ("DISCARD", RespError("ERR DISCARD without MULTI")), ("MULTI", "OK"),
        ("SET a 1", "QUEUED"), ("DISCARD", "OK"), ("GET a", None), ("EXEC", NO_MULTI)],
    "reset": [
        ("WATCH a", "OK"), ("SET a 1", "OK"), ("MULTI", "OK"), ("INCR a", "QUEUED"),
        ("RESET", "RESET"), ("EXEC", NO_MULTI), ("MULTI", "OK"), ("INCR a", "QUEUED"),
        ("EXEC", [2])],
    "a watched key that changes": [
        ("SET a 1", "OK"), ("WATCH a", "OK"), ("SET a 1", "OK"), ("MULTI", "OK"),
        ("SET a 2", "QUEUED"), ("EXEC", None), ("GET a", b"1"),
        ("MULTI", "OK"), ("SET a 3", "QUEUED"), ("EXEC", ["OK"])],
    "a watched key that appears": [
        ("WATCH a a", "OK"), ("WATCH a", "OK"), ("SET a 1", "OK"), ("MULTI", "OK"),
        ("PING", "QUEUED"), ("EXEC", None)],
    "a watched key that goes": [
        ("SET a 1", "OK"), ("WATCH a", "OK"), ("DEL a", 1), ("MULTI", "OK"),
        ("SET a 2", "QUEUED"), ("EXEC", None), ("GET a", None)],
    "a watched key whose expiry changes": [
        ("SET a 1", "OK"), ("WATCH a", "OK"), ("EXPIRE a 100", 1), ("MULTI", "OK"),
        ("PING", "QUEUED"), ("EXEC", None)],
    "a watched key that stays": [
        ("SET a 1", "OK"), ("WATCH a", "OK"), ("GET a", b"1"), ("MULTI", "OK"),
        ("INCR a", "QUEUED"), ("UNWATCH", "QUEUED"), ("EXEC", [2, "OK"])],
    "unwatch": [
        ("UNWATCH", "OK"), ("SET a 1", "OK"), ("WATCH a", "OK"), ("SET a 2", "OK"),
        ("UNWATCH", "OK"), ("MULTI", "OK"), ("INCR a", "QUEUED"), ("EXEC", [3]),
        ("UNWATCH x", arity("unwatch"))],
    "discard forgets what was watched": [
        ("WATCH a", "OK"), ("SET a 1", "OK"), ("MULTI", "OK"), ("DISCARD", "OK"),
        ("MULTI", "OK"), ("INCR a", "QUEUED"), ("EXEC", [2])],
    "a refused exec forgets what was watched": [
        ("WATCH a", "OK"), ("MULTI", "OK"), ("GET", arity("get")), ("EXEC", SPOILED),
        ("SET a 1", "OK"), ("MULTI", "OK"), ("INCR a", "QUEUED"), ("EXEC", [2])],
    "an exec without multi keeps it": [
        ("WATCH a", "OK"), ("EXEC", NO_MULTI), ("SET a 1", "OK"), ("MULTI", "OK"),
        ("PING", "QUEUED"), ("EXEC", None)],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_replies(shared_node, script):
    with shared_node.client() as client:
        client.call("DEL", "a")
        for request, reply in script:
            assert client.call(*request.split(" ")) == reply, request


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_replies_to_a_pipeline(shared_node, script):
    with shared_node.client() as client:
        client.call("DEL", "a")
        client.send_bytes(b"".join(client.encode(*request.split(" ")) for request, _ in script))
        for request, reply in script:
            assert client.receive() == reply, request


def test_an_exec_that_was_not_done_is_a_null_array(shared_node):
    with shared_node.client() as client:
        for words in (["WATCH", "null"], ["SET", "null", "1"], ["MULTI"]):
            client.call(*words)
        client.send("EXEC")
        assert client.read_exactly(5) == b"*-1\r\n"


# ---- What is refused -----------------------------------------------------------------

@pytest.mark.parametrize("watched, commands", [
    ([], [("SET", "one", "1"), ("SET", "two", "2")]),
    ([], [("MSET", "one", "1", "two", "2")]),
    ([], [("SET", "one", "1"), ("DEL", "one", "two")]),
    (["two"], [("SET", "one", "1")]),
    (["one", "two"], [("SET", "one", "1")]),
    (["one", "two"], [("PING",)]),
])
def test_keys_that_are_not_one(shared_node, watched, commands):
    with shared_node.client() as client:
        if watched:
            assert client.call("WATCH", *watched) == "OK"
        reply = execute(client, *commands)
        assert reply.startswith("EXECABORT Transaction discarded because its keys are not one key")
        assert "pipeline(transaction=False)" in reply
        assert client.call("EXISTS", "one", "two") == 0
        # Nothing of it is left.
        assert execute(client, ("SET", "one", "1"), ("DEL", "one")) == ["OK", 1]


def test_a_command_that_stands_alone(shared_node):
    with shared_node.client() as client:
        client.call("MULTI")
        assert client.call("SCAN", "0") == "ERR Command not allowed inside a transaction"
        assert client.call("EXEC") == SPOILED


def test_a_transaction_of_too_many_words(shared_node):
    with shared_node.client() as client:
        commands = [("INCR", "words")] * (WORDS_MAX // 2)
        assert execute(client, *commands) == list(range(1, WORDS_MAX // 2 + 1))
        client.send_bytes(client.encode("MULTI") + client.encode("INCR", "words") * len(commands))
        for _ in range(len(commands) + 1):
            client.receive()
        assert client.call("PING").startswith("ERR the transaction is too large")
        assert client.call("EXEC") == SPOILED
        assert client.call("GET", "words") == b"%d" % len(commands)


def test_a_transaction_of_too_many_bytes(make_node):
    node = make_node()
    with node.client() as client:
        client.call("MULTI")
        for _ in range(4):
            assert client.call("SET", "k", b"x" * (15 * MIB)) == "QUEUED"
        assert client.call("SET", "k", b"x" * (15 * MIB)).startswith(
            "ERR the transaction is too large")
        assert client.call("EXEC") == SPOILED
        assert client.call("EXISTS", "k") == 0
        # With 8 MiB for each value one more fits.
        client.call("MULTI")
        for _ in range(7):
            assert client.call("SET", "k", b"x" * (8 * MIB)) == "QUEUED"
        assert client.call("EXEC") == ["OK"] * 7
        # A connection may end at any time.
        client.call("WATCH", "k")
        client.call("MULTI")
        client.call("SET", "k", b"x" * MIB)
    with node.client() as client:
        assert client.call("STRLEN", "k") == 8 * MIB


def test_too_many_watched_keys(shared_node):
    with shared_node.client() as client:
        keys = [f"watched:{i}" for i in range(1024)]
        assert client.call("WATCH", *keys) == "OK"
        assert client.call("WATCH", *keys) == "OK"
        assert client.call("WATCH", "one more") == "ERR at most 1024 keys can be watched"
        assert client.call("UNWATCH") == "OK"
        assert client.call("WATCH", "one more") == "OK"


# ---- What is done together --------------------------------------------------------------

def test_large_values_come_back(shared_node):
    with shared_node.client() as client:
        old, new = b"o" * MIB, b"n" * (2 * MIB)
        client.call("SET", "large", old)
        replies = execute(client, ("GET", "large"), ("APPEND", "large", "1"), ("GET", "large"),
                          ("APPEND", "large", "2"), ("GET", "large"), ("GETSET", "large", new),
                          ("GETDEL", "large"))
        assert replies == [old, MIB + 1, old + b"1", MIB + 2, old + b"12", old + b"12", new]
        assert client.call("GET", "large") is None


def test_what_is_left_expires_as_the_last_command_says(shared_node):
    with shared_node.client() as client:
        def left_after(*commands):
            client.call("SET", "ttl", "1", "EX", "1000")
            execute(client, *commands)
            return client.call("TTL", "ttl")

        assert left_after(("INCR", "ttl"), ("APPEND", "ttl", "0")) == 1000
        assert left_after(("INCR", "ttl"), ("EXPIRE", "ttl", "50")) == 50
        assert left_after(("EXPIRE", "ttl", "50"), ("SET", "ttl", "1", "KEEPTTL")) == 50
        assert left_after(("EXPIRE", "ttl", "50"), ("SET", "ttl", "1")) == -1
        assert left_after(("EXPIRE", "ttl", "50"), ("PERSIST", "ttl")) == -1
        assert left_after(("SET", "ttl", "1"), ("EXPIRE", "ttl", "-1")) == -2
        assert left_after(("DEL", "ttl"), ("SET", "ttl", "1")) == -1
        assert client.call("DEL", "ttl") == 1


def test_what_expires_now_is_gone(shared_node):
    """However long it takes to look at all the commands."""
    with shared_node.client() as client:
        many = [("GET", "now")] * (WORDS_MAX // 2 - 10)
        replies = execute(client, ("SET", "now", "1"), *many, ("EXPIRE", "now", "0"),
                          ("EXISTS", "now"), ("EXPIRE", "now", "50"))
        assert replies[-3:] == [1, 0, 0]


def test_each_command_counts_once(node):
    with node.client() as client:
        execute(client, ("SET", "k", "x"), ("INCR", "k"), ("GET", "k"), ("GET", "k"))
        stats = client.call("INFO", "commandstats", "stats", "errorstats").decode()

        def figures(command):
            line = next(line for line in stats.split() if line.startswith(f"cmdstat_{command}:"))
            return dict(figure.split("=") for figure in line.split(":")[1].split(","))

        assert [figures(name)["calls"] for name in ("set", "incr", "get", "exec")] == list("1121")
        assert figures("incr")["failed_calls"] == "1"
        assert figures("exec")["failed_calls"] == "0"
        assert "keyspace_hits:2\r\n" in stats and "keyspace_misses:0\r\n" in stats
        assert "errorstat_ERR:count=1\r\n" in stats


def watch_before_it_expires(client, key):
    """Watches a key that is still there then, and is to go soon."""
    for ms in (20, 200, 2000):
        client.call("SET", key, "1", "PX", str(ms))
        client.call("WATCH", key)
        if client.call("EXISTS", key) == 1:
            return
        client.call("UNWATCH")
    raise AssertionError(f"{key} expires before it can be watched")


def test_a_watched_key_that_expires(shared_node):
    with shared_node.client() as client:
        watch_before_it_expires(client, "gone")
        wait_until(lambda: client.call("EXISTS", "gone") == 0, "the key expires")
        assert execute(client, ("SET", "gone", "2")) is None
        assert client.call("EXISTS", "gone") == 0


@pytest.mark.threads
def test_two_that_race_lose_no_addition(make_node):
    node = make_node("workers.count=2")
    rounds = 300

    def add():
        with node.client() as client:
            done = 0
            while done < rounds:
                client.call("WATCH", "sum")
                value = int(client.call("GET", "sum") or 0)
                done += execute(client, ("SET", "sum", str(value + 1))) == ["OK"]

    def increment():
        with node.client() as client:
            for _ in range(rounds):
                first, second = execute(client, ("INCR", "sum"), ("INCRBY", "sum", "2"))
                assert second == first + 2

    run_together([add, add, increment])
    with node.client() as client:
        assert client.call("GET", "sum") == b"%d" % (2 * rounds + 3 * rounds)


@pytest.mark.threads
def test_nobody_sees_what_is_in_between(make_node):
    node = make_node("workers.count=2")
    stop = threading.Event()

    def write():
        with node.client() as client:
            for i in range(500):
                execute(client, ("SET", "k", "between"), ("DEL", "k"), ("SET", "k", "also"),
                        ("SET", "k", f"whole:{i}"))
        stop.set()

    def read():
        with node.client() as client:
            seen = set()
            while not stop.is_set():
                seen.add(client.call("GET", "k"))
                seen.update(client.call("MGET", "k", "k"))
            assert len(seen) > 2
            assert all(value is None or value.startswith(b"whole:") for value in seen)

    with node.client() as client:
        client.call("SET", "k", "whole:")
    run_together([write, read, read])


# ---- Crashes, and what is not in memory ----------------------------------------------------

@pytest.mark.parametrize("kills", [5])
def test_a_crash_leaves_all_or_nothing(make_node, chance, kills):
    node = make_node("workers.count=2")
    acknowledged = 0
    for _ in range(kills):
        limit = acknowledged + chance.randint(20, 300)
        ending = threading.Event()

        def crash():
            ending.wait()
            node.kill()

        def write():
            nonlocal acknowledged
            with node.client() as client:
                try:
                    while True:
                        last = execute(client, *[("INCR", "sum")] * 3)[-1]
                        acknowledged = last // 3
                        if acknowledged >= limit:
                            ending.set()
                except (EOFError, OSError):
                    pass

        run_together([write, crash])
        node.start()
        with node.client() as client:
            value = int(client.call("GET", "sum"))
            assert value % 3 == 0
            assert acknowledged <= value // 3 <= acknowledged + 1
            acknowledged = value // 3


def test_cold_keys(make_node):
    node = make_node("store.memory=64MiB", "store.segment_size=1MiB",
                     "store.max_value_size=256KiB", "store.fsync=never", "workers.count=1")
    count, filler = 1000, b"x" * 100_000
    with node.client() as client:
        client.send_bytes(b"".join(client.encode("SET", f"cold:{i}", b"%d " % i + filler)
                                   for i in range(count)))
        assert {client.receive() for _ in range(count)} == {"OK"}
        wait_until(lambda: node.status()["store"]["cold_segments"] > 20, "the first are cold")
        for i in range(0, 40, 2):
            key, old = f"cold:{i}", b"%d " % i + filler
            # The one that waits is once EXEC, and once WATCH.
            if i % 4 == 0:
                assert client.call("WATCH", key) == "OK"
            assert execute(client, ("GET", key), ("APPEND", key, "y"), ("STRLEN", key)) == [
                old, len(old) + 1, len(old) + 1]
            assert client.call("GET", key) == old + b"y"
        # All in one go, so that each waits with requests behind it.
        keys = [f"cold:{i}" for i in range(1, 40, 2)]
        client.send_bytes(b"".join(
            client.encode("MULTI") + client.encode("GETDEL", key) + client.encode("SET", key, "1")
            + client.encode("EXEC") for key in keys))
        for i, _ in enumerate(keys):
            assert [client.receive() for _ in range(3)] == ["OK", "QUEUED", "QUEUED"]
            assert client.receive() == [b"%d " % (2 * i + 1) + filler, "OK"]
        # And one that ends while it waits.
        client.send_bytes(client.encode("MULTI") + client.encode("GET", "cold:50")
                          + client.encode("EXEC"))
    with node.client() as client:
        assert client.call("GET", "cold:1") == b"1"
