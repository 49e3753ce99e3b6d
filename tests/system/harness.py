# SPDX-License-Identifier: Apache-2.0
"""Runs real daemons for the system tests.

A test asks the fixtures of conftest.py for nodes and talks to them as users do: through
dhtctl, the client port (RESP) and the admin socket (protobuf). The binaries are those of
$DHT_BUILD_DIR (build-dev). Nothing here sleeps for a fixed time: what must become true is
waited for with wait_until.

Every node is judged when it ends: it must have run until the test or its teardown ended
it, it must exit with 0 on SIGTERM, and its log must hold no report of a sanitizer and no
broken invariant.
"""
import ctypes
import functools
import importlib.util
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DHT_BUILD_DIR", "build-dev")

DEADLINE_S = 30      # for anything that should happen at once, on a loaded machine
STOP_S = 5           # from SIGTERM to the end of the process
VALGRIND_FACTOR = 6  # how much longer both may take under valgrind
SUN_PATH_MAX = 107   # bytes of a Unix socket's path

VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--error-exitcode=99", "--fair-sched=yes"]

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
libc = ctypes.CDLL(None)

# What the programs under test see: sanitizers that tell all, and no service manager.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items()
       if name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM",
                       "DHTCTL_SOCKET")},
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}

# What must not stand in anything that a program of ours writes to stderr.
BROKEN = re.compile(
    rb"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|WARNING: ThreadSanitizer"
    rb"|broken invariant")


def wait_until(condition, what="condition", deadline_s=DEADLINE_S):
    """Calls condition() until its result is true, and returns that result."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(0.01)


def run_together(targets):
    """Runs functions in threads of their own; the first failure is raised."""
    failures = []

    def guarded(target):
        try:
            target()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def give_up_privileges():
    """For a new process: even root is held to the modes of files after its exec."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def free_port():
    """A free port of the loopback interface.

    It lies below the range from which the kernel serves connect(), so that no
    connection of a test takes it before the daemon does.
    """
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def check_output(output, source):
    """Fails if a program reported a bug of its own."""
    found = BROKEN.search(output)
    if found:
        excerpt = output[max(0, found.start() - 200):found.start() + 4000].decode(errors="replace")
        raise AssertionError(f"{source} reported:\n{excerpt}")


def run_dhtd(*args, environment=None, build=BUILD):
    """Runs dhtd with options that make it end by itself."""
    done = subprocess.run([build / "dhtd", *args], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, timeout=DEADLINE_S, env=environment or ENVIRONMENT)
    check_output(done.stderr, f"dhtd {args}")
    return done


@functools.cache
def admin_schema():
    """The module that protoc generates from proto/admin.proto."""
    with tempfile.TemporaryDirectory(prefix="dhtd-proto-") as out:
        subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={out}",
                        "admin.proto"], check=True)
        spec = importlib.util.spec_from_file_location("admin_pb2", f"{out}/admin_pb2.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["admin_pb2"] = module
        spec.loader.exec_module(module)
        return module


class Connection:
    """A stream socket with a deadline on everything; also a context manager."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(DEADLINE_S)
        self.pending = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the daemon")
        self.pending += data

    def read_exactly(self, size):
        while len(self.pending) < size:
            self.fill()
        data = bytes(self.pending[:size])
        del self.pending[:size]
        return data

    def read_line(self):
        while b"\r\n" not in self.pending:
            self.fill()
        end = self.pending.index(b"\r\n")
        line = bytes(self.pending[:end])
        del self.pending[:end + 2]
        return line

    def has_input(self):
        """Whether something can be read now: bytes, or the end."""
        return bool(self.pending or select.select([self.socket], [], [], 0)[0])

    def is_closed(self):
        """Waits until the daemon closes the connection; False if it sends something."""
        try:
            return not self.pending and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class AdminConnection(Connection):
    """The admin socket: frames of a length (u32, big endian) and a protobuf message."""

    def __init__(self, path):
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(path))
        super().__init__(connected)
        self.calls = 0

    @staticmethod
    def frame(payload):
        return len(payload).to_bytes(4, "big") + payload

    def encode(self, command, call_id, **fields):
        """The frame of one request, such as encode("put", 7, key=b"k", value=b"v")."""
        request = admin_schema().AdminRequest(call_id=call_id)
        message = getattr(request, command)
        message.SetInParent()
        message.MergeFrom(type(message)(**fields))
        return self.frame(request.SerializeToString())

    def send(self, command, call_id=None, **fields):
        """Sends one request, such as send("put", key=b"k", value=b"v"); returns its call_id."""
        self.calls += 1
        call_id = call_id or self.calls
        self.send_bytes(self.encode(command, call_id, **fields))
        return call_id

    def send_frame(self, payload):
        self.send_bytes(self.frame(payload))

    def receive(self):
        """The next AdminResponse."""
        size = int.from_bytes(self.read_exactly(4), "big")
        return admin_schema().AdminResponse.FromString(self.read_exactly(size))

    def call(self, command, **fields):
        """Sends one request and returns all its responses; the last one ends the list."""
        call_id = self.send(command, **fields)
        responses = []
        while not responses or not responses[-1].last:
            responses.append(self.receive())
            assert responses[-1].call_id == call_id
        return responses


class RespError(str):
    """An error reply, without its leading "-"."""


class RespConnection(Connection):
    """A client connection; replies are RESP2 or RESP3."""

    def __init__(self, port, host="127.0.0.1"):
        super().__init__(socket.create_connection((host, port), timeout=DEADLINE_S))

    @staticmethod
    def encode(*words):
        """A request; a word is bytes, a string or a number."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    def send(self, *words):
        self.send_bytes(self.encode(*words))

    def call(self, *words):
        self.send(*words)
        return self.receive()

    def receive(self):
        """The next reply: str for a status, bytes for a string, RespError for an error,
        int, float, bool, None, list (arrays, sets, pushes) or dict."""
        line = self.read_line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode())
        if kind in b":(":
            return int(rest)
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"_" or rest == b"-1":
            return None
        count = int(rest)
        if kind in b"$!=":
            data = self.read_exactly(count + 2)
            assert data[count:] == b"\r\n", f"{line} is not followed by {count} bytes"
            data = data[4:count] if kind == b"=" else data[:count]
            return RespError(data.decode()) if kind == b"!" else data
        if kind in b"*~>":
            return [self.receive() for _ in range(count)]
        assert kind == b"%", f"{line} is no reply"
        return {self.receive(): self.receive() for _ in range(count)}


class Node:
    """One daemon with a directory of its own, on free ports of the loopback interface."""

    def __init__(self, directory, name, settings=(), build=BUILD, valgrind=False):
        self.name = name
        self.directory = pathlib.Path(directory) / name
        self.data_dir = self.directory / "data"
        self.socket = self.directory / "dhtd.sock"
        self.log_file = self.directory / "dhtd.log"
        self.config_file = self.directory / "dhtd.yaml"
        self.client_port = free_port()
        self.peer_port = free_port()
        self.settings = {
            "node.name": name,
            "node.data_dir": str(self.data_dir),
            "listen.client": f"127.0.0.1:{self.client_port}",
            "listen.peer": f"127.0.0.1:{self.peer_port}",
            "listen.admin": str(self.socket),
            # The smallest that holds the largest value: a start fills several.
            "store.segment_size": "20MiB",
        }
        self.settings.update(setting.split("=", 1) for setting in settings)
        self.build = build
        self.valgrind = valgrind
        self.factor = VALGRIND_FACTOR if valgrind else 1
        self.environment = dict(ENVIRONMENT)
        self.options = []  # of the command line, besides --set
        self.before_exec = None  # called in the new process, for limits and the like
        self.process = None
        assert len(os.fsencode(self.socket)) <= SUN_PATH_MAX, f"{self.socket} is too long"
        self.data_dir.mkdir(parents=True)
        # A file of its own: /etc/dhtd/dhtd.yaml of the machine must not matter.
        self.config_file.write_text(f"node:\n  name: {name}\n")

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        """Starts the daemon; with wait, returns when it serves."""
        assert not self.is_running(), f"{self.name} already runs"
        command = [*(VALGRIND if self.valgrind else []), self.build / "dhtd",
                   "-c", self.config_file, *self.options]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        with open(self.log_file, "ab") as log:
            # In a session of its own: Ctrl-C is for the tests, which then end the daemon.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.directory,
                                            env=self.environment, start_new_session=True,
                                            preexec_fn=self.before_exec)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        """Waits until `dhtctl status` exits with 0, that is until the ports serve."""
        def ready():
            if not self.is_running():
                self.process = None
                raise AssertionError(f"{self.name} ended while starting:\n{self.log_tail()}")
            return self.ctl("status").returncode == 0

        wait_until(ready, f"{self.name} serves", DEADLINE_S * self.factor)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def check_running(self):
        code = self.process and self.process.poll()
        assert self.is_running(), f"{self.name} does not run (exit code {code}):\n{self.log_tail()}"

    def wait_exit(self, deadline_s=DEADLINE_S):
        """Waits until the daemon ends by itself, as the test expects; returns its exit code."""
        code = self.process.wait(deadline_s * self.factor)
        self.process = None
        return code

    def stop(self):
        """Ends the daemon with SIGTERM; it must do so in time, and cleanly."""
        self.check_running()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S * self.factor)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop in {STOP_S * self.factor} s:\n"
                                 f"{self.log_tail()}") from None
        self.process = None
        assert code == 0, f"{self.name} exited with {code}:\n{self.log_tail()}"

    def kill(self):
        """Ends the daemon with SIGKILL, as a crash would."""
        self.check_running()
        self.process.kill()
        self.process.wait()
        self.process = None

    def signal(self, number):
        self.process.send_signal(number)

    def ctl(self, *args, input=b"", check=False, timeout=DEADLINE_S, before_exec=None):
        """Runs dhtctl on this node; stdout and stderr of the result are bytes."""
        command = [self.build / "dhtctl", "-s", self.socket, *args]
        done = subprocess.run(command, input=input, capture_output=True, check=False,
                              timeout=timeout * self.factor, env=ENVIRONMENT,
                              preexec_fn=before_exec)
        check_output(done.stderr, f"dhtctl {args}")
        assert not check or done.returncode == 0, (
            f"dhtctl {args} exited with {done.returncode}: {done.stderr.decode()}")
        return done

    def status(self):
        """What `dhtctl -o json status` prints."""
        return json.loads(self.ctl("-o", "json", "status", check=True).stdout)

    def queues(self):
        """What `dhtctl -o json queues` prints."""
        return json.loads(self.ctl("-o", "json", "queues", check=True).stdout)

    def admin(self):
        return AdminConnection(self.socket)

    def client(self):
        return RespConnection(self.client_port)

    def resident_bytes(self):
        """The daemon's resident memory."""
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self):
        return self.log_file.read_bytes() if self.log_file.exists() else b""

    def log_tail(self, lines=40):
        return "\n".join(self.log().decode(errors="replace").splitlines()[-lines:])

    def finish(self):
        """Stops the daemon if the test did not, and judges it and its log.

        A process that has ended without stop, kill or wait_exit has died.
        """
        try:
            if self.process is not None:
                self.stop()
        finally:
            if self.is_running():
                self.kill()
            check_output(self.log(), self.name)


class NodeSet:
    """The nodes of a test, or of a module: `with NodeSet(directory) as nodes: nodes.make()`."""

    def __init__(self, directory, build=BUILD, valgrind=False):
        self.directory = directory
        self.build = build
        self.valgrind = valgrind
        self.nodes = []

    def make(self, *settings, start=True):
        """Makes a node with settings such as "workers.count=2", and starts it."""
        node = Node(self.directory, f"n{len(self.nodes) + 1}", settings, self.build, self.valgrind)
        self.nodes.append(node)
        return node.start() if start else node

    def __enter__(self):
        return self

    def __exit__(self, *_):
        problems = []
        for node in self.nodes:
            try:
                node.finish()
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)
