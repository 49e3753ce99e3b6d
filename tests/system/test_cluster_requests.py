# SPDX-License-Identifier: Apache-2.0
"""Requests whose replicas are slow: what one of them does is never told as the next one's."""
import contextlib
import signal
import time

import pytest

from harness import wait_until
from test_members import BLOCKS, members_of

pytestmark = pytest.mark.threads


@pytest.fixture
def three(make_node):
    """Three nodes with all keys on each, which wait for each other."""
    nodes = [make_node(BLOCKS, "peers.suspect_after=30s") for _ in range(3)]
    for node in nodes[1:]:
        node.ctl("join", f"127.0.0.1:{nodes[0].peer_port}", check=True)
    wait_until(lambda: [state for *_, state in members_of(nodes[0])] == ["up"] * 3,
               "all to be members")
    return nodes


@contextlib.contextmanager
def silent(nodes):
    for node in nodes:
        node.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for node in nodes:
            node.signal(signal.SIGCONT)


def test_an_entry_that_expires_while_it_is_loaded(three):
    """It is passed over when its turn comes again: the PUT behind it is another one."""
    first, *others = three
    with first.admin() as admin:
        with silent(others):
            expires_s = time.time() + 0.3
            entry = {"key": b"k", "value": b"old", "expires_ms": int(expires_s * 1000)}
            admin.send("load", entries=[entry])
            admin.send("put", key=b"k", value=b"new")
            wait_until(lambda: time.time() > expires_s + 0.3)
        assert admin.receive().load.loaded == 1
        stored = admin.receive()
        assert not stored.HasField("error"), stored
        value, = admin.call("get", key=b"k")
        assert value.get.value == b"new"
