# SPDX-License-Identifier: Apache-2.0
"""A majority is lost for good: what survives is made a cluster of, by the operator's word."""
import os
import signal
import threading

import pytest

from harness import RespError, wait_until
from members import (BLOCKS, Keys, address, exit_code, make_cluster, members_of, said, show,
                     wait_stable)

pytestmark = pytest.mark.threads


def recover(node, survivors, typed):
    return node.ctl("recover", "--from", ",".join(survivors), input=typed, timeout=120)


class Recovery(threading.Thread):
    """A recovery of n1 and n2 that goes on while the test does; it has begun."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.done = None
        self.start()
        wait_until(lambda: b"recovering the cluster" in node.log(), "the new map to be told")

    def run(self):
        self.done = recover(self.node, ["n1", "n2"], b"dht\n")


def kill(nodes, seen_by):
    for node in nodes:
        node.kill()
    names = {node.name for node in nodes}
    wait_until(lambda: {name for _, name, state in members_of(seen_by) if state == "down"} == names,
               "the nodes to be down")


def test_one_of_three_survives(make_node):
    first, *lost = make_cluster(make_node, 3)
    keys = Keys(1000).put(lost[0])
    kill(lost, first)
    with first.client() as client:
        assert isinstance(client.call("SET", "a", "1"), RespError)
    # Nothing happens without the name.
    done = recover(first, ["n1"], b"")
    assert done.returncode == 1 and "64 blocks keep some" in said(done), said(done)
    done = recover(first, ["n1"], b"another\n")
    assert done.returncode == 2 and "not the name" in said(done)
    assert len(members_of(first)) == 3
    done = recover(first, ["n1"], b"dht\n")
    assert done.returncode == 0, said(done)
    wait_stable([first])
    assert members_of(first) == [(0, "n1", "up")]
    keys.check(first)
    assert first.client().call("SET", "a", "1") == "OK"
    # The others are of another cluster now, and stay outside even together.
    for node in lost:
        node.start()
    wait_until(lambda: b"no link to a member" in lost[0].log(), "the lost to try")
    assert members_of(first) == [(0, "n1", "up")]
    keys.check(first)
    assert first.client().call("GET", "a") == b"1"
    fresh = make_node(BLOCKS)
    assert fresh.ctl("join", address(first), timeout=60).returncode == 0
    wait_stable([first, fresh])
    keys.check(first, fresh)


def test_survivors_merge_what_they_have(make_node):
    nodes = make_cluster(make_node, 5)
    old = Keys(1000).put(nodes[4])
    survivors, lost = nodes[:2], nodes[2:]
    kill(lost, survivors[0])
    done = recover(survivors[0], ["n1", "n3"], b"dht\n")
    assert done.returncode == 9 and "n3 does not answer" in said(done)
    assert "has to be one of the survivors" in said(recover(survivors[0], ["n2"], b"dht\n"))
    assert exit_code(survivors[0], "recover", "--from", "n1,n9") == 2
    assert "named twice" in said(recover(survivors[0], ["n1", "n2", "n1"], b""))
    done = recover(survivors[0], ["n1", "n2"], b"dht\n")
    assert done.returncode == 0, said(done)
    wait_stable(survivors)
    assert [name for _, name, _ in members_of(survivors[1])] == ["n1", "n2"]
    # Three of five replicas of a block are three of five nodes: who was in none of them has
    # lost it, and what is there is the same at both.
    found = []
    for node in survivors:
        with node.client() as client:
            found.append([client.call("GET", key) for key in old.values])
    assert found[0] == found[1]
    lost_blocks = {show(survivors[0], "locate", key.decode())["block"]
                   for key, value in zip(old.values, found[0]) if value is None}
    assert all(value in (None, old.values[key]) for key, value in zip(old.values, found[0]))
    told = next(line for line in said(done).splitlines() if "keep none" in line)
    assert 0 < len(lost_blocks) == int(told.split()[2]), told


def test_a_survivor_that_was_not_told_is_told_when_it_is_back(make_node):
    nodes = make_cluster(make_node, 5, "peers.suspect_after=20s")
    (first, second), lost = nodes[:2], nodes[2:]
    kill(lost, first)
    # It is named as one that answers, and gets nothing of what it is told.
    os.kill(second.process.pid, signal.SIGSTOP)
    recovery = Recovery(first)
    second.kill()
    second.start(wait=False)
    recovery.join()
    assert recovery.done.returncode == 0, said(recovery.done)
    wait_stable([first, second])
    assert [name for _, name, _ in members_of(second)] == ["n1", "n2"]
    assert second.client().call("SET", "a", "1") == "OK"


def test_who_has_recovered_it_tells_after_a_restart_too(make_node):
    """What the recovery has ended is part of the map: who restarts knows whom to tell."""
    nodes = make_cluster(make_node, 5, "peers.suspect_after=20s")
    (first, second), lost = nodes[:2], nodes[2:]
    kill(lost, first)
    os.kill(second.process.pid, signal.SIGSTOP)
    before = show(first, "node", "ls")["epoch"]
    recovery = Recovery(first)
    wait_until(lambda: show(first, "node", "ls")["epoch"] > before, "the new map to be adopted")
    for node in (second, first):
        node.kill()
    recovery.join()
    for node in (second, first):
        node.start()
    wait_stable([first, second])
    assert [name for _, name, _ in members_of(second)] == ["n1", "n2"]
    assert second.client().call("SET", "a", "1") == "OK"


def test_a_survivor_that_is_stopped_while_it_merges_goes_on(make_node):
    nodes = make_cluster(make_node, 5, "peers.sync_rate=1MiB")
    (first, second), lost = nodes[:2], nodes[2:]
    keys = Keys(2000, size=2000).put(first)
    kill(lost, first)
    recovery = Recovery(first)
    wait_until(lambda: show(second, "job", "ls")["jobs"], "the job to be seen")
    os.kill(second.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: (1, "n2", "down") in members_of(first), "it to be missed")
        assert show(first, "job", "ls")["jobs"], "the job is over: it was too short to be stopped"
    finally:
        os.kill(second.process.pid, signal.SIGCONT)
    recovery.join()
    assert recovery.done.returncode == 0, said(recovery.done)
    wait_stable([first, second])
    assert [name for _, name, _ in members_of(second)] == ["n1", "n2"]
    found = []
    for node in (first, second):
        with node.client() as client:
            found.append([client.call("GET", key) for key in keys.values])
    assert found[0] == found[1]
    assert all(value in (None, keys.values[key]) for key, value in zip(keys.values, found[0]))
    assert first.client().call("SET", "a", "1") == "OK"
