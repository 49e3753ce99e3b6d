# SPDX-License-Identifier: Apache-2.0
"""`dhtctl verify`: replicas hold the same. That it finds what differs is a unit test's
(tests/unit/test_worker_cluster.c), as no client can make replicas differ."""
import json
import threading

import pytest

from harness import wait_until
from ledger import Writer
from members import Keys, make_cluster, said, show

pytestmark = pytest.mark.threads


def verify(node):
    """Its exit code, and what it has found."""
    done = node.ctl("-o", "json", "verify", timeout=120)
    return done.returncode, json.loads(done.stdout)


def test_a_single_node_has_nothing_to_compare(shared_node):
    found = show(shared_node, "verify")
    assert (found["blocks"], found["pairs"], found["differences"]) == (1024, 0, 0)


def test_replicas_are_the_same(make_node):
    nodes = make_cluster(make_node, 4)
    keys = Keys(2000).put(nodes[0])
    held = sum(node.status()["keys"] for node in nodes)
    assert held == 3 * len(keys.values)
    for node in nodes:
        code, found = verify(node)
        assert code == 0 and found["differences"] == 0 and found["keys"] == [], found
        assert found["records"] == 2 * node.status()["keys"]
        # Three of four hold a block.
        assert found["blocks"] == 48 and found["pairs"] == 96 and found["all_blocks"] == 64
    text = nodes[0].ctl("verify", check=True).stdout.decode()
    assert text.splitlines()[1].endswith("records, 0 differ")
    nodes[3].kill()
    wait_until(lambda: b"n4, does not answer" in nodes[0].ctl("status").stdout, "n4 to be missed")
    done = nodes[0].ctl("verify")
    assert done.returncode == 1 and "left out" in said(done)
    # What it misses meanwhile it is told.
    Keys(3000).put(nodes[1])
    nodes[3].start()
    wait_until(lambda: verify(nodes[3])[0] == 0, "n4 to have caught up")


def test_what_is_being_written_is_no_difference(make_node):
    nodes = make_cluster(make_node, 3)
    writers = [Writer(b"w%d" % i, 50, i) for i in range(3)]
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(node.client_port, stop))
               for writer, node in zip(writers, nodes)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(w.acknowledgements > 100 for w in writers), "writes")
        for node in nodes:
            code, found = verify(node)
            assert code == 0, found
    finally:
        stop.set()
        for thread in threads:
            thread.join()
