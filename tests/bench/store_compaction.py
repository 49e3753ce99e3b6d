# SPDX-License-Identifier: Apache-2.0
"""Part of tests/bench/store: disk use and latency while old records are compacted away."""
import array
import bisect
import dataclasses
import subprocess
import sys
import time

import rig
from rig import harness
from store_row import Row
from store_status import is_compacting, store_of

VALUE_SIZE = 1024
KEYS = 1 << 20              # 1 GiB of values
QUICK_KEYS = 2000
CONNECTIONS = 64
SAMPLE_S = 0.1
SEGMENT = 64 << 20
QUICK_SEGMENT = 1 << 20
RESERVED = 3                # segments: the active one and two spare ones
ENOUGH = 1000               # puts, for a p99


@dataclasses.dataclass
class Sample:
    ns: int                 # CLOCK_MONOTONIC
    store: dict
    disk: int

    @classmethod
    def take(cls, node):
        return cls(time.monotonic_ns(), store_of(node), rig.du_bytes(node.data_dir))


def highest_rate(node, keys, arguments):
    report = rig.load(node, arguments.build, command="set", keys=keys, value_size=VALUE_SIZE,
                      connections=CONNECTIONS, warmup=0, duration=0.3 if arguments.quick else 5)
    return report["rate"]


def overwrite(node, keys, rate, seconds, trace, arguments):
    """Runs the open loop; returns what was seen of the store meanwhile."""
    command = rig.load_command(node, arguments.build, command="set", keys=keys,
                               value_size=VALUE_SIZE, connections=CONNECTIONS, pipeline=64,
                               warmup=0, rate=int(rate), duration=seconds, trace=trace,
                               timeout=60)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as load:
        samples = rig.sampled(load, lambda: Sample.take(node), SAMPLE_S)
    samples.append(Sample.take(node))
    if load.returncode != 0:
        sys.exit(f"bench_load exited with {load.returncode}")
    return samples


def latencies_by_state(trace, samples):
    """Two sorted lists of latencies in ns: of puts while compaction ran, and while it did
    not. A put counts for the first if compaction ran in the interval between two samples
    in which it began, and for the second if it also rested in the intervals around it."""
    ran = [is_compacting(before.store, after.store)
           for before, after in zip(samples, samples[1:])]
    times = [sample.ns for sample in samples]
    numbers = array.array("Q", trace.read_bytes())
    while_it_ran, while_it_rested = array.array("Q"), array.array("Q")
    for start, latency in zip(numbers[::2], numbers[1::2]):
        interval = bisect.bisect(times, start) - 1
        if not 0 <= interval < len(ran):
            continue
        if ran[interval]:
            while_it_ran.append(latency)
        elif not any(ran[max(interval - 1, 0):interval + 2]):
            while_it_rested.append(latency)
    return sorted(while_it_ran), sorted(while_it_rested)


def p99_us(latencies):
    return latencies[len(latencies) * 99 // 100] / 1000 if len(latencies) >= ENOUGH else None


def compaction(arguments, directory):
    keys = QUICK_KEYS if arguments.quick else KEYS
    segment = QUICK_SEGMENT if arguments.quick else SEGMENT
    passes = arguments.passes
    trace = directory / "trace"
    with harness.NodeSet(directory, arguments.build) as nodes:
        node = nodes.make(f"store.fsync={arguments.fsync}", f"store.segment_size={segment}B",
                          f"store.max_value_size={segment // 4}B")
        rig.every_key(node, "set", keys, VALUE_SIZE, arguments.build)
        rate = max(arguments.load * highest_rate(node, keys, arguments), 1)
        seconds = passes * keys / rate
        rig.say(f"overwriting {passes:g} times at {rate:.0f} puts/s: {seconds:.0f} s")
        samples = overwrite(node, keys, rate, seconds, trace, arguments)
    # Steady from when everything was overwritten once.
    steady_ns = samples[0].ns + seconds / passes * 1e9
    steady = [sample for sample in samples if sample.ns >= steady_ns] or samples[-1:]
    raw = max(sample.disk / sample.store["live_bytes"] for sample in steady)
    beyond = max((sample.disk - RESERVED * segment) / sample.store["live_bytes"]
                 for sample in steady)
    ran, rested = latencies_by_state(trace, samples)
    live = samples[-1].store["live_bytes"]
    rig.say(f"live {live / 2**20:.0f} MiB; puts while compaction ran {len(ran)}, "
            f"rested {len(rested)}")
    return [Row(f"disk / live data, fsync {arguments.fsync}, without active and 2 spare "
                "segments, most", beyond, digits=2, at_most=2.0),
            Row("  with them", raw, digits=2),
            Row("p99 of puts, us, while compaction runs (and not)", p99_us(ran), p99_us(rested),
                at_most=2.0, is_ratio=True)]
