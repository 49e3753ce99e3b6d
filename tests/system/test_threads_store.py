# SPDX-License-Identifier: Apache-2.0
"""What the threads around the store owe each other: no one waits for nothing, nothing turns
in a loop, no reply leaves too early, and an end in any state is an end."""
from harness import wait_until

SMALL = ("store.segment_size=1MiB", "store.max_value_size=256KiB")


def set_many(client, prefix, count, value=b""):
    for first in range(0, count, 2000):
        numbers = range(first, min(first + 2000, count))
        client.send_bytes(b"".join(client.encode("SET", b"%s%d" % (prefix, n), value)
                                   for n in numbers))
        assert all(client.receive() == "OK" for _ in numbers)


# ---- Expiry ------------------------------------------------------------------------------

def test_a_key_expires_beside_a_cold_one_of_the_same_hash(make_node):
    """With so many keys some share their block and their 20 bits of hash."""
    node = make_node("cluster.blocks=64", "store.memory=64MiB", "store.fsync=never", *SMALL)
    with node.client() as client, node.admin() as admin:
        set_many(client, b"cold", 60_000, b"x" * 1600)
        wait_until(lambda: node.status()["store"]["cold_segments"] > 20, "most of it is cold")
        for first in range(0, 60_000, 500):
            for number in range(first, first + 500):
                admin.send("put", key=b"hot%d" % number, value=b"", ttl_ms=1)
            for _ in range(500):
                admin.receive()
        wait_until(lambda: node.status()["keys"] < 62_000, "they are removed")
