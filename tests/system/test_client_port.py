# SPDX-License-Identifier: Apache-2.0
"""The client port as a network service: who is slow, silent, rude or many."""
import contextlib
import random
import resource
import select
import socket
import struct
import threading
import time

import pytest

from harness import DEADLINE_S, RespConnection, RespError, run_together, wait_until
from threads import continue_process, stop_process

MIB = 1024 * 1024


def read_to_the_end(connection):
    """Everything up to the close by the daemon."""
    received = connection.pending
    connection.pending = bytearray()
    while data := connection.socket.recv(65536):
        received += data
    return bytes(received)


def reset(connection):
    """Closes with RST, as a client that crashes or a firewall does."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def is_idle(node):
    """Whether no client connection is left."""
    return node.status()["connections"] == 0


# ---- Requests ------------------------------------------------------------------------

def test_ping_and_echo(shared_node):
    with shared_node.client() as client:
        assert client.call("PING") == "PONG"
        assert client.call("ping") == "PONG"
        assert client.call("PING", b"a\0b\r\n\xff") == b"a\0b\r\n\xff"
        assert client.call("ECHO", b"") == b""
        assert client.call("EcHo", b"\0") == b"\0"
        for size in (1, 100, 16 * 1024, 16 * 1024 + 1, 64 * 1024, MIB):
            assert client.call("ECHO", b"x" * size) == b"x" * size


def test_inline_requests(shared_node):
    with shared_node.client() as client:
        client.send_bytes(b"PING\r\nping\n\r\n  \r\n\nECHO hello\r\nECHO \"a b\\x00\"\r\n")
        client.send_bytes(b"*1\r\n$4\r\nPING\r\nPING it\r\n")
        replies = [client.receive() for _ in range(6)]
        assert replies == ["PONG", "PONG", b"hello", b"a b\0", "PONG", b"it"]


@pytest.mark.parametrize("words, text", [
    (["NOSUCH"], "ERR unknown command 'NOSUCH', with args beginning with: "),
    (["nosuch", "a", b"b\r\nc"], "ERR unknown command 'nosuch', with args beginning with: 'a' "),
    ([""], "ERR unknown command ''"),
    pytest.param(["x" * 300, "y" * 300], "ERR unknown command 'xxxxx", id="long words"),
    ([b"a\r\nb"], "ERR unknown command"),
    (["ECHO"], "ERR wrong number of arguments for 'echo' command"),
    (["ECHO", "a", "b"], "ERR wrong number of arguments for 'echo' command"),
    (["PING", "a", "b"], "ERR wrong number of arguments for 'ping' command"),
])
def test_a_wrong_command_is_an_error_reply(shared_node, words, text):
    with shared_node.client() as client:
        reply = client.call(*words)
        assert isinstance(reply, RespError) and reply.startswith(text)
        assert client.call("PING") == "PONG"


@pytest.mark.parametrize("sent", [
    b"*1\r\n4\r\n", b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\n$-2\r\n", b"*1048577\r\n",
    b"*1\r\n$67108865\r\n", b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1\r\n+PING\r\n",
    b"ECHO \"no end\r\n", pytest.param(b"x" * 70000, id="long line"),
    pytest.param(b"*" + b"1" * 70000, id="long number")])
def test_what_is_no_request_is_answered_and_ends_the_connection(shared_node, sent):
    with shared_node.client() as client:
        client.send("PING")
        client.send_bytes(sent + b"*1\r\n$4\r\nPING\r\n")
        assert client.receive() == "PONG"
        reply = client.receive()
        assert isinstance(reply, RespError) and reply.startswith("ERR Protocol error: ")
        assert client.is_closed()
    with shared_node.client() as client:
        assert client.call("PING") == "PONG"


def test_binary_noise_breaks_nothing(shared_node):
    chance = random.Random(11)
    for _ in range(100):
        with shared_node.client() as client:
            noise = bytes(chance.choice(b"*$\r\n0123456789-PINGECHO\"' \0\xff") for _ in range(200))
            client.send_bytes(noise)
            client.socket.shutdown(socket.SHUT_WR)
            try:
                read_to_the_end(client)
            except ConnectionResetError:
                pass  # closed with unread input behind the error
    with shared_node.client() as client:
        assert client.call("PING") == "PONG"


def test_a_large_request_in_small_pieces(shared_node):
    value = bytes(random.Random(1).randbytes(3 * MIB))
    request = RespConnection.encode("ECHO", value)
    chance = random.Random(2)
    with shared_node.client() as client:
        at = 0
        while at < len(request):
            size = chance.choice([1, 2, 100, 1500, 65536, 300000])
            client.send_bytes(request[at:at + size])
            at += size
        assert client.receive() == value
        assert client.call("PING") == "PONG"


def test_the_largest_requests(make_node):
    """64 MiB of one request, a million arguments, and one more of each."""
    node = make_node()
    head = b"*2\r\n$4\r\nECHO\r\n$%d\r\n"
    most = 64 * MIB - len(head % (64 * MIB)) - 2
    with node.client() as client:
        value = bytes(range(256)) * (most // 256) + b"x" * (most % 256)
        assert client.call("ECHO", value) == value
        client.send_bytes(head % (most + 1))
        assert "too big request" in client.receive()
        assert client.is_closed()
    with node.client() as client:
        client.send_bytes(b"*1048576\r\n$4\r\nECHO\r\n" + b"$0\r\n\r\n" * 1048575)
        assert "wrong number of arguments" in client.receive()
        assert client.call("PING") == "PONG"
        client.send_bytes(b"*1048577\r\n")
        assert "invalid multibulk length" in client.receive()
        assert client.is_closed()


def test_byte_by_byte(shared_node):
    with shared_node.client() as client:
        for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb\0\r\nPING\r\n":
            client.send_bytes(bytes([byte]))
        assert client.receive() == b"a\r\nb\0"
        assert client.receive() == "PONG"


# ---- Slow and silent -----------------------------------------------------------------

@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1ms", "1s"])
def test_half_a_request_holds_nobody_up(make_node, park_after):
    node = make_node("workers.count=1", f"workers.park_after={park_after}")
    request = RespConnection.encode("ECHO", b"x" * 20000)
    waiting = []
    for cut in (1, 4, 9, 30, 16384, 20000, len(request) - 1):
        client = node.client()
        client.send_bytes(request[:cut])
        waiting.append((client, request[cut:]))
    with node.client() as client:
        for number in range(300):
            assert client.call("ECHO", number) == b"%d" % number
    if park_after != "1s":  # half a request does not keep a connection hot
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == len(waiting))
    for client, rest in waiting:
        client.send_bytes(rest)
        assert client.receive() == b"x" * 20000
        client.close()
    wait_until(lambda: is_idle(node))


def test_requests_and_then_the_end(shared_node):
    """A client that shuts down its side at once gets all the answers, then the end."""
    for count in (0, 1, 5000):
        with shared_node.client() as client:
            for number in range(count):
                client.send("ECHO", number)
            client.socket.shutdown(socket.SHUT_WR)
            assert read_to_the_end(client) == b"".join(
                b"$%d\r\n%d\r\n" % (len(str(number)), number) for number in range(count))


def test_requests_and_the_end_before_the_daemon_looks(make_node):
    """All of it is in the socket when the daemon accepts, or when it wakes up."""
    node = make_node("workers.count=1")
    with node.client() as known:
        assert known.call("PING") == "PONG"
        stop_process(node.pid)
        clients = [known, node.client()]
        for client in clients:
            client.send_bytes(b"PING\r\n" * 9000 + b"ECHO half")
            client.socket.shutdown(socket.SHUT_WR)
        continue_process(node.pid)
        for client in clients:
            assert read_to_the_end(client) == b"+PONG\r\n" * 9000
        clients[1].close()
    wait_until(lambda: is_idle(node))


@pytest.mark.parametrize("park_after", ["0", "1s"])
def test_a_client_that_never_reads_its_replies(make_node, park_after):
    node = make_node("workers.count=1", f"workers.park_after={park_after}",
                     "clients.output_max=1MiB", start=False)
    # Freed memory would be kept, and counted.
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    node.start()
    before = node.resident_bytes()
    request = RespConnection.encode("ECHO", b"x" * 10000)
    clients = [node.client() for _ in range(8)]
    sent = dict.fromkeys(clients, 0)
    for client in clients:
        client.socket.setblocking(False)

    def nobody_takes_more():
        """Sends as long as anything is taken; in the end nothing is read any more."""
        _, writable, _ = select.select([], [client.socket for client in clients], [], 0.3)
        for client in clients:
            if client.socket in writable:
                at = sent[client] % len(request)
                sent[client] += client.socket.send((request * 50)[at:])
        return not writable

    wait_until(nobody_takes_more)
    with node.client() as client:
        for number in range(200):
            assert client.call("ECHO", number) == b"%d" % number
    # Per client: 1 MiB of replies, one read beyond, and half as much as reserve.
    assert node.resident_bytes() - before < len(clients) * 4 * MIB
    # Who reads at last gets all replies to what was taken.
    reader = clients[0]
    reader.socket.settimeout(DEADLINE_S)
    reader.socket.shutdown(socket.SHUT_WR)
    reply = b"$10000\r\n" + b"x" * 10000 + b"\r\n"
    assert read_to_the_end(reader) == reply * (sent[reader] // len(request))
    for client in clients:
        client.close()
    wait_until(lambda: is_idle(node))


def test_the_beginning_of_a_request_takes_little_memory(make_node):
    """Also where the one before was large."""
    node = make_node("workers.count=1", start=False)
    # Freed memory would be kept, and counted.
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    node.start()
    before = node.resident_bytes()
    large = RespConnection.encode("PING", b"x" * (8 * MIB), b"too many arguments")
    half = b"*2\r\n$4\r\nECHO\r\n$4\r\nha"
    clients = [node.client() for _ in range(20)]
    for client in clients:
        client.send_bytes(large + half)
        assert isinstance(client.receive(), RespError)
    assert node.resident_bytes() - before < 80 * MIB
    for client in clients:
        client.send_bytes(b"lf\r\n")
        assert client.receive() == b"half"
        client.close()


def test_a_million_pipelined_pings(shared_node):
    count = 1_000_000
    with shared_node.client() as client, shared_node.client() as other:
        sender = threading.Thread(target=client.send_bytes, args=(b"PING\r\n" * count,))
        sender.start()
        received, expected = 0, b"+PONG\r\n"
        longest = 0.0
        while received < count * len(expected):
            data = client.socket.recv(1 << 20)
            assert data
            at = received % len(expected)
            assert (expected * (len(data) // len(expected) + 2))[at:at + len(data)] == data
            received += len(data)
            started = time.monotonic()
            assert other.call("PING") == "PONG"
            longest = max(longest, time.monotonic() - started)
        sender.join()
        # The others take their turns in between.
        assert longest < 2


def test_connections_that_are_reset(make_node):
    node = make_node("workers.count=1")
    for action in (b"", b"PING\r\n", b"*1\r\n$4\r\nPI", b"PING\r\n" * 5000):
        for _ in range(10):
            client = node.client()
            client.send_bytes(action)
            reset(client)
    wait_until(lambda: is_idle(node))
    with node.client() as client:
        assert client.call("PING") == "PONG"


# ---- Many ----------------------------------------------------------------------------

@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "20ms"])
def test_a_thousand_connections_come_and_go(make_node, park_after):
    """They open, ask or not, wait or not, and close in any way, while others work."""
    node = make_node("workers.count=2", f"workers.park_after={park_after}")
    done = threading.Event()
    served = []

    def work():
        with node.client() as client:
            while not done.is_set():
                number = len(served)
                client.send("ECHO", number)
                client.send("PING")
                assert client.receive() == b"%d" % number
                assert client.receive() == "PONG"
                served.append(number)

    def come_and_go(seed):
        chance = random.Random(seed)
        opened = []
        for _ in range(250):
            client = node.client()
            opened.append(client)
            if chance.random() < 0.7:
                client.send_bytes(chance.choice([b"PING\r\n", b"PING\r\n" * 100, b"PIN", b"\r\n",
                                                 b"*1\r\n$4\r\n", b"*x\r\n"]))
            if chance.random() < 0.2:
                with contextlib.suppress(OSError):  # reset by the daemon already
                    client.socket.shutdown(socket.SHUT_WR)
            while len(opened) > chance.randrange(120):
                leave = chance.choice([reset, RespConnection.close])
                leave(opened.pop(chance.randrange(len(opened))))
        for client in opened:
            client.close()

    def churn():
        try:
            run_together([lambda seed=seed: come_and_go(seed) for seed in range(4)])
        finally:
            done.set()

    run_together([work, work, work, churn])
    assert len(served) >= 3
    wait_until(lambda: is_idle(node))
    dispatcher = node.queues()["dispatcher"]
    assert dispatcher["accepted"] >= 1003 and dispatcher["refused"] == 0
    assert dispatcher["parked"] == 0 and dispatcher["waiting"] == 0
    assert all(worker["connections"] == 0 for worker in node.queues()["workers"])


def test_idle_connections_park_and_come_back(make_node):
    node = make_node("workers.count=2", "workers.park_after=50ms")

    def hot():
        return sum(worker["connections"] for worker in node.queues()["workers"])

    clients = [node.client() for _ in range(50)]
    wait_until(lambda: node.queues()["dispatcher"]["accepted"] >= 50)
    for _ in range(3):
        for client in clients:
            assert client.call("PING") == "PONG"
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 50)
        assert hot() == 0 and node.status()["connections"] == 50
    # Each of them was handed over each time, once.
    assert node.queues()["dispatcher"]["dispatched"] == 150
    for client in clients:
        client.close()
    wait_until(lambda: is_idle(node))
    assert node.queues()["dispatcher"]["parked"] == 0


def test_busy_connections_stay_hot(make_node):
    node = make_node("workers.count=1", "workers.park_after=1h")
    with node.client() as client:
        for _ in range(100):
            assert client.call("PING") == "PONG"
        queues = node.queues()
        assert queues["dispatcher"]["dispatched"] == 1
        assert queues["workers"][0]["connections"] == 1
        assert queues["dispatcher"]["parked"] == 0


def test_park_after_0_hands_over_each_event(make_node):
    node = make_node("workers.count=2", "workers.park_after=0")
    with node.client() as one, node.client() as two:
        for number in range(50):
            assert one.call("ECHO", number) == b"%d" % number
            assert two.call("PING") == "PONG"
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 2)
        queues = node.queues()
        assert queues["dispatcher"]["dispatched"] == 100
        assert all(worker["connections"] == 0 for worker in queues["workers"])
        # Also with more input than one turn takes, and more output than the socket takes.
        one.send_bytes(b"PING\r\n" * 20000)
        assert one.read_exactly(7 * 20000) == b"+PONG\r\n" * 20000
        value = b"y" * (8 * MIB)
        assert one.call("ECHO", value) == value
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 2)


def test_parked_connections_take_little_memory(make_node):
    """Buffers are given back: what a connection once needed is not kept."""
    node = make_node("workers.count=1", "workers.park_after=1ms", start=False)
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    node.start()
    clients = [node.client() for _ in range(200)]
    for client in clients[:5]:
        assert len(client.call("ECHO", b"x" * 200000)) == 200000
    wait_until(lambda: node.queues()["dispatcher"]["parked"] == 200)
    before = node.resident_bytes()
    for client in clients:
        assert len(client.call("ECHO", b"x" * 200000)) == 200000
    wait_until(lambda: node.queues()["dispatcher"]["parked"] == 200)
    assert node.resident_bytes() - before < 16 * MIB
    for client in clients:
        client.close()


# ---- Limits --------------------------------------------------------------------------

def test_more_clients_than_clients_max(make_node):
    node = make_node("clients.max=5")
    clients = [node.client() for _ in range(5)]
    for client in clients:
        assert client.call("PING") == "PONG"
    for _ in range(3):
        with node.client() as refused:
            reply = refused.receive()
            assert isinstance(reply, RespError) and "max number of clients" in reply
            assert refused.is_closed()
    assert node.queues()["dispatcher"]["refused"] == 3
    assert node.log().count(b"clients.max") == 1
    assert clients[0].call("PING") == "PONG"
    # Whoever leaves makes room; the admin socket is not counted.
    clients.pop().close()
    wait_until(lambda: node.status()["connections"] == 4)
    with node.client() as client:
        assert client.call("PING") == "PONG"
    for client in clients:
        client.close()


def use_up_descriptors(node):
    """Opens client connections until one is told that there are no descriptors left."""
    clients = []
    for _ in range(300):
        client = node.client()
        client.send("PING")
        reply = client.receive()
        if isinstance(reply, RespError):
            assert "descriptors" in reply
            assert client.is_closed()
            client.close()
            return clients
        assert reply == "PONG"
        clients.append(client)
    raise AssertionError("the daemon did not run out of descriptors")


def test_no_descriptors_left(make_node):
    node = make_node(start=False)
    node.before_exec = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    node.start()
    assert b"limit of file descriptors is below clients.max" in node.log()
    clients = use_up_descriptors(node)
    assert len(clients) >= 20
    for _ in range(50):
        with node.client() as refused:
            assert isinstance(refused.receive(), RespError)
            assert refused.is_closed()
    for client in clients:
        assert client.call("ECHO", "still") == b"still"
    # Said once, however many were refused.
    assert node.log().count(b"out of file descriptors") == 1
    # Who asks at the admin socket is told in its language.
    done = node.ctl("status")
    assert done.returncode == 1 and b"out of file descriptors" in done.stderr
    # It recovers by itself, and says so.
    for client in clients[:10]:
        client.close()

    def is_served():
        with node.client() as client:
            client.send("PING")
            return client.receive() == "PONG"

    wait_until(is_served)
    assert node.status()["health"] == "ok"
    assert clients[10].call("PING") == "PONG"
    for client in clients[10:]:
        client.close()
    # A second time, soon after the first, is no other event; after a while it is.
    for client in use_up_descriptors(node):
        client.close()
    assert node.log().count(b"out of file descriptors") == 1
    wait_until(lambda: b"descriptors are available again" in node.log())
    for client in use_up_descriptors(node):
        client.close()
    assert node.log().count(b"out of file descriptors") == 2
    assert node.log().count(b"descriptors are available again") == 1


def test_clients_that_wait_in_the_backlog_are_refused_too(make_node):
    """Nobody hangs because there are no descriptors."""
    node = make_node(start=False)
    node.before_exec = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    node.start()
    stop_process(node.pid)
    clients = [node.client() for _ in range(150)]
    continue_process(node.pid)
    served = refused = 0
    for client in clients:
        client.socket.settimeout(DEADLINE_S)
        try:
            client.send("PING")
            reply = client.receive()
        except (ConnectionResetError, BrokenPipeError):
            reply = RespError("reset behind the reply")
        served += reply == "PONG"
        refused += isinstance(reply, RespError)
    assert served >= 20 and served + refused == 150
    for client in clients:
        client.close()
    wait_until(lambda: node.ctl("status").returncode == 0)
    wait_until(lambda: is_idle(node))


def test_several_addresses(make_node):
    node = make_node(start=False)
    port = node.client_port
    node.settings["listen.client"] = f"127.0.0.1:{port},127.0.0.2:{port},[::1]:{port}"
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", port))
            hosts = ["127.0.0.1", "127.0.0.2", "::1"]
        except OSError:  # a machine without IPv6
            hosts = ["127.0.0.1", "127.0.0.2"]
            node.settings["listen.client"] = f"127.0.0.1:{port},127.0.0.2:{port}"
    node.start()
    for host in hosts:
        with RespConnection(port, host) as client:
            assert client.call("PING") == "PONG"
    assert node.status()["nodes"][0]["client"] == node.settings["listen.client"]
