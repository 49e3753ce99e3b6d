# SPDX-License-Identifier: Apache-2.0
"""Many connections that are ready at once: a worker reads for some before it serves others."""
import contextlib

import pytest

from harness import RespConnection, wait_until

CLIENTS = 24
ROUNDS = 30
# What keeps the worker busy while the requests of the others come.
BUSY = RespConnection.encode("SET", "busy", "v") * 300
PARTS = {
    "whole": lambda number: [RespConnection.encode("INCR", f"n{number}")],
    "several": lambda number: [RespConnection.encode("INCR", f"n{number}"),
                               RespConnection.encode("GET", f"n{number}")],
    "line": lambda number: [b"INCR n%d\r\n" % number],
}


@contextlib.contextmanager
def connected(node, count):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(node.client()) for _ in range(count)]
        for client in clients:
            assert client.call("PING") == "PONG"
        yield clients


@pytest.fixture
def node(make_node):
    return make_node("store.fsync=never", "workers.count=1")


def test_everybody_gets_the_own_replies(node):
    requests = [(*PARTS.values(),)[number % len(PARTS)](number) for number in range(CLIENTS)]
    with node.client() as busy, connected(node, CLIENTS) as clients:
        for turn in range(1, ROUNDS + 1):
            busy.send_bytes(BUSY)
            for client, parts in zip(clients, requests):
                client.send_bytes(b"".join(parts))
            for client, parts in zip(clients, requests):
                assert client.receive() == turn
                if len(parts) > 1:
                    assert client.receive() == b"%d" % turn
            for _ in range(300):
                assert busy.receive() == "OK"


def test_requests_in_pieces(node):
    with node.client() as busy, connected(node, CLIENTS) as clients:
        for turn in range(1, ROUNDS + 1):
            requests = [RespConnection.encode("INCRBY", f"n{number}", number)
                        for number in range(CLIENTS)]
            cuts = [1 + (number * 7 + turn) % (len(request) - 1)
                    for number, request in enumerate(requests)]
            for part in (slice(None, 1), slice(1, None)):
                busy.send_bytes(BUSY)
                for client, request, cut in zip(clients, requests, cuts):
                    client.send_bytes(b"".join([request[:cut], request[cut:]][part]))
                for _ in range(300):
                    assert busy.receive() == "OK"
            for number, client in enumerate(clients):
                assert client.receive() == number * turn


def test_clients_killed_before_their_turn(node):
    for turn in range(ROUNDS):
        with node.client() as busy, connected(node, CLIENTS) as clients:
            killer = clients[turn % CLIENTS]
            busy.send_bytes(BUSY)
            for client in clients:
                if client is killer:
                    client.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                client.send("SET", "key", turn)
            assert killer.receive() == CLIENTS
            assert killer.receive() == "OK"
            wait_until(lambda: killer.call("CLIENT", "LIST").count(b"\n") == 1,
                       "the others are closed")
            assert killer.call("GET", "key") == b"%d" % turn


def test_clients_that_leave_before_their_turn(node):
    for turn in range(ROUNDS):
        with node.client() as busy, connected(node, CLIENTS) as clients:
            busy.send_bytes(BUSY)
            for client in clients:
                client.send("INCR", "left")
                client.close()
            for _ in range(300):
                assert busy.receive() == "OK"
            wait_until(lambda: busy.call("CLIENT", "LIST").count(b"\n") == 1, "the others left")
            # Replies that nobody reads reset a connection; what was sent was run before.
            assert busy.call("GET", "left") == b"%d" % ((turn + 1) * CLIENTS)
