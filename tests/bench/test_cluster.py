# SPDX-License-Identifier: Apache-2.0
"""tests/bench/cluster still runs, without etcd, and prints its rows; figures do not matter."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DHT_BUILD_DIR", "build-dev")


def run(*options):
    return subprocess.run([ROOT / "tests" / "bench" / "cluster", "--quick", "--only", "dhtd",
                           "--build", BUILD, *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("part, rows", [("speed", 12), ("kills", 3), ("idle", 4),
                                        ("join", 14), ("catchup", 6)])
def test_part(tmp_path, part, rows):
    done = run("--part", part, "--directory", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert lines[0] == ["what", "dhtd", "etcd", "/ etcd", "goal"]
    assert len(lines) == 1 + rows
    assert all(line[1] != "-" and line[2] == "-" for line in lines[1:])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [("--part", "nothing"), ("--rounds", "0"), ("stray",)])
def test_wrong_usage(options):
    assert run(*options).returncode == 2
