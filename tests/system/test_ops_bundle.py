# SPDX-License-Identifier: Apache-2.0
"""etc/ops/support-bundle and what all scripts have in common."""
import subprocess
import tarfile

import pytest

import ops

SECRET = "correct-horse-battery-staple-0123456789"


def read(file):
    """The files of a bundle, which are in one directory, by their names in it."""
    with tarfile.open(file) as tar:
        files = [member for member in tar if member.isfile()]
        assert len({member.name.split("/")[0] for member in files}) == 1
        return {member.name.split("/", 1)[1]: tar.extractfile(member).read().decode()
                for member in files}


@pytest.fixture
def secret_node(make_node, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    node = make_node(f"cluster.secret_file={secret}")
    with node.client() as client:
        client.call("SET", "a-key-of-a-user", "a-value-of-a-user")
        client.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        client.call("GET", "a-key-of-a-user")
    return node


def bundle(node, output, *words):
    return ops.run("support-bundle", "-s", str(node.socket), "-o", str(output),
                   "--config", str(node.config_file), "--log", str(node.log_file), *words,
                   cwd=output.parent)


def test_it_has_what_helps_and_nothing_secret(secret_node, tmp_path):
    node, file = secret_node, tmp_path / "b.tar.gz"
    with node.config_file.open("a") as config:
        config.write("# password: hunter2-of-another-program\n")
    code, output = bundle(node, file)
    assert code == 0 and "Not in it" in output, output
    assert file.stat().st_mode & 0o077 == 0
    found = read(file)
    for name, word in (("node/status.txt", "node n1 of cluster dht"), ("node/health.txt", "ok"),
                       ("node/queues.json", "dispatcher"), ("node/nodes.txt", "UN"),
                       ("node/settings.txt", "cluster.secret_file"), ("node/job.txt", ""),
                       ("config.yaml", "name: n1"), ("logs/1-dhtd.log", "serving"),
                       ("process/limits.txt", "Max open files"), ("data/df.txt", "%"),
                       ("data/files.txt", "00000000.seg"), ("versions/dhtctl.txt", "dhtctl 0."),
                       ("README", "node n1 of cluster dht")):
        assert word in found[name], (name, found[name])
    everything = "".join(found.values())
    for word in (SECRET, "hunter2", "a-key-of-a-user", "a-value-of-a-user"):
        assert word not in everything
    assert "password: (blacked out)" in found["config.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "n1", "secret"]


def test_a_secret_in_the_log_is_not_sent(secret_node, tmp_path):
    log = tmp_path / "other.log"
    log.write_text(f"somebody typed {SECRET} here\n")
    code, output = bundle(secret_node, tmp_path / "b.tar.gz", "--log", str(log))
    assert code == 1 and "secret was found in logs/2-other.log" in output, output
    assert not list(tmp_path.glob("b.tar.gz*"))


def test_of_a_node_that_is_gone(make_node, tmp_path):
    """What helps most is its log."""
    node = make_node()
    node.stop()
    code, output = bundle(node, tmp_path / "b.tar.gz")
    assert code == 0 and "node/status.txt" in output, output
    found = read(tmp_path / "b.tar.gz")
    assert "it did not answer" in found["README"] and "serving" in found["logs/1-dhtd.log"]
    assert "cannot reach dhtd" in found["node/status.txt"]
    code, output = bundle(node, tmp_path / "b.tar.gz")
    assert code == 1 and "exists" in output


@pytest.mark.parametrize("words", [("--frobnicate",), ("-o",), ("--lines", "many"), ("a.tar.gz",)])
def test_wrong_usage(words):
    code, output = ops.run("support-bundle", *words)
    assert code == 2 and "--help" in output, output


@pytest.mark.parametrize("script", ops.SCRIPTS)
def test_help(script):
    code, output = ops.run(script, "--help")
    assert code == 0 and ops.has_line(output, rf"^usage: {script} "), output
    assert "SPDX" not in output and "set -euo" not in output
    if script != "check-dhtd":
        assert ops.has_line(output, "xit codes:"), output


@pytest.mark.parametrize("script", ops.SCRIPTS)
def test_a_link_to_a_script_works(script, tmp_path):
    """As monitors have their plugins in a directory of their own."""
    link = tmp_path / script
    link.symlink_to(ops.OPS / script)
    done = subprocess.run([link, "--help"], capture_output=True, check=False, timeout=10)
    assert done.returncode == 0 and done.stdout
