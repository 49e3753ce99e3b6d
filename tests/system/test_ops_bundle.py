# SPDX-License-Identifier: Apache-2.0
"""etc/ops/support-bundle and what all scripts have in common."""
import subprocess
import tarfile

import pytest

import ops
from harness import give_up_privileges

NOT_SEARCHED = "NOT searched for the secret"
SECRET = "correct-horse-battery-staple-0123456789"


def read(file):
    """The files of a bundle, which are in one directory, by their names in it."""
    with tarfile.open(file) as tar:
        files = [member for member in tar if member.isfile()]
        assert len({member.name.split("/")[0] for member in files}) == 1
        return {member.name.split("/", 1)[1]: tar.extractfile(member).read().decode(errors="surrogateescape")
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


def bundle(node, output, *words, **options):
    return ops.run("support-bundle", "-s", str(node.socket), "-o", str(output),
                   "--config", str(node.config_file), "--log", str(node.log_file), *words,
                   cwd=output.parent, **options)


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
    assert NOT_SEARCHED not in found["README"]
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


LINES = [  # and what becomes of them
    ("cluster.secret_file: hunter2", "cluster.secret_file: (blacked out)"),
    ("  # secret_file: hunter2", "  # secret_file: (blacked out)"),
    ("secret_file: /hunter2 and more", "secret_file: (blacked out)"),
    ("secret_file=hunter2", "secret_file=(blacked out)"),
    ("  secret_file: /etc/s  # password: hunter2",
     "  secret_file: /etc/s  # password: (blacked out)"),
    ("cluster: {secret_file: '/etc/s', password: hunter2}",
     "cluster: {secret_file: '/etc/s', password: (blacked out)"),
    ("TOKEN = hunter2", "TOKEN = (blacked out)"),
    ("\udcff secret: hun\udcffter2", "\udcff secret: (blacked out)"),
    ("  secret_file: \"/etc/dhtd/secret\"  # the file", None),
    ("secret_file: ''", None),
    ("secret_file:", None),
    ('{"key":"cluster.secret_file","value":"/etc/dhtd/secret"}', None),
    ('error="cannot read cluster.secret_file /etc/dhtd/secret: Permission denied"', None),
    ("nothing to hide", None),
]


def test_lines_that_name_a_secret(make_node, tmp_path):
    node, log = make_node(), tmp_path / "other.log"
    log.write_text("".join(line + "\n" for line, _ in LINES), errors="surrogateescape")
    code, output = bundle(node, tmp_path / "b.tar.gz", "--log", str(log))
    assert code == 0, output
    found = read(tmp_path / "b.tar.gz")
    assert NOT_SEARCHED not in found["README"]
    assert found["logs/2-other.log"].splitlines() == [shown or line for line, shown in LINES]


def in_file(node, secret):
    """Says in the configuration of a node that has stopped which file its secret is in."""
    node.stop()
    text = node.config_file.read_text()
    node.config_file.write_text(f"{text}\ncluster:\n  secret_file: '{secret}'  # ours\n")


def test_the_secret_of_a_node_that_is_gone(make_node, tmp_path):
    node, secret, log = make_node(), tmp_path / "secret", tmp_path / "other.log"
    in_file(node, secret)
    log.write_text(f"somebody typed {SECRET} here\n")
    code, output = bundle(node, tmp_path / "b.tar.gz", "--log", str(log))
    assert code == 0 and "a search for the cluster's secret" in output, output
    assert NOT_SEARCHED in read(tmp_path / "b.tar.gz")["README"]
    secret.write_text(SECRET + "\n")
    code, output = bundle(node, tmp_path / "c.tar.gz", "--log", str(log))
    assert code == 1 and "secret was found in logs/2-other.log" in output, output


def test_a_secret_that_cannot_be_read_is_not_searched_for(secret_node, tmp_path):
    (tmp_path / "secret").chmod(0)
    code, output = bundle(secret_node, tmp_path / "b.tar.gz", preexec_fn=give_up_privileges)
    readme = read(tmp_path / "b.tar.gz")["README"]
    assert code == 0 and "a search for the cluster's secret" in output, output
    assert NOT_SEARCHED in readme and "or secrets" not in readme


@pytest.mark.parametrize("secret, logged, state", [
    (b"\xff\n\x00\n\x01:\n\xfe\xfd{[*\n", None, "searched"),
    (b"\xff\n\x00\n\x01:\n\xfe\xfd{[*\n", b"\xff\n\x00\n\x01:\n\xfe\xfd{[*", "found"),
    (b"a line of its own\nand another\r\n", b"<and another>", "found"),
    (b"dhtd \n", None, "not searched"),
])
def test_secrets_of_any_bytes(make_node, tmp_path, secret, logged, state):
    """Short ones and parts of such would be found in anything."""
    node, log = make_node(), tmp_path / "other.log"
    in_file(node, tmp_path / "secret")
    (tmp_path / "secret").write_bytes(secret)
    log.write_bytes(b"begin\n" + (logged or b"") + b"\nend\n")
    code, output = bundle(node, tmp_path / "b.tar.gz", "--log", str(log))
    assert code == (1 if state == "found" else 0), output
    assert ("secret was found in logs/2-other.log" in output) == (state == "found"), output
    if state != "found":
        readme = read(tmp_path / "b.tar.gz")["README"]
        assert (NOT_SEARCHED in readme) == (state == "not searched")


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
