# SPDX-License-Identifier: Apache-2.0
"""Changes of the members with data: whatever comes or goes, every key stays where clients find it."""
import re
import time

import pytest

from harness import run_together, wait_until
from members import (BLOCKS, Keys, address, exit_code, is_stable, join, make_cluster, members_of,
                     said, show, wait_stable)

pytestmark = pytest.mark.threads

KEYS = 2000
MIB = 1024 * 1024


def change(node, *words):
    """Makes a change and waits for its end."""
    done = node.ctl(*words, timeout=120)
    assert done.returncode == 0, said(done)


def refused(node, *words):
    """Why a change is refused as unsafe."""
    done = node.ctl(*words)
    assert done.returncode == 9, (words, done.returncode, said(done))
    return said(done)


def wait_down(node, name):
    wait_until(lambda: any(member[1:] == (name, "down") for member in members_of(node)),
               f"{name} to be down")


def kill(node, seen_by):
    node.kill()
    wait_down(seen_by, node.name)


def reload(node, **settings):
    """Sets what can be reloaded of the section `peers`."""
    lines = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    node.config_file.write_text(f"node:\n  name: {node.name}\npeers:\n{lines}")
    node.signal(1)
    wanted = [f"peers.{key}" for key in settings]

    def is_set():
        shown = {item["key"]: item["value"] for item in show(node, "config", "show")["settings"]}
        return [shown[key] for key in wanted] == list(settings.values())

    wait_until(is_set, f"{settings} at {node.name}")


def test_a_node_leaves_and_its_data_stays(make_node):
    *nodes, last = make_cluster(make_node, 4)
    keys = Keys(KEYS).put(last)
    change(last, "leave")
    wait_stable(nodes)
    assert [member[1:] for member in members_of(nodes[0])] == [(n.name, "up") for n in nodes]
    keys.check(*nodes)
    # Who has left serves no data and comes back as another one alone.
    assert b"has left" in last.ctl("status").stdout
    assert "empty data directory" in refused(last, "join", address(nodes[0]))
    last.stop()
    keys.check(*nodes)


def test_too_few_are_not_left_behind_unless_it_is_forced(make_node):
    nodes = make_cluster(make_node, 3)
    keys = Keys(KEYS).put(nodes[1])
    assert "only 2 members would remain, for 3 replicas" in refused(nodes[2], "leave")
    keys.check(*nodes)
    change(nodes[2], "leave", "--force")
    wait_stable(nodes[:2])
    keys.check(*nodes[:2])


def test_a_dead_node_is_removed_and_does_not_come_back(make_node):
    *nodes, dead = make_cluster(make_node, 4)
    keys = Keys(KEYS).put(nodes[0])
    assert "it answers" in refused(nodes[0], "remove", dead.name)
    kill(dead, nodes[0])
    change(nodes[0], "remove", dead.name)
    wait_stable(nodes)
    keys.check(*nodes)
    assert show(nodes[1], "node", "ls")["nodes"][-1]["name"] != dead.name
    dead.start(wait=False)
    wait_until(lambda: b"was removed from the cluster" in dead.log() or
               b"has left" in dead.ctl("status").stdout, "the removed node to know")
    assert refused(dead, "join", address(nodes[0]))
    keys.check(*nodes)
    assert is_stable(nodes)


def test_a_dead_node_is_replaced(make_node):
    *nodes, dead = make_cluster(make_node, 3)
    keys = Keys(KEYS).put(dead)
    kill(dead, nodes[0])
    fresh = make_node(BLOCKS)
    change(fresh, "replace", dead.name, address(nodes[0]))
    nodes.append(fresh)
    wait_stable(nodes)
    keys.check(*nodes)
    assert sorted(member[1] for member in members_of(nodes[0])) == ["n1", "n2", "n4"]
    # What it holds is all of it: the others are not needed one by one.
    kill(nodes[0], fresh)
    keys.check(nodes[1], fresh)


def test_a_living_node_is_replaced_and_another_cluster_is_none(make_node):
    nodes = make_cluster(make_node, 3)
    keys = Keys(KEYS).put(nodes[0])
    other = make_node(BLOCKS, "cluster.name=other")
    assert 'cluster "other"' in refused(other, "replace", "n3", address(nodes[0]))
    holder = make_node(BLOCKS)
    Keys(1).put(holder)
    assert "--discard-data" in refused(holder, "replace", "n3", address(nodes[0]))
    change(holder, "replace", "n3", address(nodes[0]), "--discard-data")
    gone = nodes.pop()
    nodes.append(holder)
    wait_stable(nodes)
    keys.check(*nodes)
    assert b"has left" in gone.ctl("status").stdout


def test_a_join_is_cancelled_and_nothing_has_moved(make_node):
    nodes = make_cluster(make_node, 3)
    keys = Keys(6000, size=4000).put(nodes[0])
    few = Keys(100).put(nodes[0])
    keys.values.update(few.values)
    fresh = make_node(BLOCKS, "peers.sync_rate=1MiB")
    job = join(fresh, nodes[0]).stdout.decode().strip()
    assert f"job {job}" in refused(nodes[0], "leave", "--force", "--no-wait")
    wait_until(lambda: any(one["joint"] for one in show(nodes[0], "job", "ls")["jobs"]),
               "blocks to move")
    few.check(*nodes, fresh)
    change(nodes[1], "job", "cancel", job)
    wait_stable(nodes)
    keys.check(*nodes)
    assert len(members_of(nodes[0])) == 3
    assert "empty data directory" in refused(fresh, "join", address(nodes[0]))


def test_a_job_goes_on_whoever_is_killed(make_node):
    nodes = make_cluster(make_node, 3)
    keys = Keys(4000, size=4000).put(nodes[0])
    nodes.append(make_node(BLOCKS, "peers.sync_rate=2MiB"))
    job = int(join(nodes[3], nodes[0]).stdout)
    for node in nodes:
        shown = show(nodes[0], "job", "ls")["jobs"]
        assert [one["id"] for one in shown] in ([job], []), shown
        node.kill()
        node.start()
        keys.check(node)
    wait_stable(nodes, deadline_s=120)
    assert [member[2] for member in members_of(nodes[0])] == ["up"] * 4
    keys.check(*nodes)


def test_an_old_data_directory_is_refused(make_node):
    nodes = make_cluster(make_node, 4)
    keys = Keys(KEYS).put(nodes[0])
    last = nodes.pop()
    change(last, "leave")
    last.stop()
    last.start()
    assert exit_code(last, "health") == 10
    assert b"has left" in last.ctl("status").stdout
    with last.client() as client:
        assert client.call("GET", "key:1").startswith("CLUSTERDOWN")
        assert client.call("SET", "key:1", "other").startswith("CLUSTERDOWN")
    assert "empty data directory" in refused(last, "join", address(nodes[0]))
    assert "empty data directory" in refused(last, "replace", "n1", address(nodes[0]))
    keys.check(*nodes)


def test_two_changes_at_once(make_node):
    nodes = make_cluster(make_node, 3)
    fresh = [make_node(BLOCKS) for _ in range(2)]
    keys = Keys(KEYS).put(nodes[0])
    codes = []

    def try_to_join(node):
        done = node.ctl("join", address(nodes[0]), timeout=120)
        codes.append((done.returncode, said(done)))

    run_together([lambda node=node: try_to_join(node) for node in fresh])
    # One after the other, or the second is told of the first.
    assert all(code == 0 or (code == 9 and "another change is going on" in why)
               for code, why in codes), codes
    assert (0, "") in codes
    joined = [node for node in fresh if exit_code(node, "health") == 0 and
              len(members_of(node)) > 1]
    wait_stable(nodes + joined)
    keys.check(*nodes, *joined)


def test_how_far_a_job_is_and_how_fast_it_may_be(make_node):
    nodes = make_cluster(make_node, 3)
    keys = Keys(4000, size=4000).put(nodes[0])
    held = sum(len(key) + len(value) for key, value in keys.values.items())
    nodes.append(make_node(BLOCKS))
    reload(nodes[3], sync_rate="1MiB")
    assert join(nodes[3], nodes[0]).returncode == 0

    def job():
        jobs = show(nodes[0], "job", "show")["jobs"]
        return jobs[0] if jobs else None

    began = time.monotonic()
    wait_until(lambda: (now := job()) and now["bytes"] > 4 * MIB, "the rate to be known")
    seen = job()
    # The fourth of four nodes gets three quarters of a copy of everything; blocks that it has a
    # part of count as left.
    assert 0.6 * held < seen["bytes"] + seen["bytes_left"] < held
    # What was asked for at once, for several blocks, is made up for later.
    assert seen["bytes"] < 1.2 * MIB * (time.monotonic() - began) + 2 * MIB
    assert seen["bytes_per_s"] < 2 * MIB
    text = nodes[0].ctl("job", "show").stdout.decode()
    assert re.search(r"moved: [\d.]+ MiB of about [\d.]+ MiB, [\d.]+ .iB/s, \d+s left", text), text
    reload(nodes[3], sync_rate="1GiB")
    wait_stable(nodes)
    assert time.monotonic() - began < 0.75 * held / MIB
    keys.check(*nodes)
    plan = show(nodes[1], "plan", "leave", "n4")
    assert plan["possible"] and 0.6 * held < plan["bytes"] < 0.9 * held and plan["risks"] == []
    plan = show(nodes[1], "plan", "set", "n4", "--zone", "other")
    assert plan["possible"], plan
    nodes[2].kill()
    wait_down(nodes[1], "n3")
    plan = show(nodes[1], "plan", "leave", "n4")
    assert any("cannot lose one more member" in risk for risk in plan["risks"]), plan
    nodes[2].start()
