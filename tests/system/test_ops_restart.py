# SPDX-License-Identifier: Apache-2.0
"""etc/ops/rolling-restart: nobody loses anything, and it stops where it would be unsafe to go on."""
import contextlib
import threading

import pytest

import ops
from cluster import Cluster
from harness import wait_until
from traffic import Traffic

DONE, FAILED, USAGE, UNREACHABLE, UNSAFE = 0, 1, 2, 4, 9
QUICK = ("--settle", "0")


@contextlib.contextmanager
def restarts(nodes, directory):
    """Restarts a node for who creates DIRECTORY/NAME, and removes the file when that is done.
    Yields the command that does so and waits for it, and the names of the nodes in turn."""
    directory.mkdir(exist_ok=True)
    ended, done = threading.Event(), []

    def serve():
        while not ended.wait(0.02):
            for node in nodes:
                request = directory / node.name
                if request.exists():
                    node.stop()
                    node.start(wait=False)
                    done.append(node.name)
                    request.unlink()

    thread = threading.Thread(target=serve)
    thread.start()
    file = f"{directory}/{{name}}"
    try:
        yield f"touch {file} && while [ -e {file} ]; do sleep 0.05; done", done
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def module_cluster(module_nodes):
    return Cluster(module_nodes.make, 3)


@pytest.fixture
def cluster(request, module_nodes, module_cluster):
    """A cluster of three for all tests, which is healthy whenever one begins."""
    request.node.node_set = module_nodes
    module_cluster.wait_settled()
    return module_cluster


def sockets_of(nodes):
    return [str(node.socket) for node in nodes]


def test_all_nodes_in_turn_under_load(cluster, chance, tmp_path):
    pids = [node.pid for node in cluster.nodes]
    with restarts(cluster.nodes, tmp_path / "ask") as (command, done), \
            Traffic(cluster.nodes, chance.random()) as traffic:
        traffic.wait_for(20)
        with traffic.watched("rolling restart"):
            code, output = ops.run("rolling-restart", "--restart", command, "--settle", "1",
                                   *sockets_of(cluster.nodes))
        assert code == DONE, output
        traffic.wait_for(20)
    cluster.wait_settled()
    traffic.check(cluster.nodes)
    assert done == ["n1", "n2", "n3"]
    assert not set(pids) & {node.pid for node in cluster.nodes}
    for number in (1, 2, 3):
        assert ops.has_line(output, rf"^{number}/3 n{number} \(.*\): restarting$"), output
    assert "All 3 nodes are done." in output


def test_it_is_resumed_where_it_stopped(cluster, tmp_path):
    """A second node that cannot be restarted ends it; with the state, the first is left alone."""
    targets, state = sockets_of(cluster.nodes), tmp_path / "state"
    with restarts(cluster.nodes, tmp_path / "ask") as (command, done):
        fails = f"[ {{name}} != n2 ] || exit 7; {command}"
        code, output = ops.run("rolling-restart", "--restart", fails, "--state", str(state),
                               *QUICK, *targets)
        assert (code, done) == (FAILED, ["n1"]), output
        assert "node n2 could not be restarted" in output and "exited with 7" in output
        assert f"done: 1 of 3; left: {targets[1]} {targets[2]}" in output
        # The same by a template that runs commands elsewhere, as far as the script knows.
        code, output = ops.run("rolling-restart", "--run", "DHTCTL_SOCKET={} sh -c",
                               "--restart", command, "--state", str(state), *QUICK, *targets)
        assert (code, done) == (DONE, ["n1", "n2", "n3"]), output
        assert "1/3 n1" in output and "done already" in output
        assert not state.exists()


def test_it_refuses_while_a_node_is_down(cluster):
    *alive, dead = cluster.nodes
    dead.kill()
    wait_until(lambda: alive[0].ctl("health").returncode == 10, "the others to notice")
    code, output = ops.run("rolling-restart", "--restart", "exit 1", *sockets_of(alive))
    assert code == UNSAFE and "n3, does not answer" in output, output
    code, output = ops.run("rolling-restart", "--restart", "exit 1", *sockets_of([dead, *alive]))
    assert code == UNREACHABLE and str(dead.socket) in output, output
    assert "done: 0 of 3" in output
    dead.start()


def test_a_dry_run_restarts_nothing(cluster, tmp_path):
    """Hosts are reached by a template, and come from a file."""
    hosts = tmp_path / "hosts"
    hosts.write_text("# all of them\nn1 n2\n\nn3  # the last\n")
    pids = [node.pid for node in cluster.nodes]
    run = f"DHTCTL_SOCKET={cluster.nodes[0].directory.parent}/{{}}/dhtd.sock sh -c"
    code, output = ops.run("rolling-restart", "--run", run, "--file", str(hosts), "--dry-run")
    assert code == DONE, output
    assert "3/3 n3 (n3): would run: systemctl restart dhtd" in output
    assert [node.pid for node in cluster.nodes] == pids
    version = cluster.nodes[0].status()["version"]
    code, output = ops.run("rolling-restart", "--run", run, "--file", str(hosts),
                           "--skip-version", version)
    assert code == DONE and output.count("done already") == 3, output


def test_a_node_that_is_not_restarted_is_noticed(cluster):
    code, output = ops.run("rolling-restart", "--restart", "true", "--timeout", "1",
                           *sockets_of(cluster.nodes))
    assert code == FAILED and "the same process still runs" in output, output
    assert "done: 0 of 3" in output


def test_it_refuses_what_makes_keys_unavailable(make_node):
    alone = make_node()
    code, output = ops.run("rolling-restart", "--restart", "exit 1", str(alone.socket))
    assert code == UNSAFE and "would have no majority" in output, output
    other = make_node()
    code, output = ops.run("rolling-restart", "--restart", "exit 1", *sockets_of([alone, other]))
    assert code == UNSAFE and "of another cluster" in output, output
    code, output = ops.run("rolling-restart", "--restart", "exit 1", *sockets_of([alone, alone]))
    assert code == USAGE and "are the same node" in output, output


ANSWER = r"""#!/bin/bash
case " $* " in *" ok-to-stop "*) exit 0 ;; esac
node=${DHTCTL_SOCKET##*/}
[ ! -e "$0.$node.restarted" ] || pid=2
echo "asked" >>"$0.$node.asked"
# Once all are known, the third says what this test is about.
if [ "$node" = n3 ] && [ "$(wc -l <"$0.$node.asked")" -gt 1 ]; then
	printf '%s\n' LATER
else
	printf '%s\n' schema=1 node="$node" id="$node" lineage=1 serving=true health=ok pid=${pid:-1} \
		uptime_s=5
fi
"""


@pytest.mark.parametrize("later, problem", [
    ("schema=1 node=n3 id=n3", "of unknown health"), ("", "node n3: "),
    ("node=n3 health=degraded reasons.0='a\\nhealthy\\nhealthy'", "degraded: a healthy")])
def test_a_node_that_does_not_say_it_is_healthy_is_not(tmp_path, later, problem):
    fake = tmp_path / "dhtctl"
    fake.write_text(ANSWER.replace("LATER", later))
    fake.chmod(0o755)
    code, output = ops.run("rolling-restart", "--restart", f"touch {tmp_path}/done", "--dhtctl",
                           str(fake), "/n1", "/n2", "/n3")
    assert code == UNSAFE and "the cluster is not healthy" in output and problem in output, output
    assert "done: 0 of 3" in output and not (tmp_path / "done").exists()


def test_an_answer_that_never_comes_is_not_healthy(tmp_path):
    """Who is to ask may come to its end in silence, as where there is no memory left."""
    fake = tmp_path / "dhtctl"
    fake.write_text(ANSWER)
    # It is run by what captures its output, and that by who is to tell the answer.
    limited = tmp_path / "timeout"
    limited.write_text(f"""#!/bin/bash
if [ "$DHTCTL_SOCKET" = /n3 ] && [ -e {fake}.n3.asked ]; then
	kill -KILL "$(ps -o ppid= -p "$PPID" | tr -d ' ')"
fi
exec /usr/bin/timeout "$@"
""")
    for file in (fake, limited):
        file.chmod(0o755)
    code, output = ops.run("rolling-restart", "--restart", f"touch {tmp_path}/done", "--dhtctl",
                           str(fake), "/n1", "/n2", "/n3",
                           environment={"PATH": f"{tmp_path}:{ops.PATH['PATH']}"})
    assert code == UNSAFE and "2 of 3" in output, output
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("words", [(), ("--restart",), ("/socket",), ("--run", "ssh", "host"),
                                   ("--settle", "soon", "host"), ("--file",), ("--frobnicate", "host"),
                                   ("--restart", "a", "--local", "b", "host")])
def test_wrong_usage(words):
    code, output = ops.run("rolling-restart", *words)
    assert code == USAGE and output.count("\n") == 1 and "--help" in output, output
