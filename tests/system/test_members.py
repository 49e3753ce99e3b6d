# SPDX-License-Identifier: Apache-2.0
"""Members come, go and are shown: what the control plane of real daemons agrees on.

What becomes of data is tested in test_moves.py; here a change may well not get to its end.
"""
import errno
import threading
import time

import pytest

from faults import Faults
from harness import free_port, wait_until
from members import (BLOCKS, address, agree, exit_code, join, make_cluster, members_of, said,
                     show, wait_for_members)
from test_accept import CPU_SHARE_MAX, cpu_seconds

pytestmark = pytest.mark.threads

AGREES_S = 1     # within this time after a change all nodes show it
PATIENCE_S = 10  # for which a joining node waits for a member that was asked


@pytest.fixture
def pair(make_node):
    """Two nodes, each a cluster of its own."""
    return [make_node(BLOCKS) for _ in range(2)]


def test_a_node_joins_and_all_show_it(pair):
    first, second = pair
    joined = join(second, first)
    assert joined.returncode == 0, said(joined)
    began = time.monotonic()
    shown, _ = wait_for_members(pair, 2)
    assert time.monotonic() - began < AGREES_S
    assert shown == [(0, "n1", "up"), (1, "n2", "joining")]
    job = show(first, "job", "show")["jobs"][0]
    assert (job["kind"], job["node"], job["id"]) == ("join", "n2", int(joined.stdout))


def test_a_node_with_data_does_not_join_unless_it_gives_it_up(pair):
    first, second = pair
    second.client().call("SET", "a", "1")
    refused = join(second, first)
    assert refused.returncode == 9 and "--discard-data" in said(refused)
    assert second.client().call("GET", "a") == b"1"
    assert join(second, first, "--discard-data").returncode == 0
    wait_for_members(pair, 2)


def test_a_taken_name_and_another_cluster_are_refused(make_node):
    first = make_node(BLOCKS)
    other = make_node(BLOCKS, "cluster.name=other")
    twin = make_node(BLOCKS, "node.name=n1")
    refused = join(other, first)
    assert refused.returncode == 9 and 'cluster "other"' in said(refused)
    refused = join(twin, first)
    assert refused.returncode == 9 and "taken" in said(refused)
    assert members_of(first) == [(0, "n1", "up")]
    # What was refused serves on.
    assert twin.client().call("SET", "a", "1") == "OK"


def warnings_of(node):
    return [line for line in node.log().decode().splitlines()
            if "level=warn" in line and "module=control" in line]


def test_a_join_is_nothing_to_warn_of(make_node):
    nodes = make_cluster(make_node, 4)
    for node in nodes:
        assert not warnings_of(node), node.name


def test_who_is_refused_is_told_of_once(make_node):
    inside, outside = make_node(BLOCKS), make_node(BLOCKS, "cluster.name=another")
    for _ in range(5):
        assert exit_code(outside, "join", address(inside)) == 9
    assert inside.status()["peers"]["refused_links"] >= 5
    told = warnings_of(inside)
    assert len(told) == 1 and "refused a link" in told[0] and "OTHER_CLUSTER" in told[0]


def test_a_second_change_waits_and_a_job_is_cancelled(make_node):
    first, second, third = (make_node(BLOCKS) for _ in range(3))
    job = join(second, first).stdout.decode().strip()
    refused = join(third, first)
    assert refused.returncode == 9 and f"job {job}" in said(refused)
    assert exit_code(first, "job", "cancel", job) == 0
    wait_until(lambda: members_of(first) == [(0, "n1", "up")], "the join to be undone")
    assert exit_code(first, "job", "show", job) == 3
    assert first.client().call("SET", "a", "1") == "OK"
    assert join(third, first).returncode == 0
    # Who was thrown out is a member of nothing, and does not come back.
    assert exit_code(second, "health") == 10
    assert join(second, first).returncode == 9


def test_a_member_that_stops_is_down_and_comes_back(pair):
    first, second = pair
    join(second, first)
    wait_for_members(pair, 2)
    second.stop()
    wait_until(lambda: members_of(first)[1][2] == "down", "the member to be down")
    assert exit_code(first, "health") == 10
    assert "does not answer" in first.ctl("status").stdout.decode()
    second.start()
    wait_for_members(pair, 2)
    wait_until(lambda: members_of(first)[1][2] != "down", "the member to be back")


def test_all_restart_and_go_on_with_the_map(pair):
    first, second = pair
    join(second, first)
    shown, slots = wait_for_members(pair, 2)
    for node in pair:
        node.stop()
    for node in pair:
        node.start()
    wait_until(lambda: agree(pair) == (shown, slots), "the same map as before")


def test_seeds(make_node):
    port = free_port()
    settings = [BLOCKS, f"cluster.seeds=127.0.0.1:{port}"]
    late = make_node(*settings, start=False)
    late.start(wait=False)
    wait_until(lambda: b"joining the cluster" in late.ctl("status").stdout, "the node to wait")
    assert exit_code(late, "health") == 11
    with pytest.raises(ConnectionRefusedError):
        late.client()
    first = make_node(*settings, f"listen.peer=127.0.0.1:{port}")
    wait_until(lambda: exit_code(late, "status") == 0, "the node to have joined")
    wait_for_members([first, late], 2)


def test_secrets(make_node, tmp_path):
    secrets = []
    for i, text in enumerate((b"tell nobody\n", b"tell nobody", b"another one")):
        path = tmp_path / f"secret{i}"
        path.write_bytes(text)
        secrets.append(f"cluster.secret_file={path}")
    first, second, third = (make_node(BLOCKS, secret) for secret in secrets)
    bare = make_node(BLOCKS)
    assert "secret" in said(join(third, first))
    assert "secret" in said(join(bare, first))
    assert join(second, first).returncode == 0
    wait_for_members([first, second], 2)


def test_without_a_secret_nobody_is_reached_beyond_the_machine(make_node):
    for setting in ("listen.peer=0.0.0.0:{}", "advertise.peer=192.0.2.1:{}"):
        node = make_node(setting.format(free_port()), start=False)
        node.start(wait=False)
        assert node.wait_exit() == 1
        assert b"cluster.secret_file" in node.log()
        assert setting.split("=", maxsplit=1)[0].encode() in node.log()


def test_the_direction_that_is_blocked_is_named(make_node):
    first = make_node(BLOCKS)
    nobody = free_port()
    unreached = make_node(BLOCKS, f"advertise.peer=127.0.0.1:{nobody}")
    refused = join(unreached, first)
    assert refused.returncode == 9
    assert f"n1 cannot reach advertise.peer 127.0.0.1:{nobody}" in said(refused)
    refused = join(first, unreached)
    assert refused.returncode == 9
    assert f"this node cannot reach the member's advertise.peer 127.0.0.1:{nobody}" in said(refused)
    # Another node than the one that is meant answers there.
    twisted = make_node(BLOCKS, f"advertise.peer=127.0.0.1:{first.peer_port}")
    refused = join(twisted, first)
    assert refused.returncode == 9
    assert f"advertise.peer 127.0.0.1:{first.peer_port}" in said(refused)
    assert members_of(first) == [(0, "n1", "up")]


def test_what_is_unsafe_is_refused(pair):
    first, second = pair
    assert exit_code(first, "leave", "--no-wait") == 9
    assert exit_code(first, "remove", "n1", "--no-wait") == 9
    assert exit_code(first, "remove", "n7", "--no-wait") == 2
    assert exit_code(first, "plan", "leave", "n1") == 9
    assert exit_code(first, "ok-to-stop", "n1") == 9
    assert exit_code(first, "job", "cancel", "77") == 2
    join(second, first)
    wait_for_members(pair, 2)
    place = show(first, "locate", "a")
    assert (place["slot"], place["block"]) == (15495, 60)
    assert place["replicas"][0]["name"] == "n1"


def test_who_joins_answers_while_its_disk_does_not(make_node):
    first, second = make_node(BLOCKS), make_node(BLOCKS, start=False)
    faults = Faults(second)
    second.start()
    joining = threading.Thread(target=join, args=(second, first))
    with faults.of("identity", "wait"):
        joining.start()
        wait_until(lambda: len(members_of(first)) == 2, "the cluster to let it in")
        wait_until(lambda: b"joining" in second.ctl("status", timeout=5).stdout,
                   "status to tell of the join")
        assert second.queues()["workers"]
    joining.join()
    wait_for_members([first, second], 2)
    second.client().call("SET", "a", "1")
    assert first.client().call("GET", "a") == b"1"


def test_zone_and_weight_are_set(make_node):
    node = make_node(BLOCKS)
    assert exit_code(node, "node", "set", "n1", "--zone", "b", "--weight", "7") == 0
    shown = show(node, "node", "show", "0")["node"]
    assert (shown["zone"], shown["weight"]) == ("b", 7)
    node.stop()
    node.start()
    assert show(node, "node", "show", "n1")["node"] == shown
    assert exit_code(node, "node", "set", "n1") == 2


def test_who_has_the_clusters_map_does_not_give_up(make_node):
    """The cluster counts on it from there on: a disk that is full only makes it late."""
    first, second = make_node(BLOCKS), make_node(BLOCKS, start=False)
    faults = Faults(second)
    second.start()
    joining = threading.Thread(target=join, args=(second, first))
    with faults.of("identity", errno.ENOSPC):
        joining.start()
        wait_until(lambda: b"cannot join" in second.log(), "the node to meet the fault")
        met, used_s = time.monotonic(), cpu_seconds(second)
        wait_until(lambda: time.monotonic() - met > PATIENCE_S + 1)
        assert cpu_seconds(second) - used_s < CPU_SHARE_MAX * PATIENCE_S
        assert second.log().count(b"cannot join") == 1
        assert b"joining" in second.ctl("status").stdout
    joining.join()
    wait_for_members([first, second], 2)
    first.client().call("SET", "a", "1")
    assert wait_until(lambda: second.client().call("GET", "a") == b"1")


def test_a_name_is_looked_up_and_an_unknown_one_is_named(pair):
    first, second = pair
    unknown = second.ctl("join", "nobody.invalid:1")
    assert unknown.returncode == 1 and "nobody.invalid:1" in said(unknown)
    assert second.ctl("join", f"localhost:{first.peer_port}", "--no-wait").returncode == 0
    wait_for_members(pair, 2)


def test_a_node_that_moves_says_so(make_node):
    node = make_node(BLOCKS)
    node.stop()
    node.peer_port = free_port()
    node.settings["listen.peer"] = f"127.0.0.1:{node.peer_port}"
    node.settings["node.name"] = "renamed"
    node.start()

    def is_told():
        member, = show(node, "node", "ls")["nodes"]
        return (member["name"], member["peer"]) == ("renamed", f"127.0.0.1:{node.peer_port}")

    wait_until(is_told, "the map to have the new address")
