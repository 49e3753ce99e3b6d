# SPDX-License-Identifier: Apache-2.0
"""What packaging/quickstart.sh does behind the build: three nodes, and a key that outlives one.

It runs in a tree of its own, with the programs of this build and no cmake to build others.
"""
import os
import shutil
import socket
import subprocess

import pytest

from harness import BUILD, ROOT

DEADLINE_S = 120
SHOWN = ("node ls", "put greeting 'hello from dhtd'", "get greeting\nhello from dhtd",
         "kill -KILL", "get greeting\nhello from dhtd", "put greeting 'still here'",
         "Started n1 again", "get greeting\nstill here", "The cluster runs.")


@pytest.fixture
def quickstart(tmp_path):
    """quickstart("stop") runs the script and returns its exit code and what it prints."""
    for folder in ("packaging", "build", "tools"):
        (tmp_path / folder).mkdir()
    for name in ("quickstart.sh", "deps.sh"):
        shutil.copy(ROOT / "packaging" / name, tmp_path / "packaging")
    for name in ("dhtd", "dhtctl"):
        shutil.copy(BUILD / name, tmp_path / "build")
    (tmp_path / "tools/cmake").write_text("#!/bin/sh\n")
    (tmp_path / "tools/cmake").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}/tools:{os.environ['PATH']}"}

    def run(*words):
        done = subprocess.run([tmp_path / "packaging/quickstart.sh", *words], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=DEADLINE_S)
        return done.returncode, done.stdout
    yield run
    run("stop")


def check_shown(shown):
    at = 0
    for words in SHOWN:
        assert words in shown[at:], shown
        at = shown.index(words, at) + 1


def test_three_nodes_are_started_shown_used_and_stopped(quickstart, tmp_path):
    code, shown = quickstart()
    assert code == 0, shown
    assert "Started n1 n2 n3" in shown and shown.count(" join 127.0.0.1:") == 2
    check_shown(shown)
    code, shown = quickstart()
    assert code == 0, shown
    assert "already run" in shown and " join " not in shown
    check_shown(shown)
    assert quickstart("stop")[1].startswith("Stopped 3 nodes.")
    assert quickstart("stop") == (0, "No node of this checkout is running.\n")
    code, shown = quickstart()
    assert code == 0, shown
    assert "Started n1 n2 n3" in shown and " join " not in shown
    check_shown(shown)
    assert quickstart("stop")[0] == 0
    # The nodes know each other by their ports.
    port = int((tmp_path / "run/quickstart/ports").read_text())
    with socket.create_server(("127.0.0.1", port)):
        code, shown = quickstart()
    assert code == 1 and f"free {port} to {port + 21}" in shown


def test_wrong_words(quickstart):
    for words in (["nonsense"], ["stop", "stop"]):
        code, shown = quickstart(*words)
        assert code == 1 and "usage:" in shown
    code, shown = quickstart("--help")
    assert code == 0 and shown.startswith("From a fresh checkout to a running cluster")
