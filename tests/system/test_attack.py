# SPDX-License-Identifier: Apache-2.0
"""Clients that behave badly in every way at once, and a node that must not mind.

Threads run episodes chosen by chance: pipelines, half requests and garbage, transactions,
large values and readers that stop, connections that are cut, CLIENT KILL, requests on
thousands of keys, scans, muted replies, statistics that are reset, settings that change, on
a store most of which is not in memory. Every value tells whether it is whole. At the end the
node must answer, have none of the connections left, give back what its segments held, and
stop cleanly (the fixtures see to that).

DHT_ATTACK_SECONDS makes it longer, DHT_SEED repeats the choices of a run.
"""
import os
import random
import select
import socket
import struct
import time
import zlib

import pytest

from harness import DEADLINE_S, RespConnection, RespError, run_together, wait_until

SECONDS = float(os.environ.get("DHT_ATTACK_SECONDS", 5))
THREADS = 8
KEYS = 2000
SIZES = (0, 1, 30, 200, 2000, 16_384, 60_000, 250_000)
COLD_KEYS, COLD_BYTES = 1400, 100_000  # more than store.memory
COUNTER_MAX = 1 << 60
SEND_S = 1
LEFT_MAX = 1 << 20  # bytes that are read of what was not yet at the end
SETTINGS = ("workers.count=2", "store.memory=64MiB", "store.segment_size=4MiB",
            "store.max_value_size=1MiB", "store.compact_rate=64GiB")
RELOADED = {
    "workers.park_after": ("0", "1ms", "50ms", "1s"),
    "clients.output_max": ("64KiB", "1MiB", "64MiB"),
    "clients.slow_after": ("0", "1ms", "1h"),
    "clients.slow_max": ("0", "3", "128"),
}


def whole_value(chance, size):
    """A value that is_whole recognizes."""
    body = chance.randbytes(size)
    return b"%08x" % zlib.crc32(body) + body


def is_whole(value):
    return value is None or int(value[:8], 16) == zlib.crc32(value[8:])


class Client(RespConnection):
    """Gives up when the node takes no more, as it may when its replies are not read."""

    def send_bytes(self, data):
        self.socket.settimeout(SEND_S)
        try:
            super().send_bytes(data)
        except TimeoutError:
            raise ConnectionError("the node does not read") from None
        self.socket.settimeout(DEADLINE_S)


class Attacker:
    """One thread's episodes; all have the node's keys in common."""

    def __init__(self, node, seed):
        self.node = node
        self.chance = random.Random(seed)

    def key(self):
        return b"v%d" % self.chance.randrange(KEYS)

    def keys(self, most):
        return [self.key() for _ in range(self.chance.randint(1, most))]

    def value(self):
        return whole_value(self.chance, self.chance.choice(SIZES))

    def command(self):
        """Any command that may stand in a pipeline, with right and wrong arguments."""
        chance = self.chance
        number = chance.choice((0, 1, -1, 17, 2**31, 2**63 - 1, -2**63, 2**63, "x", "", "1e400"))
        return chance.choice((
            ("GET", self.key()), ("SET", self.key(), self.value()), ("MGET", *self.keys(20)),
            ("SET", self.key(), self.value(), chance.choice(("NX", "XX", "GET", "KEEPTTL"))),
            ("SET", self.key(), self.value(), chance.choice(("EX", "PX", "EXAT", "PXAT")), number),
            ("GETEX", self.key(), chance.choice(("EX", "PX", "EXAT", "PXAT")), number),
            ("GETDEL", self.key()), ("GETSET", self.key(), self.value()),
            ("DEL", *self.keys(20)), ("EXISTS", *self.keys(300)), ("STRLEN", self.key()),
            ("EXPIRE", self.key(), number, *chance.choice(((), ("NX",), ("GT",), ("LT",)))),
            ("PEXPIRE", self.key(), chance.randrange(200)), ("PERSIST", self.key()),
            ("TTL", self.key()), ("INCRBY", b"n%d" % chance.randrange(9), number),
            ("DECRBY", b"n%d" % chance.randrange(9), number),
            ("INCRBYFLOAT", b"f%d" % chance.randrange(9), chance.choice((number, "0.1", "1e4000"))),
            ("APPEND", b"a%d" % chance.randrange(9), chance.randbytes(chance.choice(SIZES))),
            ("GETRANGE", self.key(), number, chance.choice((number, -1))),
            ("MEMORY", "USAGE", self.key()), ("OBJECT", "ENCODING", self.key()),
            ("SCAN", chance.choice((0, number)), "COUNT", chance.choice((1, 10, 10**9)), "MATCH",
             chance.choice(("*", "v1*", "[", "*[^a-z]?", "*a*a*a*b"))),
            ("CLUSTER", "COUNTKEYSINSLOT", chance.randrange(16384)),
            ("CLUSTER", "GETKEYSINSLOT", chance.randrange(16384), chance.choice((number, 10))),
            ("CLUSTER", chance.choice(("SLOTS", "SHARDS", "NODES", "INFO", "MYID"))),
            ("INFO", chance.choice(("all", "stats", "nothing"))), ("CONFIG", "RESETSTAT"),
            ("CONFIG", "GET", chance.choice(("*", "s*", "[a-"))),
            ("SLOWLOG", chance.choice(("GET", "LEN", "RESET"))), ("SLOWLOG", "GET", "-1"),
            ("LATENCY", "HISTOGRAM", *chance.choice(((), ("get", "set"), ("client",)))),
            ("COMMAND", chance.choice(("DOCS", "COUNT", "INFO", "LIST"))),
            ("CLIENT", chance.choice(("LIST", "INFO", "ID", "GETNAME"))),
            ("CLIENT", "SETNAME", b"n" * chance.randrange(1100)), ("CLIENT", "NO-EVICT", "ON"),
            ("HELLO", chance.choice((2, 3, number))), ("RESET",), ("UNWATCH",),
            ("WATCH", self.key()),
            ("MULTI",), ("EXEC",), ("DISCARD",), ("DBSIZE",), ("TIME",), ("ROLE",), ("PING",),
            ("EVAL", "x", 0), ("NOSUCH", chance.randrange(9)), ("SET", self.key())))

    def read_to_end(self, client):
        try:
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the connection is cut already
        size = received = 1
        while size > 0 and received < LEFT_MAX:
            size = len(client.socket.recv(LEFT_MAX))
            received += size

    def end(self, client):
        """Ends a connection in one of the ways there are."""
        way = self.chance.randrange(4)
        if way == 0:  # a reset
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way == 1:
            self.read_to_end(client)
        elif way == 2:
            client.send("QUIT")
        client.close()

    # ---- Episodes: each is given a new connection --------------------------------------

    def pipeline(self, client):
        requests = [self.command() for _ in range(self.chance.randint(1, 100))]
        client.send_bytes(b"".join(client.encode(*words) for words in requests))
        for _ in range(self.chance.choice((0, 1, len(requests)))):
            client.receive()

    def checked(self, client):
        """What comes back of values is whole."""
        for _ in range(self.chance.randint(1, 20)):
            keys = self.keys(30)
            requests = [("SET", keys[0], self.value()), ("MGET", *keys), ("GETDEL", self.key()),
                        ("GET", self.key()), ("SET", self.key(), self.value(), "GET")]
            self.chance.shuffle(requests)
            client.send_bytes(b"".join(client.encode(*words) for words in requests))
            for words in requests:
                reply = client.receive()
                if words[0] == "MGET":
                    assert len(reply) == len(keys) and all(map(is_whole, reply))
                else:
                    assert reply == "OK" or is_whole(reply), words

    def cold(self, client):
        for _ in range(self.chance.randint(1, 5)):
            keys = [b"cold%d" % self.chance.randrange(COLD_KEYS)
                    for _ in range(self.chance.randint(1, 20))]
            client.send(self.chance.choice(("MGET", "EXISTS", "MGET")), *keys)
            if self.chance.random() < 0.1:
                client.send("EXISTS", *[b"cold%d" % self.chance.randrange(COLD_KEYS)
                                        for _ in range(600)])
            if self.chance.random() < 0.3:
                return
            reply = client.receive()
            if isinstance(reply, list):
                assert all(map(is_whole, reply))

    def cold_transaction(self, client):
        key = b"cold%d" % self.chance.randrange(COLD_KEYS)
        client.send_bytes(b"".join(client.encode(*words) for words in (
            ("WATCH", key), ("MULTI",), ("GET", key), ("STRLEN", key), ("PEXPIRE", key, 10**9),
            ("GET", key), ("EXEC",))))
        if self.chance.random() < 0.3:
            return
        replies = [client.receive() for _ in range(7)]
        assert replies[6] is None or (is_whole(replies[6][0]) and
                                      replies[6][0] == replies[6][3]), replies[:6]

    def transaction(self, client):
        key = self.key()
        size = self.chance.choice(SIZES)
        requests = [("WATCH", key), ("MULTI",)]
        for _ in range(self.chance.choice((1, 3, 30, 3000))):
            requests.append(self.chance.choice((
                ("GET", key), ("MGET", key, key), ("SET", key, whole_value(self.chance, 100)),
                ("SET", key, whole_value(self.chance, size)), ("DEL", key),
                ("GETEX", key, "PX", 5), ("GETDEL", key))))
            size = 10
        for _ in range(self.chance.randrange(3)):
            requests.insert(self.chance.randrange(len(requests)), self.command())
        requests.append((self.chance.choice(("EXEC", "EXEC", "DISCARD", "RESET", "QUIT")),))
        client.send_bytes(b"".join(client.encode(*words) for words in requests))
        if self.chance.random() < 0.7:
            for _ in requests:
                client.receive()

    def slow_reader(self, client):
        # Not less: the kernel sends nothing into a window that is small for its segments.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
        client.send_bytes(b"".join(client.encode("MGET", *self.keys(100)) for _ in range(10)))
        for _ in range(self.chance.randrange(30)):
            if not select.select([client.socket], [], [], 0.1)[0]:
                break
            client.socket.recv(self.chance.choice((1, 100, 10_000)))
        if self.chance.random() < 0.5:
            time.sleep(self.chance.random() / 10)

    def garbage(self, client):
        request = b"".join(client.encode(*self.command()) for _ in range(self.chance.randint(1, 5)))
        client.send_bytes(self.chance.choice((
            request[:self.chance.randrange(len(request) + 1)], self.chance.randbytes(500),
            b"*%d\r\n" % self.chance.choice((-1, 0, 1 << 20, (1 << 20) + 1, 1 << 40)),
            b"*2\r\n$3\r\nGET\r\n$%d\r\n" % self.chance.choice((-1, 1 << 26, (1 << 26) + 1)),
            b"x" * 70_000, b"GET 'unbalanced\r\n", b"\r\n" * 1000 + b"PING\r\n" * 1000)))
        if self.chance.random() < 0.5:
            self.read_to_end(client)

    def many_keys(self, client):
        keys = [b"m%d" % self.chance.randrange(10_000)
                for _ in range(self.chance.choice((300, 3000, 30_000)))]
        name = self.chance.choice(("MSET", "MGET", "DEL", "UNLINK", "TOUCH", "WATCH"))
        words = [word for key in keys for word in (key, b"x")] if name == "MSET" else keys
        client.send(name, *words)
        if self.chance.random() < 0.5:
            client.receive()

    def muted(self, client):
        requests = [("CLIENT", "REPLY", self.chance.choice(("OFF", "SKIP")))]
        for _ in range(self.chance.randint(1, 30)):
            requests.append(self.chance.choice((
                self.command(), ("MGET", *self.keys(600)), ("CLIENT", "REPLY", "SKIP"))))
        # RESET ends what a transaction or OFF among them began.
        requests += [("RESET",), ("CLIENT", "REPLY", "ON"), ("ECHO", "the end")]
        client.send_bytes(b"".join(client.encode(*words) for words in requests))
        while client.receive() != b"the end":
            pass

    def scan(self, client):
        cursor = b"0"
        for _ in range(self.chance.randint(1, 50)):
            reply = client.call("SCAN", cursor, "COUNT", self.chance.choice((1, 100, 10**9)),
                                "MATCH", self.chance.choice(("*", "v1*", "*9?", "cold*")))
            cursor = reply[0]
            if cursor == b"0":
                return

    def kill(self, client):
        victims = client.call("CLIENT", "LIST").splitlines()
        victim = dict(part.split(b"=", 1) for part in self.chance.choice(victims).split())
        words = self.chance.choice((
            ("ID", victim[b"id"]), ("ADDR", victim[b"addr"]), (victim[b"addr"],),
            ("ADDR", victim[b"addr"], "SKIPME", "no"), ("LADDR", victim[b"addr"]),
            ("TYPE", "normal") if self.chance.random() < 0.1 else ("TYPE", "pubsub")))
        client.send("CLIENT", "KILL", *words)

    def statistics(self, client):
        client.send("CONFIG", "RESETSTAT")
        info = client.call("INFO", "stats")
        if info == "OK":
            info = client.receive()
        for line in info.split():
            _, found, number = line.partition(b":")
            assert not found or not number.isdigit() or int(number) < COUNTER_MAX, line

    def reload(self, client):
        setting = self.chance.choice(list(RELOADED))
        section, name = setting.split(".")
        text = f"node: {{name: {self.node.name}}}\n{section}: {{{name}: " \
               f"{self.chance.choice(RELOADED[setting])}}}\n"
        replacement = self.node.config_file.with_suffix(f".{self.chance.random()}")
        replacement.write_text(text)
        replacement.rename(self.node.config_file)
        self.node.ctl("reload")

    def run(self, until):
        episodes = [self.pipeline] * 6 + [self.checked] * 4 + [self.transaction] * 4 + [
            self.cold, self.cold, self.cold_transaction, self.slow_reader, self.slow_reader,
            self.garbage, self.garbage, self.many_keys, self.muted, self.scan, self.kill, self.kill,
            self.statistics] + [self.reload] * (self.chance.random() < 0.2)
        while time.monotonic() < until:
            episode = self.chance.choice(episodes)
            try:
                with Client(self.node.client_port) as client:
                    episode(client)
                    self.end(client)
            except ConnectionError:
                pass  # another one has killed it, or it was cut for what it sent


def fill(node):
    chance = random.Random(1)
    with node.client() as client:
        for number in range(COLD_KEYS):
            client.send("SET", b"cold%d" % number, whole_value(chance, COLD_BYTES))
        assert [client.receive() for _ in range(COLD_KEYS)] == ["OK"] * COLD_KEYS


def delete_all(client):
    cursor = None
    while cursor != b"0":
        cursor, keys = client.call("SCAN", cursor or b"0", "COUNT", 1000)
        if keys:
            assert not isinstance(client.call("DEL", *keys), RespError)
    # SCAN does not return those that have expired, which are there until somebody meets them.
    assert not isinstance(client.call("DEL", *[b"v%d" % i for i in range(KEYS)]), RespError)


def clients_of(client):
    info = client.call("INFO", "clients")
    return int(info.split(b"connected_clients:")[1].split()[0])


@pytest.mark.threads
@pytest.mark.parametrize("fsync", ["always", "never"])
def test_attack(make_node, chance, fsync):
    node = make_node(f"store.fsync={fsync}", *SETTINGS)
    fill(node)
    until = time.monotonic() + SECONDS
    attackers = [Attacker(node, chance.random()) for _ in range(THREADS)]
    run_together([lambda attacker=attacker: attacker.run(until) for attacker in attackers])
    node.check_running()
    with node.client() as client:
        assert client.call("PING") == "PONG"
        wait_until(lambda: clients_of(client) == 1, "the other connections are gone")
        delete_all(client)
        wait_until(lambda: client.call("DBSIZE") == 0, "nothing is left")
        wait_until(lambda: node.status()["store"]["segments"] <= 4, "segments are given back")
