# SPDX-License-Identifier: Apache-2.0
"""Start, reload and stop: exit codes, messages that name the cause, and what systemd sees."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (BUILD, DEADLINE_S, ENVIRONMENT, STOP_S, free_port, give_up_privileges,
                     run_dhtd, run_together, wait_until)
from systemd import NotifySocket
from threads import continue_process, stop_process

VERSION = re.compile(rb"\d+\.\d+\.\d+")


# ---- Options -------------------------------------------------------------------------

def test_version_and_help():
    done = run_dhtd("--version")
    assert done.returncode == 0 and re.fullmatch(rb"dhtd %b\n" % VERSION.pattern, done.stdout)
    done = run_dhtd("--help")
    assert done.returncode == 0 and done.stderr == b""
    for option in (b"--config", b"--set", b"--check-config", b"--check-store", b"--print-defaults",
                   b"--version"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [
    ("--no-such-option",), ("-c",), ("--set",), ("stray",), ("--version=1",), ("-x",)])
def test_wrong_options(arguments):
    done = run_dhtd(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--help" in done.stderr


def test_printed_defaults_are_a_good_file(tmp_path):
    done = run_dhtd("--print-defaults")
    assert done.returncode == 0 and done.stderr == b""
    file = tmp_path / "dhtd.yaml"
    file.write_bytes(done.stdout)
    done = run_dhtd("-c", file, "--check-config")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("option", ["--print-defaults", "--version", "--help"])
def test_output_that_cannot_be_written_is_a_failure(option):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BUILD / "dhtd", option], stdout=full, stderr=subprocess.PIPE,
                              env=ENVIRONMENT, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


# ---- Bad configuration ---------------------------------------------------------------

def test_all_errors_are_reported_at_once(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("node:\n  name: \"\"\n  wieght: 3\nlog:\n  level: loud\n"
                    "workers:\n  count: -1\n  park_after: 1 fortnight\n"
                    "listen:\n  client: nowhere\n")
    expected = [("2:9", "node.name"), ("3:3", "node.wieght"), ("5:10", "log.level"),
                ("7:10", "workers.count"), ("8:15", "workers.park_after"),
                ("10:11", "listen.client")]
    for arguments in (["--check-config"], []):
        done = run_dhtd("-c", file, *arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        lines = done.stderr.decode().splitlines()
        assert len(lines) == len(expected)
        for line, (place, key) in zip(lines, expected):
            assert line.startswith(f"{file}:{place}: {key}: ")
    assert "loud" in lines[2] and "debug" in lines[2]  # what was given, what is allowed
    assert "weight" in lines[1]                        # what was meant


def test_bad_overrides(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text("node:\n  name: n\n")
    done = run_dhtd("-c", file, "--set", "log.level=loud", "--set", "nonsense", "--set", "a.b=c",
                    "--check-config")
    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 3 and all(line.startswith("--set: ") for line in lines)


@pytest.mark.parametrize("content", [
    b"node: [", b"\0\0\0", b"\xff\xfe\xfd", b"- a\n", b"a: &x *x\n"])
def test_what_is_no_configuration(tmp_path, content):
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    done = run_dhtd("-c", file, "--check-config")
    assert done.returncode == 2 and done.stderr.startswith(os.fsencode(file) + b":")


def test_a_file_that_cannot_be_read(tmp_path):
    for path, cause in ((tmp_path / "missing", b"No such file"), (tmp_path, b"directory")):
        done = run_dhtd("-c", path, "--check-config")
        assert done.returncode == 2
        assert os.fsencode(path) in done.stderr and cause in done.stderr


def test_check_config_does_not_start(make_node):
    node = make_node()
    settings = [f"--set={key}={value}" for key, value in node.settings.items()]
    done = run_dhtd("-c", node.config_file, *settings, "--check-config")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# ---- What hinders a start ------------------------------------------------------------

def refused(node, code=1):
    """Starts a node that must refuse; returns what it said."""
    node.start(wait=False)
    assert node.wait_exit() == code
    assert not os.path.lexists(node.socket)
    return node.log()


def test_the_port_is_in_use(make_node):
    one = make_node()
    two = make_node(f"listen.client={one.settings['listen.client']}", start=False)
    log = refused(two)
    assert b"in use" in log and str(one.client_port).encode() in log
    # One of several addresses is enough to refuse.
    two.settings["listen.client"] = f"127.0.0.1:{two.client_port},127.0.0.1:{one.client_port}"
    assert b"in use" in refused(two)
    with one.client() as client:
        assert client.call("PING") == "PONG"
    # A port whose connections are not quite closed yet is free.
    with one.client() as client:
        assert client.call("PING") == "PONG"
        one.stop()
    two.settings["listen.client"] = one.settings["listen.client"]
    two.start()


def test_an_address_that_is_not_ours(make_node):
    log = refused(make_node("listen.client=192.0.2.1:7401", start=False))
    assert b"192.0.2.1" in log and b"Cannot assign" in log
    log = refused(make_node("listen.client=no-such-host.invalid:7401", start=False))
    assert b"no-such-host.invalid" in log and b"resolve" in log


def test_the_data_directory_is_not_writable(make_node):
    node = make_node(start=False)
    node.before_exec = give_up_privileges
    node.data_dir.chmod(0o500)
    log = refused(node)
    assert os.fsencode(node.data_dir) in log and b"Permission denied" in log
    node.data_dir.chmod(0o700)
    node.start()


def test_the_data_directory_cannot_be_made(make_node, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path, cause in ((tmp_path / "file", b"Not a directory"),
                        (tmp_path / "file" / "data", b"Not a directory"),
                        (tmp_path / "missing" / "data", b"No such file")):
        log = refused(make_node(f"node.data_dir={path}", start=False))
        assert os.fsencode(path) in log and cause in log
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_missing_data_directory_is_made(make_node, tmp_path):
    node = make_node(f"node.data_dir={tmp_path}/new", start=False)
    node.before_exec = lambda: os.umask(0)
    node.start()
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o750


# ---- The log -------------------------------------------------------------------------

LINE = re.compile(rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(error|warn|info|debug) '
                  rb'node=n1 module=[a-z]+ msg="[^"]*"( [a-z_]+=("[^"]*"|[^ "]+))*')


def test_lines_of_the_log(make_node):
    node = make_node()
    node.ctl("log-level", "debug", check=True)
    node.ctl("put", "secret key", "secret value", check=True)
    with node.client() as client:
        client.call("ECHO", "secret echo")
        client.call("secret command")
    node.signal(signal.SIGHUP)
    wait_until(lambda: b"configuration reloaded" in node.log())
    node.stop()
    lines = node.log().splitlines()
    assert len(lines) >= 3
    for line in lines:
        assert LINE.fullmatch(line), line
    assert b"secret" not in node.log()
    assert sum(b'msg="serving" version=' in line for line in lines) == 1
    assert b'msg="stopped"' in lines[-1]


def test_priorities_for_the_journal(make_node):
    node = make_node(start=False)
    node.log_file.touch()
    status = node.log_file.stat()
    node.environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    node.start()
    node.config_file.write_text("log:\n  level: loud\n")
    node.signal(signal.SIGHUP)
    wait_until(lambda: b"not reloaded" in node.log())
    node.stop()
    for line in node.log().splitlines():
        assert re.match(rb"<[346]>node=n1 module=", line), line
        assert b"level=info" not in line
    assert re.search(rb'(?m)^<6>.*msg="serving"', node.log())
    assert re.search(rb'(?m)^<3>.*msg="reload refused"', node.log())


def test_no_priorities_where_stderr_is_not_the_journal(make_node):
    node = make_node(start=False)
    node.environment["JOURNAL_STREAM"] = "1:1"
    node.start()
    node.stop()
    assert LINE.fullmatch(node.log().splitlines()[0])


def test_log_level_takes_effect_at_once(make_node):
    node = make_node("log.level=error")
    assert node.ctl("log-level", check=True).stdout == b"error\n"
    assert node.log() == b""
    assert node.ctl("log-level", "info", check=True).stdout == b"info\n"
    assert b"log level set" in node.log()
    shown = node.ctl("-o", "json", "log-level", check=True).stdout
    assert b'"level":"info"' in shown.replace(b" ", b"")
    # A reload applies the setting again.
    node.signal(signal.SIGHUP)
    wait_until(lambda: node.ctl("log-level", check=True).stdout == b"error\n")


# ---- Reload --------------------------------------------------------------------------

def reload(node, text):
    """Writes the file, sends SIGHUP, and returns what the log says about it."""
    before = len(node.log())
    node.config_file.write_text(text)
    node.signal(signal.SIGHUP)
    return wait_until(lambda: re.search(rb"(?s).*(configuration reloaded|not reloaded).*\n",
                                        node.log()[before:]))[0].decode()


def test_reload(make_node):
    node = make_node()
    name = "node:\n  name: n1\n"
    said = reload(node, name + "log:\n  level: debug\nclients:\n  max: 2\n")
    assert "key=log.level before=info after=debug" in said
    assert "key=clients.max before=100000 after=2" in said
    assert "restart" not in said
    assert node.ctl("log-level").stdout == b"debug\n"
    one, two = node.client(), node.client()
    assert (one.call("PING"), two.call("PING")) == ("PONG", "PONG")
    with node.client() as refused_client:
        assert "max number of clients" in refused_client.receive()
    # Fewer than there are: nobody is thrown out.
    reload(node, name + "clients:\n  max: 1\n")
    assert (one.call("PING"), two.call("PING")) == ("PONG", "PONG")
    assert node.ctl("log-level").stdout == b"info\n"
    reload(node, name)
    with node.client() as client:
        assert client.call("PING") == "PONG"
    one.close()
    two.close()
    # Nothing has changed: nothing is said to have.
    assert "key=" not in reload(node, name)


def test_reload_of_park_after(make_node):
    node = make_node("workers.count=1")
    with node.client() as client:
        reload(node, "workers:\n  park_after: 0\n")
        for _ in range(10):
            assert client.call("PING") == "PONG"
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 1)
        assert node.queues()["dispatcher"]["dispatched"] == 10
        reload(node, "workers:\n  park_after: 1h\n")
        for _ in range(10):
            assert client.call("PING") == "PONG"
        assert node.queues()["dispatcher"]["dispatched"] == 11
        # One that is hot parks when silence becomes too long by the new rule.
        reload(node, "workers:\n  park_after: 10ms\n")
        with node.client() as other:
            assert other.call("PING") == "PONG"
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 1)


def test_reload_says_what_needs_a_restart(make_node):
    node = make_node()
    said = reload(node, "node:\n  name: other\n  zone: z2\nworkers:\n  count: 7\n  queue_max: 99\n"
                        "clients:\n  max: 9\n")
    assert "key=clients.max before=100000 after=9" in said
    for key in ("node.zone", "workers.count", "workers.queue_max"):
        line, = [line for line in said.splitlines() if f"key={key} " in line]
        assert "needs a restart" in line and "level=warn" in line
    # --set wins over the file, so this one has not changed.
    assert "key=node.name" not in said
    items = {item.key: item.value for item in node.admin().call("config")[-1].config.items}
    assert (items["node.zone"], items["clients.max"]) == ("default", "9")
    assert node.status()["nodes"][0]["zone"] == "default"


def test_a_bad_file_keeps_the_old_configuration(make_node):
    node = make_node()
    for text, problem in (("log:\n  level: loud\n", "2:10: log.level"),
                          ("clients:\n  max: 3\nlog: [", "3:"),
                          ("clients:\n  max: 3\nworkers:\n  count: many\n", "4:10: workers.count")):
        said = reload(node, text)
        assert "not reloaded" in said and f"{node.config_file}:{problem}" in said
        for line in said.encode().splitlines():
            assert LINE.fullmatch(line) and b"level=error" in line
    node.config_file.unlink()
    node.signal(signal.SIGHUP)
    wait_until(lambda: node.log().count(b"not reloaded") == 4)
    items = {item.key: item.value for item in node.admin().call("config")[-1].config.items}
    assert (items["log.level"], items["clients.max"]) == ("info", "100000")
    assert node.ctl("log-level").stdout == b"info\n"
    assert "key=log.level before=info after=debug" in reload(node, "log:\n  level: debug\n")
    assert node.ctl("log-level").stdout == b"debug\n"


@pytest.mark.threads
def test_many_reloads_under_load(make_node):
    node = make_node("workers.count=2")
    stop = threading.Event()

    def load():
        with node.client() as client, node.admin() as admin:
            while not stop.is_set():
                assert client.call("PING") == "PONG"
                assert admin.call("config")[-1].HasField("config")
                assert admin.call("status")[-1].HasField("status")

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            level = ("info", "warn")[number % 2]
            node.config_file.write_text(f"log:\n  level: {level}\nworkers:\n"
                                        f"  park_after: {number % 3}ms\n")
            node.signal(signal.SIGHUP)
            wait_until(lambda level=level: node.ctl("log-level").stdout.decode() == f"{level}\n")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- systemd -------------------------------------------------------------------------

def test_what_the_service_manager_is_told(make_node, tmp_path):
    node = make_node(start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment()
        node.start(wait=False)
        lines = notify.receive_until("READY=1")
        assert any(line.startswith("STATUS=") for line in lines)
        # Ready means ready.
        assert node.ctl("status").returncode == 0
        with node.client() as client:
            assert client.call("PING") == "PONG"
        node.signal(signal.SIGHUP)
        lines = notify.receive_until("RELOADING=1")
        assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in lines)
        notify.receive_until("READY=1")
        # Without WATCHDOG_USEC there is no watchdog to feed.
        node.signal(signal.SIGTERM)
        assert "STOPPING=1" in notify.receive()
        assert node.wait_exit() == 0


def test_a_node_that_waits_for_its_seeds_asks_for_more_time(make_node, tmp_path):
    node = make_node(f"cluster.seeds=127.0.0.1:{free_port()}", start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment()
        node.start(wait=False)
        for _ in range(2):
            lines = notify.receive_until("STATUS=joining the cluster")
            assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in lines)


def test_a_start_that_fails_is_never_ready(make_node, tmp_path):
    one = make_node()
    node = make_node(f"listen.client={one.settings['listen.client']}", start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment()
        refused(node)
        notify.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                assert b"READY=1" not in notify.socket.recv(65536)


# ---- Stop ----------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_stop(make_node, number):
    node = make_node()
    with node.client() as client, node.admin() as admin:
        assert client.call("PING") == "PONG"
        assert admin.call("get", key=b"k")[-1].HasField("error")
        node.signal(number)
        assert client.is_closed() and admin.is_closed()
        assert node.wait_exit(STOP_S) == 0
    assert number.name.encode() in node.log()
    assert not os.path.lexists(node.socket)
    with pytest.raises(ConnectionRefusedError):
        node.client()
    node.start()  # at once, on the same port


def test_other_signals_change_nothing(make_node):
    node = make_node()
    node.signal(signal.SIGPIPE)
    node.signal(signal.SIGTERM)
    node.signal(signal.SIGTERM)
    node.signal(signal.SIGHUP)
    node.signal(signal.SIGINT)
    assert node.wait_exit(STOP_S) == 0


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1h"])
def test_stop_under_load(make_node, park_after):
    """Each client gets the answers to what it sent, in order and whole, up to the end."""
    node = make_node("workers.count=2", f"workers.park_after={park_after}")
    counts = []

    def work(name):
        count = 0
        with node.client() as client:
            try:
                while True:
                    client.send("ECHO", f"{name}-{count}")
                    assert client.receive() == f"{name}-{count}".encode()
                    count += 1
                    if count == 50:
                        counts.append(count)
            except (ConnectionError, BrokenPipeError):
                # Between two answers, never in the middle of one.
                assert not client.pending

    threads = [threading.Thread(target=work, args=(name,)) for name in range(10)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(counts) == len(threads))
    started = time.monotonic()
    node.signal(signal.SIGTERM)
    assert node.wait_exit() == 0
    assert time.monotonic() - started < STOP_S
    for thread in threads:
        thread.join()


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1h"])
def test_what_has_arrived_is_answered(make_node, park_after):
    """Requests that lie in the sockets when the node begins to stop: of more connections
    than are looked at in one round, parked, hot and not accepted yet, of all lengths."""
    node = make_node("workers.count=2", f"workers.park_after={park_after}")
    clients = [node.client() for _ in range(700)]
    for client in clients[:50]:
        client.send("PING")
    for client in clients[:50]:
        assert client.receive() == "PONG"
    wait_until(lambda: node.status()["connections"] == 700)
    stop_process(node.pid)
    # The signal first: it must not be what has been seen to last.
    node.signal(signal.SIGTERM)
    clients += [node.client() for _ in range(100)]
    counts = [9000 if number % 100 == 0 else 1 + number % 7 for number in range(len(clients))]
    for client, count in zip(clients, counts):
        client.send_bytes(b"PING\r\n" * count)
    continue_process(node.pid)
    unanswered = []
    for number, (client, count) in enumerate(zip(clients, counts)):
        try:
            assert client.read_exactly(7 * count) == b"+PONG\r\n" * count
            assert client.is_closed()
        except ConnectionError:
            unanswered.append(number)
        client.close()
    assert unanswered == []
    assert node.wait_exit() == 0


def test_admin_requests_that_have_arrived_are_answered(make_node):
    node = make_node("workers.count=1")
    with node.admin() as admin:
        admin.call("load", entries=[{"key": b"%d" % n, "value": b"v" * 1000} for n in range(2000)])
    admins = [node.admin() for _ in range(6)]
    for admin in admins:
        admin.call("status")
    stop_process(node.pid)
    for admin in admins:
        admin.send("put", key=b"k", value=b"v")
        admin.send("dump")
        admin.send("status")
        admin.send("get", key=b"k")
    node.signal(signal.SIGTERM)
    continue_process(node.pid)
    for admin in admins:
        assert admin.receive().HasField("put")
        entries = 0
        while True:
            response = admin.receive()
            entries += len(response.dump.entries)
            if response.last:
                break
        assert entries in (2000, 2001)
        assert admin.receive().HasField("status")
        assert admin.receive().get.value == b"v"
        assert admin.is_closed()
        admin.close()
    assert node.wait_exit() == 0


def test_counters_that_were_asked_for_are_answered(make_node):
    """More requests of one connection than the dispatcher reads in its last rounds."""
    node = make_node("workers.count=1")
    with node.admin() as admin:
        admin.call("log_level")
        stop_process(node.pid)
        admin.send_bytes(b"".join(admin.encode("log_level", n) for n in range(1, 4001)))
        node.signal(signal.SIGTERM)
        continue_process(node.pid)
        for number in range(1, 4001):
            assert admin.receive().call_id == number
        assert admin.is_closed()
    assert node.wait_exit() == 0


def test_clients_that_do_not_read_cannot_delay_the_stop(make_node):
    node = make_node("workers.count=2")
    clients = [node.client() for _ in range(4)]
    for client in clients:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send("ECHO", b"x" * (16 * 1024 * 1024))
        client.send_bytes(b"*2\r\n$4\r\nECHO\r\n$10\r\nhalf")
    with node.admin() as admin:
        admin.call("put", key=b"k", value=b"v" * (8 * 1024 * 1024))
        for _ in range(4):
            admin.send("dump")
        wait_until(lambda: sum(worker["requests"] for worker in node.queues()["workers"]) >= 6)
        started = time.monotonic()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
        assert time.monotonic() - started < STOP_S
    for client in clients:
        client.close()


def test_clients_that_never_rest_cannot_delay_the_stop(make_node):
    node = make_node("workers.count=1")
    started = threading.Event()

    def flood():
        with node.client() as client:
            try:
                while True:
                    client.send_bytes(b"PING\r\n" * 20000)
                    client.read_exactly(7 * 20000)
                    started.set()
            except ConnectionError:
                pass

    def stop():
        assert started.wait(DEADLINE_S)
        began = time.monotonic()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
        assert time.monotonic() - began < STOP_S

    run_together([flood, flood, flood, stop])


def test_a_slow_reader_gets_the_rest_while_the_node_stops(make_node):
    node = make_node()
    value = os.urandom(8 * 1024 * 1024)
    with node.client() as client:
        client.send("ECHO", value)
        wait_until(lambda: sum(worker["requests"] for worker in node.queues()["workers"]) == 1)
        node.signal(signal.SIGTERM)
        wait_until(lambda: b"stopping" in node.log())
        assert client.receive() == value
        assert client.is_closed()
    assert node.wait_exit() == 0


def test_data_of_a_stopped_node_is_not_locked(make_node):
    node = make_node()
    node.stop()
    other = make_node(f"node.data_dir={node.data_dir}")
    assert other.status()["health"] == "ok"


# ---- The whole life ------------------------------------------------------------------

@pytest.mark.valgrind
def test_start_a_thousand_requests_stop(make_node):
    node = make_node("workers.count=2", "workers.park_after=10ms")
    with node.client() as client:
        for number in range(400):
            assert client.call("ECHO", number) == b"%d" % number
        client.send_bytes(b"PING\r\n" * 100)
        assert client.read_exactly(700) == b"+PONG\r\n" * 100
        client.send_bytes(b"*1\r\nbad\r\n")
        assert "Protocol error" in client.receive()
    with node.admin() as admin:
        for number in range(200):
            key = b"%d" % number
            assert admin.call("put", key=key, value=b"v" * number)[-1].HasField("put")
            assert admin.call("get", key=key)[-1].get.value == b"v" * number
        for number in range(100):
            assert admin.call("del", key=b"%d" % number)[-1].HasField("del")
        assert len(admin.call("scan")[-1].scan.keys) + len(admin.call("dump")) >= 1
        for command in ("status", "queues", "config", "log_level"):
            assert not admin.call(command)[-1].HasField("error")
        admin.call("config", action=1, file_name="x", content=b"log:\n  level: loud\nx: [")
        admin.send_frame(b"\xff")
        assert admin.receive().error.code == 10
    with node.admin() as admin:
        admin.send_bytes(b"\0\0\0\x05half")
    node.signal(signal.SIGHUP)
    wait_until(lambda: b"configuration reloaded" in node.log())
    node.stop()
