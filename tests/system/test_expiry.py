# SPDX-License-Identifier: Apache-2.0
"""Keys that expire: put --ttl, ttl, load and dump, and what every command makes of them."""
import json
import time

import pytest

from harness import wait_until

NOT_FOUND, INVALID, PRECONDITION = 4, 1, 5
HOUR_MS = 3600 * 1000
TICK_MS = 20  # the daemon's clock for expiry is behind by less


def now_ms():
    return time.time_ns() // 1_000_000


def ttl(node, key):
    """What `dhtctl -o json ttl` prints."""
    return json.loads(node.ctl("-o", "json", "ttl", key, check=True).stdout)


def dump(node, *prefix):
    lines = node.ctl("dump", *prefix, check=True).stdout.splitlines()
    return {entry["key"]: entry for entry in map(json.loads, lines)}


def scan(node, *prefix):
    return set(node.ctl("scan", *prefix, check=True).stdout.decode().split())


def call(admin, command, **fields):
    """The one response to a call."""
    [response] = admin.call(command, **fields)
    return response


def put_expired(admin, *keys, value=b"v"):
    """Puts keys and lets their time come, by the clock: no command has looked at them."""
    for key in keys:
        assert call(admin, "put", key=key, value=value).HasField("put")
        expires_ms = call(admin, "ttl", key=key, ttl_ms=30).ttl.expires_ms
    wait_until(lambda: now_ms() > expires_ms + TICK_MS, "the time has come")


def test_a_key_lives_as_long_as_it_was_given(shared_node):
    shared_node.ctl("put", "--ttl", "1h", "short", "v", check=True)
    assert shared_node.ctl("get", "short").stdout == b"v"
    before = now_ms()
    shared_node.ctl("put", "--ttl", "300ms", "short", "w", check=True)
    wait_until(lambda: shared_node.ctl("get", "short").returncode == 3, "the key expires")
    assert now_ms() >= before + 300 - TICK_MS
    for command in ("get", "del", "ttl"):
        assert shared_node.ctl(command, "short").returncode == 3


def test_ttl_shows_and_sets(shared_node):
    node = shared_node
    node.ctl("put", "t", "v", check=True)
    assert node.ctl("ttl", "t", check=True).stdout == b"none\n"
    assert ttl(node, "t")["ttl_ms"] is None
    before = ttl(node, "t")["version"]
    done = node.ctl("ttl", "t", "2h", check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    shown = ttl(node, "t")
    assert 2 * HOUR_MS - 60_000 < shown["ttl_ms"] <= 2 * HOUR_MS
    assert abs(shown["expires_ms"] - shown["ttl_ms"] - now_ms()) < 60_000
    assert shown["version"] != before
    assert 7200 - 60 < int(node.ctl("ttl", "t", check=True).stdout) <= 7200
    assert node.ctl("get", "t").stdout == b"v"
    node.ctl("ttl", "t", "--persist", check=True)
    assert node.ctl("ttl", "t", check=True).stdout == b"none\n"
    assert node.ctl("get", "t").stdout == b"v"
    for words in (["ttl", "no"], ["ttl", "no", "5s"], ["ttl", "no", "--persist"]):
        done = node.ctl(*words)
        assert (done.returncode, done.stdout) == (3, b"")


def test_what_keeps_an_expiry_and_what_drops_it(shared_node):
    node = shared_node

    def expires():
        return ttl(node, "keep")["expires_ms"]

    node.ctl("put", "--ttl", "1h", "keep", "1", check=True)
    first = expires()
    assert first > now_ms()
    node.ctl("incr", "keep", check=True)
    assert expires() == first
    node.ctl("cas", "keep", "--old", "2", "--new", "3", check=True)
    assert expires() == first
    node.ctl("cas", "keep", "--version", ttl(node, "keep")["version"], "--new", "4", check=True)
    assert expires() == first
    node.ctl("put", "--keep-ttl", "keep", "5", check=True)
    assert expires() == first
    node.ctl("put", "--ttl", "2h", "keep", "6", check=True)
    assert expires() > first
    node.ctl("put", "keep", "7", check=True)
    assert expires() == 0
    node.ctl("put", "--keep-ttl", "keep", "8", check=True)
    assert expires() == 0
    # The plain SET of the client port is a put.
    node.ctl("ttl", "keep", "1h", check=True)
    with node.client() as client:
        assert client.call("SET", "keep", "9") == "OK"
    assert expires() == 0


def test_every_command_finds_an_expired_key_absent(node):
    commands = {
        "get": lambda admin, key: call(admin, "get", key=key).error.code == NOT_FOUND,
        "del": lambda admin, key: call(admin, "del", key=key).error.code == NOT_FOUND,
        "ttl": lambda admin, key: call(admin, "ttl", key=key).error.code == NOT_FOUND,
        "expire": lambda admin, key: call(admin, "ttl", key=key,
                                          ttl_ms=9).error.code == NOT_FOUND,
        "present": lambda admin, key: call(admin, "put", key=key, value=b"w",
                                           condition=2).error.code == PRECONDITION,
        "cas": lambda admin, key: call(admin, "cas", key=key, old_value=b"41",
                                       new_value=b"w").error.code == PRECONDITION,
        "absent": lambda admin, key: call(admin, "put", key=key, value=b"w",
                                          condition=1).HasField("put"),
        "incr": lambda admin, key: call(admin, "incr", key=key, delta=1).incr.value == 1,
        "created": lambda admin, key: call(admin, "cas", key=key, old_version={},
                                           new_value=b"w").HasField("cas"),
        "kept": lambda admin, key: call(admin, "put", key=key, value=b"w",
                                        keep_ttl=True).HasField("put"),
    }
    written = {"absent", "incr", "created", "kept"}
    with node.admin() as admin, node.client() as client:
        put_expired(admin, b"GET", b"DEL", *(name.encode() for name in commands), value=b"41")
        assert scan(node) == set() and dump(node) == {}
        assert client.call("GET", "GET") is None
        assert client.call("DEL", "DEL") == 0
        for name, check in commands.items():
            assert check(admin, name.encode()), name
    # The first look at a key has removed it, or the command has written it anew.
    assert node.status()["keys"] == len(written)
    assert {key: entry["expires_ms"] for key, entry in dump(node).items()} == dict.fromkeys(
        written, 0)


def test_a_scan_does_not_show_what_has_expired(node):
    node.ctl("put", "stays", "v", check=True)
    node.ctl("put", "--ttl", "1h", "later", "v", check=True)
    with node.admin() as admin:
        put_expired(admin, b"soon")
    assert scan(node) == {"stays", "later"}
    assert set(dump(node)) == {"stays", "later"}
    assert scan(node, "soon") == set()


def test_dump_and_load_carry_the_expiry(make_node):
    first, second = make_node(), make_node()
    first.ctl("put", "plain", "1", check=True)
    first.ctl("put", "--ttl", "1h", "expiring", "2", check=True)
    written = first.ctl("dump", check=True).stdout
    expires = ttl(first, "expiring")["expires_ms"]
    assert dump(first)["expiring"]["expires_ms"] == expires
    done = second.ctl("load", input=written, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert dump(second) == dump(first)
    assert ttl(second, "expiring")["expires_ms"] == expires
    assert ttl(second, "plain")["expires_ms"] == 0
    # It is kept, not only shown.
    soon = json.dumps({"key": "soon", "value": "v", "expires_ms": now_ms() + 300})
    second.ctl("load", input=soon.encode(), check=True)
    wait_until(lambda: second.ctl("get", "soon").returncode == 3, "the loaded key expires")


def test_load_passes_over_what_has_expired(node):
    with node.admin() as admin:
        call(admin, "put", key=b"old", value=b"stays")
        answer = call(admin, "load", entries=[
            {"key": b"old", "value": b"0", "expires_ms": now_ms() - 1000},
            {"key": b"a", "value": b"1"},
            {"key": b"b", "value": b"2", "expires_ms": 1},
            {"key": b"c", "value": b"3", "expires_ms": now_ms() + HOUR_MS},
            {"key": b"d", "value": b"4", "expires_ms": (1 << 64) - 1},
        ])
        assert answer.load.loaded == 5
        assert call(admin, "ttl", key=b"d").ttl.expires_ms == (1 << 64) - 1
    assert scan(node) == {"a", "c", "d", "old"}
    assert node.ctl("get", "old").stdout == b"stays"


def test_a_time_to_live_of_nothing_removes_the_key(shared_node):
    with shared_node.admin() as admin:
        assert call(admin, "put", key=b"gone", value=b"v").HasField("put")
        answer = call(admin, "ttl", key=b"gone", ttl_ms=0).ttl
        assert (answer.ttl_ms, answer.expires_ms, answer.version.counter) == (0, 0, 0)
        assert call(admin, "get", key=b"gone").error.code == NOT_FOUND


@pytest.mark.parametrize("command, fields", [
    ("put", {"key": b"r", "value": b"v", "ttl_ms": 1, "keep_ttl": True}),
    ("put", {"key": b"r", "value": b"v", "ttl_ms": (1 << 52) + 1}),
    ("ttl", {"key": b"r", "ttl_ms": (1 << 64) - 1}),
])
def test_a_time_to_live_out_of_bounds_is_refused(shared_node, command, fields):
    with shared_node.admin() as admin:
        answer = call(admin, command, **fields)
        assert answer.error.code == INVALID and "ttl_ms" in answer.error.message
        assert call(admin, "get", key=b"r").error.code == NOT_FOUND


def test_the_longest_time_to_live(shared_node):
    with shared_node.admin() as admin:
        call(admin, "put", key=b"long", value=b"v", ttl_ms=1 << 52)
        answer = call(admin, "ttl", key=b"long").ttl
        assert (1 << 52) - 60_000 < answer.ttl_ms <= 1 << 52
    assert ttl(shared_node, "long")["ttl_ms"] > (1 << 52) - 60_000


def test_a_mistyped_time_changes_nothing(shared_node):
    shared_node.ctl("put", "typo", "v", check=True)
    for words in (["ttl", "typo", "10x"], ["ttl", "typo", "-1"],
                  ["put", "--ttl", "soon", "typo", "w"]):
        done = shared_node.ctl(*words)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"500ms, 10s, 5m" in done.stderr
    assert shared_node.ctl("get", "typo").stdout == b"v"
    assert ttl(shared_node, "typo")["ttl_ms"] is None
