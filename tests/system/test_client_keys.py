# SPDX-License-Identifier: Apache-2.0
"""GET, SET and DEL on the client port, and their agreement with the admin socket."""
import pytest

from harness import RespError

KEY_MAX = 65535
BYTES = bytes(range(256))


def test_a_value_comes_back(node):
    with node.client() as client:
        assert client.call("GET", "k") is None
        assert client.call("SET", "k", "v") == "OK"
        assert client.call("get", "k") == b"v"
        assert client.call("SET", "k", "") == "OK"
        assert client.call("GET", "k") == b""
        assert node.ctl("get", "k", check=True).stdout == b""


@pytest.mark.parametrize("key", [b"", b"\0", BYTES, b"x" * KEY_MAX])
def test_keys_and_values_are_any_bytes(node, key):
    with node.client() as client:
        assert client.call("SET", key, BYTES * 1000) == "OK"
        assert client.call("GET", key) == BYTES * 1000
        assert client.call("DEL", key) == 1
        assert client.call("GET", key) is None


def test_del_counts_what_there_was(node):
    with node.client() as client:
        for key in "abc":
            client.call("SET", key, "1")
        assert client.call("DEL", "a", "b", "missing", "a") == 2
        assert client.call("DEL", "a") == 0
        assert node.status()["keys"] == 1


def test_both_ports_see_the_same(node):
    with node.client() as client:
        node.ctl("put", "from-admin", "1", check=True)
        assert client.call("GET", "from-admin") == b"1"
        client.call("SET", "from-client", "2")
        assert node.ctl("get", "from-client", check=True).stdout == b"2"
        node.ctl("del", "from-client", check=True)
        assert client.call("GET", "from-client") is None


@pytest.mark.parametrize("words, message", [
    (["GET"], "wrong number of arguments for 'get' command"),
    (["SET", "k"], "wrong number of arguments for 'set' command"),
    (["DEL"], "wrong number of arguments for 'del' command"),
    (["SET", "k", "v", "EX"], "syntax error"),
    (["GET", "x" * (KEY_MAX + 1)], "at most 65535 bytes"),
    (["SET", "x" * (KEY_MAX + 1), "v"], "at most 65535 bytes"),
    (["DEL", "k", "x" * (KEY_MAX + 1)], "at most 65535 bytes"),
])
def test_what_is_wrong_is_said_and_nothing_is_done(node, words, message):
    with node.client() as client:
        client.call("SET", "k", "kept")
        reply = client.call(*words)
        assert isinstance(reply, RespError) and message in reply
        assert client.call("GET", "k") == b"kept"


def test_a_value_beyond_the_limit(make_node):
    node = make_node("store.max_value_size=1KiB")
    with node.client() as client:
        assert client.call("SET", "k", b"x" * 1024) == "OK"
        reply = client.call("SET", "k", b"x" * 1025)
        assert isinstance(reply, RespError) and "exceeds maximum allowed size" in reply
        assert client.call("GET", "k") == b"x" * 1024


@pytest.mark.threads
def test_pipelined_writes_of_many_clients(make_node):
    """The last write of every client is there; the counters are exact when all is quiet."""
    node = make_node("workers.count=2", "workers.park_after=20ms")
    clients = [node.client() for _ in range(20)]
    rounds = 200
    for number, client in enumerate(clients):
        client.send_bytes(b"".join(
            b"*3\r\n$3\r\nSET\r\n$%d\r\nk%d\r\n$%d\r\n%d\r\n" % (
                len(b"k%d" % number), number, len(b"%d" % i), i) for i in range(rounds)))
    for number, client in enumerate(clients):
        for _ in range(rounds):
            assert client.read_line() == b"+OK"
        assert client.call("GET", f"k{number}") == b"%d" % (rounds - 1)
        client.close()
    assert node.status()["keys"] == len(clients)
