# SPDX-License-Identifier: Apache-2.0
"""Parts of tests/bench/store: writes against redis, look-ups against LMDB."""
import contextlib
import re
import statistics
import subprocess
import sys

import rig
from rig import harness
from store_row import Row

CONNECTIONS = 64
VALUE_SIZE = 100
GET_LINE = re.compile(r"^(LMDB|store|store, batches of 16) +(\d+) +\d+ +\d+ +\d+\.\d+$",
                      re.MULTILINE)


@contextlib.contextmanager
def dhtd(directory, build):
    with harness.NodeSet(directory, build) as nodes:
        yield nodes.make("store.fsync=always")


@contextlib.contextmanager
def redis(directory, _build):
    # No rewrite of the log in the middle of a measurement.
    with rig.Redis(directory / "redis", "--appendonly", "yes", "--appendfsync", "always",
                   "--auto-aof-rewrite-percentage", "0") as server:
        yield server


CONTENDERS = {"dhtd": dhtd, "redis": redis}


def measure_sets(contender, directory, arguments):
    """One round on a fresh store that holds all keys."""
    keys = 2000 if arguments.quick else 200_000
    directory.mkdir()
    with contender(directory, arguments.build) as server:
        rig.every_key(server, "set", keys, VALUE_SIZE, arguments.build)
        report = rig.load(server, arguments.build, command="set", keys=keys,
                          value_size=VALUE_SIZE, connections=CONNECTIONS,
                          warmup=0.1 if arguments.quick else 1, duration=arguments.seconds)
    return {"rate": report["rate"], "p50": report["latency_us"]["p50"],
            "p99": report["latency_us"]["p99"], "cpu": report["server_cpu_us"]}


def set_fsync(arguments, directory):
    rounds = {name: [] for name in CONTENDERS}
    for number in range(arguments.rounds):
        for name in CONTENDERS if number % 2 == 0 else reversed(CONTENDERS):
            figures = measure_sets(CONTENDERS[name], directory / f"{name}{number}", arguments)
            rounds[name].append(figures)
            rig.say(f"round {number + 1} of {arguments.rounds}: {name:5} " + "  ".join(
                f"{key} {value:.1f}" for key, value in figures.items()))

    def row(what, key, **goal):
        ours, other = (statistics.median(each[key] for each in rounds[name])
                       for name in CONTENDERS)
        return Row(what, ours, other, **goal)

    return [row("SET/s, fsync always, 64 connections (redis)", "rate", at_least=1.5,
            is_ratio=True),
            row("  latency p50, us", "p50"),
            row("  latency p99, us", "p99"),
            row("  server CPU per SET, us", "cpu", digits=2)]


def get(arguments, _directory):
    keys = 2000 if arguments.quick else 1_000_000
    program = arguments.build / "tests" / "bench_store_get"
    if not program.exists():
        sys.exit(f"{program} is missing: it is built where liblmdb-dev is installed")
    done = subprocess.run([program, str(keys), str(arguments.rounds)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench_store_get exited with {done.returncode}")
    rig.say(done.stdout.rstrip())
    ns = {name: float(median) for name, median in GET_LINE.findall(done.stdout)}
    return [Row(f"get in process, {keys:,} keys, CPU ns (LMDB)", ns["store"], ns["LMDB"],
                at_most=0.40, is_ratio=True),
            Row("  in batches of 16", ns["store, batches of 16"], ns["LMDB"], at_most=0.20,
                is_ratio=True)]
