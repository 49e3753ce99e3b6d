# SPDX-License-Identifier: Apache-2.0
"""etc/ops/check-dhtd: four states, one line, and performance data that monitors can read."""
import os
import re
import signal

import pytest

import ops
from harness import give_up_privileges, wait_until
from members import make_cluster

OK, WARNING, CRITICAL, UNKNOWN = range(4)
VALUE = r"[a-z_0-9]+=\d+(%|ms|us|s|c|B)?(;\d+;\d+;0)?"


def check(node, *words, **options):
    """The state and the line; the disk of this machine is not what is tested."""
    code, output = ops.run("check-dhtd", "-s", str(node.socket), "--disk", "off", *words, **options)
    name = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code]
    assert output.startswith(f"DHTD {name} - ") and output.count("\n") == 1, output
    text, _, values = output.strip().partition(" | ")
    assert not values or re.fullmatch(f"{VALUE}( {VALUE})*", values), values
    return code, text, dict(value.split("=", 1) for value in values.split())


def test_all_is_well(shared_node):
    with shared_node.client() as client:
        client.call("SET", "k", "v")
    code, text, values = check(shared_node, "--memory", "99,100")
    assert (code, text) == (OK, "DHTD OK - node n1 of cluster dht, 1 of 1 nodes up")
    assert values["keys"] == "1" and values["nodes_up"] == "1" and values["connections"] == "0"
    assert values["queue"].startswith("0;1000;") and values["skew"] == "0ms;250;1000;0"
    assert values["memory"].endswith("%;99;100;0") and "disk" not in values


@pytest.mark.parametrize("name", ["memory", "skew", "queue", "disk"])
def test_thresholds(shared_node, name):
    assert check(shared_node, f"--{name}", "0,1000000")[0] == WARNING
    assert check(shared_node, f"--{name}", "0,0")[0] == CRITICAL
    assert check(shared_node, f"--{name}", "1000000,1000000")[0] == OK
    code, _, values = check(shared_node, f"--{name}", "off")
    assert code == OK and name not in values


def test_the_disk_is_that_of_the_data(shared_node):
    code, output = ops.run("check-dhtd", "-s", str(shared_node.socket), "--disk", "0,101",
                           "--memory", "off")
    disk = os.statvfs(shared_node.data_dir)
    used = (disk.f_blocks - disk.f_bfree) / (disk.f_blocks - disk.f_bfree + disk.f_bavail) * 100
    shown = int(re.search(r"disk is (\d+)% full", output)[1])
    assert code == WARNING and abs(shown - used) < 3, output


def test_a_node_that_is_gone_or_does_not_serve(make_node):
    node = make_node()
    node.stop()
    code, text, _ = check(node)
    assert code == CRITICAL and "cannot reach dhtd" in text
    waiting = make_node("cluster.seeds=127.0.0.1:1", start=False).start(wait=False)
    wait_until(lambda: waiting.ctl("status").stdout, "the node to tell its status")
    code, text, _ = check(waiting)
    assert code == CRITICAL and "does not serve" in text


def test_a_node_that_hangs(make_node):
    node = make_node()
    node.signal(signal.SIGSTOP)
    try:
        code, text, _ = check(node, "-t", "100ms")
    finally:
        node.signal(signal.SIGCONT)
    assert code == CRITICAL and "no answer" in text


def count_down(node):
    return sum(member["state"] == "down" for member in node.status()["nodes"])


def start_again(nodes):
    """Together: none is ready without the others."""
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        node.wait_ready()


def test_a_member_that_does_not_answer(make_node):
    nodes = make_cluster(make_node, 3)
    nodes[2].kill()
    wait_until(lambda: nodes[0].ctl("health").returncode == 10, "the others to notice")
    code, text, values = check(nodes[0])
    assert code == WARNING and "2 of 3 nodes up" in text and "n3, does not answer" in text
    assert (values["nodes"], values["nodes_up"]) == ("3", "2")
    nodes[1].kill()
    wait_until(lambda: count_down(nodes[0]) == 2, "the last to notice")
    code, text, values = check(nodes[0])
    assert code == CRITICAL and values["nodes_up"] == "1", text
    assert re.search(r"; (\d+) of \1 blocks have no majority of their replicas;", text), text
    start_again(nodes[1:])
    wait_until(lambda: check(nodes[0])[0] != CRITICAL, "the check to see that they are back")


def test_of_more_members_than_replicas_only_some_keys_are_lost(make_node):
    nodes = make_cluster(make_node, 5)
    for node in nodes[3:]:
        node.kill()
    wait_until(lambda: count_down(nodes[0]) == 2, "the others to notice")
    code, text, _ = check(nodes[0])
    assert code == CRITICAL, text
    lost, blocks = map(int, re.search(r"; (\d+) of (\d+) blocks have no majority", text).groups())
    assert 0 < lost < blocks
    start_again(nodes[3:])


@pytest.fixture
def silent_df(tmp_path):
    """An environment in which df says nothing."""
    (tmp_path / "df").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "df").chmod(0o755)
    return {"PATH": f"{tmp_path}:{ops.PATH['PATH']}"}


@pytest.mark.parametrize("limit, state", [("off", UNKNOWN), ("0,1000000", WARNING),
                                          ("0,0", CRITICAL)])
def test_a_df_that_fails_hides_nothing(shared_node, silent_df, limit, state):
    code, text, _ = check(shared_node, "--memory", "off", "--skew", limit, "--disk", "80,90",
                          environment=silent_df)
    assert code == state and "df does not tell" in text, text


def test_what_cannot_be_found_out(shared_node, tmp_path):
    shared_node.socket.chmod(0)
    try:
        code, text, _ = check(shared_node, preexec_fn=give_up_privileges)
    finally:
        shared_node.socket.chmod(0o660)
    assert code == UNKNOWN and "denied" in text.lower()
    # Without dhtctl.
    code, output = ops.run("check-dhtd", environment={"PATH": "/usr/bin:/bin"})
    assert (code, output) == (UNKNOWN, "DHTD UNKNOWN - there is no dhtctl in PATH\n")


@pytest.mark.parametrize("words", [("--frobnicate",), ("-s",), ("--disk", "90"), ("--skew", "5,1"),
                                   ("--memory", "x,y"), ("-t", "soon")])
def test_wrong_usage_is_unknown(words):
    """2 would be critical."""
    code, output = ops.run("check-dhtd", *words)
    assert code == UNKNOWN and output.startswith("DHTD UNKNOWN - "), output
