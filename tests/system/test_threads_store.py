# SPDX-License-Identifier: Apache-2.0
"""What the threads around the store owe each other: no one waits for nothing, nothing turns
in a loop, no reply leaves too early, and an end in any state is an end."""
import contextlib
import errno
import pathlib
import re

import pytest

from faults import Faults
from harness import wait_until
from test_idle import assert_idle
from threads import threads_of

SYS_FUTEX, SYS_CLOCK_NANOSLEEP, SYS_EPOLL_PWAIT = 202, 230, 281  # on x86-64
MANY_PINGS = 3000  # more than one turn reads: so the connection becomes hot
SMALL = ("store.segment_size=1MiB", "store.max_value_size=256KiB")


def faulty(make_node, *settings):
    """A node that runs, and what makes its system calls fail."""
    node = make_node(*settings, start=False)
    faults = Faults(node)
    return node.start(), faults


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


# ---- Waiting -----------------------------------------------------------------------------

def value(number):
    return b"%08d" % number * 4000


def switches(node):
    """How often the threads of a node, but for the dispatcher, went to sleep so far."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(),
                             re.MULTILINE)[1])
               for task in pathlib.Path(f"/proc/{node.pid}/task").iterdir()
               if task.name != str(node.pid))


def assert_rests(node, admin):
    """The threads wake up a few times a second: 10 the committer, as often whom it tells. The
    connection must not be hot. First the housekeeper may have segments to read."""
    def woken():
        before = switches(node)
        assert_idle(node, admin)
        return switches(node) - before

    wait_until(lambda: woken() < 200, "the threads rest")


def test_who_waits_for_a_segment_costs_nothing(make_node):
    """The next segment cannot be made, as there is no descriptor for it: a write waits."""
    node, faults = faulty(make_node, "workers.count=1", *SMALL)
    with faults.of("create", errno.EMFILE), node.client() as client, node.admin() as watch:
        client.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            for number in range(1000):
                client.send("SET", b"k%d" % number, value(number))
                assert client.receive() == "OK"
        assert_rests(node, watch)
        faults.clear("create")
        client.socket.settimeout(30)
        assert client.receive() == "OK"
        assert client.call("GET", b"k%d" % number) == value(number)


@pytest.mark.parametrize("fsync", ["always", "never"])
def test_keys_that_expire_some_time_cost_nothing(make_node, fsync):
    node = make_node(f"store.fsync={fsync}")
    with node.admin() as admin, node.admin() as watch:
        for number in range(1000):
            admin.call("put", key=b"k%d" % number, value=b"", ttl_ms=3_600_000)
        wait_until(lambda: node.status()["store"]["spare_segments"] >= 2, "all files are made")
        assert_rests(node, watch)
        admin.call("put", key=b"soon", value=b"", ttl_ms=1)
        wait_until(lambda: node.status()["keys"] == 1000, "what expires is removed", deadline_s=5)


@pytest.fixture
def cold(make_node):
    """A node with one worker whose first keys are cold."""
    node, faults = faulty(make_node, "workers.count=1", "store.memory=64MiB",
                          "store.fsync=never", *SMALL)
    with node.client() as client:
        for number in range(2600):
            client.send("SET", b"k%d" % number, value(number))
        assert all(client.receive() == "OK" for _ in range(2600))
    wait_until(lambda: node.status()["store"]["cold_segments"] > 8, "the first keys are cold")
    return node, faults


def test_who_waits_for_a_descriptor_to_read_with_costs_nothing(cold):
    node, faults = cold
    with node.client() as client, node.admin() as watch:
        with faults.of("pread", errno.ENFILE):
            client.send("GET", "k0")
            assert_rests(node, watch)
            assert not client.has_input()
            assert client.pending == b""
            assert node.log().count(b"disk access failed") < 100
        assert client.receive() == value(0)


# ---- Disks that fail ---------------------------------------------------------------------

STOPPED = re.compile(rb'(?m)^.*level=error .*msg="the disk failed, the node stops at once')


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
@pytest.mark.parametrize("call", ["fdatasync", "pwrite"])
def test_a_disk_that_fails_stops_the_node(make_node, fsync, call):
    """No write is acknowledged from the failure on."""
    node, faults = faulty(make_node, f"store.fsync={fsync}", "workers.count=2", *SMALL)
    with node.client() as client:
        set_many(client, b"k", 2000, b"v")
        with faults.of(call, errno.EIO):
            number = 0
            try:
                for number in range(100_000):
                    client.send("SET", b"late%d" % number, b"x" * 1000)
                    assert client.receive() == "OK"
                    # Without a wait for the sync its failure comes later.
                    assert fsync != "always" and call == "fdatasync"
            except ConnectionError:
                pass
            assert node.wait_exit() == 1
    assert STOPPED.search(node.log())
    assert b"doing=" in node.log(), node.log_tail()
    node.start()
    with node.client() as client:
        assert all(client.call("GET", b"k%d" % n) == b"v" for n in range(0, 2000, 100))


def test_a_disk_that_cannot_be_read_stops_the_node(cold):
    node, faults = cold
    with node.client() as client, faults.of("pread", errno.EIO):
        client.send("GET", "k0")
        with pytest.raises(ConnectionError):
            client.receive()
        assert node.wait_exit() == 1
    assert STOPPED.search(node.log())


# ---- The end, in every state -------------------------------------------------------------

def is_in(node, thread, call):
    """Whether a thread is in a system call."""
    return call_of(node, threads_of(node.pid, thread)[0]) == call


def call_of(node, task):
    """The system call that a thread is in, or None."""
    now = pathlib.Path(f"/proc/{node.pid}/task/{task}/syscall").read_text().split()[0]
    return int(now) if now.isdigit() else None


@pytest.mark.threads
def test_a_stop_when_the_store_is_open_and_nobody_knows(make_node):
    node = make_node(start=False)
    with Faults(node).of("wake", "wait"):
        node.start(wait=False)
        wait_until(lambda: threads_of(node.pid, "dhtd/open"), "the store is being opened")
        wait_until(lambda: is_in(node, "dhtd/open", SYS_CLOCK_NANOSLEEP), "it is open")
        node.signal(15)
        assert node.wait_exit() == 0
    assert b"stopped while starting" in node.log()
    node.start()


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1s"])
def test_a_stop_answers_what_came_while_replies_were_held(make_node, park_after):
    node, faults = faulty(make_node, "workers.count=1", f"workers.park_after={park_after}",
                          *SMALL)
    with node.client() as client:
        assert client.call("SET", "k", "v") == "OK"
        with faults.of("fdatasync", "wait"):
            client.send("SET", "first", "1")
            wait_until(lambda: node.queues()["workers"][0]["requests"] >= 2)
            client.send("SET", "second", "2")
            node.signal(15)
            wait_until(lambda: b"msg=\"stopping\"" in node.log())
            assert not client.has_input()
        try:
            assert client.receive() == "OK"
            assert client.receive() == "OK"
        finally:
            assert node.wait_exit() == 0
    node.start()
    with node.client() as client:
        assert client.call("GET", "second") == b"2"


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "50ms"])
def test_a_stop_answers_who_was_about_to_be_parked(make_node, park_after):
    node, faults = faulty(make_node, "workers.count=1", f"workers.park_after={park_after}",
                          *SMALL)
    with node.client() as client:
        with faults.of("epoll_del", "wait"):
            client.send_bytes(client.encode("PING") * MANY_PINGS)
            wait_until(lambda: is_in(node, "dhtd/w", SYS_CLOCK_NANOSLEEP), "it is being parked")
            client.send("PING")
            node.signal(15)
            wait_until(lambda: b"msg=\"stopping\"" in node.log())
            wait_until(lambda: call_of(node, node.pid) in (SYS_FUTEX, SYS_EPOLL_PWAIT),
                       "the dispatcher can only wait for the worker")
        assert [client.receive() for _ in range(MANY_PINGS + 1)] == ["PONG"] * (MANY_PINGS + 1)
    assert node.wait_exit() == 0


@pytest.mark.threads
def test_a_stop_with_a_read_under_way(cold):
    node, faults = cold
    with node.client() as client, node.client() as gone:
        with faults.of("pread", "wait"):
            client.send("GET", "k0")
            gone.send("GET", "k1")
            wait_until(lambda: node.queues()["workers"][0]["connections"] >= 2)
            gone.close()
            node.signal(15)
            wait_until(lambda: b"msg=\"stopping\"" in node.log())
            assert not client.has_input()
        assert client.receive() == value(0)
    assert node.wait_exit() == 0


def keep_back(node, faults, stack, other):
    """Keeps the worker from waiting for events, after a turn that has left it nothing to do."""
    def is_kept_back():
        return is_in(node, "dhtd/w", SYS_CLOCK_NANOSLEEP)

    def is_kept_back_in_time():
        # What it did by itself, such as a job, may have it wait before the request comes.
        fault = stack.enter_context(contextlib.ExitStack())
        fault.enter_context(faults.of("epoll_wait", "wait"))
        other.send("PING")
        wait_until(lambda: other.has_input() or is_kept_back(), "it is served, or cannot be")
        is_served = other.has_input()
        if not is_served:
            fault.close()
        assert other.receive() == "PONG"
        return is_served

    wait_until(is_kept_back_in_time, "a request is served just before")
    wait_until(is_kept_back, "it is kept back")


def release_with_an_event(node, faults):
    before = node.queues()["workers"][0]["requests"]
    with node.client() as client, node.client() as other:
        with faults.of("fdatasync", "wait"), contextlib.ExitStack() as stack:
            client.send_bytes(client.encode("PING") * MANY_PINGS + client.encode("SET", "k", "v"))
            wait_until(lambda: node.queues()["workers"][0]["requests"] > before + MANY_PINGS,
                       "the reply is held back")
            keep_back(node, faults, stack, other)
            faults.clear("fdatasync")
            wait_until(lambda: is_in(node, "dhtd/commit", SYS_FUTEX), "the log is synced")
            client.send("GET", "k")
        replies = [client.receive() for _ in range(MANY_PINGS + 2)]
        assert replies == ["PONG"] * MANY_PINGS + ["OK", b"v"]
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 2, "both are parked")
    wait_until(lambda: node.queues()["dispatcher"]["parked"] == 0, "both are forgotten")


@pytest.mark.threads
def test_an_event_comes_with_the_news_that_replies_may_go(make_node):
    """In one round of the worker's loop; with park_after 0 the session leaves it there."""
    node, faults = faulty(make_node, "workers.count=1", "workers.park_after=0", *SMALL)
    for _ in range(5):
        release_with_an_event(node, faults)
