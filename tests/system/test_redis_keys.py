# SPDX-License-Identifier: Apache-2.0
"""Commands on keys: whether they are there, when they expire, and which are refused.

The replies are those of Redis 7.0.15, errors included.
"""
import time

import pytest

from harness import RespError, wait_until
from test_redis_strings import INTEGER, LONG_MAX, expire_time, talk


def test_counting_keys(node):
    talk(node,
         ("MSET a 1 b 2", "OK"), ("EXISTS a b nokey a", 3), ("TOUCH a nokey", 1),
         ("UNLINK a nokey a", 1), ("EXISTS a", 0), ("DEL b", 1), ("DEL b", 0))


def test_types(node):
    talk(node, ("TYPE k", "none"), ("SET k 1", "OK"), ("TYPE k", "string"))


# ---- Expiry --------------------------------------------------------------------------

def test_expiry_is_set_and_shown(node):
    talk(node,
         *[(f"{command} k", -2) for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")],
         ("EXPIRE k 100", 0), ("PERSIST k", 0), ("SET k v", "OK"), ("PERSIST k", 0),
         *[(f"{command} k", -1) for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")],
         ("EXPIRE k 100", 1), ("TTL k", 100), ("PERSIST k", 1), ("PERSIST k", 0), ("TTL k", -1),
         ("PEXPIRE k 100400", 1), ("TTL k", 100),
         ("EXPIREAT k 99999999999", 1), ("EXPIRETIME k", 99999999999),
         ("PEXPIRETIME k", 99999999999000),
         ("PEXPIREAT k 99999999999499", 1), ("EXPIRETIME k", 99999999999),
         ("PEXPIREAT k 99999999999500", 1), ("EXPIRETIME k", 100000000000),
         (f"PEXPIREAT k {LONG_MAX}", 1), ("PEXPIRETIME k", LONG_MAX), ("GET k", b"v"))


def test_time_passes(node):
    with node.client() as client:
        client.call("SET", "k", "v", "PX", 60000)
        before = client.call("PTTL", "k")
        assert 0 < before <= 60000
        wait_until(lambda: client.call("PTTL", "k") < before, "time passes")
        client.call("PEXPIRE", "k", 20)
        started = time.monotonic()
        wait_until(lambda: client.call("EXISTS", "k") == 0, "the key expires")
        assert time.monotonic() - started < 10
        assert client.call("TTL", "k") == -2


@pytest.mark.parametrize("command, number", [
    ("EXPIRE", 0), ("EXPIRE", -1), ("EXPIRE", -(LONG_MAX // 1000)), ("PEXPIRE", 0),
    ("PEXPIRE", -LONG_MAX - 1), ("EXPIREAT", 1), ("EXPIREAT", 0), ("PEXPIREAT", 1),
    ("PEXPIREAT", 0), ("PEXPIREAT", -LONG_MAX - 1)])
def test_a_time_in_the_past_deletes(shared_node, command, number):
    talk(shared_node, ("SET past v", "OK"), (f"{command} past {number} GT", 0), ("EXISTS past", 1),
         (f"{command} past {number} XX", 0), ("EXISTS past", 1),
         (f"{command} past {number}", 1), ("EXISTS past", 0),
         ("SET past v EX 100", "OK"), (f"{command} past {number} GT", 0),
         (f"{command} past {number} LT", 1), ("EXISTS past", 0))


def test_expiry_conditions(node):
    talk(node,
         ("SET k v", "OK"), ("EXPIRE k 100 XX", 0), ("EXPIRE k 100 GT", 0), ("TTL k", -1),
         ("EXPIRE k 100 nx", 1), ("EXPIRE k 200 NX nx", 0), ("TTL k", 100),
         ("EXPIRE k 50 GT", 0), ("EXPIRE k 200 LT", 0), ("TTL k", 100),
         ("EXPIRE k 200 GT XX", 1), ("TTL k", 200), ("EXPIRE k 100 LT XX", 1), ("TTL k", 100),
         ("PERSIST k", 1), ("EXPIRE k 100 LT XX", 0), ("EXPIRE k 100 LT", 1), ("TTL k", 100),
         ("EXPIREAT k 99999999999 GT", 1), ("EXPIREAT k 99999999999 GT", 0),
         ("EXPIREAT k 99999999999 LT", 0), ("EXPIRETIME k", 99999999999))


@pytest.mark.parametrize("words, error", [
    ("100 NX XX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
    ("100 GT NX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
    ("100 LT GT NX", "ERR NX and XX, GT or LT options at the same time are not compatible"),
    ("100 LT XX GT", "ERR GT and LT options at the same time are not compatible"),
    ("100 bogus", "ERR Unsupported option bogus"),
    ("abc NX XX bogus", "ERR Unsupported option bogus"),
    ("abc GT LT", "ERR GT and LT options at the same time are not compatible"),
    ("abc", INTEGER), ("1.5 NX", INTEGER),
    (LONG_MAX, expire_time("expire")), (-LONG_MAX, expire_time("expire")),
    (LONG_MAX // 1000, expire_time("expire")), (LONG_MAX // 1000 + 1, expire_time("expire"))])
def test_expire_errors(shared_node, words, error):
    talk(shared_node, ("SET wrong v", "OK"), (f"EXPIRE wrong {words}", error), ("TTL wrong", -1))


def test_times_that_are_too_late(shared_node):
    talk(shared_node, ("SET late v", "OK"),
         (f"PEXPIRE late {LONG_MAX}", expire_time("pexpire")),
         (f"EXPIREAT late {LONG_MAX // 1000 + 1}", expire_time("expireat")),
         ("TTL late", -1))


# ---- Refused -------------------------------------------------------------------------

@pytest.mark.parametrize("words, instead", [
    ("KEYS *", "SCAN"), ("randomkey", "SCAN"), ("RENAME a b", "SET with NX"),
    ("COPY a b", "SET with NX"), ("MSETNX a 1", "SET with NX"), ("FLUSHALL", "SCAN and UNLINK"),
    ("MOVE a 1", "prefix"), ("SWAPDB 0 1", "prefix"), ("DUMP a", "dhtctl dump"),
    ("RESTORE a 0 x", "dhtctl"), ("RESTORE-ASKING", "dhtctl"), ("SORT a", "client"),
    ("LPUSH a 1", "IFEQ"), ("rpoplpush a b", "IFEQ"), ("SADD a 1", "IFEQ"), ("HSET a b c", "IFEQ"),
    ("ZADD a 1 b", "IFEQ"), ("ZUNIONSTORE", "IFEQ"), ("GEOADD a", "IFEQ"),
    ("XADD a * b c", "broker"), ("EVAL 1 0", "IFEQ"), ("EVALSHA a 0", "IFEQ"),
    ("FCALL a 0", "IFEQ"), ("SCRIPT LOAD a", "IFEQ"), ("SUBSCRIBE a", "broker"),
    ("PSUBSCRIBE a", "broker"), ("PUBLISH a b", "broker"), ("REPLICAOF NO ONE", "none follows"),
    ("SAVE", "dhtctl dump"), ("BGSAVE", "dhtctl dump"), ("SETRANGE a 0 b", "APPEND"),
    ("WAITAOF 1 0 0", "WAIT ")])
def test_refused_commands_say_what_to_use(shared_node, words, instead):
    with shared_node.client() as client:
        reply = client.call(*words.split())
        name = words.split()[0]
        assert isinstance(reply, RespError)
        assert reply.startswith(f"ERR {name} is not supported: ") and instead in reply
        assert client.call("PING") == "PONG"


@pytest.mark.parametrize("name", ["LPUS", "LPUSHXX", "LPUSH|LPUSHX", "|", "SAD", "EVAL|"])
def test_parts_of_refused_names_are_unknown(shared_node, name):
    with shared_node.client() as client:
        assert client.call(name).startswith(f"ERR unknown command '{name}'")
