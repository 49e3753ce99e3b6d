# SPDX-License-Identifier: Apache-2.0
"""The peer port: nodes that are found by their names."""
import pytest

from harness import free_port, wait_until
from members import BLOCKS, Keys, exit_code, said, wait_stable

pytestmark = pytest.mark.threads


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
