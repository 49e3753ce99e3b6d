# SPDX-License-Identifier: Apache-2.0
"""tests/bench/resp still runs, part by part, and prints its rows; figures do not matter."""
import json
import os
import pathlib
import subprocess

import pytest

from resp_row import HEADS, Comparison

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DHT_BUILD_DIR", "build-dev")


def run(*options):
    return subprocess.run([ROOT / "tests" / "bench" / "resp", "--quick", "--build", BUILD,
                           *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("part, rows, goals", [
    ("cpu", 16, 4), ("always", 4, 1), ("threads", 5, 1), ("open", 10, 2),
])
def test_part(tmp_path, part, rows, goals):
    done = run("--part", part, "--directory", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert tuple(lines[0]) == HEADS
    assert len(lines) == 1 + rows and all(len(line) == len(HEADS) for line in lines)
    judged = [line for line in lines[1:] if line[-1][:2] in (">=", "<=")]
    assert len(judged) == goals
    assert not any("NOT MEASURED" in line[-1] for line in judged)
    assert list(tmp_path.iterdir()) == []


def test_json(tmp_path):
    done = run("--json", "--part", "threads", "--directory", tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["parts"]) == ["threads"]
    first = report["parts"]["threads"][0]
    assert first["to_redis"] == pytest.approx(first["dhtd"] / first["redis"])
    assert first["is_met"] == (first["to_redis"] >= first["at_least"])


@pytest.mark.parametrize("options", [("--part", "nothing"), ("--rounds", "0"), ("stray",)])
def test_wrong_usage(options):
    assert run(*options).returncode == 2


@pytest.mark.parametrize("row, texts", [
    (Comparison("a", 1.0, 2.0, memcached=4.0, digits=1, at_most=0.55, aim=0.42, is_ratio=True),
     ("a", "1.0", "2.0", "4.0", "0.50", "0.25", "0.42", "<= 0.55 met")),
    (Comparison("a", 3.0, 2.0, memcached=3.0, at_least=1.6, is_ratio=True),
     ("a", "3", "2", "3", "1.50", "1.00", "-", ">= 1.6 MISSED, memcached AHEAD")),
    (Comparison("a", 3.0, 2.0, at_least=1.5, is_ratio=True),
     ("a", "3", "2", "-", "1.50", "-", "-", ">= 1.5 met")),
    (Comparison("a", 3.0, 2.0, memcached=1.0),
     ("a", "3", "2", "1", "1.50", "3.00", "-", "-")),
])
def test_rows(row, texts):
    assert row.texts() == texts
