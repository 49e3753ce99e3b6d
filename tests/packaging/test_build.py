# SPDX-License-Identifier: Apache-2.0
"""The packages as files: the same bytes each time, small, and to lintian's liking."""
import os
import re
import subprocess

import pytest

import machine as machines
from conftest import build_deb

SIZE_MAX = 1024 * 1024  # both packages, without debug symbols
EXPOSURE_MAX = 1.5


def test_two_builds_give_the_same_bytes(packages, tmp_path):
    elsewhere = {**os.environ, "TMPDIR": str(tmp_path), "TZ": "Asia/Tokyo", "LC_ALL": "C",
                 "HOME": str(tmp_path)}
    again = build_deb("again", env=elsewhere, umask=0o077)
    names = sorted(path.name for path in packages.directory.glob("*.deb"))
    assert names == sorted(path.name for path in again.directory.glob("*.deb"))
    assert len(names) == 4, names
    for name in names:
        first, second = packages.directory / name, again.directory / name
        assert first.read_bytes() == second.read_bytes(), f"{name} differs"


def test_missing_packages_are_named(tmp_path):
    stub = tmp_path / "dpkg-checkbuilddeps"
    stub.write_text("#!/bin/sh\necho 'dpkg-checkbuilddeps: error: Unmet build dependencies: "
                    "cmake (>= 3.25) libyaml-dev' >&2\nexit 1\n")
    stub.chmod(0o755)
    done = subprocess.run(
        [machines.SOURCE / "packaging" / "build-deb", "--output", tmp_path],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "build-deb: packages are missing: apt install cmake libyaml-dev\n"


@pytest.fixture
def checkout(tmp_path):
    """A checkout of build-deb and what it reads itself, in which "building" is up to `stub`."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("packaging", "CMakeLists.txt", "CHANGELOG.md"):
        subprocess.run(["cp", "-R", machines.SOURCE / name, folder], check=True)
    git = ["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=n@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    return folder


def run_stubbed(checkout, build, *options):
    """Runs build-deb in a checkout; the shell command `build` stands in for the real build."""
    stubs = checkout.parent / "stubs"
    stubs.mkdir(exist_ok=True)
    for name, command in (("dpkg-checkbuilddeps", "exit 0"), ("dpkg-buildpackage", build)):
        (stubs / name).write_text(f"#!/bin/sh\n{command}\n")
        (stubs / name).chmod(0o755)
    return subprocess.run(
        [checkout / "packaging/build-deb", *options], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"})


def touch(version):
    return f"cd .. && touch dhtd_{version}_amd64.deb dhtd_{version}_amd64.changes dhtd_1.buildinfo"


def test_older_packages_go_from_dist_alone(checkout):
    elsewhere = checkout.parent / "elsewhere"
    for version in (1, 2):
        for options in ([], ["--output", elsewhere]):
            run_stubbed(checkout, touch(version), *options)
    assert [path.name for path in (checkout / "dist").glob("*.deb")] == ["dhtd_2_amd64.deb"]
    assert len(list(elsewhere.glob("*.deb"))) == 2


def test_the_log_of_a_build_that_failed_is_kept(checkout):
    done = run_stubbed(checkout, "seq 100; exit 1")
    log = checkout / "dist/build-deb.log"
    assert done.returncode == 1
    assert done.stderr.endswith(f"build-deb: the build failed; all that it said is in {log}\n")
    assert log.read_text().startswith("1\n2\n")
    run_stubbed(checkout, touch(1))
    assert not log.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a checkout away needs root")
def test_git_says_why_it_reads_no_checkout_of_another_user(checkout):
    os.chown(checkout, 1, 1)
    done = run_stubbed(checkout, touch(1))
    assert done.returncode == 1
    assert "dubious ownership" in done.stderr
    assert "build-deb: " not in done.stderr


def test_lintian_has_nothing_to_say(packages):
    # It takes words for misspelt that the compiler put next to each other: the ends of
    # strings that are copied in pieces.
    command = ["lintian", "--pedantic", "--display-info", "--allow-root",
               "--suppress-tags", "spelling-error-in-binary", packages.changes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_overrides_of_lintian_are_explained():
    for file in (machines.SOURCE / "packaging" / "debian").glob("*.lintian-overrides"):
        previous = ""
        for line in file.read_text().splitlines():
            assert line.startswith("#") or previous.startswith("#"), f"{file.name}: {line}"
            previous = line


def test_packages_are_small(packages):
    sizes = [package.stat().st_size for package in (packages.dhtd, packages.dhtctl)]
    assert sum(sizes) <= SIZE_MAX, sizes


def test_version_stands_in_one_place(newer_packages):
    version = re.search(r"project\(dhtd VERSION (\S+)",
                        (machines.SOURCE / "CMakeLists.txt").read_text())[1] + "+upgrade"
    assert newer_packages.dhtd.name.startswith(f"dhtd_{version}_")


def test_service_is_hardened():
    unit = machines.SOURCE / "packaging" / "systemd" / "dhtd.service"
    report = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    exposure = float(re.search(r"exposure level for dhtd\.service: ([0-9.]+)", report)[1])
    assert exposure <= EXPOSURE_MAX, report


def test_start_is_never_skipped_silently():
    unit = machines.SOURCE / "packaging" / "systemd" / "dhtd.service"
    assert not re.search(r"^(Condition|Assert)", unit.read_text(), re.MULTILINE)
