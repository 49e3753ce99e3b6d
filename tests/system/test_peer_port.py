# SPDX-License-Identifier: Apache-2.0
"""The peer port: nodes that are found by their names, and strangers that say nothing."""
import socket

import pytest

from harness import free_port, wait_until
from members import BLOCKS, Keys, exit_code, said, wait_stable

pytestmark = pytest.mark.threads

STRANGERS = 600
SHAKING_MAX = 256  # links that may be without a handshake


def named(make_node, *settings, **options):
    """A node that other nodes find by a name."""
    port = free_port()
    return make_node(BLOCKS, f"listen.peer=localhost:{port}", f"advertise.peer=localhost:{port}",
                     *settings, **options), port


def test_names_are_looked_up_for_links_of_all_kinds(make_node):
    (first, port), *others = [named(make_node) for _ in range(3)]
    nodes = [first, *(node for node, _ in others)]
    for node in nodes[1:]:
        done = node.ctl("join", f"localhost:{port}", timeout=60)
        assert done.returncode == 0, said(done)
    wait_stable(nodes)
    keys = Keys(500).put(nodes[2])
    keys.check(*nodes)
    nodes[1].kill()
    nodes[1].start()
    wait_until(lambda: all(exit_code(node, "health") == 0 for node in nodes), "all to be well")
    keys.check(*nodes)


def test_seeds_may_be_names(make_node):
    first, port = named(make_node, start=False)
    seeds = f"cluster.seeds=localhost:{port}"
    first.settings["cluster.seeds"] = f"localhost:{port}"
    first.start()
    second, _ = named(make_node, seeds)
    wait_stable([first, second])
    Keys(100).put(first).check(second)


def test_strangers_that_say_nothing_keep_nobody_out(make_node):
    first, second = (make_node(BLOCKS) for _ in range(2))
    strangers = []
    for _ in range(STRANGERS):
        strangers.append(socket.create_connection(("127.0.0.1", first.peer_port)))
    done = second.ctl("join", f"127.0.0.1:{first.peer_port}", timeout=60)
    assert done.returncode == 0, said(done)
    peers = first.status()["peers"]
    assert peers["refused_links"] >= STRANGERS - SHAKING_MAX and peers["control_links"] > 0
    wait_until(lambda: first.status()["peers"]["refused_links"] >= STRANGERS, "all to be closed")
    for stranger in strangers:
        stranger.close()
    text = first.ctl("status").stdout.decode()
    assert "links: " in text and "repaired: " in text
