# SPDX-License-Identifier: Apache-2.0
"""Part of tests/bench/store: how long a start takes that has a store to recover."""
import statistics
import subprocess
import sys
import time

import rig
from rig import harness
from store_row import Row

VALUE_SIZE = 100
GOAL_S = 5


def timed_start(node, keys):
    """Seconds from exec to the first `dhtctl status` that exits with 0."""
    start = time.monotonic()
    node.start()
    seconds = time.monotonic() - start
    found = node.status()["keys"]
    if found != keys:
        sys.exit(f"{found} keys instead of {keys} after a start")
    return seconds


def kill_under_load(node, keys, build):
    """Ends the node with SIGKILL in the middle of writes."""
    command = rig.load_command(node, build, command="set", keys=keys, value_size=VALUE_SIZE,
                               connections=16, pipeline=16, warmup=0, duration=60)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as writers:
        def written():
            return sum(worker["requests"] for worker in node.queues()["workers"])

        before = written()
        harness.wait_until(lambda: written() > before + min(keys, 20_000), "writes are under way")
        node.kill()
        writers.wait()


def restart(arguments, directory):
    keys = 5000 if arguments.quick else 10_000_000
    seconds = {(end, pages): [] for end in ("a clean stop", "kill -9")
               for pages in ("warm", "cold")}
    with harness.NodeSet(directory, arguments.build) as nodes:
        node = nodes.make()
        rig.every_key(node, "set", keys, VALUE_SIZE, arguments.build)
        for number in range(arguments.rounds):
            for end, pages in seconds:
                if end == "kill -9":
                    kill_under_load(node, keys, arguments.build)
                else:
                    node.stop()
                if pages == "cold":
                    rig.forget_pages(node.data_dir)
                seconds[end, pages].append(timed_start(node, keys))
                rig.say(f"round {number + 1} of {arguments.rounds}: after {end}, page cache "
                        f"{pages}: {seconds[end, pages][-1]:.2f} s")
    return [Row(f"start with {keys:,} keys after {end}, page cache {pages}, s",
                statistics.median(each), digits=2,
                at_most=GOAL_S if pages == "warm" else None)
            for (end, pages), each in seconds.items()]
