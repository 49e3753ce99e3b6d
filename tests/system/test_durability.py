# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there after the daemon ended, however it ended."""
import os
import time

import pytest

from harness import DEADLINE_S, RespError, wait_until
from ledger import Ledger

# Small segments: they fill up, are compacted and used again within seconds.
SMALL = ("store.segment_size=1MiB", "store.max_value_size=256KiB")
START_MAX_S = 0.1  # about what a start takes


def kill_while_it_starts(node, chance):
    """Two kills in a row are no worse than one, wherever in its start the second comes."""
    node.start(wait=False)
    time.sleep(chance.uniform(0, START_MAX_S))  # not to wait for anything: the moment is random
    node.kill()


@pytest.mark.threads
@pytest.mark.parametrize("fsync, kills", [("always", 20), ("interval", 8), ("never", 8)])
def test_kill_at_random_moments(make_node, chance, fsync, kills):
    """A kill takes the process only, so no mode may lose what it has acknowledged."""
    node = make_node(f"store.fsync={fsync}", "workers.count=2", *SMALL)
    ledger = Ledger(chance.random())
    for number in range(kills):
        with ledger.load(node) as load:
            load.wait_for(chance.randrange(1, 3000))
            node.kill()
        if number % 4 == 3:
            kill_while_it_starts(node, chance)
        node.start()
        ledger.check(node)
    # Much more was written than this: what is dead leaves the disk.
    wait_until(lambda: node.status()["store"]["disk_bytes"] <= 16 << 20, "the log is compacted")


@pytest.mark.threads
@pytest.mark.parametrize("fsync", ["always", "never"])
def test_stop_under_load(make_node, chance, fsync):
    node = make_node(f"store.fsync={fsync}", "workers.count=2", *SMALL)
    identity = node.status()["id"]
    ledger = Ledger(chance.random())
    for _ in range(3):
        with ledger.load(node) as load:
            load.wait_for(chance.randrange(1, 2000))
            node.stop()
        node.start()
        ledger.check(node)
        assert node.status()["id"] == identity


def test_versions_never_repeat(make_node):
    """The counter goes on beyond every version that was told to anybody."""
    node = make_node(*SMALL)

    def version():
        with node.admin() as admin:
            told = admin.call("put", key=b"k", value=b"v")[-1].put.version
        return told.version, told.counter, told.member

    seen = [version()]
    for end in (node.stop, node.kill, node.kill, node.stop):
        end()
        node.start()
        seen.append(version())
    assert seen == sorted(set(seen))
    with node.admin() as admin:
        assert admin.call("get", key=b"k")[-1].get.version.counter == seen[-1][1]


def test_expiry_survives(make_node):
    node = make_node(*SMALL)
    node.ctl("put", "--ttl", "1h", "long", "a", check=True)
    node.ctl("put", "--ttl", "1500ms", "short", "b", check=True)
    node.ctl("put", "forever", "c", check=True)

    def expires_ms(key):
        with node.admin() as admin:
            return admin.call("get", key=key)[-1].get.expires_ms

    expected = expires_ms(b"long")
    assert expected > 1000 * time.time() + 3_000_000
    for end in (node.stop, node.kill):
        end()
        node.start()
        assert (expires_ms(b"long"), expires_ms(b"forever")) == (expected, 0)
        assert node.ctl("get", "forever", check=True).stdout == b"c"
    # Its time goes on while the daemon is down.
    wait_until(lambda: node.ctl("get", "short").returncode == 3, "the key expires")
    node.kill()
    node.start()
    assert node.ctl("get", "short").returncode == 3


def test_large_values_survive(make_node):
    node = make_node("store.segment_size=64MiB")
    values = {b"k%d" % i: os.urandom(1 << 20) * (16 if i == 0 else i) for i in range(4)}
    with node.client() as client:
        for key, value in values.items():
            assert client.call("SET", key, value) == "OK"
    for end in (node.kill, node.stop):
        end()
        node.start()
        with node.client() as client:
            for key, value in values.items():
                assert client.call("GET", key) == value


def test_deleted_keys_stay_away_and_leave_the_disk(make_node):
    """Their tombstones go last: a restart after each step would show one that went too early."""
    node = make_node("store.fsync=never", *SMALL)
    value = b"x" * 4000
    with node.client() as client:
        for first in range(0, 2000, 500):
            client.send_bytes(b"".join(client.encode("SET", b"k%d" % i, value)
                                       for i in range(first, first + 500)))
            assert [client.receive() for _ in range(500)] == ["OK"] * 500
        for i in range(2000):
            if i % 100:
                assert client.call("DEL", b"k%d" % i) == 1
    for end in (node.kill, node.stop, node.kill):
        end()
        node.start()
        assert node.status()["keys"] == 20
        with node.client() as client:
            client.send_bytes(b"".join(client.encode("GET", b"k%d" % i) for i in range(2000)))
            for i in range(2000):
                assert client.receive() == (None if i % 100 else value)

    # 8 MiB were written, of which 80 KB are left: in three sealed segments at most, beside
    # the last one, the one that follows it, and up to four spare files.
    wait_until(lambda: node.status()["store"]["disk_bytes"] <= 9 << 20,
               "dead records leave the disk", 2 * DEADLINE_S)


def test_an_error_is_no_acknowledgement(make_node):
    """A value too large is refused and changes nothing, before and after a restart."""
    node = make_node(*SMALL)
    with node.client() as client:
        assert client.call("SET", "k", "v") == "OK"
        assert isinstance(client.call("SET", "k", b"x" * (1 << 20)), RespError)
        assert client.call("GET", "k") == b"v"
    node.kill()
    node.start()
    with node.client() as client:
        assert client.call("GET", "k") == b"v"
