# SPDX-License-Identifier: Apache-2.0
"""Parts of tests/bench/cluster in which data moves: a fourth node joins, a node comes back.

Clients put into a cluster that holds much, at a rate that is kept whatever the cluster does."""
import contextlib
import json
import signal
import threading
import time

import rig
from cluster_nodes import NODES, Dhtd
from rig import harness
from store_row import Row

CONNECTIONS = 64
LARGE, SMALL = 1024, 100  # bytes of a value
MOVE_GOAL = 60            # MB/s, at least; the aim is 100
P99_GOAL = 3              # times what it is without the join, at most
PEAK_SHARE = 0.25         # of the rate that clients reach
UNTIL_ENDED_S = 3600
VERIFY_S = 600
LOOK_S = 0.5
MB = 1e6


# ---- Load --------------------------------------------------------------------------------------


def puts(arguments, keys, value_size, **options):
    return {"command": "set", "keys": keys, "value_size": value_size, "connections": CONNECTIONS,
            "warmup": arguments.warmup, **options}


def fill(cluster, keys, value_size):
    began = time.monotonic()
    cluster.load(command="set", every_key=True, keys=keys, value_size=value_size,
                 connections=CONNECTIONS, pipeline=64, warmup=0, timeout=60)
    rig.say(f"{keys} keys of {value_size} bytes stored in {time.monotonic() - began:.1f} s")


def errors(report):
    return report["errors"] + report["lost"] + report["unsent"]


@contextlib.contextmanager
def load_meanwhile(cluster, found, **options):
    """Loads as long as the body runs; found receives the report."""
    process = cluster.start_load(duration=UNTIL_ENDED_S, **{**options, "warmup": 0})
    try:
        yield
        process.send_signal(signal.SIGINT)
        found.update(cluster.end_load(process, may_fail=True))
    finally:
        process.kill()
        process.wait()


# ---- A fourth node joins -----------------------------------------------------------------------


def job(node):
    jobs = json.loads(node.ctl("-o", "json", "job", "show", check=True).stdout)["jobs"]
    return jobs[0] if jobs else None


def watch_join(cluster, node):
    """Lets a node join; returns the bytes that the job reports to be moved, and the seconds."""
    began = time.monotonic()
    joining = threading.Thread(target=node.ctl, kwargs={"check": True, "timeout": UNTIL_ENDED_S},
                               args=("join", f"127.0.0.1:{cluster.nodes[0].peer_port}"))
    joining.start()
    reported = 0
    while joining.is_alive():
        now = job(cluster.nodes[0])
        reported = now["bytes"] if now else reported
        joining.join(LOOK_S)
    seconds = time.monotonic() - began
    assert cluster.is_whole() and len(node.status()["nodes"]) == NODES + 1, "the join has failed"
    # What came since the last look is in the joiner's own count.
    return max(reported, node.status()["peers"]["synced_bytes"]), seconds


def join(arguments, directory):
    return [row for value_size in (LARGE, SMALL)
            for row in join_with(arguments, directory, value_size)]


def join_with(arguments, directory, value_size):
    keys = arguments.join_bytes // value_size
    with Dhtd(directory / f"join{value_size}", arguments.build) as cluster:
        fill(cluster, keys, value_size)
        peak = cluster.load(**puts(arguments, keys, value_size, duration=arguments.seconds))
        load = puts(arguments, keys, value_size, rate=max(1, int(PEAK_SHARE * peak["rate"])))
        before = cluster.load(**load, duration=3 * arguments.seconds)
        joiner = cluster.make_node()
        during = {}
        with load_meanwhile(cluster, during, **load):
            moved, seconds = watch_join(cluster, joiner)
    rig.say(f"join, values of {value_size} bytes: {moved / MB:.0f} MB in {seconds:.1f} s; p99 "
            f"{during['latency_us']['p99']:.0f} us, before {before['latency_us']['p99']:.0f} us, "
            f"at {load['rate']} puts/s of {peak['rate']:.0f}; {errors(during)} errors")
    has_goal = value_size == LARGE
    ratio = during["latency_us"]["p99"] / before["latency_us"]["p99"]
    return [
        Row(f"join: MB/s moved, {arguments.join_bytes / MB:.0f} MB in values of {value_size} bytes",
            moved / MB / seconds, digits=1, at_least=MOVE_GOAL if has_goal else None),
        Row("  MB moved", moved / MB), Row("  seconds", seconds, digits=1),
        Row("  puts/s meanwhile, a quarter of the peak", during["rate"]),
        Row("  p99 of puts, us", during["latency_us"]["p99"]),
        Row("  p99 of puts, times that before the join", ratio, digits=2,
            at_most=P99_GOAL if has_goal else None),
        Row("  errors", errors(during), at_most=0),
    ]


# ---- A node comes back -------------------------------------------------------------------------


def exchanged(nodes):
    """(records that others lacked and were told of, identity rounds), of these nodes so far."""
    peers = [node.status()["peers"] for node in nodes]
    return sum(each["told"] for each in peers), sum(each["settled"] for each in peers)


def differences(node):
    found = json.loads(node.ctl("-o", "json", "verify", timeout=VERIFY_S).stdout)
    return found["differences"] + found["left_out"]


def catchup(arguments, directory):
    keys, victim = arguments.catchup_keys, NODES - 1
    with Dhtd(directory / "catchup", arguments.build) as cluster:
        fill(cluster, keys, SMALL)
        cluster.kill(victim)
        away = cluster.load(nodes=range(victim), duration=arguments.away,
                            **puts(arguments, keys, SMALL, rate=arguments.away_rate, timeout=60))
        told, settled = exchanged(cluster.nodes[:victim])
        began = time.monotonic()
        back = cluster.nodes[victim].start()
        serves = time.monotonic() - began
        harness.wait_until(lambda: differences(back) == 0, "the node to have caught up",
                           UNTIL_ENDED_S)
        seconds = time.monotonic() - began
        told_after, settled_after = exchanged(cluster.nodes)
    return [
        Row(f"down for {arguments.away:.0f} s: puts meanwhile, over {keys} keys",
            away["requests"]),
        Row("  errors of these", errors(away), at_most=0),
        Row("  seconds until it serves", serves, digits=1),
        Row("  seconds until verify finds no difference", seconds, digits=1),
        Row("  records told", told_after - told),
        Row("  identity rounds", settled_after - settled),
    ]
