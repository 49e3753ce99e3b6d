# SPDX-License-Identifier: Apache-2.0
"""tests/bench/store still runs, part by part, and prints its rows; figures do not matter."""
import os
import pathlib
import subprocess

import pytest

from store_row import Row

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DHT_BUILD_DIR", "build-dev")


def run(*options):
    return subprocess.run([ROOT / "tests" / "bench" / "store", "--quick", "--build", BUILD,
                           *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("part, rows", [
    ("set-fsync", 4),
    pytest.param("get", 2, marks=pytest.mark.skipif(
        not (BUILD / "tests" / "bench_store_get").exists(), reason="built without LMDB")),
    ("ram", 2),
    ("restart", 4),
    ("compaction", 3),
])
def test_part(tmp_path, part, rows):
    done = run("--part", part, "--directory", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert lines[0] == ["what", "dhtd", "other", "ratio", "goal"]
    assert len(lines) == 1 + rows and all(len(line) == 5 for line in lines)
    assert any(goal[:2] in (">=", "<=") for *_, goal in lines[1:])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [("--part", "nothing"), ("--rounds", "0"), ("stray",)])
def test_wrong_usage(options):
    assert run(*options).returncode == 2


@pytest.mark.parametrize("row, texts", [
    (Row("a", 3.0, 2.0, at_least=1.5, is_ratio=True), ("a", "3", "2", "1.50", ">= 1.5 met")),
    (Row("a", 2.9, 2.0, digits=1, at_least=1.5, is_ratio=True),
     ("a", "2.9", "2.0", "1.45", ">= 1.5 MISSED")),
    (Row("a", 40.04, at_most=40, digits=1), ("a", "40.0", "-", "-", "<= 40 MISSED")),
    (Row("a", 40, at_most=40), ("a", "40", "-", "-", "<= 40 met")),
    (Row("a", None, 5.0, at_most=2, is_ratio=True), ("a", "-", "5", "-", "<= 2 NOT MEASURED")),
    (Row("a", 1, None, at_most=2, is_ratio=True), ("a", "1", "-", "-", "<= 2 NOT MEASURED")),
    (Row("a", 12345.6), ("a", "12,346", "-", "-", "-")),
])
def test_rows(row, texts):
    assert row.texts() == texts
