# SPDX-License-Identifier: Apache-2.0
"""What is counted of commands: INFO commandstats and others, LATENCY HISTOGRAM, SLOWLOG."""
import re
import time

import pytest

from harness import RespError, run_together, wait_until

CMDSTAT = re.compile(r"cmdstat_(\S+):calls=(\d+),usec=(\d+),usec_per_call=(\d+\.\d\d),"
                     r"rejected_calls=(\d+),failed_calls=(\d+)")
PERCENTILES = re.compile(r"latency_percentiles_usec_(\S+):p50=(\d+\.\d{3}),p99=(\d+\.\d{3}),"
                         r"p99\.9=(\d+\.\d{3})")


def lines(client, section):
    head, *rest = client.call("INFO", section).decode().split("\r\n")
    assert head.lower() == f"# {section}"
    return [line for line in rest if line]


def commandstats(client):
    """Of each command: calls, microseconds, a call's, rejected, failed."""
    rows = {}
    for line in lines(client, "commandstats"):
        name, *numbers = CMDSTAT.fullmatch(line).groups()
        rows[name] = [float(n) if "." in n else int(n) for n in numbers]
    return rows


def errorstats(client):
    return {key.removeprefix("errorstat_"): int(value.removeprefix("count="))
            for key, value in (line.split(":") for line in lines(client, "errorstats"))}


def stat(client, name):
    return int(dict(line.split(":") for line in lines(client, "stats"))[name])


def histograms(client, *commands):
    flat = client.call("LATENCY", "HISTOGRAM", *commands)
    found = {}
    for name, row in zip(flat[::2], flat[1::2]):
        calls, count, usec, buckets = row
        assert calls == b"calls" and usec == b"histogram_usec"
        found[name.decode()] = (count, list(zip(buckets[::2], buckets[1::2])))
    return found


# ---- Counters --------------------------------------------------------------------------

def test_calls_and_errors_are_counted(make_node):
    node = make_node("workers.count=2")
    with node.client() as client:
        for i in range(10):
            assert client.call("SET", f"k{i}", i) == "OK"
        for _ in range(3):
            assert client.call("GET", "k1") == b"1"
        assert client.call("GET", "none") is None
        assert isinstance(client.call("GET"), RespError)
        assert isinstance(client.call("nosuch"), RespError)
        assert isinstance(client.call("CLUSTER", "COUNTKEYSINSLOT", "x"), RespError)
        assert isinstance(client.call("CLUSTER", "NOSUCH"), RespError)
        rows = commandstats(client)
        assert rows["set"][0] == 10 and rows["set"][3:] == [0, 0]
        assert rows["get"][0] == 4 and rows["get"][3:] == [1, 0]
        assert rows["cluster|countkeysinslot"][0] == 1
        assert rows["cluster|countkeysinslot"][3:] == [0, 1]
        assert "del" not in rows and "cluster" not in rows
        calls, micros, per_call, *_ = rows["set"]
        assert abs(micros / calls - per_call) < 1
        assert errorstats(client) == {"ERR": 4}
        assert stat(client, "total_error_replies") == 4
        assert stat(client, "keyspace_hits") == 3
        assert stat(client, "keyspace_misses") == 1
        assert stat(client, "total_commands_processed") == 10 + 4 + 1 + 5


def test_connections_of_programs_are_counted(make_node):
    node = make_node("clients.max=3")
    node.status()  # on the admin socket
    with node.client() as client, node.client() as second, node.client() as third:
        for connection in (client, second, third):
            assert connection.call("PING") == "PONG"
        with node.client() as fourth:
            assert fourth.receive() == "ERR max number of clients reached"
        assert stat(client, "total_connections_received") == 3
        assert stat(client, "rejected_connections") == 1
        assert client.call("CONFIG", "RESETSTAT") == "OK"
        assert stat(client, "total_connections_received") == 0
        assert stat(client, "rejected_connections") == 0


def test_all_workers_are_added_up(make_node):
    node = make_node("workers.count=3", "store.fsync=never")
    each, clients = 400, 12

    def load():
        with node.client() as client:
            client.send_bytes(b"".join(client.encode("SET", f"k{i}", i) for i in range(each)))
            for _ in range(each):
                assert client.receive() == "OK"
    run_together([load] * clients)
    assert sum(worker["requests"] > 0 for worker in node.queues()["workers"]) > 1
    with node.client() as client:
        assert commandstats(client)["set"][0] == each * clients
        assert histograms(client, "set")["set"][0] == each * clients
        assert client.call("DBSIZE") == each


def test_times_have_percentiles(make_node):
    node = make_node()
    with node.client() as client:
        for i in range(50):
            assert client.call("SET", "k", i) == "OK"
        rows = [PERCENTILES.fullmatch(line).groups() for line in lines(client, "latencystats")]
        [(p50, p99, p999)] = [row[1:] for row in rows if row[0] == "set"]
        assert 0 < float(p50) <= float(p99) <= float(p999)


def test_resetstat(make_node):
    node = make_node("workers.count=2")
    with node.client() as client, node.client() as other:
        for i in range(10):
            assert client.call("SET", f"k{i}", i) == "OK"
            assert other.call("SET", f"k{i}", i) == "OK"
        assert isinstance(other.call("nosuch"), RespError)
        assert client.call("CONFIG", "RESETSTAT") == "OK"
        # The other one's worker was not asked since.
        rows = commandstats(client)
        assert "set" not in rows
        assert errorstats(client) == {}
        assert stat(client, "total_connections_received") == 0
        assert stat(client, "keyspace_misses") == 0
        assert "set" not in histograms(client)
        assert other.call("SET", "k", "v") == "OK"
        assert commandstats(client)["set"][0] == 1
        assert client.call("DBSIZE") == 11


@pytest.mark.threads
def test_counters_are_read_and_reset_while_all_count(make_node):
    node = make_node("workers.count=2", "store.fsync=never", "clients.slow_after=0")

    def load():
        with node.client() as client:
            for i in range(300):
                assert client.call("SET", f"k{i}", i) == "OK"
                assert isinstance(client.call("nosuch"), RespError)

    def look():
        with node.client() as client:
            for _ in range(30):
                commandstats(client)
                errorstats(client)
                assert client.call("CONFIG", "RESETSTAT") == "OK"
                assert client.call("SLOWLOG", "RESET") == "OK"
                assert client.call("SLOWLOG", "LEN") <= 128
                assert isinstance(client.call("SLOWLOG", "GET", -1), list)
    run_together([load, load, load, look, look])


# ---- LATENCY ---------------------------------------------------------------------------

def test_latency_histogram(make_node):
    node = make_node()
    with node.client() as client:
        for i in range(100):
            assert client.call("SET", "k", i) == "OK"
            assert client.call("GET", "k") == b"%d" % i
        assert client.call("CONFIG", "GET", "save") == [b"save", b""]
        assert client.call("CONFIG", "RESETSTAT", "x").startswith("ERR wrong number")
        for name, (calls, buckets) in histograms(client).items():
            bounds, counts = zip(*buckets)
            assert list(bounds) == sorted(set(bounds)), name
            assert list(counts) == sorted(set(counts)) and counts[-1] == calls
            assert set(bounds) <= {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454,
                                   16908, 33816, 67633, 135266, 270532, 541065, 1082130}
        assert histograms(client, "GET", "nosuch").keys() == {"get"}
        assert histograms(client, "config").keys() == {"config|get"}
        assert histograms(client, "config|get").keys() == {"config|get"}
        assert histograms(client, "nosuch") == {}


def test_latency_histogram_in_resp3(make_node):
    node = make_node()
    with node.client() as client:
        client.call("HELLO", 3)
        assert client.call("SET", "k", "v") == "OK"
        [(name, row)] = client.call("LATENCY", "HISTOGRAM", "set").items()
        assert name == b"set" and row.keys() == {b"calls", b"histogram_usec"}
        assert row[b"calls"] == 1 and list(row[b"histogram_usec"].values()) == [1]
        assert client.call("LATENCY", "HISTOGRAM", "nosuch") == {}


def test_latency_events_are_not_watched(shared_node):
    with shared_node.client() as client:
        assert client.call("LATENCY", "LATEST") == []
        assert client.call("LATENCY", "HISTORY", "command") == []
        assert client.call("LATENCY", "RESET") == 0
        assert client.call("LATENCY", "RESET", "a", "b") == 0
        assert client.call("LATENCY", "DOCTOR").startswith("ERR LATENCY DOCTOR is not supported: ")


# ---- SLOWLOG ---------------------------------------------------------------------------

def test_slow_requests_are_noted(make_node):
    node = make_node("clients.slow_after=0", "clients.slow_max=20")
    with node.client() as client:
        port = client.socket.getsockname()[1]
        assert client.call("SLOWLOG", "RESET") == "OK"
        assert client.call("SET", "k", "v" * 200) == "OK"
        assert client.call("DEL", *range(40)) == 0
        assert client.call("SLOWLOG", "LEN") == 3
        length, delete, put, reset = client.call("SLOWLOG", "GET", -1)
        assert reset[3] == [b"SLOWLOG", b"RESET"]
        assert length[3] == [b"SLOWLOG", b"LEN"]
        assert put[3] == [b"SET", b"k", b"v" * 128 + b"... (72 more bytes)"]
        assert len(delete[3]) == 32 and delete[3][-1] == b"... (10 more arguments)"
        assert delete[3][:3] == [b"DEL", b"0", b"1"]
        id_, when, micros, _, address, name = put
        assert delete[0] == id_ + 1
        assert abs(when - time.time()) < 60 and micros >= 0
        assert address == b"127.0.0.1:%d" % port and name == b""
        assert client.call("CLIENT", "SETNAME", "n" * 300) == "OK"
        assert client.call("ECHO", "x") == b"x"
        assert client.call("SLOWLOG", "GET", 1)[0][5] == b"n" * 300
        for i in range(30):
            client.call("ECHO", i)
        assert len(client.call("SLOWLOG", "GET")) == 10
        assert len(client.call("SLOWLOG", "GET", 3)) == 3
        assert client.call("SLOWLOG", "GET", 0) == []
        assert client.call("SLOWLOG", "LEN") == 20
        assert client.call("SLOWLOG", "GET", 1, 2) == (
            "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.")
        for wrong in ("x", "-2"):
            assert client.call("SLOWLOG", "GET", wrong) == (
                "ERR count should be greater than or equal to -1")


def test_fast_requests_are_not_noted(make_node):
    node = make_node("clients.slow_after=1h")
    with node.client() as client:
        assert client.call("SET", "k", "v") == "OK"
        assert client.call("SLOWLOG", "LEN") == 0
        with open(node.config_file, "a", encoding="utf-8") as file:
            file.write("clients:\n  slow_after: 0\n")
        node.settings.pop("clients.slow_after")
    node.stop()
    node.start()
    with node.client() as client:
        assert client.call("SET", "k", "v") == "OK"
        wait_until(lambda: client.call("SLOWLOG", "LEN") > 0)


def test_the_slow_log_may_be_off(make_node):
    node = make_node("clients.slow_after=0", "clients.slow_max=0")
    with node.client() as client:
        assert client.call("SET", "k", "v") == "OK"
        assert client.call("SLOWLOG", "GET", -1) == []


# ---- The admin socket --------------------------------------------------------------------

def test_dhtctl_shows_commands(make_node):
    node = make_node("workers.count=2")
    assert node.queues()["commands"] == []
    with node.client() as client:
        for i in range(20):
            assert client.call("SET", "k", i) == "OK"
        assert client.call("CONFIG", "GET", "save") == [b"save", b""]
        assert isinstance(client.call("GET"), RespError)
        assert isinstance(client.call("CLUSTER", "KEYSLOT"), RespError)
        assert isinstance(client.call("CLUSTER", "COUNTKEYSINSLOT", "x"), RespError)
    commands = {row.pop("name"): row for row in node.queues()["commands"]}
    assert commands.keys() == {"set", "config|get", "get", "cluster|keyslot",
                               "cluster|countkeysinslot"}
    times = commands["set"].pop("time_us")
    assert 0 < times["p50"] <= times["p99"] <= times["max"]
    assert commands["set"] == {"calls": 20, "failed": 0, "rejected": 0}
    assert commands["cluster|countkeysinslot"]["failed"] == 1
    assert commands["get"] == {"calls": 0, "failed": 0, "rejected": 1,
                               "time_us": {"p50": 0, "p99": 0, "max": 0}}
    table = node.ctl("queues", check=True).stdout.decode()
    assert "config|get" in table
