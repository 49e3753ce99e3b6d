# SPDX-License-Identifier: Apache-2.0
"""What a node knows of others that have gone, and how long it works for whoever asks."""
import signal
import time

import pytest

from harness import wait_until
from members import exit_code, make_cluster, said

pytestmark = pytest.mark.threads

SLOW_TO_SUSPECT = "peers.suspect_after=1h"
QUIET = "peers.heartbeat=20ms"


def test_a_killed_node_is_known_by_its_links(make_node):
    nodes = make_cluster(make_node, 3, SLOW_TO_SUSPECT, QUIET)
    wait_until(lambda: all(exit_code(node, "health") == 0 for node in nodes), "all to be well")
    nodes[2].kill()
    for node in nodes[:2]:
        wait_until(lambda n=node: exit_code(n, "health") == 10, "the node to be missed")
        assert b"n3, does not answer" in node.ctl("status").stdout
    nodes[2].start()
    wait_until(lambda: all(exit_code(node, "health") == 0 for node in nodes), "all to be well")


def test_an_operation_is_given_up_with_its_client(make_node):
    nodes = make_cluster(make_node, 3)
    assert exit_code(nodes[0], "put", "a", "1") == 0
    for node in nodes[1:]:
        node.signal(signal.SIGSTOP)
    try:
        for words in (("get", "a"), ("put", "b", "1")):
            began = time.monotonic()
            done = nodes[0].ctl("--timeout", "1s", *words)
            # The daemon says what it knows before dhtctl stops waiting.
            assert done.returncode in (6, 7) and "replicas answered" in said(done), said(done)
            assert time.monotonic() - began < 3
    finally:
        for node in nodes[1:]:
            node.signal(signal.SIGCONT)
    wait_until(lambda: exit_code(nodes[0], "get", "a") == 0, "the others to be back")
