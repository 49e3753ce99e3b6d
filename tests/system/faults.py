# SPDX-License-Identifier: Apache-2.0
"""Makes system calls of a daemon fail; see faults.c."""
import contextlib

from preload import preload


class Faults:
    """Prepares a node that was not started yet: `with faults.of("accept4", errno.ENFILE): ...`"""

    def __init__(self, node):
        self.directory = node.directory / "faults"
        self.directory.mkdir()
        node.environment["DHT_FAULTS"] = str(self.directory)
        preload(node, "faults")

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
