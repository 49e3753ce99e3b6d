# SPDX-License-Identifier: Apache-2.0
"""Connections that the daemon ends while their client still sends: what was answered
arrives, and the client cannot hold on to the connection."""
import contextlib
import socket
import threading
import time

import pytest

from harness import STOP_S, RespConnection, wait_until
from test_idle import assert_idle

MIB = 1024 * 1024
NO_REQUEST = b"*1\r\nno request\r\n"


def read_to_the_end(connection):
    """Everything up to the end of the stream; a reset is an error."""
    received = bytearray()
    while data := connection.socket.recv(1 << 18):
        received += data
    return bytes(received)


def connections(node):
    return node.status()["connections"]


class Flood(threading.Thread):
    """Sends on a connection for as long as that works, or about limit bytes."""

    def __init__(self, connection, limit=1 << 40):
        super().__init__()
        self.connection = connection
        self.limit = limit
        self.sent = 0

    def run(self):
        with contextlib.suppress(OSError):
            while self.sent < self.limit:
                self.sent += self.connection.socket.send(b"PING\r\n" * 10000)


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1s"])
def test_replies_arrive_although_the_client_goes_on_sending(make_node, park_after):
    """It reads only when it has sent everything, of which much comes behind the error."""
    node = make_node("workers.count=1", f"workers.park_after={park_after}")
    requests = RespConnection.encode("ECHO", b"x" * MIB) * 8
    replies = (b"$%d\r\n" % MIB + b"x" * MIB + b"\r\n") * 8
    for _ in range(3):
        with node.client() as client:
            client.send_bytes(requests + NO_REQUEST + b"PING\r\n" * (4 * MIB))
            received = read_to_the_end(client)
            assert received.startswith(replies)
            error = received[len(replies):]
            assert error.startswith(b"-ERR Protocol error") and error.count(b"\r\n") == 1
            # The rest is taken, and not answered.
            client.send_bytes(b"PING\r\n" * 100)
    wait_until(lambda: connections(node) == 0)


@pytest.mark.threads
def test_replies_arrive_while_the_client_goes_on_sending(make_node):
    """It reads all the time; a reset would destroy what it has not read yet."""
    node = make_node("workers.count=1")
    replies = b"$%d\r\n" % MIB + b"x" * MIB + b"\r\n"
    for _ in range(5):
        with node.client() as client:
            flood = Flood(client, 16 * MIB)
            client.send("ECHO", b"x" * MIB)
            client.send_bytes(NO_REQUEST)
            flood.start()
            try:
                assert client.read_exactly(len(replies)) == replies
                assert client.read_line().startswith(b"-ERR Protocol error")
                assert not client.pending and read_to_the_end(client) == b""
            finally:
                with contextlib.suppress(OSError):
                    client.socket.shutdown(socket.SHUT_RDWR)
                flood.join()
    wait_until(lambda: connections(node) == 0)


def test_responses_arrive_although_the_client_goes_on_sending(make_node):
    """The same on the admin socket."""
    node = make_node("workers.count=1")
    with node.admin() as admin:
        admin.call("put", key=b"k", value=b"v" * 8 * MIB)
        for _ in range(4):
            admin.send("get", key=b"k")
        admin.send_bytes(b"\xff" * (8 * MIB))
        for _ in range(4):
            assert admin.receive().get.value == b"v" * 8 * MIB
        assert admin.receive().HasField("error")
        assert read_to_the_end(admin) == b""
        admin.send_bytes(b"\xff" * 1000)


def test_a_client_that_does_not_go_is_left_soon(make_node):
    node = make_node("workers.count=1")
    with node.client() as client, node.client() as other, node.admin() as watch:
        client.send_bytes(NO_REQUEST)
        assert read_to_the_end(client).startswith(b"-ERR Protocol error")
        wait_until(lambda: connections(node) == 1, deadline_s=8)
        assert other.call("PING") == "PONG"
        assert_idle(node, watch)
        with pytest.raises(OSError):
            while True:
                client.send_bytes(b"PING\r\n")


def test_a_client_that_never_ends_sending_is_left_soon(make_node):
    """At the latest when it has sent more than anybody sends by mistake."""
    node = make_node("workers.count=1")
    with node.client() as client, node.client() as other:
        client.send_bytes(NO_REQUEST)
        flood = Flood(client)
        flood.start()
        # Nobody else waits for that.
        for number in range(100):
            assert other.call("ECHO", number) == b"%d" % number
        flood.join()
        wait_until(lambda: connections(node) == 1)
        assert flood.sent < 128 * MIB


def test_a_client_that_neither_reads_nor_ends_sending(make_node):
    """Its replies wait for it; what it sends is not read for ever."""
    node = make_node("workers.count=1")
    with node.client() as client, node.admin() as watch:
        client.send_bytes(RespConnection.encode("ECHO", b"x" * MIB) * 16 + NO_REQUEST)
        client.socket.settimeout(2)
        flood = Flood(client)
        flood.start()
        flood.join()
        assert flood.sent < 128 * MIB
        assert connections(node) == 1
        assert_idle(node, watch)
        client.socket.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert read_to_the_end(client).startswith(b"$%d\r\n" % MIB)
        wait_until(lambda: connections(node) == 0)


@pytest.mark.threads
@pytest.mark.parametrize("floods", [False, True])
def test_a_stop_does_not_wait_for_them(make_node, floods):
    node = make_node("workers.count=1")
    clients = [node.client() for _ in range(5)]
    threads = []
    for client in clients:
        client.send_bytes(NO_REQUEST)
        assert client.read_line().startswith(b"-ERR Protocol error")
        if floods:
            threads.append(Flood(client))
            threads[-1].start()
    started = time.monotonic()
    node.stop()
    # A second of it, and not all the time that a stop may take.
    assert time.monotonic() - started < STOP_S - 2
    for client, thread in zip(clients, threads):
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_RDWR)
        thread.join()
    for client in clients:
        client.close()
