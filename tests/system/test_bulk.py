# SPDX-License-Identifier: Apache-2.0
"""Commands on many keys: scan, dump, load; their limits, and what others see meanwhile."""
import base64
import contextlib
import json
import os
import subprocess
import threading
import time

import pytest

from harness import DEADLINE_S, ENVIRONMENT, admin_schema, run_together, wait_until

MIB = 1024 * 1024


def load(node, entries):
    """Stores pairs of bytes through dhtctl load."""
    node.ctl("load", input=b"".join(line_of(key, value) for key, value in entries), check=True)


def line_of(key, value):
    entry = {"key_b64": base64.b64encode(key).decode(),
             "value_b64": base64.b64encode(value).decode(), "expires_ms": 0}
    return json.dumps(entry).encode() + b"\n"


def bytes_of(entry, name):
    if name in entry:
        return entry[name].encode()
    return base64.b64decode(entry[f"{name}_b64"], validate=True)


def dump(node, *prefix):
    entries = [json.loads(line)
               for line in node.ctl("dump", *prefix, check=True).stdout.splitlines()]
    for entry in entries:
        assert len(entry) == 3 and entry["expires_ms"] == 0
    return [(bytes_of(entry, "key"), bytes_of(entry, "value")) for entry in entries]


def scan(node, *prefix):
    lines = node.ctl("scan", "--hex", *prefix, check=True).stdout.decode().split("\n")
    assert lines.pop() == ""
    return [bytes.fromhex(line) for line in lines]


def stream(admin, command, **fields):
    """The items of all responses to a scan or dump."""
    items = []
    for response in admin.call(command, **fields):
        result = getattr(response, response.WhichOneof("result"))
        items += result.keys if command == "scan" else result.entries
    return items


def odd_entries():
    """Everything that may be hard to write down and to read again."""
    entries = {
        b"": b"value of the empty key",
        b"\0": b"",
        b"\n": b"line\nline\r\n",
        b"\"quoted\\": b"{\"json\": [1,2]}\t\\",
        "käse".encode(): "übrig \N{CHEESE WEDGE}".encode(),
        b"\xff\xfe": b"\x80",
        b"\xc3": b"cut UTF-8 \xc3",
        b"\xed\xa0\x80": b"half a surrogate pair",
        b"\xc0\x80": b"overlong NUL",
        b"\xef\xbb\xbf": b"byte order mark",
        b"key_b64": b"value_b64",
        b"K" * 65535: b"longest key",
        b"long value": bytes(range(256)) * 4096,
        b"all bytes": bytes(range(256)),
    }
    return entries | {b"%d\0" % n: b"\xff" * (n % 300) for n in range(2000)}


def test_scan_lists_the_keys_of_a_prefix(shared_node):
    with shared_node.admin() as admin:
        for key in (b"scan", b"scan1", b"scan\0", b"scan\xff", b"sca", b"Scan", b"tscan"):
            admin.call("put", key=key, value=b"v")
        expected = [b"scan", b"scan\0", b"scan1", b"scan\xff"]
        assert sorted(stream(admin, "scan", prefix=b"scan")) == expected
        assert sorted(scan(shared_node, b"scan".hex())) == expected
        assert [key for key, _ in dump(shared_node, "scan1")] == [b"scan1"]
        admin.call("del", key=b"scan1")
        assert stream(admin, "scan", prefix=b"scan1") == []
        assert stream(admin, "dump", prefix=b"scan1") == []
        assert stream(admin, "scan", prefix=b"k" * 65535) == []
        assert admin.call("scan", prefix=b"k" * 65536)[-1].error.code == 11
    done = shared_node.ctl("scan", "nothing begins with this")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = shared_node.ctl("-o", "json", "scan", "scan", check=True)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(bytes_of(entry, "key") for entry in shown) == [b"scan", b"scan\0", b"scan\xff"]


def test_an_empty_node_has_nothing_to_show(make_node):
    node = make_node()
    assert scan(node) == [] and dump(node) == []
    assert node.ctl("load", input=b"").returncode == 0
    assert node.status()["keys"] == 0


def test_dump_and_load_round_trip(make_node):
    one, two = make_node(), make_node("workers.count=2")
    entries = odd_entries()
    load(one, entries.items())
    dumped = one.ctl("dump", check=True).stdout
    assert sorted(dump(one)) == sorted(entries.items())
    assert sorted(scan(one)) == sorted(entries)
    # What dump wrote, load takes: from standard input and from a file.
    done = two.ctl("load", input=dumped)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(dump(two)) == sorted(entries.items())
    file = two.directory / "dump.jsonl"
    file.write_bytes(dumped)
    two.ctl("load", file, check=True)
    assert sorted(dump(two)) == sorted(entries.items())
    assert two.status()["keys"] == len(entries)
    assert two.status()["bytes"] == sum(len(key) + len(value) for key, value in entries.items())


def test_load_overwrites(shared_node):
    load(shared_node, [(b"over1", b"old"), (b"over2", b"old"), (b"over1", b"newer")])
    load(shared_node, [(b"over2", b"new")])
    assert sorted(dump(shared_node, "over")) == [(b"over1", b"newer"), (b"over2", b"new")]


def test_load_can_keep_what_exists(shared_node):
    shared_node.ctl("put", "kept", "old", check=True)
    shared_node.ctl("put", "late", "old", "--ttl", "1ms", check=True)
    wait_until(lambda: shared_node.ctl("get", "late").returncode == 3, "the key to expire")
    lines = b"".join(line_of(key, b"new") for key in (b"kept", b"added", b"late", b"added"))
    done = shared_node.ctl("-o", "lines", "load", "--if-absent", input=lines, check=True)
    assert done.stdout == b"schema=1\nloaded=4\nkept=2\n"
    values = [shared_node.ctl("get", key).stdout for key in ("kept", "added", "late")]
    assert values == [b"old", b"new", b"new"]
    done = shared_node.ctl("-o", "json", "load", input=lines, check=True)
    assert json.loads(done.stdout) == {"schema": 1, "loaded": 4, "kept": 0}
    assert shared_node.ctl("get", "kept").stdout == b"new"


@pytest.mark.parametrize("line, complaint", [
    (b"no json", "JSON"),
    (b"[1]", "object"),
    (b"{}", "key"),
    (b'{"key": "k"}', "value"),
    (b'{"value": "v"}', "key"),
    (b'{"key": "k", "key_b64": "aw==", "value": "v"}', "key_b64"),
    (b'{"key": "k", "value_b64": "%%%%"}', "value_b64"),
    (b'{"key": 1, "value": "v"}', "key"),
    (b'{"key": "k", "value": "v", "expires_ms": -1}', "expires_ms"),
    (b'{"key": "k", "value": "v", "expires_ms": "soon"}', "expires_ms"),
    (b'{"key": "k", "value": "v", "ttl": 1}', "ttl"),
    (b'{"key": "k", "value": "v"', "JSON"),
    (b'{"key": "k", "key": "l", "value": "v"}', "JSON"),
    (b'{"key": "\xff", "value": "v"}', "JSON"),
    (b"\0", "JSON"),
    pytest.param(b'{"key": "%s", "value": "v"}' % (b"k" * 65536), "65536", id="long key"),
])
def test_load_names_the_line_that_is_wrong(shared_node, line, complaint):
    good = line_of(b"before the wrong line", b"stored") + b"\n"
    done = shared_node.ctl("load", input=good + line + b"\n" + line_of(b"after", b"not stored"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert ":3:" in done.stderr.decode() and complaint in done.stderr.decode()
    assert "entries stored: 1" in done.stderr.decode()
    assert scan(shared_node, b"before the wrong line".hex()) == [b"before the wrong line"]
    assert scan(shared_node, b"after".hex()) == []


def test_load_of_a_value_that_is_too_large(make_node):
    node = make_node("store.max_value_size=1KiB")
    lines = [line_of(b"a", b"v" * 1024), line_of(b"b", b"v" * 1025), line_of(b"c", b"v")]
    done = node.ctl("load", input=b"".join(lines))
    assert done.returncode == 2
    assert b"1025" in done.stderr and b"1024" in done.stderr
    assert [key for key, _ in dump(node)] == [b"a"]


def test_load_from_what_cannot_be_read(shared_node, tmp_path):
    done = shared_node.ctl("load", tmp_path / "missing")
    assert done.returncode == 1 and b"missing" in done.stderr
    done = shared_node.ctl("load", tmp_path)
    assert done.returncode == 1 and os.fsencode(tmp_path) in done.stderr


def test_load_stops_at_the_entry_that_is_refused(shared_node):
    entries = [{"key": b"part%d" % n, "value": b"v"} for n in range(3)]
    bad = {"key": b"k" * 65536, "value": b"v"}
    with shared_node.admin() as admin:
        answer = admin.call("load", entries=entries[:2] + [bad] + entries[2:])[-1]
        assert answer.last and answer.error.code == 11
        assert sorted(stream(admin, "scan", prefix=b"part")) == [b"part0", b"part1"]
        assert admin.call("load", entries=entries)[-1].load.loaded == 3
        assert admin.call("load", entries=[])[-1].load.loaded == 0


@pytest.mark.threads
def test_scan_reports_what_is_there_throughout(make_node):
    """Others add so many keys that the indexes grow, overwrite and delete."""
    node = make_node("workers.count=2")
    stays = {b"stay%d" % n for n in range(2000)}
    load(node, [(key, b"v") for key in stays])
    ready, done = threading.Event(), threading.Event()
    written = []

    def write():
        with node.admin() as admin:
            while not done.is_set():
                batch = range(len(written), len(written) + 200)
                admin.call("load", entries=[{"key": b"new%d" % n, "value": b"v"} for n in batch])
                admin.call("load", entries=[{"key": b"stay%d" % (n % 2000), "value": b"%d" % n}
                                            for n in batch])
                for number in batch[:100]:
                    admin.call("del", key=b"new%d" % number)
                written.extend(batch)
                ready.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert ready.wait(DEADLINE_S)
        with node.admin() as admin:
            while len(written) < 4000:
                seen = stream(admin, "scan")
                assert stays <= set(seen)
                assert all(key in stays or key.startswith(b"new") for key in seen)
                seen = {entry.key: entry.value for entry in stream(admin, "dump", prefix=b"stay")}
                assert seen.keys() == stays
    finally:
        done.set()
        writer.join()
    expected = stays | {b"new%d" % n for n in written if n % 200 >= 100}
    assert sorted(scan(node)) == sorted(expected)
    assert node.status()["keys"] == len(expected)


@pytest.mark.threads
def test_dump_shows_no_value_that_was_never_written(make_node):
    node = make_node("workers.count=2")
    keys = [b"k%d" % n for n in range(50)]
    done, rounds = threading.Event(), []

    def write():
        with node.admin() as admin:
            while not done.is_set():
                for key in keys:
                    letter = b"abcdefghijklmnop"[len(rounds) % 16:][:1]
                    admin.send("put", key=key, value=letter * (1 + 997 * (len(rounds) % 13)))
                for _ in keys:
                    assert admin.receive().HasField("put")
                rounds.append(True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: rounds, "the first round is written")
        with node.admin() as admin:
            while len(rounds) < 60:
                entries = stream(admin, "dump")
                assert {entry.key for entry in entries} == set(keys)
                for entry in entries:
                    assert len(set(entry.value)) == 1 and len(entry.value) % 997 == 1
    finally:
        done.set()
        writer.join()


def test_dump_of_large_values_in_one_block(make_node):
    """Keys with one hash tag lie in one block, where a scan meets them together. That
    they are more than a connection may hold back must not break it."""
    node = make_node("clients.output_max=64KiB")
    value = bytes(range(256)) * (8 * MIB // 256)
    with node.admin() as admin:
        for number in range(12):
            admin.send("put", key=b"{tag}%d" % number, value=value)
            assert admin.receive().HasField("put")
        seen = {entry.key: entry.value == value for entry in stream(admin, "dump")}
        assert seen == {b"{tag}%d" % number: True for number in range(12)}


def test_dump_that_nobody_reads_takes_no_memory(make_node):
    node = make_node("workers.count=1", start=False)
    # Freed memory would be kept, and counted.
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    node.start()
    value = b"v" * (256 * 1024)
    count = 256
    with node.admin() as admin:
        for number in range(count):
            assert admin.call("put", key=b"%d" % number, value=value)[-1].HasField("put")
    before = node.resident_bytes()
    readers = [node.admin() for _ in range(10)]
    for reader in readers:
        reader.send("dump")
    with node.client() as client:
        # The one worker has begun every dump, and serves others.
        wait_until(lambda: node.queues()["workers"][0]["requests"] >= count + len(readers))
        for number in range(100):
            assert client.call("ECHO", number) == b"%d" % number
    assert node.resident_bytes() - before < 64 * MIB
    # Who reads at last gets everything.
    entries, is_last = [], False
    while not is_last:
        response = readers[0].receive()
        entries += response.dump.entries
        is_last = response.last
    assert sorted(entry.key for entry in entries) == sorted(b"%d" % n for n in range(count))
    assert all(entry.value == value for entry in entries)
    for reader in readers:
        reader.close()
    # Those that went away in the middle of their stream left nothing behind.
    wait_until(lambda: node.queues()["dispatcher"]["parked"] == 0
               and node.queues()["workers"][0]["connections"] == 0)
    assert node.ctl("get", "0", check=True).stdout == value


def test_a_dump_is_cut_in_slices_between_which_others_are_served(make_node):
    node = make_node("workers.count=1")
    load(node, [(b"key%d" % n, b"v" * 100) for n in range(20000)])
    before = node.queues()["workers"][0]
    with node.admin() as admin, node.client() as client:
        admin.send("dump")
        answers = 0
        while not admin.receive().last:
            assert client.call("PING") == "PONG"
            answers += 1
    after = node.queues()["workers"][0]
    assert answers >= 5
    assert after["kinds"]["background"] - before["kinds"]["background"] >= 5


class Scans:
    """Scans that find nothing, one after the other on each of many connections: nobody has
    to read for them to go on."""

    EACH = 2000

    def __init__(self, node, count):
        self.connections = [node.admin() for _ in range(count)]
        request = admin_schema().AdminRequest(call_id=1)
        request.scan.prefix = b"nothing"
        frame = request.SerializeToString()
        frame = len(frame).to_bytes(4, "big") + frame
        for connection in self.connections:
            connection.send_bytes(frame * self.EACH)

    def finished(self):
        """How many have ended on each connection."""
        counts = []
        for connection in self.connections:
            connection.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection.fill()
            counts.append(0)
            data = connection.pending
            while len(data) >= 4:
                data = data[4 + int.from_bytes(data[:4], "big"):]
                counts[-1] += 1
        return counts

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()


def ping_times(client):
    """Median and 99th percentile of the time that a PING takes, in seconds."""
    times = []
    for _ in range(300):
        started = time.monotonic()
        assert client.call("PING") == "PONG"
        times.append(time.monotonic() - started)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def test_many_scans_keep_others_waiting_no_longer_than_one(make_node):
    node = make_node("workers.count=1")
    load(node, [(b"key%d" % n, b"v") for n in range(20000)])
    with node.client() as client:
        with Scans(node, 1):
            wait_until(lambda: node.queues()["workers"][0]["kinds"]["background"] > 10)
            median, slow = ping_times(client)
        with Scans(node, 80) as scans:
            wait_until(lambda: min(scans.finished()) >= 1, "all have had a turn")
            many_median, many_slow = ping_times(client)
            counts = scans.finished()
    # The slowest tell as much about the machine as about the daemon.
    assert many_median < 10 * median, f"{many_median} s with many, {median} s with one"
    assert many_slow < 10 * slow, f"{many_slow} s with many, {slow} s with one"
    # They take turns.
    assert max(counts) <= 2 * min(counts) + 2 and max(counts) < Scans.EACH


def test_many_scans_go_on_while_clients_never_rest(make_node):
    node = make_node("workers.count=1")
    load(node, [(b"key%d" % n, b"v") for n in range(5000)])
    done = threading.Event()

    def ask():
        with node.client() as client:
            while not done.is_set():
                client.send_bytes(b"PING\r\n" * 5000)
                client.read_exactly(7 * 5000)

    def watch():
        try:
            with Scans(node, 20) as scans:
                wait_until(lambda: min(scans.finished()) >= 2, "all go on")
        finally:
            done.set()

    run_together([ask, ask, watch])


def test_dump_into_a_program_that_stops_reading(shared_node):
    load(shared_node, [(b"head%d" % n, b"v" * 1000) for n in range(5000)])
    command = [shared_node.build / "dhtctl", "-s", shared_node.socket, "dump", "head"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=ENVIRONMENT) as ctl:
        assert json.loads(ctl.stdout.readline())["expires_ms"] == 0
        ctl.stdout.close()
        assert ctl.stderr.read() == b""
        assert ctl.wait(DEADLINE_S) != 0
    assert shared_node.ctl("get", "head1").stdout == b"v" * 1000
