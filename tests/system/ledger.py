# SPDX-License-Identifier: Apache-2.0
"""Writes to a node and remembers what it must still know after a crash.

A key has one writer, so its writes have an order. Of each key the ledger keeps the last
acknowledged write and those sent after it, whose fate a crash leaves open: after a
restart the key must be as one of these says. No key is as an older write says, and a
value is either whole or not there.
"""
import random
import threading

from harness import RespConnection, RespError, wait_until

BATCH_MAX = 16          # requests in flight on a connection
SIZES = ((0, 300),) * 40 + ((1000, 9000),) * 4 + ((60_000, 140_000),)
DELETES = 0.2           # share of all writes


def make_value(key, number, size):
    """Bytes that no other write has, and that tell if a part of them is another's."""
    head = b"%s=%d;" % (key, number)
    return (head * (size // len(head) + 1))[:size] + b"#%d" % number


class Writer:
    """One connection's keys and what is known of them; `run` is for a thread."""

    def __init__(self, name, keys, seed):
        self.keys = [b"%s:%d" % (name, i) for i in range(keys)]
        self.random = random.Random(seed)
        self.written = 0
        # Both hold (number, size) of a value, or None: the key does not exist.
        self.acknowledged = {key: None for key in self.keys}
        self.open = {key: [] for key in self.keys}
        self.acknowledgements = 0  # read by other threads
        self.refused = 0

    def next_request(self):
        key = self.random.choice(self.keys)
        if self.random.random() < DELETES:
            self.open[key].append(None)
            return key, RespConnection.encode("DEL", key)
        self.written += 1
        write = self.written, self.random.randint(*self.random.choice(SIZES))
        self.open[key].append(write)
        return key, RespConnection.encode("SET", key, make_value(key, *write))

    def settle(self, key, reply):
        write = self.open[key].pop(0)
        if isinstance(reply, RespError):
            assert "no space left" in reply, reply
            self.refused += 1
            return
        assert reply == "OK" if write else reply in (0, 1), reply
        self.acknowledged[key] = write
        self.acknowledgements += 1

    def run(self, port, stop):
        """Writes until told to stop or the daemon is gone."""
        try:
            with RespConnection(port) as client:
                while not stop.is_set():
                    batch = [self.next_request()
                             for _ in range(self.random.randint(1, BATCH_MAX))]
                    client.send_bytes(b"".join(request for _, request in batch))
                    for key, _ in batch:
                        self.settle(key, client.receive())
        except ConnectionError:
            pass

    def check(self, client):
        """Compares every key with what is known of it, and knows more afterwards."""
        client.send_bytes(b"".join(client.encode("GET", key) for key in self.keys))
        for key in self.keys:
            found = client.receive()
            allowed = [self.acknowledged[key], *self.open[key]]
            matching = [write for write in allowed
                        if found == (make_value(key, *write) if write else None)]
            assert matching, (f"{key}: found {found[:60] if found else found} of "
                              f"{len(found or b'')} bytes, but (number, size) is one of {allowed}")
            self.acknowledged[key] = matching[-1]
            self.open[key] = []


class Ledger:
    """Several writers at once."""

    def __init__(self, seed, writers=4, keys=64):
        self.writers = [Writer(b"w%d" % i, keys, f"{seed}/{i}") for i in range(writers)]

    @property
    def acknowledgements(self):
        return sum(writer.acknowledgements for writer in self.writers)

    @property
    def refused(self):
        return sum(writer.refused for writer in self.writers)

    def live(self):
        return sum(write is not None for writer in self.writers
                   for write in writer.acknowledged.values())

    def load(self, node):
        """`with ledger.load(node) as load: ...` writes until the block ends."""
        return Load(self, node)

    def check(self, node):
        with node.client() as client:
            for writer in self.writers:
                writer.check(client)
        assert node.status()["keys"] == self.live()


class Load:
    def __init__(self, ledger, node):
        self.ledger = ledger
        self.stop = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.guarded, args=(writer, node.client_port))
                        for writer in ledger.writers]

    def guarded(self, writer, port):
        try:
            writer.run(port, self.stop)
        except BaseException as failure:
            self.failures.append(failure)

    def __enter__(self):
        self.begun = self.ledger.acknowledgements
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def wait_for(self, count):
        """Waits until so many more writes are acknowledged."""
        wait_until(lambda: self.failures or self.ledger.acknowledgements >= self.begun + count,
                   f"{count} writes are acknowledged")
