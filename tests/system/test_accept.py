# SPDX-License-Identifier: Apache-2.0
"""Accepting connections when something has run out: who is told what, what the log says,
and that the daemon neither spins nor stays deaf."""
import contextlib
import errno
import os
import pathlib
import resource
import socket
import time

import pytest

from faults import Faults
from harness import Connection, RespError, wait_until

MEASURED_S = 2        # for how long the use of CPU is measured: two ticks of the daemon
CPU_SHARE_MAX = 0.15  # of one processor; a loop without rest takes all that it gets
QUIET_S = 10          # how long a trouble must stay away to be over


def cpu_seconds(node):
    """What all threads of the daemon have used up to now."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{node.pid}/task").iterdir()) / 1e9


def assert_does_not_spin(node):
    started, before = time.monotonic(), cpu_seconds(node)
    wait_until(lambda: time.monotonic() - started > MEASURED_S)
    share = (cpu_seconds(node) - before) / (time.monotonic() - started)
    assert share < CPU_SHARE_MAX, f"the daemon uses {share:.0%} of a processor"


def set_descriptor_limit(node, soft):
    """Of the running daemon."""
    hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def both_ports(node):
    """Connections that wait: one at each port, with a request sent."""
    with node.client() as client, node.admin() as admin:
        client.send("PING")
        admin.send("status")
        yield client, admin


def assert_served(client, admin):
    assert client.receive() == "PONG"
    assert admin.receive().status.serving


def descriptors(node):
    """How many are open, without those of the data directory, which come and go."""
    directory = f"/proc/{node.pid}/fd"
    count = 0
    for number in os.listdir(directory):
        try:
            count += str(node.data_dir) not in os.readlink(f"{directory}/{number}")
        except FileNotFoundError:
            pass
    return count


# ---- Nobody can be accepted ----------------------------------------------------------

@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_accept_that_fails_is_tried_again_at_the_next_tick(make_node, number):
    node = make_node(start=False)
    faults = Faults(node)
    node.start()
    with node.client() as old, node.admin() as old_admin:
        assert old.call("PING") == "PONG"
        with faults.of("accept4", number), both_ports(node) as waiting:
            wait_until(lambda: b"level=error" in node.log())
            assert_does_not_spin(node)
            # Who is connected notices nothing.
            assert old.call("PING") == "PONG"
            assert old_admin.call("status")[-1].HasField("status")
            assert not any(connection.has_input() for connection in waiting)
            faults.clear("accept4")
            assert_served(*waiting)
    # Said once, however often it was tried.
    assert node.log().count(b"level=error") == 1
    is_memory = number in (errno.ENOMEM, errno.ENOBUFS)
    assert (b"out of memory" in node.log()) == is_memory
    assert (b"out of file descriptors" in node.log()) != is_memory
    with both_ports(node) as served:
        assert_served(*served)


def test_the_reserve_descriptor_is_lost_and_found(make_node):
    """Not even one descriptor is left to tell a client so."""
    node = make_node()
    with node.client() as old:
        assert old.call("PING") == "PONG"
        before = descriptors(node)
        set_descriptor_limit(node, 3)
        with both_ports(node) as waiting:
            wait_until(lambda: descriptors(node) < before, "the reserve is given up")
            assert_does_not_spin(node)
            assert old.call("PING") == "PONG"
            set_descriptor_limit(node, 1024)
            assert_served(*waiting)
        wait_until(lambda: descriptors(node) == before, "the reserve is back")
        # With a reserve, whoever comes is told: the limit leaves room for that one alone.
        set_descriptor_limit(node, max(map(int, os.listdir(f"/proc/{node.pid}/fd"))) + 1)
        with node.client() as refused:
            wait_until(refused.has_input)
            assert "descriptors" in refused.receive()
        with node.admin() as refused:
            assert "descriptors" in refused.receive().error.message
        set_descriptor_limit(node, 1024)
    assert node.log().count(b"out of file descriptors") == 1


def test_stop_while_nobody_can_be_accepted(make_node):
    node = make_node(start=False)
    faults = Faults(node)
    node.start()
    with faults.of("accept4", errno.EMFILE), both_ports(node) as (client, admin):
        wait_until(lambda: b"out of file descriptors" in node.log())
        node.stop()
        assert client.is_closed() and admin.is_closed()


# ---- Accepted, but there is no room --------------------------------------------------

@pytest.mark.parametrize("number, words", [
    (errno.ENOSPC, "epoll watches"), (errno.ENOMEM, "out of memory")])
def test_a_connection_that_cannot_be_watched_is_refused(make_node, number, words):
    node = make_node(start=False)
    faults = Faults(node)
    node.start()
    with node.admin() as old:
        # Parked and answered by the dispatcher: it needs no further registration.
        before = old.call("queues")[-1].queues.dispatcher
        with faults.of("epoll_add", number):
            for _ in range(5):
                with node.client() as refused:
                    reply = refused.receive()
                    assert isinstance(reply, RespError) and words in reply
                    assert refused.is_closed()
            with node.admin() as refused:
                assert words in refused.receive().error.message
                assert refused.is_closed()
            after = old.call("queues")[-1].queues.dispatcher
            assert after.refused - before.refused == 6
            assert after.accepted == before.accepted
            assert old.call("status")[-1].status.connections == 0
    lines = [line for line in node.log().splitlines() if b"level=error" in line]
    assert len(lines) == 1 and b"refus" in lines[0]
    assert (b"max_user_watches" in lines[0]) == (number == errno.ENOSPC)
    with both_ports(node) as served:
        assert_served(*served)


# ---- The peer port -------------------------------------------------------------------

STRANGERS_MAX = 256  # connections of which it is not known yet who is there


@contextlib.contextmanager
def strangers(node, count):
    """Connections to the peer port that say nothing."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(Connection(
            socket.create_connection(("127.0.0.1", node.peer_port)))) for _ in range(count)]


def test_strangers_at_the_peer_port_take_little(make_node):
    node, other = make_node(), make_node()
    before = most = descriptors(node)
    with strangers(node, 3 * STRANGERS_MAX) as opened:
        while not opened[0].has_input():
            most = max(most, descriptors(node))
        assert most <= before + STRANGERS_MAX
        # Who is somebody gets in.
        joined = other.ctl("join", f"127.0.0.1:{node.peer_port}", "--no-wait")
        assert joined.returncode == 0, joined.stderr
    assert node.log().count(b"nobody has said") == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_nobody_can_be_accepted_at_the_peer_port(make_node, number):
    node, other = make_node(start=False), make_node()
    faults = Faults(node)
    node.start()
    with faults.of("accept4", number), strangers(node, 1):
        assert_does_not_spin(node)
    joined = other.ctl("join", f"127.0.0.1:{node.peer_port}", "--no-wait")
    assert joined.returncode == 0, joined.stderr


# ---- Episodes ------------------------------------------------------------------------

def test_a_client_that_flaps_at_clients_max(make_node):
    node = make_node("clients.max=2")
    refused = 0
    with node.client() as one:
        assert one.call("PING") == "PONG"
        for _ in range(20):
            with node.client() as two:
                assert two.call("PING") == "PONG"
                with node.client() as three:
                    assert "max number of clients" in three.receive()
                    refused += 1
            wait_until(lambda: node.status()["connections"] == 1)
        assert node.log().count(b"clients.max") == 1
        assert b"level=info" not in node.log().partition(b"clients.max reached")[2]
        ended = time.monotonic()
        wait_until(lambda: b"below clients.max again" in node.log())
        assert time.monotonic() - ended > QUIET_S - 2
        line, = [line for line in node.log().splitlines() if b"below clients.max again" in line]
        assert f"refused={refused}".encode() in line
        # At the limit nothing is over, even if nobody knocks; another time is another event.
        with node.client() as two:
            assert two.call("PING") == "PONG"
            with node.client() as three:
                assert "max number of clients" in three.receive()
            assert node.log().count(b"clients.max reached") == 2
            started = time.monotonic()
            wait_until(lambda: time.monotonic() - started > QUIET_S + 2)
            assert node.log().count(b"below clients.max again") == 1
