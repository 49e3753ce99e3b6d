# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: the release build, the servers they compare, the load."""
import argparse
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SPARE_DESCRIPTORS = 300
START_S = 20
STEP_S = 3600  # more than any single run of the load generator takes

sys.path.insert(0, str(ROOT / "tests" / "system"))
import harness  # noqa: E402


def say(text):
    """For the person who waits; what was measured goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def unwind_on_signals():
    """Lets SIGINT and SIGTERM end the servers, too; a second one must not interrupt that."""
    def stop(number, _frame):
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def positive(kind):
    """For argparse: a number of that type above 0."""
    def parse(text):
        if not kind(text) > 0:
            raise argparse.ArgumentTypeError("must be more than 0")
        return kind(text)
    return parse


def absolute(text):
    """For argparse: a path that means the same to a program in another directory."""
    return pathlib.Path(text).absolute()


def build_release(*targets):
    say("building build/ (Release) ...")
    steps = [["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release"],
             ["cmake", "--build", BUILD, "--parallel", str(os.cpu_count()),
              "--target", "dhtd", "dhtctl", *targets]]
    for step in steps:
        done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}\nthe build failed")


def raise_descriptor_limit(connections):
    """For this process and the servers that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{connections} connections need `ulimit -n {needed}`; the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, 1024), hard))


def load_command(server, build=BUILD, **options):
    """The command line that loads a server: load_command(node, command="set", keys=100).

    A name stands for the option of bench_load that is written with dashes; True for one
    without an argument."""
    protocol = server.protocol if isinstance(server, Peer) else "resp"
    command = [build / "tests" / "bench_load", "--json", "--port", str(server.client_port),
               "--server-pid", str(server.pid), "--protocol", protocol]
    for name, value in options.items():
        command.append(f"--{name.replace('_', '-')}")
        if value is not True:
            command.append(str(value))
    return command


def machine_cpu_s():
    """What all processors have worked since boot, the time that a hypervisor took included."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, *interrupts_and_steal = map(
            int, stat.readline().split()[1:9])
    return sum((user, nice, system, *interrupts_and_steal)) / os.sysconf("SC_CLK_TCK")


def process_cpu_s(pid):
    after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def children_cpu_s():
    """Of processes that this one has started and waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def load(server, build=BUILD, **options):
    """Loads a server to the end of the measurement; returns bench_load's report.

    It also says in "others_share" what share of the machine neither the server nor the
    load used: figures of a machine that others keep busy are of little worth."""
    def others_cpu_s():
        return machine_cpu_s() - process_cpu_s(server.pid) - children_cpu_s()

    others, start = others_cpu_s(), time.monotonic()
    done = subprocess.run(load_command(server, build, **options), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=STEP_S)
    if done.returncode != 0:
        sys.exit(f"bench_load exited with {done.returncode}")
    wall = time.monotonic() - start
    share = (others_cpu_s() - others) / (wall * os.cpu_count())
    return {**json.loads(done.stdout), "others_share": min(max(share, 0), 1)}


def every_key(server, command, keys, value_size, build=BUILD):
    """Sets or gets each of `keys` keys once, as fast as it goes; none may be missing."""
    report = load(server, build, command=command, every_key=True, keys=keys,
                  value_size=value_size, connections=16, pipeline=64, warmup=0, timeout=60)
    if report["misses"]:
        sys.exit(f"{report['misses']} of {keys} keys are missing")
    return report


def resident_bytes(pid):
    """Exact, unlike VmRSS of status, which lags behind by pages per CPU."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024


def print_columns(table):
    """Prints rows of as many cells: the first and the last to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
        print(" | ".join([*cells, row[-1]]).rstrip())


class Peer:
    """Somebody else's server, with a directory of its own: `with Redis(directory) as server`.

    A subclass says how it is started and what it answers when it serves."""

    program = protocol = probe = answer = None

    def __init__(self, directory, *options):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.client_port = harness.free_port()
        self.command = [self.program, *self.fixed_options(), *options]
        self.process = None

    @classmethod
    def version(cls):
        done = subprocess.run([cls.program, "--version"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=True)
        return re.search(r"\d+(\.\d+)+", done.stdout).group()

    def fixed_options(self):
        raise NotImplementedError

    @property
    def pid(self):
        return self.process.pid

    def is_up(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.program} ended while starting: {self.directory}/log")
        try:
            with socket.create_connection(("127.0.0.1", self.client_port), timeout=1) as probe:
                probe.sendall(self.probe)
                return probe.recv(64).startswith(self.answer)
        except OSError:
            return False

    def __enter__(self):
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        try:
            harness.wait_until(self.is_up, f"{self.program} serves", START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Redis(Peer):
    program, protocol = "redis-server", "resp"
    probe, answer = b"PING\r\n", b"+PONG\r\n"

    def fixed_options(self):
        return ["--bind", "127.0.0.1", "--port", str(self.client_port), "--dir",
                str(self.directory), "--save", ""]


class Memcached(Peer):
    program, protocol = "memcached", "memcached"
    probe, answer = b"version\r\n", b"VERSION "

    def fixed_options(self):
        # A user to become, which it insists on as root. Memory enough to evict nothing.
        return ["-l", "127.0.0.1", "-p", str(self.client_port), "-u", "nobody", "-m", "1024"]


def du_bytes(directory):
    """What the files below a directory take on the disk."""
    total = 0
    for path in pathlib.Path(directory).rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:  # removed meanwhile
            pass
    return total


def forget_pages(directory):
    """Has the kernel drop its copies of the files below a directory."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def sampled(process, sample, every_s):
    """Calls sample() at even intervals until a process ends; returns what it returned."""
    samples = []
    due = time.monotonic()
    while True:
        samples.append(sample())
        due = max(due + every_s, time.monotonic())
        try:
            process.wait(due - time.monotonic())
            return samples
        except subprocess.TimeoutExpired:
            pass
