# SPDX-License-Identifier: Apache-2.0
"""Keys and values through dhtctl: any bytes, the limits, the exit codes, the versions."""
import json
import threading

import pytest

from harness import run_together

KEY_MAX = 65535
VALUE_MAX = 16 * 1024 * 1024

ALL_BYTES = bytes(range(256))

KEYS = {
    "text": b"key",
    "empty": b"",
    "NUL": b"\0",
    "newline": b"\n",
    "both": b"a\0b\nc\r\n",
    "all bytes": ALL_BYTES,
    "no UTF-8": b"\xff\xfe\xc3",
    "dashes": b"--help",
    "hash tag": b"{tag}rest",
    "empty hash tag": b"{}rest",
    "longest": b"k" * KEY_MAX,
}

VALUES = {
    "text": b"value",
    "empty": b"",
    "newline at the end": b"value\n",
    "NUL": b"a\0b",
    "all bytes": ALL_BYTES * 3,
    "64 KiB": b"\0\xff" * 32768,
    "more than is read at once": ALL_BYTES * 5000,
}


def put(node, key, value):
    """Stores any bytes under any key."""
    node.ctl("put", "--hex", "--", key.hex(), "-", input=value, check=True)


def get(node, key):
    return node.ctl("get", "--hex", "--", key.hex(), check=True).stdout.decode()


def get_version(node, key):
    done = node.ctl("get", "-v", key, check=True)
    return done.stderr.decode().split()[-1]


def version_of(text):
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("name", KEYS)
def test_any_key(shared_node, name):
    key = KEYS[name]
    value = f"value of {name}".encode()
    put(shared_node, key, value)
    assert bytes.fromhex(get(shared_node, key)) == value
    shared_node.ctl("del", "--hex", "--", key.hex(), check=True)
    assert shared_node.ctl("get", "--hex", "--", key.hex()).returncode == 3


@pytest.mark.parametrize("name", VALUES)
def test_any_value(shared_node, name):
    value = VALUES[name]
    done = shared_node.ctl("put", f"value {name}", "-", input=value)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert shared_node.ctl("get", f"value {name}", check=True).stdout == value


def test_keys_that_differ_in_one_byte_are_different(shared_node):
    keys = [b"", b"\0", b"\0\0", b"\n", b"\r\n", b"one", b"one\0", b"one\n", b"{one}", b"{one}\0"]
    for number, key in enumerate(keys):
        put(shared_node, b"differ" + key, str(number).encode())
    for number, key in enumerate(keys):
        assert bytes.fromhex(get(shared_node, b"differ" + key)) == str(number).encode()


def test_base64_is_the_same_as_hex(shared_node):
    shared_node.ctl("put", "--hex", "6236340a", "00ff", check=True)
    assert shared_node.ctl("get", "--base64", "YjY0Cg==", check=True).stdout.strip() == b"AP8="
    assert shared_node.ctl("get", "b64\n", check=True).stdout == b"\0\xff"


def test_json_shows_bytes_and_text(shared_node):
    put(shared_node, b"json", b"text")
    shown = json.loads(shared_node.ctl("-o", "json", "get", "json", check=True).stdout)
    assert (shown["schema"], shown["key"], shown["value"], shown["expires_ms"]) == (
        1, "json", "text", 0)
    put(shared_node, b"json\xff", b"\xff")
    done = shared_node.ctl("-o", "json", "get", "--hex", b"json\xff".hex(), check=True)
    shown = json.loads(done.stdout)
    assert (shown["key_b64"], shown["value_b64"]) == ("anNvbv8=", "/w==")


def test_a_key_that_is_too_long_is_refused(shared_node):
    three_bytes = "QUFB"
    done = shared_node.ctl("put", "--base64", three_bytes * (KEY_MAX // 3 + 1), "AA==")
    assert done.returncode == 2 and str(KEY_MAX) in done.stderr.decode()
    with shared_node.admin() as admin:
        answer = admin.call("put", key=b"k" * (KEY_MAX + 1), value=b"v")[-1]
        assert answer.error.code == 11
        assert "65536" in answer.error.message and "65535" in answer.error.message
        # The connection is as good as before.
        answer = admin.call("put", key=b"k" * KEY_MAX, value=b"v")[-1]
        assert answer.WhichOneof("result") == "put"


def test_a_missing_key(shared_node):
    for command in ("get", "del"):
        done = shared_node.ctl(command, "missing")
        assert (done.returncode, done.stdout) == (3, b"")
        assert b"missing" in done.stderr and b"not found" in done.stderr


def test_put_with_conditions(shared_node):
    node = shared_node
    assert node.ctl("put", "--if-present", "cond", "1").returncode == 5
    assert node.ctl("get", "cond").returncode == 3
    assert node.ctl("put", "--if-absent", "cond", "1").returncode == 0
    done = node.ctl("put", "--if-absent", "cond", "2")
    assert done.returncode == 5 and b"exists" in done.stderr
    assert node.ctl("get", "cond").stdout == b"1"
    assert node.ctl("put", "--if-present", "cond", "3").returncode == 0
    assert node.ctl("get", "cond").stdout == b"3"
    node.ctl("del", "cond", check=True)
    assert node.ctl("put", "--if-present", "cond", "4").returncode == 5
    assert node.ctl("put", "--if-absent", "cond", "5").returncode == 0


def test_versions_grow(shared_node):
    versions = []
    for number in range(5):
        shared_node.ctl("put", "grow", str(number), check=True)
        versions.append(version_of(get_version(shared_node, "grow")))
    assert versions == sorted(set(versions))
    # Reading does not change it, and a new life of the key is a new version.
    assert version_of(get_version(shared_node, "grow")) == versions[-1]
    shared_node.ctl("del", "grow", check=True)
    shared_node.ctl("put", "grow", "again", check=True)
    assert version_of(get_version(shared_node, "grow")) > versions[-1]


def test_put_tells_the_version_that_get_tells(shared_node):
    done = shared_node.ctl("put", "-v", "told", "x", check=True)
    assert done.stderr.decode().split()[-1] == get_version(shared_node, "told")


def test_cas_by_value(shared_node):
    node = shared_node
    assert node.ctl("cas", "cas1", "--old", "", "--new", "x").returncode == 5
    node.ctl("put", "cas1", "a", check=True)
    done = node.ctl("cas", "cas1", "--old", "b", "--new", "c")
    assert (done.returncode, done.stdout) == (5, b"") and b"expected" in done.stderr
    assert node.ctl("get", "cas1").stdout == b"a"
    done = node.ctl("cas", "cas1", "--old", "a", "--new", "b")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert node.ctl("get", "cas1").stdout == b"b"
    node.ctl("cas", "--hex", b"cas1".hex(), "--old", b"b".hex(), "--new", "00ff", check=True)
    assert node.ctl("get", "cas1").stdout == b"\0\xff"
    node.ctl("cas", "--hex", b"cas1".hex(), "--old", "00ff", "--new", "", check=True)
    assert node.ctl("get", "cas1").stdout == b""
    node.ctl("cas", "cas1", "--old", "", "--new", "full", check=True)
    assert node.ctl("get", "cas1").stdout == b"full"


def test_cas_by_version(shared_node):
    node = shared_node
    node.ctl("cas", "cas2", "--version", "0.0.0", "--new", "a", check=True)
    assert node.ctl("cas", "cas2", "--version", "0.0.0", "--new", "b").returncode == 5
    old = get_version(node, "cas2")
    node.ctl("cas", "cas2", "--version", old, "--new", "b", check=True)
    assert node.ctl("cas", "cas2", "--version", old, "--new", "c").returncode == 5
    assert node.ctl("get", "cas2").stdout == b"b"
    # A deleted key has no version, whatever it had.
    last = get_version(node, "cas2")
    node.ctl("del", "cas2", check=True)
    assert node.ctl("cas", "cas2", "--version", last, "--new", "c").returncode == 5
    assert node.ctl("cas", "cas2", "--version", "0.0.0", "--new", "d").returncode == 0


@pytest.mark.parametrize("arguments", [
    ("cas", "k", "--new", "x"),
    ("cas", "k", "--old", "x"),
    ("cas", "k", "--old", "x", "--version", "0.0.0", "--new", "y"),
    ("cas", "k", "--version", "1.2", "--new", "y"),
    ("cas", "k", "--version", "0.4503599627370496.0", "--new", "y"),
    ("cas", "k", "--version", "0.1.4096", "--new", "y"),
    ("put", "k"),
    ("put", "k", "v", "w"),
    ("put", "--hex", "0", "00"),
    ("put", "--hex", "00", "0g"),
    ("put", "--base64", "A", "AA=="),
    ("put", "--if-absent", "--if-present", "k", "v"),
    ("incr", "k", "one"),
    ("incr", "k", "9223372036854775808"),
    ("incr", "k", ""),
    ("get",),
    ("del", "k", "l"),
])
def test_wrong_usage(shared_node, arguments):
    done = shared_node.ctl(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"dhtctl: ") and done.stderr.count(b"\n") == 1


def test_incr(shared_node):
    def incr(*arguments):
        done = shared_node.ctl("incr", *arguments)
        return done.returncode, done.stdout

    assert incr("count") == (0, b"1\n")
    assert incr("count", "41") == (0, b"42\n")
    assert incr("count", "-50") == (0, b"-8\n")
    assert incr("count", "0") == (0, b"-8\n")
    assert shared_node.ctl("get", "count").stdout == b"-8"
    assert incr("max", "9223372036854775807") == (0, b"9223372036854775807\n")
    assert incr("max")[0] == 1
    assert shared_node.ctl("get", "max").stdout == b"9223372036854775807"
    assert incr("min", "-9223372036854775808") == (0, b"-9223372036854775808\n")
    assert incr("min", "-1")[0] == 1
    assert incr("min", "9223372036854775807") == (0, b"-1\n")


@pytest.mark.parametrize("value", [b"", b"x", b"1 ", b" 1", b"+1", b"01", b"-0", b"1.0", b"1\n",
                                   b"1\0", b"9223372036854775808", b"0x1", b"\xff"])
def test_incr_of_what_is_no_integer(shared_node, value):
    key = b"no integer " + value
    put(shared_node, key, value)
    done = shared_node.ctl("incr", "--hex", key.hex())
    assert (done.returncode, done.stdout) == (1, b"") and b"not an integer" in done.stderr
    assert bytes.fromhex(get(shared_node, key)) == value


def test_the_limit_of_a_value_is_a_setting(make_node):
    node = make_node("store.max_value_size=1KiB")
    node.ctl("put", "k", "-", input=b"v" * 1024, check=True)
    done = node.ctl("put", "k", "-", input=b"w" * 1025)
    assert done.returncode == 2
    assert b"1025" in done.stderr and b"1024" in done.stderr
    assert node.ctl("get", "k", check=True).stdout == b"v" * 1024
    assert node.ctl("cas", "k", "--old", "v" * 1024, "--new", "w" * 1025).returncode == 2
    assert node.ctl("get", "k", check=True).stdout == b"v" * 1024
    assert node.status()["keys"] == 1


def test_the_largest_value(shared_node):
    value = ALL_BYTES * (VALUE_MAX // 256)
    shared_node.ctl("put", "largest", "-", input=value, check=True)
    assert shared_node.ctl("get", "largest", check=True).stdout == value
    done = shared_node.ctl("put", "largest", "-", input=value + b"x")
    assert done.returncode == 2 and b"16777217" in done.stderr
    assert shared_node.ctl("get", "largest", check=True).stdout == value
    # With the longest key it still fits in a frame.
    with shared_node.admin() as admin:
        key = b"K" * KEY_MAX
        assert not admin.call("put", key=key, value=value)[-1].HasField("error")
        assert admin.call("get", key=key)[-1].get.value == value
        assert not admin.call("cas", key=key, old_value=b"x", new_value=b"y")[-1].HasField("cas")
        assert not admin.call("del", key=key)[-1].HasField("error")
    shared_node.ctl("del", "largest", check=True)


def test_values_much_above_the_limit(shared_node):
    done = shared_node.ctl("put", "huge", "-", input=b"v" * (18 * 1024 * 1024))
    assert (done.returncode, done.stdout) == (2, b"") and b"dhtctl: " in done.stderr
    assert shared_node.ctl("get", "huge").returncode == 3


def test_status_shows_the_store(make_node):
    node = make_node("store.fsync=interval")
    value = b"x" * 1000
    with node.admin() as admin:
        for number in range(300):
            admin.call("put", key=b"key%d" % number, value=value)
        for number in range(100):
            admin.call("del", key=b"key%d" % number)

    store = node.status()["store"]
    assert store["fsync"] == "interval" and store["keys"] == 200 and store["segments"] >= 1
    assert 200 * 1000 < store["live_bytes"] < 200 * 1100
    assert 100 * 1000 < store["dead_bytes"] < 100 * 1300
    assert store["index_bytes"] > 0 and store["mapped_bytes"] > 0
    assert set(store["fsync_us"]) == {"p50", "p99", "max"}
    assert store["compaction"]["running"] is False
    assert store["recovery"]["bytes_done"] == store["recovery"]["bytes_total"]
    assert (store["read_only"], store["read_only_reason"]) == (False, "")
    for name in ("segments", "cold_segments", "spare_segments", "live_bytes", "dead_bytes",
                 "disk_bytes", "index_bytes", "mapped_bytes", "keys", "tombstones"):
        assert isinstance(store[name], int), name
    shown = node.ctl("status", check=True).stdout.decode()
    assert "  fsync interval, p50 " in shown and "  segments " in shown


def test_status_counts_the_live_keys(make_node):
    node = make_node()
    assert (node.status()["keys"], node.status()["bytes"]) == (0, 0)
    with node.admin() as admin:
        for number in range(300):
            admin.call("put", key=b"key%d" % number, value=b"x" * number)
        for number in range(100):
            admin.call("put", key=b"key%d" % number, value=b"shorter")
        for number in range(200, 300):
            admin.call("del", key=b"key%d" % number)
        admin.call("del", key=b"key299")
        admin.call("incr", key=b"n")
        admin.call("put", key=b"key5", value=b"x", condition=1)
    shown = node.status()
    keys = [(b"key%d" % n, 7 if n < 100 else n) for n in range(200)] + [(b"n", 1)]
    assert shown["keys"] == len(keys)
    assert shown["bytes"] == sum(len(key) + size for key, size in keys)
    assert (shown["nodes"][0]["keys"], shown["nodes"][0]["bytes"]) == (shown["keys"],
                                                                       shown["bytes"])
    with node.admin() as admin:
        for key, _ in keys:
            assert not admin.call("del", key=key)[-1].HasField("error")
    assert (node.status()["keys"], node.status()["bytes"]) == (0, 0)


@pytest.mark.threads
def test_increments_of_many_clients_add_up(make_node):
    node = make_node("workers.count=2")
    clients, calls = 8, 100

    def count():
        with node.admin() as admin:
            for _ in range(calls):
                admin.send("incr", key=b"n", delta=1)
            seen = [admin.receive().incr.value for _ in range(calls)]
            assert seen == sorted(set(seen))

    run_together([count] * clients)
    assert node.ctl("get", "n", check=True).stdout == str(clients * calls).encode()


@pytest.mark.threads
def test_of_many_clients_one_wins_each_cas(make_node):
    node = make_node("workers.count=2")
    rounds, clients = 30, 4
    wins = []

    def compete(name):
        with node.admin() as admin:
            for number in range(rounds):
                answer = admin.call("cas", key=b"turn", old_value=b"%d" % number,
                                    new_value=b"%d" % (number + 1))[-1]
                if answer.HasField("cas"):
                    wins.append((number, name))
                    continue
                assert answer.error.code == 5
                now = int(admin.call("get", key=b"turn")[-1].get.value)
                assert now > number, "refused although the value was as expected"

    node.ctl("put", "turn", "0", check=True)
    run_together([lambda name=name: compete(name) for name in range(clients)])
    assert sorted(number for number, _ in wins) == list(range(rounds))


@pytest.mark.threads
def test_nobody_reads_backwards(make_node):
    node = make_node("workers.count=2")
    done = threading.Event()

    def write():
        try:
            with node.admin() as admin:
                for number in range(1, 400):
                    admin.call("put", key=b"k", value=b"%d" % number)
                    # What was acknowledged is seen by whoever asks from now on.
                    with_others = admin.call("get", key=b"k")[-1]
                    assert with_others.get.value == b"%d" % number
        finally:
            done.set()

    def read():
        seen, version = -1, (0, 0, 0)
        with node.admin() as admin:
            while not done.is_set():
                answer = admin.call("get", key=b"k")[-1].get
                now = int(answer.value)
                new = (answer.version.version, answer.version.counter, answer.version.member)
                assert now >= seen and new >= version
                assert (now == seen) == (new == version)
                seen, version = now, new

    node.ctl("put", "k", "0", check=True)
    run_together([write, read, read, read])
