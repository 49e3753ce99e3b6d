# SPDX-License-Identifier: Apache-2.0
"""Who waits costs nothing: no thread turns in a loop because of clients that do not go
on, of a port that cannot accept, or of a queue that has no room."""
import os
import pathlib
import resource
import socket
import threading
import time

import pytest

from harness import RespConnection, run_together, wait_until
from threads import Stopped

SHARE = 0.3  # of one processor; a loop takes all that it gets
BLOCK = b"x" * (1024 * 1024)


def cpu_s(pid):
    """The processor time that a process has used up to now."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_idle(node, admin):
    """Watches the node for two seconds of its own clock, by way of a connection."""
    def uptime_s():
        return admin.call("status")[-1].status.uptime_s

    started, used = time.monotonic(), cpu_s(node.pid)
    first = uptime_s()
    wait_until(lambda: uptime_s() >= first + 2)
    elapsed, used = time.monotonic() - started, cpu_s(node.pid) - used
    assert used < SHARE * elapsed, f"{used:.2f} s in {elapsed:.2f} s"


def wait_until_nothing_moves(admin):
    """Waits until the worker has run nothing but probes from one probe to the next."""
    seen, since = None, 0

    def nothing_moves():
        nonlocal seen, since
        worker = admin.call("queues")[-1].queues.workers[0]
        kinds = {kind.name: kind.count for kind in worker.kinds}
        probes = kinds.pop("noop")
        if kinds != seen:
            seen, since = kinds, probes
        return probes >= since + 2

    wait_until(nothing_moves)


def silent_client(node, *pieces):
    """A client that sends and does not read a byte of what it gets."""
    client = node.client()
    for piece in pieces:
        client.send_bytes(piece)
    return client


@pytest.mark.parametrize("park_after", ["0", "50ms"])
def test_clients_that_do_not_go_on(make_node, park_after):
    node = make_node("workers.count=1", f"workers.park_after={park_after}",
                     "clients.output_max=64KiB")
    large = RespConnection.encode("ECHO", BLOCK) * 8
    half = b"*2\r\n$4\r\nECHO\r\n$100\r\nhalf"
    clients = [
        silent_client(node),
        silent_client(node, half),
        silent_client(node, large),
        silent_client(node, large, half),
        silent_client(node, large, b"*1\r\nno request\r\n", b"PING\r\n" * 1000),
        silent_client(node, large),
    ]
    clients[-1].socket.shutdown(socket.SHUT_WR)
    admins = [node.admin() for _ in range(3)]
    for number in range(16):
        admins[0].call("put", key=b"%d" % number, value=BLOCK)
    for admin in admins[:2]:
        admin.send("dump")
        admin.send("dump")
    admins[1].socket.shutdown(socket.SHUT_WR)
    admins[2].send_bytes(b"\0\0")
    with node.admin() as watch:
        wait_until_nothing_moves(watch)
        assert_idle(node, watch)
        with node.client() as client:
            assert client.call("PING") == "PONG"
        for connection in clients + admins:
            connection.close()
        wait_until(lambda: node.status()["connections"] == 0)
        assert_idle(node, watch)


def test_clients_that_do_not_read_keep_nobody_from_parking(make_node):
    node = make_node("workers.count=1", "workers.park_after=10ms", "clients.output_max=64KiB")
    large = RespConnection.encode("ECHO", BLOCK) * 8
    stuck = [silent_client(node, large) for _ in range(40)]
    wait_until(lambda: node.queues()["workers"][0]["requests"] >= 40)
    with node.client() as client:
        assert client.call("PING") == "PONG"
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 1, "one parks", deadline_s=8)
    for connection in stuck:
        connection.close()


def test_clients_that_never_rest_keep_nobody_from_parking(make_node):
    node = make_node("workers.count=1", "workers.park_after=20ms")
    done = threading.Event()

    def flood():
        with node.client() as client:
            while not done.is_set():
                client.send_bytes(b"PING\r\n" * 5000)
                client.read_exactly(7 * 5000)

    def watch():
        try:
            clients = [node.client() for _ in range(20)]
            for client in clients:
                assert client.call("PING") == "PONG"
            wait_until(lambda: node.queues()["dispatcher"]["parked"] == 20, "all park")
            for client in clients:
                client.close()
        finally:
            done.set()

    run_together([flood, flood, flood, watch])


def test_a_queue_without_room(make_node):
    node = make_node("workers.count=1", "workers.queue_max=16")
    clients = [node.client() for _ in range(60)]
    wait_until(lambda: node.status()["connections"] == 60)
    with node.admin() as watch, Stopped(node.pid):
        for client in clients:
            client.send("PING")
        wait_until(lambda: node.queues()["dispatcher"]["waiting"] > 0)
        assert_idle(node, watch)
    for client in clients:
        assert client.receive() == "PONG"
        client.close()


def test_no_descriptors_left(make_node):
    node = make_node(start=False)
    node.before_exec = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    node.start()
    with node.admin() as watch:
        assert watch.call("status")[-1].status.serving
        clients = [node.client() for _ in range(100)]
        wait_until(lambda: b"out of file descriptors" in node.log())
        assert_idle(node, watch)
    for client in clients:
        client.close()
