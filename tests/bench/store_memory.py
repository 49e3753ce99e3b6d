# SPDX-License-Identifier: Apache-2.0
"""Part of tests/bench/store: memory per key beyond key and value."""
import pathlib
import re

import rig
from rig import harness
from store_row import Row
from store_status import wait_for_rest

KEY_SIZE = 16
VALUE_SIZE = 16
SIZES = (8_000_000, 10_000_000, 13_000_000)  # where growing tables stand before and after a step
QUICK_SIZES = (3000,)


def resident_parts(pid):
    """(anonymous, mapped from files) bytes; a tmpfs counts its files as shared memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    anon, file, shmem = (int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024
                         for name in ("RssAnon", "RssFile", "RssShmem"))
    return anon, file + shmem


def overhead(node, empty, keys, arguments, what):
    """Reads every key once, then returns what each takes beyond its bytes."""
    wait_for_rest(node)
    rig.every_key(node, "get", keys, VALUE_SIZE, arguments.build)
    parts = [now - before for now, before in zip(resident_parts(node.pid), empty)]
    rig.say(f"{keys} keys {what}: anonymous {parts[0] / keys:.1f}, "
            f"mapped {parts[1] / keys:.1f} bytes a key")
    return sum(parts) / keys - KEY_SIZE - VALUE_SIZE


def measure(keys, directory, arguments):
    directory.mkdir()
    with harness.NodeSet(directory, arguments.build) as nodes:
        node = nodes.make("store.fsync=never")
        rig.load(node, arguments.build, command="get", requests=1, warmup=0)  # code, not data
        empty = resident_parts(node.pid)
        rig.every_key(node, "set", keys, VALUE_SIZE, arguments.build)
        once = overhead(node, empty, keys, arguments, "written once")
        rig.every_key(node, "set", keys, VALUE_SIZE, arguments.build)
        return once, overhead(node, empty, keys, arguments, "overwritten")


def ram(arguments, directory):
    rows = []
    for keys in QUICK_SIZES if arguments.quick else SIZES:
        once, twice = measure(keys, directory / str(keys), arguments)
        rows += [Row(f"RAM per key beyond 16 + 16 bytes, {keys:,} keys", once, digits=1,
                     at_most=40),
                 Row("  each overwritten once", twice, digits=1, at_most=48)]
    return rows
