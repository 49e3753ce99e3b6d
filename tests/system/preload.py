# SPDX-License-Identifier: Apache-2.0
"""Libraries of our own that change what a daemon sees of the system: faults.c, clocks.c."""
import functools
import os
import pathlib
import subprocess
import tempfile


@functools.cache
def library(name):
    """The shared object of NAME.c, built once per run; the directory ends with the run."""
    directory = tempfile.TemporaryDirectory(prefix="dhtd-preload-")
    built = pathlib.Path(directory.name) / f"{name}.so"
    source = pathlib.Path(__file__).with_name(f"{name}.c")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE",
                    "-Wall", "-Werror", "-o", built, source], check=True)
    return directory, built


def preload(node, name):
    """Prepares a node that was not started yet."""
    node.environment["LD_PRELOAD"] = str(library(name)[1])
    # The library comes before the sanitizer's; it calls the kernel and nothing else.
    node.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
