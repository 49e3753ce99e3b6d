#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the same random commands to two servers and compares every reply.

By hand, with two empty servers that run already (redis-server with --databases 1):

    tests/system/differential.py --port-a 6379 --port-b 7401 --seed 1 --commands 200000

Without --port-b the second server is a redis-server that is started for it, without
--port-a the first one too. A seed draws the same commands every time. On a difference it
prints the command, both replies and what happened to the same keys before, and exits
with 1.
"""
import argparse
import collections
import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import time

from differential_commands import Commands
from differential_replies import Malformed, elements, kind_of, reply_end, split_replies, text
from differential_report import Coverage, Difference, Event
from differential_rules import DIFFERENCES, TOLERANCES, Judge, markdown_table
from differential_streams import Streams
from differential_words import KEY_SET, KEYS, LONG_KEY
from harness import RespConnection, free_port, wait_until

BATCH_MAX = 250         # commands
BATCH_BYTES = 128 << 10  # so that nobody waits for anybody: it fits between two sockets
LOAD_BYTES = 30000      # of a value that is stored before the first command
LOAD_BATCH = 8          # of them that are sent at once
CLOSE_S = 10            # until a server has closed a connection of which nothing more comes
HISTORY = 20000         # commands in which those on the same keys are looked for
CONTEXT = 12            # of them that a report shows
WIDE = 30               # words of a command that is on any keys
QUEUED = b"+QUEUED\r\n"

encode = RespConnection.encode


def serves_as(port, server):
    """Whether the process answers at the port. What has been there before it is not ours:
    it must not get a single command that changes anything."""
    assert server.poll() is None, "redis-server ended while starting"
    try:
        with RespConnection(port) as probe:
            return b"\r\nprocess_id:%d\r\n" % server.pid in probe.call("INFO", "server")
    except OSError:
        return False


@contextlib.contextmanager
def redis_server():
    """A redis-server of its own on a free port; yields the port."""
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        port = free_port()
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--databases", "1", "--dir", directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: serves_as(port, server), "redis-server serves")
            yield port
        finally:
            server.terminate()
            server.wait()


class RawConnection(RespConnection):
    """A client connection whose replies stay bytes."""

    def receive_raw(self, count):
        """The next `count` replies."""
        replies, start = [], 0
        while len(replies) < count:
            end = reply_end(self.pending, start) if start < len(self.pending) else -1
            if end < 0:
                self.fill()
                continue
            replies.append(bytes(self.pending[start:end]))
            start = end
        del self.pending[:start]
        return replies

    def receive_all(self):
        """Everything until the server closes."""
        self.socket.settimeout(CLOSE_S)
        try:
            while True:
                self.fill()
        except ConnectionError:
            return bytes(self.pending)
        except TimeoutError:
            return bytes(self.pending) + b"-(it stays open)\r\n"


class Server:
    """One of the two servers: connection 0 speaks RESP2, connection 1 RESP3."""

    def __init__(self, port):
        self.port = port
        self.connections = [RawConnection(port), RawConnection(port)]
        self.connections[1].call("HELLO", 3)

    def send(self, connection, commands):
        self.connections[connection].send_bytes(b"".join(encode(*words) for words in commands))

    def receive(self, connection, count):
        return self.connections[connection].receive_raw(count)

    def scan(self, connection, words):
        """All keys of an iteration, or the bytes of an error."""
        keys, words = set(), list(words)
        while True:
            self.send(connection, [words])
            reply, = self.receive(connection, 1)
            if reply[:1] == b"-":
                return reply
            cursor, found = elements(reply)
            keys.update(text(key) for key in elements(found))
            words[1] = text(cursor)
            if words[1] == b"0":
                return keys

    def stream(self, pieces):
        """What comes back for the bytes of a connection that is closed behind them."""
        with RawConnection(self.port) as connection:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for piece in pieces:
                    connection.send_bytes(piece)
            except ConnectionError:
                pass  # it was closed before the last piece; what was said is still there
            return connection.receive_all()

    def close(self):
        for connection in self.connections:
            connection.close()


class Comparison:
    """Draws commands and compares the replies of two servers to them."""

    def __init__(self, port_a, port_b, seed, only=None, many=0):
        self.servers = Server(port_a), Server(port_b)
        self.commands = Commands(seed, only, many)
        self.streams = Streams(self.commands)
        self.only = only
        self.judge = Judge()
        self.coverage = Coverage()
        self.history = collections.deque(maxlen=HISTORY)
        self.sent = 0
        self.queued = [[], []]  # of each connection, since its MULTI

    def close(self):
        for server in self.servers:
            server.close()

    def may(self, name):
        return not self.only or name in self.only

    def run(self, count):
        """Raises a Difference, or returns when `count` commands had the same replies."""
        for server in self.servers:
            assert server.connections[0].call("DBSIZE") == 0 or self.only, "a server is not empty"
        self.load()
        self.resume(count)

    def resume(self, count):
        """Goes on behind `run` until `count` commands were sent."""
        steps = [self.batch] * 60
        steps += [self.transaction] * 60 if self.may("multi") else []
        steps += [self.dbsize] * 5 if self.may("dbsize") else []
        steps += [self.scan] * 15 if self.may("scan") else []
        steps += [self.stream] * 15 if self.may("stream") else []
        while self.sent < count:
            self.commands.pick(steps)()

    def load(self):
        """Stores large values under many keys, which are a part of those that are drawn: so
        many that a server may not have room for all of them in its memory."""
        for first in range(0, len(self.commands.many), LOAD_BATCH):
            self.exchange(0, [[b"SET", key, key * (LOAD_BYTES // len(key))]
                              for key in self.commands.many[first:first + LOAD_BATCH]])

    def batch(self):
        """Commands that are sent at once, on one of the connections."""
        commands, size = [], 0
        count = 1 + int(self.commands.chance() * BATCH_MAX)
        while len(commands) < count and size < BATCH_BYTES:
            words = self.commands.command()
            commands.append(words)
            size += sum(map(len, words))
        self.exchange(int(self.commands.chance() * 2), commands)

    def transaction(self):
        for connection, commands in self.commands.transaction():
            if commands:
                self.exchange(connection, commands)

    def dbsize(self):
        self.exchange(int(self.commands.chance() * 2), self.commands.dbsize())

    def exchange(self, connection, commands):
        for server in self.servers:
            server.send(connection, commands)
        ours, theirs = (server.receive(connection, len(commands)) for server in self.servers)
        for words, a, b in zip(commands, ours, theirs):
            self.sent += 1
            event = Event(self.sent, connection, words, (a, b))
            queued = self.follow_transaction(connection, words, a)
            if a != b and not self.judge.is_same(words, a, b, queued):
                self.differ(event, [words, *queued])
            self.history.append(event)
            self.coverage.count(words, a)

    def follow_transaction(self, connection, words, reply):
        """The commands whose replies this reply holds, if it is one of EXEC."""
        queued = self.queued[connection]
        if reply == QUEUED:
            queued.append(words)
        elif queued and words and words[0].upper() in (b"EXEC", b"DISCARD"):
            self.queued[connection] = []
            return queued
        return ()

    def scan(self):
        words, connection = self.commands.scan(), int(self.commands.chance() * 2)
        a, b = (server.scan(connection, words) for server in self.servers)
        self.sent += 1
        if a != b:
            shown = [reply if isinstance(reply, bytes) else b" ".join(sorted(reply - other))
                     for reply, other in ((a, b if isinstance(b, set) else set()),
                                          (b, a if isinstance(a, set) else set()))]
            self.differ(Event(self.sent, connection, words, tuple(shown)))
        self.coverage.count(words, a if isinstance(a, bytes) else b"*%d\r\n" % len(a))

    def stream(self):
        pieces = self.streams.stream()
        a, b = (server.stream(pieces) for server in self.servers)
        self.sent += 1
        event = Event(self.sent, -1, pieces, (a, b))
        if a != b:
            ours, theirs = split_replies(a), split_replies(b)
            if len(ours) != len(theirs) or not all(
                    self.judge.is_same([], *pair) for pair in zip(ours, theirs)):
                self.differ(event)
        self.history.append(event)

    def differ(self, event, commands=()):
        raise Difference(event, self.context(commands))

    def context(self, commands):
        """The latest commands on the keys of some, and the streams that named one."""
        known = KEY_SET.union([LONG_KEY], self.commands.many)
        keys = known.intersection(word for words in commands for word in words)
        found = []
        for event in reversed(self.history):
            if event.connection < 0:
                is_about = any(b"\r\n%s\r\n" % key in piece for key in keys
                               for piece in event.words)
            else:
                is_about = len(event.words) < WIDE and not keys.isdisjoint(event.words[1:])
            if is_about:
                found.append(event)
                if len(found) == CONTEXT:
                    break
        return found[::-1]


class Survey(Comparison):
    """Goes on behind a difference: the keys are deleted on both sides, and it is counted."""

    def __init__(self, *args):
        super().__init__(*args)
        self.found = collections.defaultdict(list)

    def differ(self, event, commands=()):
        name = event.words[0][:20].upper() if event.connection >= 0 else b"stream"
        kinds = tuple(kind_of(reply) if event.connection >= 0 else "" for reply in event.replies)
        self.found[name, kinds].append(Difference(event, self.context(commands)))
        keys = [*KEYS, LONG_KEY]
        for server in self.servers:
            # A connection that is inside a transaction is left alone.
            with RawConnection(server.port) as connection:
                connection.call("DEL", *keys)

    def summary(self):
        lines = []
        for (name, kinds), differences in sorted(self.found.items(), key=lambda kv: -len(kv[1])):
            lines.append(f"{len(differences)} x {name} {kinds}, such as:")
            lines.append(min((d.report() for d in differences), key=len))
        return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="of the commands (random)")
    parser.add_argument("--commands", type=int, default=200000, metavar="N")
    parser.add_argument("--port-a", type=int, help="of the server that is right")
    parser.add_argument("--port-b", type=int, help="of the server that is compared with it")
    parser.add_argument("--many", type=int, default=0, metavar="N",
                        help="store N large values before, and draw their keys as well")
    parser.add_argument("--only", metavar="NAME,...",
                        help="draw these alone: commands, multi, scan, stream")
    parser.add_argument("--survey", action="store_true",
                        help="go on behind a difference, and sum up all of them")
    parser.add_argument("--coverage", action="store_true", help="print what was reached")
    parser.add_argument("--table", action="store_true",
                        help="print the tables of docs/redis.md and end")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if args.table:
        print(markdown_table(DIFFERENCES), markdown_table(TOLERANCES), sep="\n", end="")
        return 0
    seed = args.seed if args.seed is not None else random.randrange(2**32)
    print(f"seed {seed}", flush=True)
    only = args.only and args.only.split(",")
    with contextlib.ExitStack() as servers:
        port_a = args.port_a or servers.enter_context(redis_server())
        port_b = args.port_b or servers.enter_context(redis_server())
        comparison = (Survey if args.survey else Comparison)(port_a, port_b, seed, only,
                                                                    args.many)
        begin, status = time.monotonic(), 0
        try:
            comparison.run(args.commands)
        except Difference as difference:
            print(difference)
            status = 1
        except (Malformed, ConnectionError, TimeoutError) as failure:
            print(f"{type(failure).__name__}: {failure}, after command #{comparison.sent}")
            status = 1
        if args.survey:
            print(comparison.summary())
            status = status or bool(comparison.found)
        if args.coverage:
            print(comparison.coverage.table())
            print("accepted:", {what: n for what, n in comparison.judge.accepted.items() if n})
        print(f"{comparison.sent} commands in {time.monotonic() - begin:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
