# SPDX-License-Identifier: Apache-2.0
"""What one connection asks for, and how long the others wait for it: one worker serves all."""

MIB = 1 << 20
SETTINGS = ("store.fsync=never", "workers.count=1", "store.segment_size=20MiB")


def test_large_values_for_inline_requests(make_node):
    """They are sent one by one, as those of requests in the usual form: not all at once."""
    node = make_node(*SETTINGS, "clients.output_max=1MiB")
    value = bytes(8 * MIB)
    with node.client() as client:
        assert client.call("SET", "k", value) == "OK"
        client.send_bytes(b"GET k\r\n" * 20 + b"PING\r\n")
        for _ in range(20):
            assert client.receive() == value
        assert client.receive() == "PONG"
