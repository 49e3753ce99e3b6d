# SPDX-License-Identifier: Apache-2.0
"""dhtctl as a program: exit codes, what goes where, and JSON fields that scripts read."""
import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import BUILD, DEADLINE_S, ENVIRONMENT, admin_schema, check_output, wait_until
from threads import continue_process, stop_process

CTL = BUILD / "dhtctl"


def run_ctl(*args, environment=None, **options):
    """Runs dhtctl without a node; options are those of subprocess.run."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE} | options
    done = subprocess.run([CTL, *args], check=False, timeout=DEADLINE_S,
                          env=environment or ENVIRONMENT, **options)
    check_output(done.stderr or b"", f"dhtctl {args}")
    return done


# ---- Exit codes ----------------------------------------------------------------------

@pytest.mark.parametrize("code, arguments", [
    (0, ("put", "k", "v")),
    (0, ("get", "k")),
    (0, ("version",)),
    (0, ("help",)),
    (0, ("status",)),
    (1, ("incr", "k")),
    (2, ("put", "k")),
    (2, ("status", "x")),
    (2, ("log-level", "loud")),
    (2, ("--no-such-option", "status")),
    (2, ("-o", "xml", "status")),
    (2, ("--timeout", "soon", "status")),
    (2, ("--timeout", "0s", "status")),
    (2, ("nonsense",)),
    (2, ()),
    (3, ("get", "missing")),
    (3, ("del", "missing")),
    (5, ("put", "--if-absent", "k", "v")),
    (5, ("cas", "k", "--old", "w", "--new", "x")),
])
def test_exit_codes(shared_node, code, arguments):
    shared_node.ctl("put", "k", "v", check=True)
    done = shared_node.ctl(*arguments)
    assert done.returncode == code
    # Data to stdout, messages to stderr.
    assert (done.stderr == b"") == (code == 0)
    if code != 0:
        assert done.stdout == b"" and done.stderr.startswith(b"dhtctl: ")


def test_no_daemon(tmp_path):
    (tmp_path / "file").write_text("no socket")
    for code, name, words in ((4, "none.sock", b"is dhtd running"), (4, "x/y", b"No such file"),
                              (4, "file", b"refused"), (2, "l" * 200, b"107")):
        done = run_ctl("-s", tmp_path / name, "status")
        assert (done.returncode, done.stdout) == (code, b"")
        assert words in done.stderr
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    for command in (["put", "k", "v"], ["dump"], ["load"], ["queues"]):
        done = run_ctl("-s", tmp_path / "dead.sock", *command)
        assert (done.returncode, done.stdout) == (4, b"")
    # What needs no daemon needs none.
    for command in (["version"], ["help"], ["help", "put"], ["--help"], ["put", "--help"]):
        assert run_ctl("-s", tmp_path / "none.sock", *command).returncode == 0


def test_the_socket_from_the_environment(shared_node, tmp_path):
    variables = ENVIRONMENT | {"DHTCTL_SOCKET": str(shared_node.socket)}
    assert run_ctl("status", environment=variables).returncode == 0
    done = run_ctl("-s", tmp_path / "none", "status", environment=variables)
    assert done.returncode == 4  # -s wins
    variables["DHTCTL_SOCKET"] = str(tmp_path / "none")
    assert run_ctl("-s", shared_node.socket, "status", environment=variables).returncode == 0


@pytest.mark.parametrize("typed, meant", [
    ("stauts", "status"), ("gte", "get"), ("set", "put"), ("dmup", "dump"),
    ("loglevel", "log-level"), ("queue", "queues"), ("delete", "del"), ("hlep", "help")])
def test_a_mistyped_command_suggests_the_nearest(typed, meant):
    done = run_ctl(typed)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"did you mean {meant}?".encode() in done.stderr


def test_help_is_complete():
    general = run_ctl("help").stdout.decode()
    commands = ("status get put del cas incr scan dump load queues config log-level version "
                "help").split()
    for command in commands:
        assert re.search(rf"(?m)^\s+{command}\b", general), command
        own = run_ctl("help", command)
        assert own.returncode == 0 and own.stderr == b""
        assert f"dhtctl {command}".encode() in own.stdout
        assert run_ctl(command, "--help").stdout == own.stdout
    for option in ("--socket", "--output", "--timeout", "DHTCTL_SOCKET"):
        assert option in general
    for code in range(9):
        assert re.search(rf"(?m)^\s+{code}\s+\w", general), f"exit code {code}"
    assert run_ctl("help", "nonsense").returncode == 2


def test_version():
    done = run_ctl("version")
    assert re.fullmatch(rb"dhtctl \d+\.\d+\.\d+\n", done.stdout)
    assert run_ctl("--version").stdout == done.stdout
    assert json.loads(run_ctl("-o", "json", "version").stdout)["version"] in done.stdout.decode()


# ---- A daemon that does not answer ---------------------------------------------------

def test_a_daemon_that_does_not_answer(make_node):
    node = make_node()
    stop_process(node.pid)
    for code, command in ((4, ["get", "k"]), (4, ["status"]), (4, ["scan"]), (6, ["put", "k", "v"]),
                          (6, ["del", "k"]), (6, ["incr", "k"]),
                          (6, ["cas", "k", "--old", "v", "--new", "w"])):
        done = node.ctl("--timeout", "50ms", *command)
        assert (done.returncode, done.stdout) == (code, b"")
        assert b"50 ms" in done.stderr
        assert (b"unknown whether" in done.stderr) == (code == 6)
    done = node.ctl("--timeout", "50ms", "load", input=b'{"key": "l", "value": "v"}\n')
    assert done.returncode == 6
    continue_process(node.pid)
    # All of it has arrived, and was done: that is what "unknown" is about.
    wait_until(lambda: node.ctl("get", "k").stdout == b"1")
    wait_until(lambda: node.ctl("get", "l").stdout == b"v")


def test_a_full_backlog(make_node, tmp_path):
    """Nobody accepts: the time-out also covers the connecting."""
    path = tmp_path / "full.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        listener.listen(0)
        client.connect(str(path))
        done = run_ctl("-s", path, "--timeout", "50ms", "put", "k", "v")
        assert done.returncode == 4  # nothing was sent


@contextlib.contextmanager
def fake_daemon(path, answer):
    """A socket that reads one request and sends what answer(call_id) returns."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection:
            request = b""
            while len(request) < 4 or len(request) < 4 + int.from_bytes(request[:4], "big"):
                request += connection.recv(65536)
            message = admin_schema().AdminRequest.FromString(request[4:])
            connection.sendall(answer(message.call_id))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        thread.join()
        listener.close()


def frame(payload):
    return len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("answer, code", [
    (lambda call_id: b"", 4),
    (lambda call_id: b"\0\0", 4),
    (lambda call_id: frame(b"x" * 100)[:50], 4),
    (lambda call_id: b"\0\0\0\0", 1),
    (lambda call_id: b"\xff\xff\xff\xff", 1),
    (lambda call_id: frame(b"\xff"), 1),
    (lambda call_id: frame(b"\x08\x63\x10\x01\x52\x00"), 1),  # of another call
    (lambda call_id: frame(b"\x08" + bytes([call_id]) + b"\x10\x01"), 1),  # without a result
])
@pytest.mark.parametrize("command", [["get", "k"], ["put", "k", "v"]])
def test_an_answer_that_is_none(tmp_path, answer, code, command):
    with fake_daemon(tmp_path / "fake.sock", answer) as path:
        done = run_ctl("-s", path, *command)
    # A change that was sent and not answered may have been made.
    assert (done.returncode, done.stdout) == (6 if command[0] == "put" else code, b"")
    assert os.fsencode(path) in done.stderr


# ---- Output --------------------------------------------------------------------------

COUNT = int
QUANTILES = {"p50": COUNT, "p99": COUNT, "max": COUNT}

STATUS = {"schema": COUNT, "cluster": str, "node": str, "id": str, "version": str, "pid": COUNT,
          "uptime_s": COUNT, "epoch": COUNT, "health": str, "keys": COUNT, "bytes": COUNT,
          "workers": COUNT, "connections": COUNT, "lineage": str, "resident_bytes": COUNT,
          "peers": {"worst_skew_ms": COUNT, "worst_skew_of": COUNT},
          "nodes": [{"id": str, "name": str, "state": str, "peer": str, "client": str, "zone": str,
                     "weight": COUNT, "keys": COUNT, "bytes": COUNT}]}

QUEUES = {"schema": COUNT,
          "workers": [{"worker": COUNT, "depth": COUNT, "depth_max": COUNT, "jobs": COUNT,
                       "busy": float, "connections": COUNT, "wait_us": QUANTILES,
                       "run_us": QUANTILES, "kinds": {"client": COUNT}}],
          "dispatcher": {"parked": COUNT, "dispatched": COUNT, "accepted": COUNT}}


def assert_shape(value, shape, where=""):
    """value has the fields of shape, of these types; more fields are allowed."""
    if isinstance(shape, dict):
        for name, inner in shape.items():
            assert name in value, f"{where}.{name} is missing"
            assert_shape(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert value, f"{where} is empty"
        for item in value:
            assert_shape(item, shape[0], f"{where}[]")
    else:
        assert type(value) is shape, f"{where} is {value!r}"


def test_json_of_status(make_node):
    node = make_node("node.zone=z", "node.weight=7", "cluster.name=c", "workers.count=2",
                     "advertise.client=db.example.net:7401,10.0.0.1:1", "advertise.peer=[::1]:2")
    status = node.status()
    assert_shape(status, STATUS)
    assert (status["schema"], status["cluster"], status["node"], status["pid"]) == (
        1, "c", "n1", node.pid)
    assert (status["workers"], status["connections"], status["health"]) == (2, 0, "ok")
    assert re.fullmatch(r"[0-9a-f]{32}", status["id"])
    assert re.fullmatch(r"[0-9a-f]{32}", status["lineage"])
    assert 1 << 20 < status["resident_bytes"] < 1 << 40
    assert status["version"] in node.ctl("version").stdout.decode()
    me, = status["nodes"]
    assert (me["zone"], me["weight"], me["client"], me["peer"]) == (
        "z", 7, "db.example.net:7401,10.0.0.1:1", "[::1]:2")
    with node.client() as one, node.client() as two:
        assert (one.call("PING"), two.call("PING")) == ("PONG", "PONG")
        assert node.status()["connections"] == 2
    # One object on one line.
    assert node.ctl("-o", "json", "status").stdout.count(b"\n") == 1
    # Another node is another id, and a cluster of its own.
    other = make_node().status()
    assert other["id"] != status["id"] and other["lineage"] != status["lineage"]


def lines_of(value, name=""):
    """What -o lines makes of JSON."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [line for key, inner in items
                for line in lines_of(inner, f"{name}.{key}" if name else str(key))]
    text = json.dumps(value)
    return [f"{name}={text[1:-1] if isinstance(value, str) else text}"]


def test_lines_have_all_that_json_has(shared_node):
    """Of settings, which do not change from one call to the next."""
    shown = json.loads(shared_node.ctl("-o", "json", "config", "show", check=True).stdout)
    lines = shared_node.ctl("-o", "lines", "config", "show", check=True).stdout.decode()
    assert lines.splitlines() == lines_of(shown)
    assert "=listen.admin\n" in lines and f".value={shared_node.socket}\n" in lines
    # Streams have a line for each field, and what is not one line is escaped.
    with shared_node.admin() as admin:
        admin.call("put", key=b"two\nlines=", value=b"v")
    done = shared_node.ctl("-o", "lines", "scan", "two", check=True)
    assert done.stdout == b"key=two\\nlines=\n"


def test_status_shows_all_addresses(make_node):
    label = "a" * 60
    names = [f"{label}.{label}.{label}.n{number}.example:7401" for number in range(64)]
    node = make_node(f"advertise.client={','.join(names)}")
    me, = node.status()["nodes"]
    assert me["client"].split(",") == names


def test_json_of_queues(make_node):
    node = make_node("workers.count=3")
    queues = node.queues()
    assert_shape(queues, QUEUES)
    assert queues["schema"] == 1
    assert [worker["worker"] for worker in queues["workers"]] == [0, 1, 2]
    assert node.ctl("-o", "json", "queues").stdout.count(b"\n") == 1


def test_json_of_config(shared_node):
    shown = json.loads(shared_node.ctl("-o", "json", "config", "show", check=True).stdout)
    assert shown["schema"] == 1
    settings = {setting["key"]: setting for setting in shown["settings"]}
    assert settings["listen.admin"]["value"] == str(shared_node.socket)
    assert settings["workers.park_after"] == {"key": "workers.park_after", "value": "1s",
                                              "default": "1s", "reloadable": True}


def test_one_setting_is_shown(shared_node):
    shown = shared_node.ctl("-o", "json", "config", "show", "log.level", check=True).stdout
    assert shown.count(b'"key"') == 1 and b'"log.level"' in shown
    assert shared_node.ctl("config", "show", "log.level", check=True).stdout.count(b"\n") == 2
    done = shared_node.ctl("config", "show", "log.levle")
    assert (done.returncode, done.stdout) == (2, b"") and b"did you mean log.level?" in done.stderr


def test_tables_name_what_matters(shared_node):
    status = shared_node.ctl("status", check=True).stdout.decode()
    assert "ok" in status and "n1" in status and str(shared_node.client_port) in status
    queues = shared_node.ctl("queues", check=True).stdout.decode()
    for word in ("WORKER", "DEPTH", "JOBS", "WAIT", "RUN", "PARKED", "DISPATCHED", "hot_client"):
        assert word in queues
    config = shared_node.ctl("config", "show", check=True).stdout.decode()
    assert "workers.park_after" in config and "1s" in config
    for text in (status, queues, config):
        assert "\033" not in text  # colours are for terminals


def test_config_check(shared_node, tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("log:\n  level: debug\n")
    bad.write_text("log:\n  level: loud\nnode:\n  wieght: 1\n")
    done = shared_node.ctl("config", "check", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = shared_node.ctl("config", "check", bad)
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert [line.split(": ")[:2] for line in lines] == [[f"{bad}:2:10", "log.level"],
                                                        [f"{bad}:4:3", "node.wieght"]]
    assert shared_node.ctl("config", "check", tmp_path / "missing").returncode == 1
    assert shared_node.ctl("config", "check").returncode == 2
    assert shared_node.ctl("config").returncode == 2


@pytest.mark.parametrize("command", [["status"], ["queues"], ["-o", "json", "status"], ["get", "k"],
                                     ["scan"], ["dump"], ["incr", "n"], ["config", "show"],
                                     ["version"], ["help"], ["log-level"]])
def test_output_that_cannot_be_written_is_a_failure(shared_node, command):
    shared_node.ctl("put", "k", "v", check=True)
    with open("/dev/full", "wb") as full:
        done = run_ctl("-s", shared_node.socket, *command, stdout=full)
    assert done.returncode == 1 and b"No space left" in done.stderr


def test_closed_descriptors(shared_node):
    """With stdout closed, the connection must not take its number."""
    for closed in ((0,), (1,), (2,), (0, 1, 2)):
        def close(closed=closed):
            for descriptor in closed:
                os.close(descriptor)

        done = run_ctl("-s", shared_node.socket, "put", "closed", "v", preexec_fn=close)
        assert done.returncode == 0
        done = run_ctl("-s", shared_node.socket, "get", "closed", preexec_fn=close)
        assert done.returncode == (1 if 1 in closed else 0)
        assert done.stdout == (b"" if 1 in closed else b"v")


def on_terminal(node, *args, input=b""):
    """What dhtctl writes to a terminal, with its exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen([CTL, "-s", node.socket, *args], stdin=subprocess.PIPE,
                               stdout=slave, stderr=slave, env=ENVIRONMENT | {"TERM": "xterm"})
    os.close(slave)
    process.stdin.write(input)
    process.stdin.close()
    written = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while data := os.read(master, 65536):
            written += data
    os.close(master)
    return process.wait(DEADLINE_S), written


def test_a_terminal_gets_a_newline(shared_node):
    shared_node.ctl("put", "line", "no newline", check=True)
    assert shared_node.ctl("get", "line").stdout == b"no newline"
    assert on_terminal(shared_node, "get", "line") == (0, b"no newline\r\n")


def test_load_shows_its_progress_on_a_terminal_alone(shared_node, tmp_path):
    file = tmp_path / "load.jsonl"
    file.write_text("".join(f'{{"key": "p{n}", "value": "{"v" * 500}"}}\n' for n in range(20000)))
    code, written = on_terminal(shared_node, "load", str(file))
    assert code == 0 and b"%" in written
    done = shared_node.ctl("load", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_interrupt_says_what_is_unknown(tmp_path):
    """Between request and answer, of a change and of something else."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(DEADLINE_S)
        for command in (["put", "k", "v"], ["get", "k"]):
            with subprocess.Popen([CTL, "-s", path, *command], env=ENVIRONMENT,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                connection, _ = listener.accept()
                with connection:
                    assert connection.recv(1)
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=DEADLINE_S)
            assert (process.returncode, out) == (130, b"")
            assert (b"unknown whether" in err) == (command[0] == "put")
