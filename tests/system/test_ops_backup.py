# SPDX-License-Identifier: Apache-2.0
"""etc/ops/backup: complete whatever the cluster's size, restored into any, and never half of one."""
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import threading

import pytest

import ops
from cluster import scan
from harness import wait_until
from members import Keys, make_cluster

DONE, FAILED, USAGE, UNREACHABLE, UNCERTAIN, NO_QUORUM, UNSAFE = 0, 1, 2, 4, 6, 7, 9
LIFE_MS = 3_600_000
ODD = {b"": b"", b"\xff\n": b"\x00" * 3000, "käse".encode(): "wörter".encode()}


def fill(node):
    """Keys of every kind, one of which expires in an hour, and one soon."""
    keys = Keys(1500).put(node)
    with node.client() as client:
        for key, value in ODD.items():
            assert client.call("SET", key, value) == "OK"
        assert client.call("SET", "later", "v", "PX", LIFE_MS) == "OK"
        assert client.call("SET", "soon", "v", "PX", 1) == "OK"
    return keys


def clear(node):
    """Takes all keys away."""
    with node.client() as client:
        keys = scan(client, "COUNT", "1000")
        client.send_bytes(b"".join(client.encode("DEL", key) for key in keys))
        assert all(client.receive() in (0, 1) for _ in keys)
        assert scan(client) == []


def check(keys, node, expires_at):
    keys.check(node)
    with node.client() as client:
        for key, value in ODD.items():
            assert client.call("GET", key) == value
        assert client.call("PEXPIRETIME", "later") == expires_at
        assert client.call("DBSIZE") == len(keys.values) + len(ODD) + 1


def backup(action, *words, node=None):
    environment = {"DHTCTL_SOCKET": str(node.socket)} if node else {"DHTCTL_SOCKET": "/none"}
    return ops.run("backup", action, *map(str, words), environment=environment)


@pytest.fixture(scope="module")
def three(module_nodes):
    """A cluster of three, for all tests."""
    return make_cluster(module_nodes.make, 3)


@pytest.fixture(scope="module")
def alone(module_nodes):
    """A cluster of one, for all tests."""
    return module_nodes.make()


@pytest.fixture(autouse=True)
def shown(request, module_nodes):
    request.node.node_set = module_nodes


@pytest.fixture
def made(alone, tmp_path):
    """A backup of a single node, with that node."""
    clear(alone)
    fill(alone)
    code, output = backup("create", tmp_path / "b", node=alone)
    assert code == DONE, output
    return tmp_path / "b", alone


def test_from_three_nodes_into_one_and_back(three, alone, tmp_path):
    keys = fill(three[0])
    clear(alone)
    with three[0].client() as client:
        expires_at = client.call("PEXPIRETIME", "later")
    code, output = backup("create", tmp_path / "three", node=three[1])
    assert code == DONE, output
    # Each key once, though every node holds all of them.
    lines = gzip.decompress((tmp_path / "three/data.jsonl.gz").read_bytes()).splitlines()
    assert len(lines) == len({json.dumps(json.loads(line)) for line in lines})
    manifest = dict(line.split("=", 1)
                    for line in (tmp_path / "three/manifest").read_text().splitlines())
    status = three[1].status()
    assert [manifest[name] for name in ("cluster", "lineage", "epoch", "made_by")] == [
        status["cluster"], status["lineage"], str(status["epoch"]), three[1].name]
    assert manifest["entries"] == str(len(lines))
    assert [manifest[f"node.{i}"].split()[0] for i in range(3)] == [node.name for node in three]
    assert backup("verify", tmp_path / "three")[0] == DONE

    code, output = backup("restore", tmp_path / "three", node=alone)
    assert code == DONE and f"Restored {len(lines)} entries" in output, output
    check(keys, alone, expires_at)

    assert backup("create", tmp_path / "one", node=alone)[0] == DONE
    clear(three[0])
    code, output = backup("restore", tmp_path / "one", node=three[2])
    assert code == DONE, output
    for node in three:
        check(keys, node, expires_at)


def test_keys_that_exist(made):
    directory, node = made
    with node.client() as client:
        client.call("SET", "key:0", "changed")
        client.call("DEL", "key:1")
        code, output = backup("restore", directory, node=node)
        assert code == UNSAFE and "holds keys" in output, output
        assert client.call("GET", "key:1") is None
        code, output = backup("restore", "--if-absent", directory, node=node)
        assert code == DONE and "were there already and stay" in output, output
        assert client.call("GET", "key:0") == b"changed" and client.call("GET", "key:1")
        code, output = backup("restore", "--overwrite", directory, node=node)
        assert code == DONE, output
        assert client.call("GET", "key:0").startswith(b"0;")


@pytest.mark.parametrize("mode, again", [((), "--if-absent"), (("--if-absent",), "--if-absent"),
                                         (("--overwrite",), "--overwrite")])
def test_how_an_interrupted_restore_goes_on(made, tmp_path, mode, again):
    """What was to be overwritten must not stay because of the advice."""
    directory, node = made
    clear(node)
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "dhtctl").write_text('#!/bin/sh\ncase " $* " in *" load"*) exit 6 ;; esac\n'
                                 f'exec {ops.BUILD}/dhtctl "$@"\n')
    (fake / "dhtctl").chmod(0o755)
    code, output = ops.run("backup", "restore", *mode, str(directory), environment={
        "DHTCTL_SOCKET": str(node.socket), "PATH": f"{fake}:{ops.PATH['PATH']}"})
    assert code == UNCERTAIN and output.endswith(f"go on with: backup restore {again}\n"), output


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file):
    os.truncate(file, file.stat().st_size - 1)


def test_damage_is_found_and_not_restored(made, tmp_path):
    directory, node = made
    empty = tmp_path / "b2"
    for damage in (flip, cut, os.unlink, lambda file: file.write_bytes(b"")):
        for name in ("data.jsonl.gz", "manifest", "SHA256SUMS"):
            shutil.copytree(directory, empty)
            damage(empty / name)
            code, output = backup("verify", empty)
            assert code == FAILED and "is no whole backup" in output, (name, output)
            code, output = backup("restore", "--overwrite", empty, node=node)
            assert code == FAILED and "is no whole backup" in output, (name, output)
            shutil.rmtree(empty)


def test_a_wrong_count_is_found(made):
    """Checksums that fit what is wrong: the manifest has counted."""
    directory, _ = made
    data = directory / "data.jsonl.gz"
    lines = gzip.decompress(data.read_bytes()).splitlines(keepends=True)
    data.write_bytes(gzip.compress(b"".join(lines[1:])))
    subprocess.run("sha256sum data.jsonl.gz manifest > SHA256SUMS", shell=True, cwd=directory,
                   check=True)
    code, output = backup("verify", directory)
    assert code == FAILED and "another number of entries" in output, output


def leftovers(directory):
    return [path.name for path in directory.iterdir() if path.name.startswith("b")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(alone, tmp_path, number):
    # A gzip that never ends: it is in the middle of it for sure.
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "gzip").write_text(f"#!/bin/sh\necho > {tmp_path}/reached\nexec sleep 1000\n")
    (fake / "gzip").chmod(0o755)
    environment = {"DHTCTL_SOCKET": str(alone.socket), "PATH": f"{fake}:{ops.PATH['PATH']}"}
    with ops.begin("backup", "create", str(tmp_path / "b"), environment=environment) as process:
        wait_until((tmp_path / "reached").exists, "the dump to run")
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 128 + number, output
    assert b"there is no backup" in output
    assert leftovers(tmp_path) == ["bin"]


def limit_files():
    """For a new process: a file cannot grow further, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_leaves_nothing(alone, tmp_path):
    with alone.client() as client:
        for i in range(40):
            client.call("SET", f"big{i}", os.urandom(10_000))
    code, output = ops.run("backup", "create", str(tmp_path / "b"), preexec_fn=limit_files,
                           environment={"DHTCTL_SOCKET": str(alone.socket)})
    assert code == FAILED and "there is no backup" in output, output
    assert leftovers(tmp_path) == []


def test_writes_meanwhile(three, alone, tmp_path):
    """What is there all the time is in it, with one of the values that it had."""
    keys = Keys(1500).put(three[0])
    clear(alone)
    ended = threading.Event()

    def write():
        with three[1].client() as client:
            number = 0
            while not ended.is_set():
                number += 1
                assert client.call("SET", f"key:{number % 1000}", f"new{number}") == "OK"
                client.call("SET", f"come{number}", "v")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        code, output = backup("create", tmp_path / "b", node=three[0])
    finally:
        ended.set()
        thread.join()
    assert code == DONE, output
    assert backup("verify", tmp_path / "b")[0] == DONE
    assert backup("restore", tmp_path / "b", node=alone)[0] == DONE
    with alone.client() as client:
        for key, value in keys.values.items():
            found = client.call("GET", key)
            assert found == value or found.startswith(b"new"), key


def test_a_part_without_a_majority_is_no_backup(three, tmp_path):
    """The last test of the cluster."""
    for node in three[1:]:
        node.kill()
    code, output = backup("create", tmp_path / "b", node=three[0])
    assert code == NO_QUORUM and leftovers(tmp_path) == [], output
    for node in three[1:]:
        node.start(wait=False)


def test_wrong_usage_and_what_is_in_the_way(tmp_path):
    for words in ((), ("create",), ("frobnicate", "x"), ("create", "a", "b"),
                  ("create", "--overwrite", "x"), ("verify", "--frobnicate", "x"),
                  ("restore", "--overwrite", "--if-absent", "x"), ("create", "-s")):
        code, output = ops.run("backup", *words)
        assert code == USAGE and "--help" in output, (words, output)
    (tmp_path / "b").mkdir()
    code, output = backup("create", tmp_path / "b")
    assert code == FAILED and "exists" in output
    code, output = backup("create", tmp_path / "new")
    assert code == UNREACHABLE and leftovers(tmp_path) == ["b"], output
    code, output = backup("verify", tmp_path / "missing")
    assert code == FAILED and "is no whole backup" in output
