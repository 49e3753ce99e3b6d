# SPDX-License-Identifier: Apache-2.0
"""A machine stops while its node does not sync always: what the node may have forgotten."""
import shutil
import uuid

from members import BLOCKS, Keys, address, said, wait_stable
from preload import preload

WARNS = b"the machine stopped while store.fsync was not always"
REFUSES = b"dhtctl replace n2"


class Machine:
    """What a node that was not started yet will run on."""

    def __init__(self, node):
        self.node = node
        self.boot_id = node.directory / "boot_id"
        node.environment["DHT_BOOT_ID"] = str(self.boot_id)
        preload(node, "boots")
        self.boot()

    def boot(self):
        self.boot_id.write_text(f"{uuid.uuid4()}\n")

    def lose_power(self):
        self.node.kill()
        self.boot()


def a_pair(make_node, fsync):
    """A cluster of two, and the machine of the second."""
    first = make_node(BLOCKS)
    second = make_node(BLOCKS, f"store.fsync={fsync}", start=False)
    machine = Machine(second)
    second.start()
    done = second.ctl("join", address(first), timeout=60)
    assert done.returncode == 0, said(done)
    wait_stable([first, second])
    return first, second, machine


def is_refused(node):
    before = node.log().count(REFUSES)
    node.start(wait=False)
    return node.wait_exit() == 1 and node.log().count(REFUSES) == before + 1


def test_a_member_that_may_have_forgotten_is_refused_and_replaced(make_node):
    first, second, machine = a_pair(make_node, "interval")
    third = make_node(BLOCKS)
    done = third.ctl("join", address(first), timeout=60)
    assert done.returncode == 0, said(done)
    keys = Keys(100).put(third)
    # The process alone loses nothing.
    second.kill()
    second.start()
    machine.lose_power()
    assert is_refused(second)
    assert is_refused(second), "the refused start was not forgotten"
    shutil.rmtree(second.data_dir)
    second.data_dir.mkdir()
    second.start()
    done = second.ctl("replace", "n2", address(first), timeout=60)
    assert done.returncode == 0, said(done)
    wait_stable([first, second, third])
    keys.check(second)


def test_the_operator_accepts_the_loss(make_node):
    first, second, machine = a_pair(make_node, "never")
    keys = Keys(100).put(second)
    machine.lose_power()
    assert is_refused(second)
    second.options = ["--accept-loss"]
    second.start()
    assert WARNS in second.log()
    second.options = []
    # Once is enough: this run is known to have begun with what was left.
    second.kill()
    second.start()
    keys.check(first, second)


def test_who_syncs_always_or_is_alone_goes_on(make_node):
    _, second, machine = a_pair(make_node, "always")
    machine.lose_power()
    second.start()
    assert WARNS not in second.log()
    alone = make_node("store.fsync=never", start=False)
    machine = Machine(alone)
    alone.start()
    machine.lose_power()
    alone.start()
    assert WARNS in alone.log()
