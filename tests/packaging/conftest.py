# SPDX-License-Identifier: Apache-2.0
"""The packages under test, and the machine on which they are installed."""
import collections
import shutil
import subprocess

import pytest

import machine as machines

UPGRADE_SUFFIX = "+upgrade"

Packages = collections.namedtuple("Packages", "directory dhtd dhtctl changes")


def build_deb(name, *options, **run):
    """Builds into build/packaging/NAME, which holds nothing else afterwards."""
    directory = machines.WORK / name
    shutil.rmtree(directory, ignore_errors=True)
    command = [machines.SOURCE / "packaging" / "build-deb", "--output", directory, *options]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, **run)

    def only(pattern):
        found, = directory.glob(pattern)
        return found
    return Packages(directory, only("dhtd_*.deb"), only("dhtctl_*.deb"), only("*.changes"))


@pytest.fixture(scope="session")
def packages():
    return build_deb("packages")


@pytest.fixture(scope="session")
def newer_packages():
    return build_deb("newer", "--version-suffix", UPGRADE_SUFFIX)


@pytest.fixture(scope="module")
def machine(packages):
    why = machines.why_impossible()
    if why is not None:
        pytest.skip(why)
    transcript = machines.WORK / "transcript.txt"
    transcript.unlink(missing_ok=True)
    archive = machines.base_archive([packages.dhtd, packages.dhtctl])
    with machines.Machine(archive, machines.WORK / "root", transcript) as machine:
        yield machine
