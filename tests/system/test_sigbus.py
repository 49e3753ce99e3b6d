# SPDX-License-Identifier: Apache-2.0
"""A page of a mapped segment that cannot be read: one line that names it, and a stop."""
import re
import signal
import struct

from harness import wait_until

SETTINGS = ("store.segment_size=1MiB", "store.max_value_size=512KiB")
KEYS, VALUE = 5000, b"x" * 1000  # five segments
MIB = 1 << 20

LINE = re.compile(rb"^dhtd: SIGBUS, cannot read the file segments/([0-9a-f]{8})\.seg at offset "
                  rb"(\d+): .*$", re.MULTILINE)


def load(node):
    """Writes the keys in their order."""
    with node.client() as client:
        for first in range(0, KEYS, 100):
            numbers = range(first, first + 100)
            client.send_bytes(b"".join(client.encode("SET", f"key{number}", VALUE)
                                       for number in numbers))
            assert [client.receive() for _ in numbers] == ["OK"] * 100


def first_segment(node):
    """The file of the segment of lowest sequence, once it is mapped."""
    def sequence(path):
        with open(path, "rb") as file:
            magic, _, number = struct.unpack("<4sIQ", file.read(16))
        return number if magic == b"DHTS" else 1 << 64

    path = min((node.data_dir / "segments").glob("*.seg"), key=sequence)

    def is_mapped():
        with open(f"/proc/{node.pid}/maps", encoding="ascii") as maps:
            return str(path) in maps.read()

    wait_until(is_mapped, f"{path} is mapped")
    return path


def test_a_segment_that_was_cut(make_node):
    node = make_node(*SETTINGS, "workers.count=2")
    load(node)
    path = first_segment(node)
    with open(path, "r+b") as file:
        file.truncate(0)
    # Several workers run into it at once.
    clients = [node.client() for _ in range(8)]
    for number, client in enumerate(clients):
        client.send("GET", f"key{number}")
    assert node.wait_exit() == 1
    for client in clients:
        client.close()
    (name, offset), = LINE.findall(node.log())
    assert name.decode() == path.stem and 32 <= int(offset) < 20 * len(VALUE)
    assert node.log().count(b"SIGBUS") == 1
    assert b"the node stops at once" in node.log()


def test_the_rest_of_a_segment_that_was_cut(make_node):
    node = make_node(*SETTINGS)
    load(node)
    path = first_segment(node)
    with open(path, "r+b") as file:
        file.truncate(MIB // 2)
    with node.client() as client:
        assert client.call("GET", "key0") == VALUE
        client.send("GET", "key900")
        assert node.wait_exit() == 1
    (name, offset), = LINE.findall(node.log())
    assert name.decode() == path.stem and MIB // 2 <= int(offset) < MIB


def test_a_signal_without_a_page(make_node):
    node = make_node()
    node.signal(signal.SIGBUS)
    assert node.wait_exit() == 1
    lines = [line for line in node.log().splitlines() if b"SIGBUS" in line]
    assert len(lines) == 1 and b"of no segment" in lines[0]
