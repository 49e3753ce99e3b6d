# SPDX-License-Identifier: Apache-2.0
"""Makes system calls of a daemon fail; see faults.c."""
import contextlib
import functools
import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).with_name("faults.c")


@functools.cache
def library():
    """The shared object, built once per run; the directory ends with the run."""
    directory = tempfile.TemporaryDirectory(prefix="dhtd-faults-")
    built = pathlib.Path(directory.name) / "faults.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE",
                    "-Wall", "-Werror", "-o", built, SOURCE], check=True)
    return directory, built


class Faults:
    """Prepares a node that was not started yet: `with faults.of("accept4", errno.ENFILE): ...`"""

    def __init__(self, node):
        self.directory = node.directory / "faults"
        self.directory.mkdir()
        node.environment["LD_PRELOAD"] = str(library()[1])
        node.environment["DHT_FAULTS"] = str(self.directory)
        # The library comes before the sanitizer's; it calls the kernel and nothing else.
        node.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"

    @contextlib.contextmanager
    def of(self, call, number):
        (self.directory / call).symlink_to(str(number))
        try:
            yield
        finally:
            self.clear(call)

    def clear(self, call):
        """The call works again."""
        (self.directory / call).unlink(missing_ok=True)
