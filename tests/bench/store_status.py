# SPDX-License-Identifier: Apache-2.0
"""What `dhtctl -o json status` says about the store, for the parts of tests/bench/store."""
from rig import harness

REST_S = 300


def store_of(node):
    return node.status()["store"]


def is_compacting(before, after):
    """Whether compaction did something between two looks at the store, or does now."""
    return bool(after["compaction"]["running"]) or (
        after["compaction"]["bytes_copied"] != before["compaction"]["bytes_copied"])


def wait_for_rest(node):
    """Waits until compaction has nothing to do."""
    last = [store_of(node)]

    def rests():
        before, last[0] = last[0], store_of(node)
        return not is_compacting(before, last[0])

    harness.wait_until(rests, "compaction rests", REST_S)
