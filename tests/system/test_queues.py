# SPDX-License-Identifier: Apache-2.0
"""`dhtctl -o json queues`: the numbers add up with the requests that were sent, and a
queue that is full loses nothing."""
import signal

import pytest

from harness import run_together, wait_until
from threads import Stopped, continue_process, stop_process

KINDS = {"client", "admin", "hot_client", "hot_admin", "peer", "hot_peer", "done", "read", "background", "noop"}


def total(queues, name):
    return sum(worker[name] for worker in queues["workers"])


def kind(queues, name):
    return sum(worker["kinds"][name] for worker in queues["workers"])


def check(queues):
    """What holds at any time, load or not."""
    for worker in queues["workers"]:
        assert set(worker["kinds"]) == KINDS
        assert worker["jobs"] == sum(worker["kinds"].values())
        assert worker["depth"] <= worker["depth_max"]
        assert 0 <= worker["busy"] <= 1
        for times in (worker["wait_us"], worker["run_us"]):
            assert 0 <= times["p50"] <= times["p99"] <= times["max"]
    # A job that hands a connection over is counted when it has run.
    dispatched = queues["dispatcher"]["dispatched"]
    assert kind(queues, "client") + kind(queues, "admin") <= dispatched


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1h"])
def test_jobs_and_kinds_add_up_with_the_requests(make_node, park_after):
    node = make_node("workers.count=2", f"workers.park_after={park_after}")
    clients, admins, calls = 12, 4, 50

    def ask_client():
        with node.client() as client:
            for number in range(calls):
                assert client.call("ECHO", number) == b"%d" % number

    def ask_admin(name):
        with node.admin() as admin:
            for number in range(calls):
                admin.call("put", key=b"%d/%d" % (name, number), value=b"v")

    def watch():
        for _ in range(10):
            check(node.queues())

    run_together([ask_client] * clients + [lambda n=n: ask_admin(n) for n in range(admins)] +
                 [watch])
    wait_until(lambda: node.status()["connections"] == 0)
    wait_until(lambda: total(node.queues(), "connections") == 0)
    queues = node.queues()
    check(queues)
    # Counted by the workers alone: dhtctl's own requests are the dispatcher's.
    assert total(queues, "requests") == (clients + admins) * calls
    assert total(queues, "depth") == 0 and total(queues, "full") == 0
    assert (queues["dispatcher"]["waiting"], queues["dispatcher"]["refused"]) == (0, 0)
    assert queues["dispatcher"]["parked"] == 0
    assert kind(queues, "client") + kind(queues, "admin") == queues["dispatcher"]["dispatched"]
    if park_after == "0":
        # A hand-over per request, and one for the end of each connection (of an admin
        # connection the dispatcher sees the end itself).
        assert kind(queues, "client") == clients * (calls + 1)
        assert kind(queues, "admin") == admins * calls
        assert kind(queues, "hot_client") == kind(queues, "hot_admin") == 0
    else:
        # One hand-over of each connection; the first event may have found the end, too.
        assert kind(queues, "client") == clients and kind(queues, "admin") == admins
        assert kind(queues, "hot_client") >= clients * (calls - 1)
        assert kind(queues, "hot_client") <= clients * 2 * (calls + 1)
        assert kind(queues, "hot_admin") >= admins * (calls - 1)


def test_pipelined_requests_are_counted_one_by_one(make_node):
    node = make_node("workers.count=1")
    with node.client() as client:
        client.send_bytes(b"PING\r\n" * 30000)
        assert client.read_exactly(7 * 30000) == b"+PONG\r\n" * 30000
        client.send_bytes(b"NOSUCH\r\nECHO\r\n\r\n*0\r\n")
        assert "unknown command" in client.receive() and "arguments" in client.receive()
    wait_until(lambda: node.status()["connections"] == 0)
    queues = node.queues()
    check(queues)
    # A wrong request is a request, an empty one is none.
    assert queues["workers"][0]["requests"] == 30002
    assert queues["workers"][0]["jobs"] < 30002


def test_times_are_times(make_node):
    """A job that had to wait shows how long; one that ran long, too."""
    node = make_node("workers.count=1")
    with node.client() as client:
        assert client.call("PING") == "PONG"
        before = node.queues()["workers"][0]
        with Stopped(node.pid):
            client.send("PING")
            # Two probes of the watchdog: more than a second.
            wait_until(lambda: node.status()["health"] == "degraded")
        assert client.receive() == "PONG"
    wait_until(lambda: node.queues()["workers"][0]["wait_us"]["max"] >= 1_000_000)
    after = node.queues()["workers"][0]
    assert before["wait_us"]["max"] < after["wait_us"]["max"] < 60_000_000
    assert after["depth_max"] >= 1


def test_busy_is_the_share_of_time_spent(make_node):
    node = make_node("workers.count=1")
    wait_until(lambda: node.queues()["workers"][0]["busy"] < 0.2, "an idle worker is not busy")
    stop = []

    def load():
        with node.client() as client:
            while not stop:
                client.send_bytes(b"PING\r\n" * 2000)
                client.read_exactly(7 * 2000)

    def watch():
        try:
            wait_until(lambda: node.queues()["workers"][0]["busy"] > 0.2, "a worker is busy")
        finally:
            stop.append(True)

    run_together([load, load, load, watch])
    wait_until(lambda: node.queues()["workers"][0]["busy"] < 0.2, "it is idle again")


def test_connections_spread_over_the_workers(make_node):
    node = make_node("workers.count=2", "workers.park_after=1h")
    clients = [node.client() for _ in range(40)]
    for _ in range(5):
        for client in clients:
            client.send("PING")
        for client in clients:
            assert client.receive() == "PONG"
    queues = node.queues()
    assert total(queues, "connections") == 40
    for worker in queues["workers"]:
        assert worker["connections"] >= 10
        assert worker["kinds"]["client"] >= 10 and worker["requests"] >= 50
    for client in clients:
        client.close()


# ---- A full queue --------------------------------------------------------------------

QUEUE_MAX = 16


def make_full_node(make_node, *settings):
    return make_node("workers.count=1", f"workers.queue_max={QUEUE_MAX}", *settings)


def ask_all(clients):
    for number, client in enumerate(clients):
        client.send("ECHO", number)


def assert_all_answered(clients):
    for number, client in enumerate(clients):
        assert client.receive() == b"%d" % number


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1s"])
def test_a_full_queue_loses_nothing(make_node, park_after):
    node = make_full_node(make_node, f"workers.park_after={park_after}")
    clients = [node.client() for _ in range(200)]
    wait_until(lambda: node.status()["connections"] == 200)
    with Stopped(node.pid):
        ask_all(clients)
        wait_until(lambda: node.queues()["dispatcher"]["waiting"] > 0)
        # Every connection is in the queue or kept back; none is anywhere twice.
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 0)
        queues = node.queues()
        worker = queues["workers"][0]
        handed_over = 200 - queues["dispatcher"]["waiting"]
        # The watchdog's probe, which has always room, may have come before or behind.
        assert QUEUE_MAX - 1 <= handed_over <= QUEUE_MAX
        assert QUEUE_MAX <= worker["depth"] == worker["depth_max"] <= QUEUE_MAX + 1
        assert worker["full"] > 0
        # Who comes now waits as well, and the dispatcher goes on accepting.
        late = [node.client() for _ in range(20)]
        ask_all(late)
        wait_until(lambda: node.queues()["dispatcher"]["waiting"] == 220 - handed_over)
        # One who gives up while waiting takes nothing with him.
        late.pop().close()
        late.pop().close()
    assert_all_answered(clients)
    assert_all_answered(late)
    ask_all(clients)
    assert_all_answered(clients)
    wait_until(lambda: node.queues()["dispatcher"]["waiting"] == 0)
    wait_until(lambda: node.status()["connections"] == 218)
    check(node.queues())
    for client in clients + late:
        client.close()
    wait_until(lambda: node.status()["connections"] == 0)


@pytest.mark.threads
def test_while_one_queue_is_full_the_others_serve(make_node):
    node = make_node("workers.count=2", f"workers.queue_max={QUEUE_MAX}", "workers.park_after=0")
    clients = [node.client() for _ in range(100)]
    wait_until(lambda: node.status()["connections"] == 100)
    with Stopped(node.pid) as stopped:
        ask_all(clients)
        wait_until(lambda: node.queues()["dispatcher"]["parked"] == 0)
        full = node.queues()
        assert all(worker["depth"] >= QUEUE_MAX for worker in full["workers"])
        stopped.resume_one()
        # What stands in the queue of the other has to wait for it; the rest is served.
        wait_until(lambda: node.queues()["dispatcher"]["waiting"] == 0)
        answered = wait_until(lambda: has_answers(clients, 100 - QUEUE_MAX))
        assert answered >= 100 - QUEUE_MAX
    assert_all_answered(clients)
    for client in clients:
        client.close()


def has_answers(clients, least):
    """The number of clients whose answer has come, once that is at least `least`."""
    count = sum(1 for client in clients if client.has_input())
    return count if count >= least else 0


def test_requests_that_wait_for_room_are_answered_before_the_stop(make_node):
    """SIGTERM while connections are kept back: what has arrived is answered."""
    node = make_full_node(make_node)
    clients = [node.client() for _ in range(100)]
    wait_until(lambda: node.status()["connections"] == 100)
    with Stopped(node.pid):
        ask_all(clients)
        wait_until(lambda: node.queues()["dispatcher"]["waiting"] > 0)
        stop_process(node.pid)
        node.signal(signal.SIGTERM)
    continue_process(node.pid)
    assert_all_answered(clients)
    assert node.wait_exit() == 0
    for client in clients:
        assert client.is_closed()
        client.close()
