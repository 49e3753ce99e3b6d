# SPDX-License-Identifier: Apache-2.0
"""dhtd --check-store: what it finds, what it calls damage, and that it changes nothing."""
import hashlib
import struct
import subprocess

import pytest

from harness import BUILD, DEADLINE_S, ENVIRONMENT, run_dhtd

RECORDS = 3000  # of 1,000 bytes: three segments of 1 MiB, and the next one is ready
RECORD_SIZE = 23 + 8 + 1000
HEADER_SIZE = 32


def check(directory, *options):
    """Runs the check; returns the exit code, the lines of damage and the summary."""
    done = run_dhtd("-c", "/dev/null", "--set", f"node.data_dir={directory}", *options,
                    "--check-store")
    summary = dict(line.split(": ") for line in done.stdout.decode().splitlines())
    return (done.returncode, done.stderr.decode().splitlines(),
            {name: int(value) for name, value in summary.items()})


class Store:
    """A data directory with a log in it, and its segment files in the order of the log."""

    def __init__(self, directory):
        self.directory = directory
        done = subprocess.run([BUILD / "tests" / "make_store", directory, str(RECORDS)],
                              capture_output=True, check=True, timeout=DEADLINE_S,
                              env=ENVIRONMENT)
        self.end = int(done.stdout)  # of the log, in its last segment
        files = []
        for path in (directory / "segments").iterdir():
            magic, _, sequence, _, _ = struct.unpack("<4sIQQQ", path.read_bytes()[:HEADER_SIZE])
            if magic == b"DHTS":  # the others are spare
                files.append((sequence, path))
        self.segments = [path for _, path in sorted(files)]

    def name(self, number):
        return f"segments/{self.segments[number].name}"

    def flip(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte, = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))

    def digest(self):
        """Of every file but the lock, which names the process that had it last."""
        files = sorted(path for path in self.directory.rglob("*") if path.is_file())
        return [(path.name, hashlib.sha256(path.read_bytes()).digest())
                for path in files if path.name != "lock"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data")


def test_a_good_store(store):
    before = store.digest()
    code, lines, summary = check(store.directory)
    assert (code, lines) == (0, [])
    assert summary["segments"] == len(store.segments) == 4 and summary["records"] == RECORDS
    assert RECORDS * RECORD_SIZE < summary["bytes"] < RECORDS * (RECORD_SIZE + 1)
    assert (summary["torn_bytes"], summary["damages"]) == (0, 0)
    assert store.digest() == before
    assert check(store.directory)[0] == 0


@pytest.mark.parametrize("offset", [0, 12, HEADER_SIZE, HEADER_SIZE + 30, 500_000])
def test_a_flipped_byte_in_a_sealed_segment(store, offset):
    store.flip(store.segments[1], offset)
    code, lines, summary = check(store.directory)
    assert (code, summary["damages"]) == (1, 1)
    line, = lines
    # Damage is found where the record begins that has it.
    assert line.startswith(f"dhtd: {store.name(1)}, offset "), line
    found = int(line.split("offset ")[1].split(":")[0])
    assert offset - RECORD_SIZE <= found <= offset
    # The record and those behind it are out of reach; the other segments are not.
    assert summary["records"] <= RECORDS and summary["records"] > RECORDS // 3


def test_a_segment_that_is_missing(store):
    store.segments[1].unlink()
    code, lines, summary = check(store.directory)
    assert code == 1 and summary["damages"] == 1
    assert lines == [f"dhtd: {store.name(1)}, offset 0: the file is missing"]


def test_every_damage_is_a_line(store):
    store.flip(store.segments[0], 700_000)
    store.flip(store.segments[1], 8)
    store.flip(store.directory / "identity", 40)
    code, lines, summary = check(store.directory)
    assert (code, summary["damages"], len(lines)) == (1, 3, 3)
    for where in (store.name(0), store.name(1), "the file identity of node.data_dir"):
        assert sum(line.startswith(f"dhtd: {where}") for line in lines) == 1, lines


def test_a_torn_end_is_no_damage(store):
    with open(store.segments[2], "r+b") as file:
        file.seek(store.end)
        file.write(b"\x5a" * 100)
    code, lines, summary = check(store.directory)
    assert (code, lines) == (0, [])
    assert summary["torn_bytes"] == 100 and summary["records"] == RECORDS


@pytest.mark.parametrize("name", ["identity", "manifest"])
def test_a_file_that_is_missing(store, name):
    (store.directory / name).unlink()
    code, lines, summary = check(store.directory)
    assert code == 1 and summary["damages"] == len(lines) >= 1
    assert any(name in line and "missing" in line for line in lines), lines
    assert not (store.directory / name).exists()


def test_a_directory_without_a_store(tmp_path):
    assert check(tmp_path) == (0, [], {"segments": 0, "records": 0, "bytes": 0, "torn_bytes": 0,
                                       "damages": 0})
    assert not (tmp_path / "identity").exists()


def test_a_directory_that_does_not_exist(tmp_path):
    code, lines, summary = check(tmp_path / "missing")
    assert (code, summary) == (1, {})
    assert lines == [f"dhtd: cannot check {tmp_path / 'missing'}: No such file or directory"]
    assert not (tmp_path / "missing").exists()


def test_a_running_daemon_keeps_the_check_out(make_node):
    node = make_node()
    assert node.ctl("put", "key", "value").returncode == 0
    code, lines, summary = check(node.data_dir)
    assert (code, summary) == (1, {})
    line, = lines
    assert f"another dhtd is running, pid {node.pid}" in line
    assert node.ctl("get", "key").stdout == b"value"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_a_daemon_leaves_is_good(make_node, end):
    node = make_node()
    with node.admin() as admin:
        for number in range(100):
            admin.call("put", key=b"key%d" % number, value=b"x" * 1000)
    getattr(node, end)()
    code, lines, summary = check(node.data_dir)
    assert (code, lines) == (0, [])
    assert summary["records"] >= 100 and summary["damages"] == 0
    # The check leaves a directory that a daemon starts from.
    node.start()
    assert node.ctl("get", "key99").stdout == b"x" * 1000


def test_a_bad_configuration_is_not_a_bad_store(store):
    done = run_dhtd("-c", "/dev/null", "--set", f"node.data_dir={store.directory}", "--set",
                    "store.fsync=perhaps", "--check-store")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"--set: store.fsync: ")


def test_a_summary_that_cannot_be_written_is_a_failure(store):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BUILD / "dhtd", "-c", "/dev/null", "--set",
                               f"node.data_dir={store.directory}", "--check-store"],
                              stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr
