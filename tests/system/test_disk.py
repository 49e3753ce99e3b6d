# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, read-only or damaged, and stores that do not fit in memory."""
import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import time

import pytest

import limits
from harness import BUILD, DEADLINE_S, RespError, give_up_privileges, run_dhtd, wait_until
from ledger import Ledger

MIB = 1 << 20
SMALL = ("store.segment_size=1MiB", "store.max_value_size=256KiB")


def segments_of(node):
    return sorted((node.data_dir / "segments").glob("*.seg"))


def forget_pages(paths):
    """Has the kernel drop its copies of what no process has mapped."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


# ---- A full disk ---------------------------------------------------------------------

LEFT_FREE = 128 << 10  # for small files; a segment does not fit


class SmallDisk:
    """A tmpfs, with a file on it that can make room."""

    def __init__(self, directory):
        self.data_dir = directory / "data"
        self.ballast = directory / "ballast"
        self.ballast.write_bytes(bytes(8 * MIB))


@pytest.fixture
def small_disk(tmp_path):
    """Asked for before make_node, so that it is there until the node has ended."""
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(limits.small_disk(tmp_path / "disk", 24 * MIB))
        except limits.Refused as refusal:
            pytest.skip(str(refusal))
        yield SmallDisk(directory)


def fill(client, name, values):
    """Sets keys until one is refused for want of space; returns how many were stored."""
    for number in range(1000):
        reply = client.call("SET", b"%s%d" % (name, number), values(number))
        if isinstance(reply, RespError):
            assert "no space left" in reply, reply
            return number
        assert reply == "OK"
    raise AssertionError("the disk never got full")


def fill_value(number):
    return b"%06d" % number * 10_000


def is_writable(client):
    """Whether more fits than the rest of a segment could take."""
    return client.call("SET", "probe", fill_value(99)) == "OK"


def assert_degraded(node):
    status = node.status()
    assert status["health"] == "degraded"
    assert any(re.search("space|full", reason) for reason in status["reasons"]), status["reasons"]
    shown = node.ctl("status", check=True).stdout.decode()
    assert "degraded" in shown and all(reason in shown for reason in status["reasons"])


def test_a_full_disk(small_disk, make_node):
    node = make_node(f"node.data_dir={small_disk.data_dir}", *SMALL)
    with node.client() as client:
        stored = fill(client, b"k", fill_value)
        assert stored > 100  # 6 MB of the 16 that are free
        wait_until(lambda: node.status()["health"] == "degraded", "status tells")
        assert_degraded(node)
        wait_until(lambda: re.search(rb"(?m)^.*level=(warn|error) .*(space|full).*$", node.log()),
                   "the log tells")
        # Reads and deletes go on, an overwrite does not; what was refused is not there.
        assert client.call("GET", b"k%d" % stored) is None
        assert not is_writable(client)
        assert isinstance(client.call("SET", "k0", fill_value(7)), RespError)
        for number in range(stored):
            assert client.call("GET", b"k%d" % number) == fill_value(number)
        assert [client.call("DEL", b"k%d" % number) for number in range(3)] == [1, 1, 1]
        assert client.call("GET", "k0") is None
        # It recovers by itself.
        small_disk.ballast.unlink()
        wait_until(lambda: is_writable(client), "writes are taken again")
        wait_until(lambda: node.status()["health"] == "ok", "status tells")
        assert node.status()["reasons"] == []
    node.kill()
    node.start()
    with node.client() as client:
        for number in range(3):
            assert client.call("GET", b"k%d" % number) is None
        for number in range(3, stored):
            assert client.call("GET", b"k%d" % number) == fill_value(number)
        assert client.call("GET", "probe") == fill_value(99)


def test_deletes_make_room_on_a_full_disk(small_disk, make_node):
    node = make_node(f"node.data_dir={small_disk.data_dir}", *SMALL)
    with node.client() as client:
        # Every segment keeps something alive, so only compaction gives room.
        stored = fill(client, b"k", fill_value)
        for number in range(stored):
            if number % 8:
                assert client.call("DEL", b"k%d" % number) == 1
        wait_until(lambda: is_writable(client), "compaction makes room")
        for number in range(stored):
            expected = None if number % 8 else fill_value(number)
            assert client.call("GET", b"k%d" % number) == expected


def has_rested(node):
    store = node.status()["store"]
    return not store["compaction"]["running"] and store["spare_segments"] > 0


def test_start_on_a_full_disk(small_disk, make_node):
    """While the node is down others take almost all that is left; it starts all the same.
    Each start ends a segment and begins another one: compaction gives the first one back."""
    node = make_node(f"node.data_dir={small_disk.data_dir}", *SMALL)
    with node.client() as client:
        stored = fill(client, b"k", fill_value)
    for end in (node.kill, node.stop):
        wait_until(lambda: has_rested(node), "compaction has given back what it uses")
        end()
        with open(small_disk.data_dir.parent / "more", "ab") as more:
            more.write(bytes(max(limits.free_bytes(small_disk.data_dir) - LEFT_FREE, 0)))
        node.start()
        with node.client() as client:
            assert client.call("GET", "k1") == fill_value(1)
            assert client.call("DEL", b"k%d" % (stored - 1)) in (0, 1)
            assert client.call("GET", b"k%d" % (stored - 1)) is None


@pytest.mark.threads
@pytest.mark.parametrize("fsync", ["always", "never"])
def test_load_on_a_disk_that_gets_full_and_empty(small_disk, make_node, chance, fsync):
    """Several writers on a full disk, then with room, then a kill: nothing acknowledged is lost."""
    node = make_node(f"node.data_dir={small_disk.data_dir}", f"store.fsync={fsync}",
                     "workers.count=2", *SMALL)
    ledger = Ledger(chance.random())
    with ledger.load(node) as load:
        load.wait_for(200)
        with node.client() as client:
            fill(client, b"fill", fill_value)
        wait_until(lambda: ledger.refused > 0, "writes of the others are refused, too")
        small_disk.ballast.unlink()
        load.begun = ledger.acknowledgements
        load.wait_for(200)
        node.kill()
    node.start()
    with node.client() as client:
        client.call("DEL", *(b"fill%d" % number for number in range(1000)))
    ledger.check(node)


# ---- Files that cannot be written, or are damaged ------------------------------------

def refused(node):
    """Starts a node that must refuse; returns what it logged as errors."""
    before = len(node.log())
    node.start(wait=False)
    assert node.wait_exit() == 1
    return b"\n".join(line for line in node.log()[before:].splitlines() if b"level=error" in line)


def check_store(node):
    """What `dhtd --check-store` says: (exit code, output)."""
    settings = [f"--set={key}={value}" for key, value in node.settings.items()]
    done = run_dhtd("-c", node.config_file, *settings, "--check-store")
    return done.returncode, done.stdout + done.stderr


def unique_value(number):
    return random.Random(number).randbytes(5000)


@pytest.fixture
def stopped(make_node):
    """A node that holds some segments of unique_value() under k0, k1, ..., and was killed."""
    node = make_node(*SMALL)
    with node.client() as client:
        for number in range(800):
            assert client.call("SET", b"k%d" % number, unique_value(number)) == "OK"
    node.kill()
    return node


def place_of(node, number):
    """(file, offset) of the value of a key."""
    for path in segments_of(node):
        at = path.read_bytes().find(unique_value(number))
        if at >= 0:
            return path, at
    raise AssertionError(f"k{number} is in no segment")


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def forget_hints(node):
    for hint in (node.data_dir / "segments").glob("*.hint"):
        hint.unlink()


CUT = re.compile(rb'(?m)^.*level=warn node=n1 module=store msg="[^"]*(torn|cut)[^"]*" .*=\d+')
DAMAGE = rb"segments/%s, offset (\d+): [a-z]"


def test_a_data_directory_that_became_read_only(stopped):
    directories = [stopped.data_dir, stopped.data_dir / "segments"]
    stopped.before_exec = give_up_privileges
    for directory in directories:
        directory.chmod(0o500)
    assert b"Permission denied" in refused(stopped)
    for directory in directories:
        directory.chmod(0o700)
    stopped.start()
    assert stopped.status()["keys"] == 800


def test_a_file_that_cannot_be_read(stopped):
    path, _ = place_of(stopped, 0)
    stopped.before_exec = give_up_privileges
    path.chmod(0)
    assert re.search(rb"%s.*Permission denied" % path.name.encode(), refused(stopped))
    path.chmod(0o640)
    stopped.start()
    assert stopped.status()["keys"] == 800


@pytest.mark.parametrize("where", ["value", "length", "header"])
def test_a_damaged_segment(stopped, where):
    path, offset = place_of(stopped, 300)
    assert path != place_of(stopped, 799)[0]
    code, said = check_store(stopped)
    assert code == 0, said
    begins = offset - len(b"k300") - 23  # the fixed part of a record
    at = {"value": offset + 2500, "length": begins + 8, "header": 9}[where]
    flip(path, at)
    code, said = check_store(stopped)
    damage = DAMAGE % path.name.encode()
    found = re.search(damage, said)
    assert code == 1 and found, said
    forget_hints(stopped)
    said = refused(stopped)
    told = re.search(damage, said)
    assert told and int(told[1]) == int(found[1]) <= at, said
    # Nothing was changed: with the damage undone all is there.
    flip(path, at)
    assert check_store(stopped)[0] == 0
    stopped.start()
    with stopped.client() as client:
        for number in range(800):
            assert client.call("GET", b"k%d" % number) == unique_value(number)


def test_a_missing_segment_and_a_damaged_manifest(stopped):
    path, _ = place_of(stopped, 300)
    away = stopped.directory / path.name
    path.rename(away)
    assert path.name.encode() in refused(stopped)
    away.rename(path)
    manifest = stopped.data_dir / "manifest"
    flip(manifest, 40)
    assert b"manifest" in refused(stopped)
    assert check_store(stopped)[0] == 1
    flip(manifest, 40)
    stopped.start()
    assert stopped.status()["keys"] == 800


def test_check_store_reports_all_damage(stopped):
    places = [place_of(stopped, number) for number in (50, 300, 550)]
    assert len({path for path, _ in places}) == 3
    for path, offset in places:
        flip(path, offset)
    code, said = check_store(stopped)
    assert code == 1
    for path, _ in places:
        assert re.search(DAMAGE % path.name.encode(), said), said


def test_check_store_does_not_run_beside_the_daemon(stopped):
    stopped.start()
    code, said = check_store(stopped)
    assert code == 1 and f"pid {stopped.pid}".encode() in said
    assert stopped.status()["keys"] == 800


def test_a_torn_tail_is_cut(stopped):
    """As if power had failed in the middle of the last write."""
    path, offset = place_of(stopped, 799)
    with open(path, "r+b") as file:
        file.seek(offset + 3000)
        file.write(bytes(2000))
    code, said = check_store(stopped)
    assert code == 0, said
    stopped.start()
    assert CUT.search(stopped.log()), stopped.log_tail()
    with stopped.client() as client:
        for number in range(799):
            assert client.call("GET", b"k%d" % number) == unique_value(number)
        assert client.call("GET", "k799") is None
        assert client.call("SET", "k799", "again") == "OK"
    # It is cut once, and what comes later does not bring it back.
    stopped.kill()
    before = len(stopped.log())
    stopped.start()
    assert not CUT.search(stopped.log()[before:])
    with stopped.client() as client:
        assert client.call("GET", "k799") == b"again"


# ---- More data than memory -----------------------------------------------------------

VALUE_SIZE = 32 << 10
VALUES = 300 * MIB // VALUE_SIZE
MEMORY = 64 * MIB
MEMORY_LIMIT = 200 * MIB  # less than the data; what a sanitizer needs stands in it, too
ALLOWANCE = 48 * MIB      # index, buffers, the active segment, what a sanitizer keeps
PING_MAX_US = 100_000     # as the 99th percentile, on a machine that has more to do


def cold_value(number):
    return b"%08d" % number * (VALUE_SIZE // 8)


def store_values(client):
    for first in range(0, VALUES, 64):
        numbers = range(first, min(first + 64, VALUES))
        client.send_bytes(b"".join(client.encode("SET", b"k%d" % number, cold_value(number))
                                   for number in numbers))
        assert all(client.receive() == "OK" for _ in numbers)


def read_values(client, order):
    for first in range(0, len(order), 8):
        numbers = order[first:first + 8]
        client.send_bytes(b"".join(client.encode("GET", b"k%d" % number) for number in numbers))
        for number in numbers:
            assert client.receive() == cold_value(number)


def resident(node, name):
    status = pathlib.Path(f"/proc/{node.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


def read_cold(node, order):
    """Reads values that the page cache has not got; returns what others waited meanwhile."""
    forget_pages(segments_of(node))
    command = [BUILD / "tests" / "bench_load", "--json", "--port", str(node.client_port),
               "--connections", "4", "--rate", "200", "--warmup", "0", "--duration", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ping, node.client() as client:
        read_values(client, order)
        latency = json.loads(ping.communicate(timeout=DEADLINE_S)[0])["latency_us"]
    assert ping.returncode == 0
    return latency


def limited_memory(make_node):
    """A node with one worker: whoever waits for it waits for the disk if the worker does."""
    node = make_node(f"store.memory={MEMORY}B", "store.segment_size=4MiB", "workers.count=1",
                     "store.max_value_size=1MiB", "store.fsync=never", start=False)
    # Memory that was freed counts as the daemon's otherwise.
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=4"
    return node


@pytest.fixture
def shuffled():
    order = list(range(VALUES))
    random.Random(1).shuffle(order)
    return order


def test_a_store_larger_than_its_memory(make_node, shuffled):
    node = limited_memory(make_node).start()
    with node.client() as client:
        client.call("PING")
        empty = {part: resident(node, part) for part in ("RssAnon", "RssFile", "RssShmem")}
        store_values(client)
    latency = read_cold(node, shuffled)
    grown = {part: resident(node, part) - before for part, before in empty.items()}
    assert grown["RssFile"] + grown["RssShmem"] < MEMORY + 8 * MIB, grown
    assert grown["RssAnon"] < ALLOWANCE, grown
    assert latency["p99"] < PING_MAX_US, latency
    # The same after a restart, which maps the newest segments only.
    node.kill()
    node.start()
    with node.client() as client:
        read_values(client, shuffled[:VALUES // 4])
    grown = sum(resident(node, part) - empty[part] for part in ("RssFile", "RssShmem"))
    assert grown < MEMORY + 8 * MIB


def test_a_store_larger_than_a_memory_limit(make_node, shuffled):
    """The kernel takes memory back all the time, and ends who needs too much."""
    node = limited_memory(make_node)
    with contextlib.ExitStack() as stack:
        try:
            node.before_exec = stack.enter_context(
                limits.memory_limit(f"dhtd-test-{os.getpid()}", MEMORY_LIMIT))
        except limits.Refused as refusal:
            pytest.skip(str(refusal))
        stack.callback(node.finish)
        node.start()
        with node.client() as client:
            store_values(client)
        latency = read_cold(node, shuffled[:VALUES // 4])
        assert latency["p99"] < PING_MAX_US, latency


# ---- Keys that expire when nobody looks at them --------------------------------------

TTL_S = 5
LOADED = 160 * MIB
LEFT_MAX = 20 * MIB  # one key, the segments that are always there, and spare ones
BATCH = 64           # entries


def load_expiring(node):
    """Loads more than fits in memory, of values that live for TTL_S."""
    value_size = 16 << 10
    with node.admin() as admin:
        for first in range(0, LOADED // value_size, BATCH):
            expires_ms = time.time_ns() // 1_000_000 + TTL_S * 1000
            [answer] = admin.call("load", entries=[
                {"key": b"e%d" % number, "value": b"%08d" % number * (value_size // 8),
                 "expires_ms": expires_ms} for number in range(first, first + BATCH)])
            assert answer.load.loaded == BATCH, answer


@pytest.mark.parametrize("fsync, restarts", [("never", False), ("interval", True)])
def test_cold_keys_that_expire_leave_the_disk(make_node, fsync, restarts):
    node = make_node("store.segment_size=1MiB", "store.max_value_size=256KiB",
                     f"store.memory={MEMORY}B", f"store.fsync={fsync}")
    with node.client() as client:
        assert client.call("SET", "stays", "v" * 1000) == "OK"
    load_expiring(node)
    if restarts:
        node.kill()
        node.start()
    full = node.status()["store"]
    assert full["cold_segments"] > 20 and full["disk_bytes"] > LOADED / 2, full
    wait_until(lambda: node.status()["keys"] == 1, "all of them expire")
    wait_until(lambda: node.status()["store"]["disk_bytes"] < LEFT_MAX, "the disk is given back")
    copied = node.status()["store"]["compaction"]["bytes_copied"]
    assert copied < full["disk_bytes"] / 4
    node.kill()
    node.start()
    assert node.status()["keys"] == 1
    with node.client() as client:
        assert client.call("GET", "stays") == b"v" * 1000
        assert client.call("GET", "e0") is None
