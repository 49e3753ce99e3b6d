# SPDX-License-Identifier: Apache-2.0
"""Parts of tests/bench/cluster. Each returns its rows."""
import statistics
import time

import rig
from cluster_nodes import NODES, contestants, cpu_s
from store_row import Row

CONNECTIONS = 64
VALUE_SIZE = 100
CPU_GOAL = 0.12     # of etcd's, at most
PUT_GOAL = 6        # times etcd's rate, at least; the aim is 10
READ_GOAL = 5
GAP_MEDIAN_MS = 100
GAP_WORST_MS = 300
IDLE_MIB = 20
IDLE_PERCENT = 0.5
KILL_AFTER_S = 1.0  # of a window
MIB = 1 << 20


def fill(cluster, arguments):
    cluster.load(command="set", every_key=True, keys=arguments.keys, value_size=VALUE_SIZE,
                 connections=16)


def shape(command, arguments):
    return {"command": command, "keys": arguments.keys, "value_size": VALUE_SIZE,
            "connections": CONNECTIONS, "warmup": arguments.warmup}


# ---- Rates and CPU -----------------------------------------------------------------------------


def measure(clusters, command, arguments, **options):
    """The reports of all rounds by name of the cluster, in one order and then in the other."""
    reports = {name: [] for name in clusters}
    for number in range(arguments.rounds):
        for name in clusters if number % 2 == 0 else reversed(clusters):
            report = clusters[name].load(**shape(command, arguments),
                                         duration=arguments.seconds, **options)
            reports[name].append(report)
            rig.say(f"{command} {options or ''} round {number + 1} of {arguments.rounds}: "
                    f"{name:5} {report['rate']:8.0f}/s  CPU us: servers "
                    f"{report['server_cpu_us']:.1f} generator {report['client_cpu_us']:.1f}  "
                    f"latency us: p50 {report['latency_us']['p50']:.0f} "
                    f"p99 {report['latency_us']['p99']:.0f}")
    return reports


def row(what, reports, figure, **options):
    medians = [statistics.median(figure(report) for report in reports[name])
               if name in reports else None for name in ("dhtd", "etcd")]
    return Row(what, *medians, **options)


def rate(report):
    return report["rate"]


def server_cpu(report):
    return report["server_cpu_us"]


def p99(report):
    return report["latency_us"]["p99"]


def speed(arguments, directory):
    with contestants(directory, arguments.build, arguments.only) as clusters:
        for cluster in clusters.values():
            fill(cluster, arguments)
        puts = measure(clusters, "set", arguments)
        reads = measure(clusters, "get", arguments)
        deep = {}
        if "dhtd" in clusters:
            ours = {"dhtd": clusters["dhtd"]}
            deep = {command: measure(ours, command, arguments, pipeline=16)
                    for command in ("set", "get")}
    rows = [
        row("server CPU per put, all nodes, us", puts, server_cpu, digits=1, at_most=CPU_GOAL,
            is_ratio=True),
        row("puts/s", puts, rate, at_least=PUT_GOAL, is_ratio=True),
        row("  p99, us", puts, p99, at_most=1, is_ratio=True),
        row("linearizable reads/s", reads, rate, at_least=READ_GOAL, is_ratio=True),
        row("  p99, us", reads, p99),
        row("  server CPU per read, all nodes, us", reads, server_cpu, digits=1),
    ]
    for command, reports in deep.items():
        rows += [row(f"{command}/s, 16 in flight on a connection", reports, rate),
                 row("  server CPU, all nodes, us", reports, server_cpu, digits=1),
                 row("  p99, us", reports, p99)]
    return rows


# ---- Kills -------------------------------------------------------------------------------------


def window(cluster, nodes, arguments, action):
    """Loads these nodes for a while, in the middle of which something is done. Returns the longest
    time that one of the clients was without a right reply, in milliseconds."""
    options = shape("set", arguments) | {"warmup": 0}
    process = cluster.start_load(nodes, duration=arguments.window, **options)
    time.sleep(KILL_AFTER_S)
    action()
    return cluster.end_load(process, may_fail=True)["gap_us"] / 1e3


def kill_once(cluster, number, arguments):
    """(gap with a kill, gap of an equal window without one)."""
    victim = cluster.victim(number)
    survivors = [node for node in range(NODES) if node != victim]
    quiet = window(cluster, survivors, arguments, lambda: None)
    killed = window(cluster, survivors, arguments, lambda: cluster.kill(victim))
    cluster.restart(victim)
    return killed, quiet


def kills(arguments, directory):
    gaps = {}
    with contestants(directory, arguments.build, arguments.only) as clusters:
        for cluster in clusters.values():
            fill(cluster, arguments)
        for number in range(arguments.kills):
            for name, cluster in clusters.items():
                killed, quiet = kill_once(cluster, number, arguments)
                gaps.setdefault(name, []).append((killed, quiet))
                rig.say(f"kill {number + 1} of {arguments.kills}: {name:5} gap {killed:.1f} ms, "
                        f"without a kill {quiet:.1f} ms")

    def figures(of):
        return [of(gaps[name]) if name in gaps else None for name in ("dhtd", "etcd")]

    def worst_quiet(found):
        return max(quiet for _, quiet in found)

    return [
        Row("kill -9 (etcd: of the leader), longest gap of a client of the others, median, ms",
            *figures(lambda found: statistics.median(killed for killed, _ in found)), digits=1,
            at_most=GAP_MEDIAN_MS),
        Row("  worst, less the worst without a kill, ms",
            *figures(lambda found: max(killed for killed, _ in found) - worst_quiet(found)),
            digits=1, at_most=GAP_WORST_MS),
        Row("  worst without a kill, ms", *figures(worst_quiet), digits=1),
    ]


# ---- At rest -----------------------------------------------------------------------------------


def rest(cluster, arguments):
    """(MiB resident, percent of a core) of the node with the most of each."""
    time.sleep(arguments.settle)
    before = [cpu_s(pid) for pid in cluster.pids]
    began = time.monotonic()
    time.sleep(arguments.idle)
    elapsed = time.monotonic() - began
    used = [cpu_s(pid) - was for pid, was in zip(cluster.pids, before)]
    resident = [rig.resident_bytes(pid) / MIB for pid in cluster.pids]
    rig.say(f"{cluster.name:5} " + "  ".join(
        f"{mib:.1f} MiB {100 * cpu / elapsed:.2f} %" for mib, cpu in zip(resident, used)))
    return max(resident), 100 * max(used) / elapsed


def idle(arguments, directory):
    with contestants(directory, arguments.build, arguments.only) as clusters:
        empty = {name: rest(cluster, arguments) for name, cluster in clusters.items()}
        for cluster in clusters.values():
            fill(cluster, arguments)
        filled = {name: rest(cluster, arguments) for name, cluster in clusters.items()}

    def figures(found, which):
        return [found[name][which] if name in found else None for name in ("dhtd", "etcd")]

    return [
        Row("idle: resident, MiB a node", *figures(empty, 0), digits=1, at_most=IDLE_MIB),
        Row("  CPU, percent of a core a node", *figures(empty, 1), digits=2,
            at_most=IDLE_PERCENT),
        Row(f"  with {arguments.keys} keys: resident, MiB a node", *figures(filled, 0), digits=1,
            at_most=IDLE_MIB),
        Row("  CPU, percent of a core a node", *figures(filled, 1), digits=2,
            at_most=IDLE_PERCENT),
    ]
