# SPDX-License-Identifier: Apache-2.0
"""A file system without one free block: writes are refused with a reason, reads and deletes
go on, a restart finds everything, and writes come back by themselves with the space."""
import ctypes
import os

import pytest

from harness import RespError, libc, wait_until

DISK_MIB = 24
SETTINGS = ("store.segment_size=1MiB", "store.max_value_size=512KiB")
VALUE_SIZE = 20_000
BACK_S = 10  # from space to writes: a few seconds, on a loaded machine


@pytest.fixture
def disk_node(make_node):
    """A node whose data directory is a small tmpfs of its own."""
    node = make_node(*SETTINGS, start=False)
    target = os.fsencode(node.data_dir)
    options = f"size={DISK_MIB}m".encode()
    if libc.mount(b"tmpfs", target, b"tmpfs", ctypes.c_ulong(0), options) != 0:
        pytest.skip("cannot mount a tmpfs: a full disk cannot be had")
    try:
        yield node.start()
        if node.process is not None:
            node.stop()
    finally:
        if node.is_running():
            node.kill()
        libc.umount2(target, 2)  # MNT_DETACH


class Ballast:
    """A file that takes all the space that is left."""

    def __init__(self, node):
        self.path = node.data_dir / "ballast"

    def fill(self):
        with open(self.path, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def remove(self):
        self.path.unlink()


class Writer:
    """Keys of one connection, and what was acknowledged of them."""

    def __init__(self, node):
        self.node = node
        self.values = {}
        self.deleted = set()
        self.writes = 0

    def set(self, client, key=None):
        """Returns whether the value was taken."""
        key = key or f"key{len(self.values)}"
        self.writes += 1
        value = b"%08d" % self.writes + os.urandom(8) + b"v" * VALUE_SIZE
        reply = client.call("SET", key, value)
        if isinstance(reply, RespError):
            assert "no space left" in reply, reply
            return False
        assert reply == "OK"
        self.values[key] = value
        self.deleted.discard(key)
        return True

    def delete(self, client, keys):
        def is_taken():
            reply = client.call("DEL", key)
            assert reply == 1 or "no space left" in reply, reply
            return reply == 1

        for key in keys:
            # Compaction may have the very last segment to itself for a moment.
            wait_until(is_taken, "a key is deleted", BACK_S)
            del self.values[key]
            self.deleted.add(key)

    def check(self, client):
        for key, value in self.values.items():
            assert client.call("GET", key) == value, key
        for key in self.deleted:
            assert client.call("GET", key) is None, key


def wait_health(node, expected):
    wait_until(lambda: node.status()["health"] == expected, f"the node is {expected}", BACK_S)


def fill(node, writer, client, ballast):
    """Fills store and disk until nothing more is taken, and not a block is left."""
    while writer.set(client):
        if len(writer.values) == 150:
            ballast.fill()

    def is_full():
        ballast.fill()
        return os.statvfs(node.data_dir).f_bavail == 0

    # The node may just give back what it tried to make a segment of.
    wait_until(is_full, "the disk is full")


def test_full_disk(disk_node):
    node, writer, ballast = disk_node, Writer(disk_node), Ballast(disk_node)
    with node.client() as client:
        fill(node, writer, client, ballast)
        assert len(writer.values) >= 150
        writer.check(client)

        def is_refused():
            done = node.ctl("put", "another", "v" * VALUE_SIZE)
            assert done.returncode == 0 or b"no space left" in done.stderr
            return done.returncode != 0

        # What compaction wins back may take some more values.
        wait_until(is_refused, "dhtctl is refused")
        wait_health(node, "degraded")
        # Deletes go on.
        first = list(writer.values)[:100]
        writer.delete(client, first[:3])
        writer.check(client)

    # A restart, clean or not, needs no block.
    node.kill()
    node.start()
    with node.client() as client:
        writer.check(client)
        writer.delete(client, first[3:100])
        # Segments that nothing is needed of any more are room for values again.
        wait_until(lambda: writer.set(client), "deletes make room", BACK_S)
        writer.check(client)
    ballast.fill()
    node.stop()
    node.start()
    with node.client() as client:
        writer.check(client)
        ballast.remove()
        wait_until(lambda: writer.set(client, "back"), "writes go on", BACK_S)
        for _ in range(50):
            wait_until(lambda: writer.set(client), "writes go on", BACK_S)
        writer.check(client)
    wait_health(node, "ok")
    errors = [line for line in node.log().splitlines() if b"level=error" in line]
    assert all(b"no space left on the disk" in line for line in errors), errors
    node.stop()
    node.start()
    with node.client() as client:
        writer.check(client)


def test_space_that_comes_back(disk_node):
    """Several times, with values in between that are acknowledged or not."""
    node, writer, ballast = disk_node, Writer(disk_node), Ballast(disk_node)
    with node.client() as client:
        for _ in range(3):
            fill(node, writer, client, ballast)
            writer.check(client)
            ballast.remove()
            wait_until(lambda: writer.set(client, "back"), "writes go on", BACK_S)
            writer.check(client)
            writer.delete(client, list(writer.values))
    node.kill()
    node.start()
    with node.client() as client:
        writer.check(client)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restarts_on_a_full_disk(disk_node, end):
    """However often: what a start needs, the next one gets back."""
    node, writer, ballast = disk_node, Writer(disk_node), Ballast(disk_node)
    with node.client() as client:
        fill(node, writer, client, ballast)
    for _ in range(4):
        getattr(node, end)()
        node.start()
        ballast.fill()
        with node.client() as client:
            writer.check(client)
