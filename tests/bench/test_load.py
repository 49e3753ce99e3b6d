# SPDX-License-Identifier: Apache-2.0
"""The load generator, against real servers and against ones that lie.

A generator that overlooks a wrong reply makes every comparison worthless, so each
way to be wrong has a server here that is wrong in just that way.
"""
import array
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOAD = ROOT / os.environ.get("DHT_BUILD_DIR", "build-dev") / "tests" / "bench_load"
KEY = re.compile(rb"key:(\d{12})")


def run_load(port, *options, timeout=60):
    """Runs the generator; returns its exit code, its JSON output and its messages."""
    done = subprocess.run([LOAD, "--port", str(port), "--json", "--warmup", "0", *options],
                          capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
    report = json.loads(done.stdout) if done.stdout else None
    return done.returncode, report, done.stderr.decode()


class FakeServer:
    """Answers GET requests, a thread per connection.

    answer(connection, number) sends what it wants for the request of key `number`, a
    string of 12 digits; returning False closes the connection.
    """

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        pending = b""
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                pending += data
                while match := KEY.search(pending):
                    pending = pending[match.end():]
                    if self.answer(connection, match.group(1)) is False:
                        return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # close() alone would leave accept() waiting.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def value(number, size=20):
    letters = bytes(ord("a") + i % 26 for i in range(len(number), size))
    return b"$%d\r\n%s\r\n" % (size, number + letters)


GET = ("--command", "get", "--value-size", "20", "--requests", "10", "--timeout", "1")


def test_right_replies_in_pieces():
    def answer(connection, number):
        for byte in value(number):
            connection.sendall(bytes([byte]))

    with FakeServer(answer) as server:
        code, report, messages = run_load(server.port, *GET, "--pipeline", "5")
    assert (code, messages) == (0, "")
    assert report["requests"] == 10
    assert report["errors"] == report["mismatches"] == report["misses"] == 0


def test_misses_are_no_errors():
    with FakeServer(lambda c, _: c.sendall(b"$-1\r\n")) as server:
        code, report, _ = run_load(server.port, *GET)
    assert (code, report["requests"], report["misses"]) == (0, 10, 10)


@pytest.mark.parametrize("reply, field", [
    (lambda number: b"-ERR out of luck\r\n", "errors"),
    (lambda number: b"+OK\r\n", "mismatches"),
    (lambda number: b":1\r\n", "mismatches"),
    (lambda number: b"$0\r\n\r\n", "mismatches"),
    (lambda number: value(number, size=21), "mismatches"),
    (lambda number: value(number, size=2000), "mismatches"),
    (lambda number: value(b"%012d" % (int(number) + 1)), "mismatches"),
    (lambda number: value(number).replace(b"t", b"u"), "mismatches"),
], ids=["error", "status", "integer", "empty", "longer", "much longer", "other key", "one byte"])
def test_wrong_replies_are_counted(reply, field):
    with FakeServer(lambda c, number: c.sendall(reply(number))) as server:
        code, report, messages = run_load(server.port, *GET, "--pipeline", "3")
    assert (code, report["requests"], report[field]) == (1, 10, 10)
    assert report["errors"] + report["mismatches"] == 10
    assert report["disconnected"] == 0
    assert "first wrong: " in messages


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"*1\r\n$1\r\na\r\n",
    b"$x\r\n",
    b"$99999999999\r\n",
    b"\r\n",
    b"a" * 2000,
    b"$50000\r\n" + b"a" * 50000,
], ids=["http", "array", "length", "huge length", "empty line", "no line", "larger than room"])
def test_what_is_no_reply_ends_the_connection(reply):
    with FakeServer(lambda c, _: c.sendall(reply)) as server:
        code, report, messages = run_load(server.port, *GET)
    assert (code, report["requests"]) == (1, 0)
    assert (report["disconnected"], report["lost"], report["unsent"]) == (1, 1, 9)
    assert "first wrong: " in messages


def test_reply_to_no_request():
    with FakeServer(lambda c, number: c.sendall(value(number) * 2)) as server:
        code, report, messages = run_load(server.port, *GET)
    assert (code, report["disconnected"]) == (1, 1)
    assert report["unsent"] + report["requests"] == 10


def test_silence_and_closed_connections():
    with FakeServer(lambda c, number: None) as server:
        code, report, messages = run_load(server.port, *GET, "--connections", "2")
    assert (code, report["requests"], report["lost"], report["disconnected"]) == (1, 0, 2, 2)
    assert "no reply in time" in messages
    with FakeServer(lambda c, number: False) as server:
        code, report, _ = run_load(server.port, *GET, "--pipeline", "2")
    assert (code, report["lost"], report["unsent"], report["disconnected"]) == (1, 2, 8, 1)


def test_failed_warmup_is_fatal():
    with FakeServer(lambda c, number: c.sendall(b"-NOAUTH no\r\n")) as server:
        code, report, messages = run_load(server.port, *GET, "--warmup", "0.1")
    assert (code, report) == (1, None)
    assert "warm-up: -NOAUTH no" in messages


def test_open_loop_counts_from_when_a_request_was_due():
    """A server that stands still for 300 ms delays every request due meanwhile."""
    paused = []

    def answer(connection, number):
        if not paused:
            paused.append(True)
            time.sleep(0.3)
        connection.sendall(value(number))

    loop = ("--command", "get", "--value-size", "20", "--duration", "1")
    with FakeServer(answer) as server:
        code, report, _ = run_load(server.port, *loop, "--rate", "500")
    assert (code, report["requests"], report["target_rate"]) == (0, 500, 500)
    # Some 150 of 500 requests waited, on average half of the pause.
    assert report["latency_us"]["p99"] > 200_000
    paused.clear()
    with FakeServer(answer) as server:
        _, report, _ = run_load(server.port, *loop)
    # The closed loop saw one slow request and waited with the others.
    assert report["latency_us"]["max"] > 200_000 > report["latency_us"]["p99"]


@pytest.mark.parametrize("loop", [("--rate", "500"), ()])
def test_interrupt_ends_the_measurement_with_what_was_due(loop):
    with FakeServer(lambda connection, number: connection.sendall(value(number))) as server:
        process = subprocess.Popen(
            [LOAD, "--port", str(server.port), "--json", "--warmup", "0", "--command", "get",
             "--value-size", "20", "--duration", "3600", *loop],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    report = json.loads(out)
    assert process.returncode == 0
    assert report["requests"] > 0 and report["unsent"] == report["lost"] == 0
    assert report["seconds"] < 10


def test_cpu_of_threads_that_ended_is_counted():
    """Ten requests, each answered by a thread that burns 20 ms of CPU and ends."""
    def burn_and_answer(connection, number):
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        connection.sendall(value(number))

    def answer(connection, number):
        thread = threading.Thread(target=burn_and_answer, args=(connection, number))
        thread.start()
        thread.join()

    with FakeServer(answer) as server:
        code, report, _ = run_load(server.port, *GET, "--server-pid", str(os.getpid()))
    assert code == 0
    assert 20_000 <= report["server_cpu_us"] < 40_000


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def real_server(*command, port):
    """Runs a server until the block ends; it is up when it accepts a connection."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None and time.monotonic() < deadline, f"{command} failed"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def redis():
    port = free_port()
    with real_server("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                     port=port) as pid:
        yield port, pid


@pytest.fixture(scope="module")
def memcached():
    port = free_port()
    with real_server("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port),
                     port=port) as pid:
        yield port, pid


def schedstat_us(pid):
    files = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1000


def check_clean(code, report, messages, requests):
    assert (code, messages) == (0, "")
    assert report["requests"] == requests
    assert report["errors"] == report["mismatches"] == report["misses"] == 0
    latency = report["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]


@pytest.mark.parametrize("command", ["ping", "echo", "get", "set"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 2), (64, 16, 2)])
@pytest.mark.parametrize("size", [0, 5, 100])
def test_redis(redis, command, shape, size):
    connections, pipeline, threads = map(str, shape)
    check_clean(*run_load(redis[0], "--command", command, "--connections", connections,
                          "--pipeline", pipeline, "--threads", threads, "--requests", "5003",
                          "--keys", "1000", "--fill", "--value-size", str(size)), 5003)


def test_redis_large_values(redis):
    check_clean(*run_load(redis[0], "--command", "get", "--connections", "3", "--pipeline", "4",
                          "--requests", "50", "--keys", "5", "--fill",
                          "--value-size", "1000000"), 50)


@pytest.mark.parametrize("command", ["get", "set"])
def test_memcached(memcached, command):
    check_clean(*run_load(memcached[0], "--protocol", "memcached", "--command", command,
                          "--connections", "9", "--pipeline", "5", "--threads", "2",
                          "--keys", "1000", "--fill", "--requests", "5003"), 5003)


def test_server_cpu_agrees_with_the_scheduler(redis):
    port, pid = redis
    before = schedstat_us(pid)
    _, report, _ = run_load(port, "--requests", "20000", "--connections", "8",
                            "--server-pid", str(pid))
    # Accepting the connections stands in the difference, but not in the report.
    spent = (schedstat_us(pid) - before) / 20000
    assert 0.8 * spent < report["server_cpu_us"] <= spent
    assert report["client_cpu_us"] > 0


def test_fill_reaches_every_key(redis):
    port, _ = redis
    run_load(port, "--command", "get", "--keys", "777", "--fill", "--requests", "1",
             "--connections", "10", "--value-size", "33")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for key in range(777):
            connection.sendall(b"STRLEN key:%012d\r\n" % key)
            assert connection.recv(100) == b":33\r\n"


def test_every_key_is_asked_for_once():
    asked = []

    def answer(connection, number):
        asked.append(int(number))
        connection.sendall(value(number))

    with FakeServer(answer) as server:
        code, report, _ = run_load(server.port, "--command", "get", "--value-size", "20",
                                   "--every-key", "--keys", "777", "--connections", "5",
                                   "--pipeline", "3")
    assert (code, report["requests"], sorted(asked)) == (0, 777, list(range(777)))


def test_prepared_requests_are_repeated():
    asked = []

    def answer(connection, number):
        asked.append(number)
        connection.sendall(value(number))

    with FakeServer(answer) as server:
        code, report, messages = run_load(server.port, *GET, "--requests", "21",
                                          "--pipeline", "3", "--prepared", "7")
    assert (code, report["requests"], messages) == (0, 21, "")
    assert asked == asked[:7] * 3
    assert len(set(asked)) == 7


@pytest.mark.parametrize("protocol, command", [
    ("resp", "echo"), ("resp", "get"), ("resp", "set"), ("memcached", "get"),
    ("memcached", "set"),
])
@pytest.mark.parametrize("size", [0, 5, 100])
def test_prepared_requests(redis, memcached, protocol, command, size):
    port = {"resp": redis, "memcached": memcached}[protocol][0]
    check_clean(*run_load(port, "--protocol", protocol, "--command", command,
                          "--connections", "9", "--threads", "2", "--pipeline", "5",
                          "--prepared", "64", "--warmup", "0.1", "--requests", "5003",
                          "--keys", "1000", "--fill", "--value-size", str(size)), 5003)


def test_trace_has_the_time_of_every_reply(redis, tmp_path):
    trace = tmp_path / "trace"
    before = time.monotonic_ns()
    code, report, _ = run_load(redis[0], "--requests", "5000", "--connections", "6",
                               "--threads", "2", "--warmup", "0.1", "--trace", trace)
    after = time.monotonic_ns()
    numbers = array.array("Q", trace.read_bytes())
    starts, latencies = numbers[::2], numbers[1::2]
    assert (code, len(starts), len(latencies)) == (0, 5000, 5000)
    assert all(before < start < start + latency < after
               for start, latency in zip(starts, latencies))
    assert max(latencies) == pytest.approx(1000 * report["latency_us"]["max"], abs=1)


def test_trace_that_cannot_be_written():
    with FakeServer(lambda c, number: c.sendall(value(number))) as server:
        code, report, messages = run_load(server.port, *GET, "--trace", "/dev/full")
    assert (code, report) == (1, None)
    assert "/dev/full" in messages


@pytest.mark.parametrize("options", [
    ("--connections", "0"), ("--connections", "-1"), ("--connections", "1x"),
    ("--keys", "99999999999999999999999"), ("--threads", "2"), ("--command", "mget"),
    ("--protocol", "memcached"), ("--duration", "0"), ("--duration", "nan"), ("--port", "0"),
    ("--value-size", "16000000", "--pipeline", "100"), ("--nonsense",), ("stray",),
    ("--every-key", "--requests", "5"), ("--every-key", "--prepared", "16"),
    ("--pipeline", "16", "--prepared", "15"), ("--value-size", "1000000", "--prepared", "1000"),
])
def test_wrong_usage(options):
    code, report, messages = run_load(1, *options)
    assert (code, report) == (2, None)
    assert messages


def test_no_server():
    code, _, messages = run_load(free_port())
    assert code == 1
    assert "Connection refused" in messages


def test_connections_take_turns_at_several_ports():
    asked = []

    def server(name):
        def answer(connection, number):
            asked.append(name)
            connection.sendall(value(number))
        return FakeServer(answer)

    with server("a") as first, server("b") as second:
        code, report, _ = run_load(first.port, "--port", str(second.port), *GET,
                                   "--connections", "4")
    assert code == 0 and report["requests"] == 10
    assert sorted(asked) == ["a"] * 5 + ["b"] * 5
    assert 0 < report["gap_us"] < 1e6
