# SPDX-License-Identifier: Apache-2.0
"""Commands on values: what they reply, and what is there afterwards.

The replies are those of Redis 7.0.15 (IFEQ and DELIFEQ: of Valkey 9), errors included.
"""
import pytest

from harness import RespError

INTEGER = "ERR value is not an integer or out of range"
FLOAT = "ERR value is not a valid float"
OVERFLOW = "ERR increment or decrement would overflow"
NO_NUMBER = "ERR increment would produce NaN or Infinity"
SYNTAX = "ERR syntax error"
LONG_MAX = 2**63 - 1


def talk(node, *exchanges):
    """Sends requests, written as words or as a tuple of them, and compares the replies."""
    with node.client() as client:
        for request, reply in exchanges:
            words = request.split() if isinstance(request, str) else request
            assert client.call(*words) == reply, request


def expire_time(command):
    return f"ERR invalid expire time in '{command}' command"


# ---- SET -----------------------------------------------------------------------------

def test_set_conditions(node):
    talk(node,
         ("SET k 1 XX", None), ("EXISTS k", 0),
         ("SET k 1 nx", "OK"), ("SET k 2 NX", None), ("GET k", b"1"),
         ("SET k 3 XX", "OK"), ("GET k", b"3"),
         ("SETNX k 4", 0), ("GET k", b"3"), ("SETNX other 4", 1), ("GET other", b"4"))


def test_set_returns_the_value_before(node):
    talk(node,
         ("SET k 1 GET", None), ("SET k 2 GET", b"1"), ("SET k 3 get Get GET", b"2"),
         ("SET k 4 NX GET", b"3"), ("GET k", b"3"), ("SET k 5 GET XX", b"3"), ("GET k", b"5"),
         ("SET other 1 XX GET", None), ("EXISTS other", 0),
         ("SET other 1 NX GET", None), ("GET other", b"1"),
         ("GETSET k 6", b"5"), ("GETSET new 1", None), ("GET new", b"1"))


def test_set_if_equal(node):
    talk(node,
         ("SET k 2 IFEQ 1", None), ("EXISTS k", 0), ("SET k 2 IFEQ 1 GET", None), ("EXISTS k", 0),
         ("SET k 1", "OK"), ("SET k 2 IFEQ 2", None), ("GET k", b"1"),
         ("SET k 2 IFEQ 1", "OK"), ("GET k", b"2"),
         ("SET k 3 IFEQ 1 GET", b"2"), ("GET k", b"2"),
         ("SET k 3 GET IFEQ 2 EX 100", b"2"), ("GET k", b"3"), ("TTL k", 100),
         ("SET k 4 IFEQ 3 KEEPTTL", "OK"), ("TTL k", 100),
         ("SET k 5 ifeq 4", "OK"), ("TTL k", -1),
         (("SET", "k", "", "IFEQ", "5"), "OK"), (("SET", "k", "6", "IFEQ", ""), "OK"),
         ("SET k 7 IFEQ", SYNTAX), ("SET k 7 NX IFEQ 6", SYNTAX), ("SET k 7 IFEQ 6 XX", SYNTAX),
         ("SET k 7 IFEQ 6 IFEQ 6", SYNTAX), ("GET k", b"6"))


def test_delete_if_equal(node):
    talk(node,
         ("DELIFEQ k 1", 0), ("SET k 1", "OK"), ("DELIFEQ k 2", 0), ("GET k", b"1"),
         ("DELIFEQ k 1", 1), ("EXISTS k", 0),
         ("DELIFEQ k", "ERR wrong number of arguments for 'delifeq' command"))


@pytest.mark.parametrize("options", [
    "NX XX", "XX NX", "KEEPTTL EX 10", "EX 10 KEEPTTL", "EX 10 PX 10", "PX 10 EX 10",
    "EXAT 10 PX 10", "PXAT 10 EXAT 10", "EX", "PX", "EXAT", "PXAT", "PERSIST", "bogus", "10",
    "EX abc NX XX", "EX 0 bogus", "GETS"])
def test_set_options_that_make_no_sense(shared_node, options):
    talk(shared_node, ("SET syntax 1", "OK"), (f"SET syntax 2 {options}", SYNTAX),
         ("GET syntax", b"1"))


def test_set_expiry(node):
    talk(node,
         ("SET k v EX 100", "OK"), ("TTL k", 100), ("SET k v KEEPTTL", "OK"), ("TTL k", 100),
         ("SET k v EX 100 EX 200", "OK"), ("TTL k", 200), ("SET k v", "OK"), ("TTL k", -1),
         ("SET k v PX 100400", "OK"), ("TTL k", 100),
         ("SET k v EXAT 99999999999", "OK"), ("EXPIRETIME k", 99999999999),
         ("SET k v PXAT 99999999999999", "OK"), ("PEXPIRETIME k", 99999999999999),
         (f"SET k v PXAT {LONG_MAX}", "OK"), ("PEXPIRETIME k", LONG_MAX),
         ("SET k v EXAT 1", "OK"), ("GET k", None), ("SET k v NX EXAT 1", "OK"), ("GET k", None),
         ("SETEX k 100 v", "OK"), ("TTL k", 100), ("GETSET k w", b"v"), ("TTL k", -1),
         ("PSETEX k 100400 v", "OK"), ("TTL k", 100), ("SETNX k w", 0), ("TTL k", 100))


@pytest.mark.parametrize("command, words", [
    ("set", "SET times v EX {}"), ("set", "SET times v PX {}"), ("set", "SET times v EXAT {}"),
    ("set", "SET times v PXAT {}"), ("setex", "SETEX times {} v"),
    ("psetex", "PSETEX times {} v"), ("getex", "GETEX times EX {}"),
    ("getex", "GETEX times PX {}"), ("getex", "GETEX times EXAT {}")])
def test_times_that_are_none(shared_node, command, words):
    in_seconds = " EX" in words or command == "setex"
    is_relative = "AT" not in words
    talk(shared_node, ("SET times 1", "OK"),
         *[(words.format(number), expire_time(command)) for number in (0, -1, -LONG_MAX)],
         *[(words.format(text), INTEGER) for text in ("abc", "1.5", "+1", "01", LONG_MAX + 1)],
         *[(words.format(LONG_MAX), expire_time(command)) for _ in "x" if in_seconds or is_relative],
         *[(words.format(LONG_MAX // 1000 + 1), expire_time(command)) for _ in "x" if in_seconds],
         ("GET times", b"1"), ("TTL times", -1))


def test_getex(node):
    talk(node,
         ("GETEX k", None), ("GETEX k EX 100", None), ("GETEX k EX abc", None),
         ("SET k v", "OK"), ("GETEX k", b"v"), ("TTL k", -1),
         ("GETEX k EX 100", b"v"), ("TTL k", 100), ("GETEX k", b"v"), ("TTL k", 100),
         ("GETEX k PERSIST", b"v"), ("TTL k", -1), ("GETEX k PERSIST persist", b"v"),
         ("GETEX k PX 200400", b"v"), ("TTL k", 200),
         ("GETEX k EXAT 99999999999", b"v"), ("EXPIRETIME k", 99999999999),
         ("GETEX k PXAT 99999999999999", b"v"), ("PEXPIRETIME k", 99999999999999),
         *[(f"GETEX k {options}", SYNTAX) for options in (
             "EX", "NX", "GET", "KEEPTTL", "PERSIST EX 10", "EX 10 PERSIST", "EX 10 PX 10")],
         ("GETEX k EXAT 1", b"v"), ("EXISTS k", 0))


def test_getdel(node):
    talk(node, ("GETDEL k", None), ("SET k v", "OK"), ("GETDEL k", b"v"), ("GETDEL k", None))


# ---- Numbers -------------------------------------------------------------------------

def test_integers(node):
    talk(node,
         ("INCR k", 1), ("INCR k", 2), ("DECR k", 1), ("INCRBY k 10", 11), ("DECRBY k 12", -1),
         ("GET k", b"-1"), ("DECRBY k -1", 0), ("INCRBY k -0", INTEGER), ("INCRBY k 0", 0),
         *[(("INCRBY", "k", text), INTEGER) for text in ("abc", "", "1.0", " 1", "1 ", "+1", "01")],
         *[(("SET", "k", text), "OK") if half == 0 else ("INCR k", INTEGER)
           for text in ("abc", "", "1.0", " 1", "+1", "01", "-0", LONG_MAX + 1)
           for half in (0, 1)])


def test_integers_that_overflow(node):
    talk(node,
         (f"SET k {LONG_MAX}", "OK"), ("INCR k", OVERFLOW), ("DECRBY k -1", OVERFLOW),
         ("INCRBY k 0", LONG_MAX), ("DECR k", LONG_MAX - 1), ("INCR k", LONG_MAX),
         (f"SET k {-LONG_MAX - 1}", "OK"), ("DECR k", OVERFLOW), ("INCRBY k -1", OVERFLOW),
         ("INCR k", -LONG_MAX),
         (f"DECRBY k {-LONG_MAX - 1}", "ERR decrement would overflow"),
         (f"INCRBY new {-LONG_MAX - 1}", -LONG_MAX - 1))


def test_floats(node):
    talk(node,
         ("INCRBYFLOAT k 10.50", b"10.5"), ("INCRBYFLOAT k 0.1", b"10.6"),
         ("INCRBYFLOAT k -5", b"5.6"), ("INCRBYFLOAT k 5.0e3", b"5005.60000000000000009"),
         ("SET k 3.0e3", "OK"), ("INCRBYFLOAT k 200", b"3200"), ("INCR k", 3201),
         ("INCRBYFLOAT k 0x10", b"3217"), ("INCRBYFLOAT k 1e-18", b"3217"),
         ("SET k 0", "OK"), ("INCRBYFLOAT k -0.0", b"0"),
         ("INCRBYFLOAT k 1e22", b"10000000000000000000000"), ("INCR k", INTEGER),
         *[(("INCRBYFLOAT", "k", text), FLOAT)
           for text in ("abc", "", " 1", "1 ", "nan", "1e5000", "1e-5000", "1,5")],
         ("INCRBYFLOAT k inf", NO_NUMBER), ("INCRBYFLOAT k -inf", NO_NUMBER),
         ("SET k abc", "OK"), ("INCRBYFLOAT k 1", FLOAT), ("INCRBYFLOAT k inf", FLOAT),
         ("SET k inf", "OK"), ("INCRBYFLOAT k 1", NO_NUMBER), ("GET k", b"inf"))


def test_numbers_keep_their_expiry(node):
    talk(node, ("SET k 1 EX 100", "OK"), ("INCR k", 2), ("INCRBYFLOAT k 1.5", b"3.5"),
         ("APPEND k 0", 4), ("GET k", b"3.50"), ("TTL k", 100))


# ---- Parts of values -----------------------------------------------------------------

def test_append_and_length(node):
    talk(node,
         ("STRLEN k", 0), ("APPEND k abc", 3), (("APPEND", "k", ""), 3), ("APPEND k de", 5),
         ("GET k", b"abcde"), ("STRLEN k", 5),
         (("APPEND", "empty", ""), 0), ("EXISTS empty", 1), ("GET empty", b""))


def test_append_beyond_the_limit(make_node):
    node = make_node("store.max_value_size=1KiB")
    with node.client() as client:
        assert client.call("APPEND", "k", b"x" * 1000) == 1000
        assert client.call("APPEND", "k", b"y" * 24) == 1024
        for size in (1, 1025):
            reply = client.call("APPEND", "k", b"z" * size)
            assert isinstance(reply, RespError) and "exceeds maximum allowed size" in reply
        assert client.call("STRLEN", "k") == 1024
        reply = client.call("MSET", "a", 1, "k", b"x" * 1025)
        assert isinstance(reply, RespError) and "exceeds maximum allowed size" in reply
        assert client.call("EXISTS", "a") == 0


@pytest.mark.parametrize("first, last, part", [
    (0, -1, b"abcdef"), (0, 0, b"a"), (1, 3, b"bcd"), (-3, -1, b"def"), (-1, -3, b""),
    (-100, 2, b"abc"), (4, 100, b"ef"), (5, 1, b""), (6, 6, b""), (-100, -50, b"a"),
    (LONG_MAX, LONG_MAX, b""), (-LONG_MAX - 1, LONG_MAX, b"abcdef"), (100, -1, b"")])
def test_ranges(shared_node, first, last, part):
    talk(shared_node, ("SET range abcdef", "OK"),
         (f"GETRANGE range {first} {last}", part), (f"SUBSTR range {first} {last}", part))


def test_ranges_of_nothing(node):
    talk(node, ("GETRANGE k 0 -1", b""), ("GETRANGE k a 1", INTEGER), ("GETRANGE k 1 b", INTEGER),
         (("SET", "k", ""), "OK"), ("GETRANGE k 0 -1", b""), ("GETRANGE k 0 0", b""))


# ---- Several keys --------------------------------------------------------------------

def test_several_values(node):
    arity = "ERR wrong number of arguments for 'mset' command"
    talk(node,
         ("MSET a 1 b 2 a 3", "OK"), ("MGET a nokey b a", [b"3", None, b"2", b"3"]),
         ("MSET a", arity), ("MSET a 4 b", arity), ("MGET a", [b"3"]),
         ("EXPIRE a 100", 1), ("MSET a 4", "OK"), ("TTL a", -1))


def test_many_values(node):
    """More than are read and written in one turn, large ones among them."""
    with node.client() as client, node.client() as other:
        values = {b"k%d" % i: b"%d" % i * (30000 if i % 50 == 0 else 1) for i in range(3000)}
        client.send("MSET", *[word for pair in values.items() for word in pair])
        assert other.call("PING") == "PONG"
        assert client.receive() == "OK"
        asked = [key for key in values for _ in (0, 1)] + [b"nokey"]
        client.send("MGET", *asked)
        client.send("PING")
        assert client.receive() == [values.get(key) for key in asked]
        assert client.receive() == "PONG"
        client.send("EXISTS", *asked)
        client.send("UNLINK", *asked)
        client.send("MGET", *asked)
        assert client.receive() == len(asked) - 1
        assert client.receive() == len(values)
        assert client.receive() == [None] * len(asked)


def test_values_that_are_not_in_memory(make_node):
    """Commands wait for the disk, at any of their keys, and lose nothing."""
    node = make_node("store.memory=64MiB", "store.segment_size=4MiB", "store.max_value_size=1MiB",
                     "store.fsync=never")
    with node.client() as client:
        value = bytes(range(256)) * 256
        keys = [f"k{i}" for i in range(2000)]
        for at in range(0, len(keys), 100):
            words = [word for key in keys[at:at + 100] for word in (key, key.encode() + value)]
            assert client.call("MSET", *words) == "OK"
        assert client.call("MGET", *keys[:20]) == [key.encode() + value for key in keys[:20]]
        assert client.call("SET", "k0", "new", "GET") == b"k0" + value
        assert client.call("GETRANGE", "k1", 0, 1) == b"k1"
        assert client.call("APPEND", "k2", "end") == len(value) + 5
        assert client.call("GETDEL", "k3") == b"k3" + value
        assert client.call("DELIFEQ", "k4", b"k4" + value) == 1
        assert client.call("EXISTS", *keys) == len(keys) - 2
        cursor, seen = 0, []
        while True:
            cursor, found = client.call("SCAN", cursor, "COUNT", 100)
            seen += found
            if cursor == b"0":
                break
        assert sorted(seen) == sorted(key.encode() for key in keys if key not in ("k3", "k4"))
