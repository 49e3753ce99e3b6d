# SPDX-License-Identifier: Apache-2.0
"""redis-cli and redis-benchmark, as Debian ships them.

With pytest's option --redis everything but what is marked `differs` runs against
Debian's redis-server, so that nothing is asked of dhtd that redis would not do.
"""
import csv
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from harness import DEADLINE_S, RespConnection

BENCHMARK_TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"]


@pytest.fixture
def key(request):
    """A key of the test's own; key + "..." has the same slot."""
    return "{" + re.sub(r"\W", "_", request.node.name) + "}"


def run_tool(name, server, *args, input=b""):
    command = [name, "-p", str(server.client_port), *map(str, args)]
    return subprocess.run(command, input=input, capture_output=True, check=False,
                          timeout=DEADLINE_S * 2)


@pytest.fixture
def cli(server):
    """cli("GET", "k") returns what redis-cli prints; it must exit with 0 and no complaint."""
    def run(*args, input=b""):
        done = run_tool("redis-cli", server, *args, input=input)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()
    return run


# ---- redis-cli: commands ------------------------------------------------------------

@pytest.mark.parametrize("mode", [[], ["-2"], ["-3"], ["-c"], ["-c", "-3"], ["-n", "0"]],
                         ids=" ".join)
def test_commands(cli, key, mode):
    assert cli(*mode, "set", key, "a value", "EX", 100) == "OK\n"
    assert cli(*mode, "get", key) == "a value\n"
    assert cli(*mode, "--no-raw", "get", key) == '"a value"\n'
    assert cli(*mode, "--no-raw", "get", key + "2") == "(nil)\n"
    assert cli(*mode, "--no-raw", "mget", key, key + "2") == '1) "a value"\n2) (nil)\n'
    assert cli(*mode, "--no-raw", "del", key, key + "2") == "(integer) 1\n"
    assert cli(*mode, "-r", 3, "incr", key) == "1\n2\n3\n"
    assert cli(*mode, "-x", "set", key, input=b"\0\r\n") == "OK\n"
    assert cli(*mode, "--no-raw", "get", key) == '"\\x00\\r\\n"\n'
    assert cli(*mode, "ping") == "PONG\n"
    assert cli(*mode, "cluster", "keyslot", key) == cli(*mode, "cluster", "keyslot", key + "2")


def test_shapes_of_resp3(cli, server):
    node = json.loads(cli("--json", "hello", "3"))
    assert (node["proto"], node["mode"], node["role"]) == (3, "cluster", "master")
    assert json.loads(cli("--json", "config", "get", "appendonly")).keys() == {"appendonly"}
    docs = json.loads(cli("--json", "command", "docs", "get"))
    assert docs["get"]["summary"] and docs["get"]["arguments"][0]["name"] == "key"
    shard, = json.loads(cli("--json", "cluster", "shards"))
    assert shard["slots"] == [0, 16383] and shard["nodes"][0]["port"] == server.client_port


def test_wrong_commands(cli, server, key):
    assert cli("frob", "a") == (
        "ERR unknown command 'frob', with args beginning with: 'a' \n\n")
    assert cli("get") == "ERR wrong number of arguments for 'get' command\n\n"
    assert cli("set", key, "v", "EX") == "ERR syntax error\n\n"
    assert cli("client", "frob").startswith("ERR unknown subcommand 'frob'. Try CLIENT HELP.")
    assert run_tool("redis-cli", server, "-e", "get").returncode == 1


@pytest.mark.differs
def test_refused_commands(server):
    for command in (["eval", "return 1", "0"], ["lpush", "k", "v"], ["subscribe", "channel"],
                    ["cluster", "meet", "127.0.0.1", "1"], ["config", "set", "save", ""]):
        done = run_tool("redis-cli", server, "-e", *command)
        assert done.returncode == 1 and re.match(rb"ERR .{20}", done.stderr), (command, done)


def test_commands_from_a_pipe(cli, key):
    lines = "".join(f"set {key}{number} '{number} \"x\"'\nget {key}{number}\n"
                    for number in range(100))
    assert cli(input=lines.encode()) == "".join(f'OK\n{number} "x"\n' for number in range(100))
    # An error in the midst does not end it; a transaction goes through line by line.
    lines = f"frob\nmulti\nset {key} 1\nincr {key}\nexec\nmulti\ndiscard\nget {key}\n"
    replies = cli(input=lines.encode()).split("\n")
    assert replies[0].startswith("ERR unknown command 'frob'")
    assert [line for line in replies[1:] if line] == [
        "OK", "QUEUED", "QUEUED", "OK", "2", "OK", "OK", "2"]


def test_mass_insertion(cli, server, key):
    count = 20000
    requests = b"".join(RespConnection.encode("SET", f"{key}{number}", number)
                        for number in range(count))
    assert f"errors: 0, replies: {count}" in cli("--pipe", input=requests)
    assert cli("get", f"{key}{count - 1}") == f"{count - 1}\n"
    wrong = RespConnection.encode("GET") * 3 + RespConnection.encode("PING") * 2
    done = run_tool("redis-cli", server, "--pipe", input=wrong)
    assert done.returncode == 1 and b"errors: 3, replies: 5" in done.stdout, done
    assert done.stderr.count(b"wrong number of arguments") == 3


# ---- redis-cli: looking around ------------------------------------------------------

def test_scan_and_big_keys(cli, key):
    names = {f"{key}{number}" for number in range(300)}
    cli(input="".join(f"set {name} v\n" for name in names).encode())
    cli("set", f"{key}big", "x" * 100000)
    pattern = f"{key}[0-9]*"
    assert set(cli("--scan", "--pattern", pattern).split()) == names
    assert set(cli("-3", "--scan", "--pattern", pattern).split()) == names
    assert cli("--scan", "--pattern", f"{key}none*") == ""
    big = cli("--bigkeys")
    biggest = rf"""Biggest string found '"{re.escape(key)}big"' has """
    assert re.search(biggest + "100000 bytes", big), big
    found = int(re.search(r"Sampled (\d+) keys in the keyspace", big)[1])
    assert found >= 301 and f"{found} strings with" in big
    memory = cli("--memkeys")
    assert re.search(biggest + r"1\d{5} bytes", memory), memory


def read_until(descriptor, pattern):
    """Reads a descriptor until the bytes it gave match; returns the match."""
    end = time.monotonic() + DEADLINE_S
    output = b""
    while not (found := re.search(pattern, output, re.DOTALL)):
        assert time.monotonic() < end, output
        if select.select([descriptor], [], [], 0.1)[0]:
            more = os.read(descriptor, 65536)
            assert more, output
            output += more
    return found


def test_stat_shows_a_round(server):
    command = ["redis-cli", "-p", str(server.client_port), "--stat", "-i", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            rounds = read_until(process.stdout.fileno(),
                                rb"keys +mem +clients.*\n(\d+) +\S+ +(\d+) .*\n\d+ +\S+ +\d+ ")
            assert int(rounds[2]) >= 1
        finally:
            process.kill()


def test_latency(cli):
    lowest, highest, average, count = map(float, cli("--latency", "-i", "0.2").split())
    assert 0 <= lowest <= average <= highest and count >= 1
    assert cli("latency", "reset").strip().isdigit()
    histogram = json.loads(cli("--json", "latency", "histogram", "ping"))
    assert histogram["ping"]["calls"] >= count and histogram["ping"]["histogram_usec"]


def test_cluster_manager(cli, server):
    address = f"127.0.0.1:{server.client_port}"
    info = cli("--cluster", "info", address)
    assert re.search(rf"{address} \([0-9a-f]{{8}}\.\.\.\) -> \d+ keys \| 16384 slots", info), info
    assert re.search(r"\[OK\] \d+ keys in 1 masters\.", info), info
    check = cli("--cluster", "check", address)
    assert "[OK] All nodes agree about slots configuration." in check
    assert "[OK] All 16384 slots covered." in check
    assert "WARNING" not in check and "[ERR]" not in check
    assert f"{address}: PONG" in cli("--cluster", "call", address, "ping")


# ---- redis-cli: at a terminal -------------------------------------------------------

class Terminal:
    """redis-cli at a terminal of 200 columns."""

    def __init__(self, server, home, *options):
        command = ["redis-cli", "-p", str(server.client_port), *options]
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", "HOME": str(home)})
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def expect(self, pattern):
        return read_until(self.descriptor, pattern)

    def wait_exit(self):
        try:
            while os.read(self.descriptor, 65536):
                pass
        except OSError:  # the other side of the terminal is closed
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(server, tmp_path):
    return lambda *options: Terminal(server, tmp_path, *options)


@pytest.mark.parametrize("options", [[], ["-3"], ["-c"]], ids=" ".join)
def test_interactive(terminal, server, key, options):
    tty = terminal(*options)
    prompt = rf"127\.0\.0\.1:{server.client_port}> ".encode()
    tty.expect(prompt)
    tty.type("set ")
    tty.expect(rb"set .*key value \[")  # the hint
    tty.type(f"{key} v\r")
    tty.expect(rb"\nOK\r\n.*" + prompt)
    tty.type(f"get {key}\r")
    tty.expect(rb'\n"v"\r\n.*' + prompt)
    tty.type("client setna")
    tty.expect(rb"client setna")
    tty.type("\t")
    tty.expect(rb"(?i)client setname")
    tty.type("\x15frob\r")
    tty.expect(rb"\n\(error\) ERR unknown command 'frob'.*" + prompt)
    tty.type("help get\r")
    tty.expect(rb"GET.*key.*summary:.*since:.*group:.*" + prompt)
    tty.type("multi\r")
    tty.expect(rb"\(TX\)> ")
    tty.type(f"incr {key}2\r")
    tty.expect(rb"QUEUED\r\n.*\(TX\)> ")
    tty.type("exec\r")
    tty.expect(rb"\n1\) \(integer\) 1\r\n.*" + prompt)
    tty.type("quit\r")
    assert tty.wait_exit() == 0


@pytest.mark.differs
def test_hints_are_those_of_the_server(terminal):
    """A command that redis-cli itself does not know."""
    tty = terminal()
    tty.expect(rb"> ")
    tty.type("delifeq ")
    tty.expect(rb"delifeq .*key value")
    tty.type("\x15quit\r")
    assert tty.wait_exit() == 0


# ---- redis-benchmark ----------------------------------------------------------------

@pytest.mark.parametrize("options", [
    [], ["-3"], ["-P", 16], ["--threads", 2], ["-r", 1000, "-d", 1000], ["-k", 0],
    ["-c", 1, "-n", 100],
    pytest.param(["--threads", 2, "-P", 16, "-3"], marks=pytest.mark.threads),
], ids=lambda options: " ".join(map(str, options)) or "plain")
def test_benchmark(server, options):
    done = run_tool("redis-benchmark", server, "-t", "ping,set,get,incr", "-n", 2000, "-q",
                    *options)
    # Progress ends in a carriage return, a result in an empty line.
    results = re.findall(r"(?:^|\r|\n)(\w+): ([\d.]+) requests per second", done.stdout.decode())
    assert done.returncode == 0 and [name for name, _ in results] == BENCHMARK_TESTS, done
    assert all(float(rate) > 0 for _, rate in results)
    # It was told the settings it asks for, and no request had an error for its answer.
    assert not re.search(rb"CONFIG|Error|ERR", done.stdout + done.stderr), done


def test_benchmark_writes_csv(server):
    done = run_tool("redis-benchmark", server, "-t", "ping,set,get,incr", "-n", 2000, "--csv")
    rows = list(csv.DictReader(done.stdout.decode().splitlines()))
    assert [row["test"] for row in rows] == BENCHMARK_TESTS
    assert all(float(row["rps"]) > 0 and float(row["p99_latency_ms"]) > 0 for row in rows)


def test_benchmark_of_a_command(server, cli, key):
    done = run_tool("redis-benchmark", server, "-n", 500, "-q", "incrby", key, 3)
    assert done.returncode == 0 and b"requests per second" in done.stdout
    assert cli("get", key) == "1500\n"
