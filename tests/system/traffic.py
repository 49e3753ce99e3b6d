# SPDX-License-Identifier: Apache-2.0
"""Clients that work on a few keys through several nodes, and write down what they see.

Each client has a connection of its own to one node, and connects again when it breaks. What
it asked and was told becomes a history for linear.check: an answer of CLUSTERDOWN or LOADING
means that the operation certainly did not happen and never will, so it is left out; one of
UNCERTAIN, and a connection that broke, that nobody knows. Every value is written once, and
long enough ones tell by their bytes if a part of them is another's.
"""
import bisect
import collections
import contextlib
import random
import threading
import time

import linear
from harness import RespError, wait_until

ANSWER_S = 25     # an operation ends within 10 s; a node may be stopped for a while beside that
GAP_MAX_S = 2     # four times suspect_after; an operation takes 5 s if nobody notices
LATE_S = 4.5     # an answer that was lost is waited for until the 5 s are over
CONNECT_PAUSE_S = 0.01  # between two attempts
SIZES = (12,) * 20 + (200,) * 20 + (3000,) * 4 + (400_000,)

LIVES_MS = (1, 50, 1000, 60_000, 7_200_000)  # of keys that expire

NOT_DONE = ("CLUSTERDOWN ", "LOADING ", "ERR no space left ")
NOT_KNOWN = ("UNCERTAIN ",)


def make_value(token, size):
    head = b"%s/%d|" % (token, size)
    return (head * (size // len(head) + 1))[:max(size, len(head))]


def token_of(value):
    """The name of a value, which must be whole."""
    if b"|" not in value:
        return value  # a number
    token, size = value[:value.index(b"|")].rsplit(b"/", 1)
    assert value == make_value(token, int(size)), (
        f"{value[:60]} of {len(value)} bytes is not what was written")
    return value[:value.index(b"|")]


def value_of(token):
    """The value of a name."""
    if b"/" not in token:
        return token
    head, size = token.rsplit(b"/", 1)
    return make_value(head, int(size))


class Client:
    """One connection; `run` is for a thread."""

    def __init__(self, name, node, keys, seed, expiries=False):
        self.name = name
        self.node = node
        self.random = random.Random(seed)
        self.registers, self.counters = keys
        self.expiries = expiries
        self.written = 0
        self.latest = {}           # of each register: the name of what was seen last
        self.operations = []       # read by others when the thread has ended
        self.succeeded = []        # times; read by others meanwhile
        self.answers = collections.Counter()
        self.late = 0              # of these, that nobody else had answered for
        self.stop = threading.Event()

    def next_words(self):
        """What to ask next, with names in place of values."""
        if self.random.random() < 0.2:
            key = self.random.choice(self.counters)
            return self.random.choices(
                [("INCR", key), ("GET", key), ("DEL", key)], (70, 27, 3))[0]
        key = self.random.choice(self.registers)
        self.written += 1
        token = b"%s.%d/%d" % (self.name, self.written, self.random.choice(SIZES))
        latest = self.latest.get(key) or b"none/4"
        if self.expiries and self.random.random() < 0.3:
            return "SET", key, token, "PX", self.random.choice(LIVES_MS)
        return self.random.choices(
            [("GET", key), ("SET", key, token), ("SET", key, token, "IFEQ", latest),
             ("SET", key, token, "NX"), ("DEL", key)], (45, 30, 12, 6, 7))[0]

    @staticmethod
    def on_the_wire(words):
        return [value_of(word) if isinstance(word, bytes) and i >= 2 else word
                for i, word in enumerate(words)]

    def ask(self, connection, words):
        """One operation, written down. Raises what the connection does."""
        operation = linear.Operation(self.name.decode(), words, time.monotonic())
        self.operations.append(operation)
        try:
            reply = connection.call(*self.on_the_wire(words))
        except ConnectionError:
            self.answers["lost"] += 1
            raise
        if isinstance(reply, RespError):
            self.answers[reply.split()[0]] += 1
            if reply.startswith(NOT_DONE):
                self.operations.pop()
            else:
                assert reply.startswith(NOT_KNOWN), reply
                self.late += time.monotonic() - operation.invoked > LATE_S
            return
        operation.result = token_of(reply) if isinstance(reply, bytes) else reply
        operation.returned = time.monotonic()
        if words[0] == "GET":
            self.latest[words[1]] = operation.result
        self.succeeded.append(operation.returned)

    def connect(self):
        connection = self.node.client()
        connection.socket.settimeout(ANSWER_S)
        return connection

    def run(self):
        while not self.stop.is_set():
            try:
                with self.connect() as connection:
                    while not self.stop.is_set():
                        self.ask(connection, self.next_words())
            except ConnectionError:
                self.stop.wait(CONNECT_PAUSE_S)


class Traffic:
    """`with Traffic(nodes, seed) as traffic: ...` works until the block ends; then check it."""

    def __init__(self, nodes, seed, clients=2, registers=12, counters=3, expiries=False):
        self.keys = ([b"r:%d" % i for i in range(registers)],
                     [b"n:%d" % i for i in range(counters)])
        self.seed = seed
        self.clients_per_node = clients
        self.expiries = expiries
        self.clients = []
        self.threads = {}  # by client, once it has begun
        self.failures = []
        self.add(*nodes)

    def add(self, *nodes):
        """Makes clients of more nodes; they begin with the others, or now."""
        for node in nodes:
            for _ in range(self.clients_per_node):
                name = b"c%d" % len(self.clients)
                client = Client(name, node, self.keys, f"{self.seed}/{len(self.clients)}",
                                self.expiries)
                self.clients.append(client)
                if self.threads:
                    self.begin(client)

    def begin(self, client):
        self.threads[client] = threading.Thread(target=self.guarded, args=(client,))
        self.threads[client].start()

    def remove(self, node):
        """Ends the clients of a node, before it goes."""
        self.end(self.clients_of([node]))

    def end(self, clients):
        for client in clients:
            client.stop.set()
        for client in clients:
            self.threads[client].join()

    def guarded(self, client):
        try:
            client.run()
        except BaseException as failure:
            failure.add_note(f"client {client.name.decode()} of {client.node.name}")
            self.failures.append(failure)

    def __enter__(self):
        for client in self.clients:
            self.begin(client)
        return self

    def __exit__(self, kind, *_):
        self.end(self.clients)
        if self.failures and kind is None:
            raise self.failures[0]

    def clients_of(self, nodes):
        """Those that work, of these nodes or of all."""
        return [client for client in self.clients
                if not client.stop.is_set() and (nodes is None or client.node in nodes)]

    def wait_for(self, count, nodes=None):
        """Waits until each client, or each one of these nodes, has succeeded so many times more."""
        goals = [(client, len(client.succeeded) + count) for client in self.clients_of(nodes)]

        def are_reached():
            if self.failures:
                raise self.failures[0]
            return all(len(client.succeeded) >= goal for client, goal in goals)

        wait_until(are_reached, f"{count} more operations of each client", ANSWER_S)

    def wait_refused(self, node):
        """Waits until each client of the node was told that there is no quorum."""
        counts = {client: client.answers["CLUSTERDOWN"] for client in self.clients_of([node])}
        wait_until(lambda: all(client.answers["CLUSTERDOWN"] > count
                               for client, count in counts.items()),
                   f"{node.name} to have no quorum", ANSWER_S)

    def late(self, node):
        """How many operations the node has waited for in vain; those that lose against others,
        again and again, are not known either, but soon."""
        return sum(client.late for client in self.clients_of([node]))

    @contextlib.contextmanager
    def watched(self, what, nodes=None, gap_max_s=GAP_MAX_S):
        """Prints how long the clients of these nodes were without success in the block; all of
        them must not have been for longer than that. A single one may have met others that
        write its key."""
        begin = time.monotonic()
        yield
        end = time.monotonic()
        clients = self.clients_of(nodes)
        together = longest_gap(sorted(at for client in clients for at in client.succeeded),
                               begin, end)
        single = max(longest_gap(client.succeeded, begin, end) for client in clients)
        print(f"{what}: in {end - begin:.1f} s the longest time without a success was "
              f"{1000 * together:.0f} ms, of one client {1000 * single:.0f} ms")
        assert together < gap_max_s, f"{what}: no success for {together:.1f} s"

    def operations(self):
        return [operation for client in self.clients for operation in client.operations]

    def tell(self):
        """Prints what was answered, by node."""
        answers = {}
        for client in self.clients:
            counts = answers.setdefault(client.node.name, collections.Counter())
            counts.update(client.answers, ok=len(client.succeeded))
        for name, counts in answers.items():
            print(name, dict(counts))

    def check(self, nodes):
        """Reads every key through each of these nodes, and judges all that was seen."""
        assert not any(thread.is_alive() for thread in self.threads.values())
        self.tell()
        for node in nodes:
            reader = Client(b"last of " + node.name.encode(), node, self.keys, 0)
            self.clients.append(reader)
            with reader.connect() as connection:
                for key in self.keys[0] + self.keys[1]:
                    reader.ask(connection, ("GET", key))
            assert not reader.answers, reader.answers
        linear.check(self.operations())


def longest_gap(times, begin, end):
    """The longest time between two of those in [begin, end], which count as such."""
    inside = times[bisect.bisect_left(times, begin):bisect.bisect_right(times, end)]
    marks = [begin, *inside, end]
    return max(later - earlier for earlier, later in zip(marks, marks[1:]))
