# SPDX-License-Identifier: Apache-2.0
"""Parts of tests/bench/resp. Each returns its rows.

The contestants of a part run at the same time and are measured in turns, in one order and
then in the other, so that whatever else the machine does meets all of them.
"""
import argparse
import contextlib
import dataclasses
import statistics
import sys

import rig
import store_speed
from resp_row import Comparison
from rig import harness
from store_speed import CONNECTIONS, VALUE_SIZE

PREPARED = 4096  # requests a connection repeats: over all, more than there are keys
CPU_BARS = {1: 0.85, 16: 0.55}
CPU_AIMS = {1: 0.78, 16: 0.42}
ALWAYS_FACTOR = 3  # the disk is less steady than the processor: measured longer
OPEN_FACTOR = 2    # so that more than a few requests are above the 99.9th percentile
OTHERS = "others used of the machine, %"
CALM_ATTEMPTS = 4  # at a measurement, until the machine is calm
IN_FLIGHT_MAX = 64  # of a connection in the open loop; what must wait counts as waiting


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is measured: a command and how it is sent."""
    command: str
    pipeline: int
    threads: int = 1
    prepared: int = 0
    rate: int | None = None  # open loop

    def __str__(self):
        return f"{self.command.upper()} P={self.pipeline}"

    def options(self):
        options = dataclasses.asdict(self)
        return {name: value for name, value in options.items() if value is not None}


@contextlib.contextmanager
def contestants(arguments, directory, threads):
    """The servers by name, with as many threads for requests where they can, and all keys."""
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(harness.NodeSet(directory, arguments.build))
        servers = {
            "dhtd": nodes.make("store.fsync=never", f"workers.count={threads}",
                               "store.segment_size=64MiB"),
            "redis": stack.enter_context(rig.Redis(directory / "redis", "--appendonly", "no")),
            "memcached": stack.enter_context(
                rig.Memcached(directory / "memcached", "-t", str(threads))),
        }
        for server in servers.values():
            rig.every_key(server, "set", arguments.keys, VALUE_SIZE, arguments.build)
        yield servers


def measure(server, shape, arguments, factor=1):
    """One report; of several attempts that with the least use of the machine by others."""
    attempts = []
    for _ in range(CALM_ATTEMPTS if arguments.calm is not None else 1):
        attempts.append(rig.load(
            server, arguments.build, keys=arguments.keys, value_size=VALUE_SIZE,
            connections=CONNECTIONS, warmup=arguments.warmup,
            duration=arguments.seconds * factor, **shape.options()))
        if attempts[-1]["misses"]:
            sys.exit(f"{attempts[-1]['misses']} keys are missing")
        if arguments.calm is not None and attempts[-1]["others_share"] <= arguments.calm / 100:
            break
    return min(attempts, key=lambda report: report["others_share"])


def compare(servers, shape, arguments, factor=1):
    """The reports of all rounds by name of the server."""
    reports = {name: [] for name in servers}
    for number in range(arguments.rounds):
        for name in servers if number % 2 == 0 else reversed(servers):
            report = measure(servers[name], shape, arguments, factor)
            reports[name].append(report)
            rig.say(f"{shape} round {number + 1} of {arguments.rounds}: {name:9} "
                    f"{report['rate']:9.0f}/s  CPU us: server {report['server_cpu_us']:.3f} "
                    f"generator {report['client_cpu_us']:.3f}  "
                    f"latency us: p50 {report['latency_us']['p50']:.0f} "
                    f"p99 {report['latency_us']['p99']:.0f}  "
                    f"others {100 * report['others_share']:.0f} %")
    return reports


def row(what, reports, figure, **options):
    """The medians of figure(report) side by side."""
    ours, redis, memcached = (statistics.median(figure(report) for report in reports[name])
                              for name in ("dhtd", "redis", "memcached"))
    return Comparison(what, ours, redis, memcached=memcached, **options)


def rate(report):
    return report["rate"]


def server_cpu(report):
    return report["server_cpu_us"]


def client_cpu(report):
    return report["client_cpu_us"]


def cores(report):
    """How many cores the server and the generator filled together."""
    return report["rate"] * (report["server_cpu_us"] + report["client_cpu_us"]) / 1e6


def others(report):
    return 100 * report["others_share"]


def cpu(arguments, directory):
    shapes = [Shape(command, pipeline) for command in ("get", "set") for pipeline in (1, 16)]
    with contestants(arguments, directory, threads=1) as servers:
        reports = {shape: compare(servers, shape, arguments) for shape in shapes}
    return [
        *(row(f"server CPU per request, us: {shape}", reports[shape], server_cpu, digits=3,
              at_most=CPU_BARS[shape.pipeline], aim=CPU_AIMS[shape.pipeline], is_ratio=True)
          for shape in shapes),
        *(row(f"requests/s: {shape}", reports[shape], rate) for shape in shapes),
        *(row(f"generator CPU per request, us: {shape}", reports[shape], client_cpu, digits=3)
          for shape in shapes),
        *(row(f"{OTHERS}: {shape}", reports[shape], others) for shape in shapes),
    ]


def always(arguments, directory):
    longer = argparse.Namespace(**vars(arguments))
    longer.seconds *= ALWAYS_FACTOR
    return [Comparison(**dataclasses.asdict(each))
            for each in store_speed.set_fsync(longer, directory)]


def threads(arguments, directory):
    """No thread is bound to a core: where four of them share two cores, redis, with its one,
    then leaves a core to the load, and whoever has two workers gives half of each to it."""
    shape = Shape("get", 16, threads=2, prepared=PREPARED)
    with contestants(arguments, directory, threads=2) as servers:
        reports = compare(servers, shape, arguments)
    return [
        row(f"requests/s, 2 workers, 2 load threads: {shape}", reports, rate, at_least=1.6,
            is_ratio=True),
        row("  server CPU per request, us", reports, server_cpu, digits=3),
        row("  generator CPU per request, us", reports, client_cpu, digits=3),
        row("  cores that server and generator filled", reports, cores, digits=2),
        row(f"  {OTHERS}", reports, others),
    ]


def open_loop(arguments, directory):
    rows = []
    with contestants(arguments, directory, threads=1) as servers:
        for command in ("get", "set"):
            peak = statistics.median(measure(servers["redis"], Shape(command, 1), arguments)["rate"]
                                     for _ in range(arguments.rounds))
            shape = Shape(command, IN_FLIGHT_MAX, rate=round(peak / 2))
            rig.say(f"open loop: {shape.rate} {command}/s, redis can {peak:.0f}")
            reports = compare(servers, shape, arguments, OPEN_FACTOR)
            for name, field, goal in (("p50", "p50", {}),
                                      ("p99", "p99", {"at_most": 1, "is_ratio": True}),
                                      ("p99.9", "p999", {})):
                rows.append(row(f"open loop, {shape.rate:,} {command.upper()}/s: {name}, us",
                                reports, lambda report: report["latency_us"][field], **goal))
            rows.append(row("  server CPU per request, us", reports, server_cpu, digits=3))
            rows.append(row(f"  {OTHERS}", reports, others))
    return rows
