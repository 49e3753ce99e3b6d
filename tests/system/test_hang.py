# SPDX-License-Identifier: Apache-2.0
"""Workers that hang: the dispatcher still answers, says so, and starves the watchdog."""
import os
import signal
import time

import pytest

from harness import STOP_S, wait_until
from systemd import NotifySocket
from threads import Stopped, threads_of

ANSWER_S = 1.0  # for what is answered from counters, whatever the workers do


def timed(call):
    """The result of call(), which took less than a second."""
    started = time.monotonic()
    result = call()
    taken = time.monotonic() - started
    assert taken < ANSWER_S, f"took {taken:.3f} s"
    return result


def only(responses):
    assert len(responses) == 1 and responses[0].last
    return responses[0]


@pytest.mark.threads
def test_status_queues_and_log_level_need_no_worker(make_node):
    node = make_node("workers.count=3")
    assert len(threads_of(node.pid)) == 3
    with node.admin() as old, node.client() as client:
        old.call("status")
        with Stopped(node.pid):
            # A connection that is parked, and new ones.
            for admin in (old, node.admin(), node.admin()):
                assert timed(lambda: only(admin.call("status"))).status.pid == node.pid
                assert len(timed(lambda: only(admin.call("queues"))).queues.workers) == 3
                answer = timed(lambda: only(admin.call("log_level", level="warn")))
                assert answer.log_level.level == "warn"
                if admin is not old:
                    admin.close()
            # Clients may come; their requests wait.
            client.send("PING")
            waiting = [node.client() for _ in range(20)]
            for other in waiting:
                other.send("PING")
            status = timed(lambda: only(old.call("status"))).status
            assert status.connections == 21 and status.serving
            # Many who ask at once are answered as well.
            for _ in range(50):
                old.send("queues")
            for _ in range(50):
                assert timed(old.receive).HasField("queues")
        assert client.receive() == "PONG"
        for other in waiting:
            assert other.receive() == "PONG"
            other.close()


def test_a_connection_whose_request_waits_for_a_worker_waits_alone(make_node):
    node = make_node("workers.count=2")
    with node.admin() as waiting, node.admin() as other:
        with Stopped(node.pid):
            waiting.send("put", key=b"k", value=b"v")
            waiting.send("status")
            for _ in range(5):
                assert timed(lambda: only(other.call("status"))).HasField("status")
            assert not waiting.has_input()
            done = node.ctl("--timeout", "300ms", "put", "l", "v")
            assert done.returncode == 6 and b"unknown whether" in done.stderr
            done = node.ctl("--timeout", "300ms", "get", "l")
            assert done.returncode == 4 and b"300 ms" in done.stderr
            assert node.ctl("--timeout", "1s", "status").returncode == 0
        assert waiting.receive().HasField("put")
        assert waiting.receive().HasField("status")


def test_one_of_two_workers_is_enough_for_new_connections(make_node):
    """Connections of the worker that hangs wait; the others' go on."""
    node = make_node("workers.count=2", "workers.park_after=1h")
    clients = [node.client() for _ in range(10)]
    for client in clients:
        assert client.call("PING") == "PONG"
    owners = [worker["connections"] for worker in node.queues()["workers"]]
    assert sum(owners) == 10 and min(owners) > 0
    with Stopped(node.pid, threads_of(node.pid)[:1]):
        for client in clients:
            client.send("PING")
        wait_until(lambda: sum(client.has_input() for client in clients) >= owners[1])
        assert sum(client.has_input() for client in clients) == owners[1]
    for client in clients:
        assert client.receive() == "PONG"
        client.close()


@pytest.mark.parametrize("hung", [1, 2])
def test_health_tells_which_worker_hangs(make_node, hung):
    node = make_node("workers.count=2")
    with Stopped(node.pid, threads_of(node.pid)[2 - hung:]):
        status = wait_until(lambda: node.status()["health"] != "ok" and node.status())
        assert status["health"] == "degraded" and status["serving"] is True
        reason, = status["reasons"]
        assert "worker " in reason and " ms" in reason
        if hung == 1:
            assert "worker 1 " in reason
        shown = node.ctl("status")
        assert shown.returncode == 0
        assert b"degraded" in shown.stdout and reason.split(" for ")[0].encode() in shown.stdout
        assert node.log().count(b"does not run its jobs") == 1
    wait_until(lambda: node.status()["health"] == "ok")
    assert node.status()["reasons"] == []
    assert node.log().count(b"run their jobs again") == 1


def test_the_watchdog_is_fed_while_the_workers_run(make_node, tmp_path):
    node = make_node("workers.count=2", start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment(watchdog_s=2)
        node.start()
        notify.receive_until("READY=1")
        for _ in range(3):
            notify.receive_until("WATCHDOG=1", deadline_s=2)
        with Stopped(node.pid, threads_of(node.pid)[1:]):
            # A probe that waits is noticed at half of the time: nothing comes then.
            wait_until(lambda: notify.receive(deadline_s=2) is None, "no more signs of life")
            assert timed(node.status)["pid"] == node.pid
        notify.receive_until("WATCHDOG=1", deadline_s=2)
        notify.receive_until("WATCHDOG=1", deadline_s=2)


def test_a_worker_that_hangs_behind_a_full_queue_is_noticed(make_node, tmp_path):
    """The queue is full before the next probe comes."""
    node = make_node("workers.count=1", "workers.queue_max=16", start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment(watchdog_s=4)
        node.start()
        clients = [node.client() for _ in range(40)]
        wait_until(lambda: node.status()["connections"] == 40)
        notify.discard()
        notify.receive_until("WATCHDOG=1", deadline_s=4)
        with Stopped(node.pid):
            for client in clients:
                client.send("PING")
            wait_until(lambda: notify.receive(deadline_s=4) is None, "no more signs of life")
            status = node.status()
            assert status["health"] == "degraded" and "worker 0" in status["reasons"][0]
        for client in clients:
            assert client.receive() == "PONG"
            client.close()


def test_the_dispatcher_feeds_the_watchdog_itself(make_node, tmp_path):
    """If it hangs, nobody else does it in its place."""
    node = make_node(start=False)
    with NotifySocket(tmp_path) as notify:
        node.environment |= notify.environment(watchdog_s=1)
        node.start()
        notify.receive_until("WATCHDOG=1")
        with Stopped(node.pid, [node.pid]):
            wait_until(lambda: notify.receive(deadline_s=1) is None, "no more signs of life")
        notify.receive_until("WATCHDOG=1", deadline_s=1)


def test_a_stop_does_not_wait_for_ever_for_a_worker(make_node):
    node = make_node("workers.count=2")
    with Stopped(node.pid, threads_of(node.pid)[1:]) as stopped:
        started = time.monotonic()
        node.signal(signal.SIGTERM)
        stopped.bury_all()
        assert node.wait_exit() == 1
        assert time.monotonic() - started < STOP_S + 0.5
    assert b"a worker does not stop" in node.log() and b"worker=1" in node.log()
    assert node.log().count(b"a worker does not stop") == 1
    # Nothing of it is in anybody's way.
    assert not os.path.lexists(node.socket)
    node.start()
    assert node.status()["health"] == "ok"
