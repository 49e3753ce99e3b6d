# SPDX-License-Identifier: Apache-2.0
"""What clients send that Debian and its node cannot run, and the types they insist on.

Each test sends the bytes of one client library when it connects (its version is in the
test's name) and looks at the replies as that library does. Replies are trees of
(type byte, value), so that a string of another type than expected does not pass.
"""
import re

import pytest

from harness import RespConnection

SLOTS = 16384


class TypedConnection(RespConnection):
    def receive(self):
        """The next reply: (b"+", b"OK"), (b":", 1), (b"$", None), (b"*", [...]),
        (b"%", {key: value}); the keys of a map are without their type."""
        line = self.read_line()
        kind, rest = line[:1], line[1:]
        if kind in b"+-":
            return kind, rest
        if kind == b":":
            return kind, int(rest)
        if kind == b"_" or rest == b"-1":
            return kind, None
        if kind in b"$=":
            return kind, self.read_exactly(int(rest) + 2)[:-2]
        if kind == b"%":
            pairs = [(self.receive(), self.receive()) for _ in range(int(rest))]
            assert all(key[0] in (b"$", b"+") for key, _ in pairs)
            return kind, {key[1]: value for key, value in pairs}
        assert kind in b"*~", f"{line} is no reply"
        return kind, [self.receive() for _ in range(int(rest))]

    def batch(self, *requests):
        """Sends requests in one piece, each a line of words; returns their replies."""
        self.send_bytes(b"".join(self.encode(*request.split()) for request in requests))
        return [self.receive() for _ in requests]


@pytest.fixture
def connect(server):
    made = []

    def make():
        made.append(TypedConnection(server.client_port))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


OK = (b"+", b"OK")
HELLO_KEYS = [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]


def check_hello(reply, version):
    kind, fields = reply
    if version == 2:
        assert kind == b"*"
        fields = {key[1]: value for key, value in zip(fields[::2], fields[1::2])}
    else:
        assert kind == b"%"
    assert list(fields) == HELLO_KEYS
    assert fields[b"server"] == (b"$", b"redis") and fields[b"mode"] == (b"$", b"cluster")
    assert fields[b"role"] == (b"$", b"master") and fields[b"modules"] == (b"*", [])
    assert fields[b"proto"] == (b":", version)
    assert fields[b"id"][0] == b":" and fields[b"id"][1] > 0
    assert re.fullmatch(rb"\d+\.\d+\.\d+", fields[b"version"][1])


def check_slots(reply, port):
    """As the strictest read it: no holes, the host a string that is not empty."""
    kind, ranges = reply
    assert kind == b"*"
    expected = 0
    for kind, (first, last, *holders) in ranges:
        assert kind == b"*" and first == (b":", expected) and last[0] == b":"
        expected = last[1] + 1
        for kind, (host, holder_port, identity, *_) in holders:
            assert kind == b"*" and host == (b"$", b"127.0.0.1")
            assert holder_port == (b":", port)
            assert identity[0] == b"$" and re.fullmatch(rb"[0-9a-f]{40}", identity[1])
    assert expected == SLOTS


def check_command(reply):
    """COMMAND's rows: 10 elements, of which the first 6 are read by all."""
    kind, rows = reply
    assert kind == b"*" and len(rows) > 50
    for kind, row in rows:
        assert kind == b"*" and len(row) == 10
        name, arity, flags, first, last, step = row[:6]
        assert name[0] == b"$" and name[1] == name[1].lower()
        assert flags[0] in b"*~" and all(flag[0] == b"+" for flag in flags[1])
        assert {arity[0], first[0], last[0], step[0]} == {b":"} and arity[1] != 0
    return {row[0][1]: row for _, row in rows}


def check_set_info(*replies):
    assert list(replies) == [OK] * len(replies)


def check_unknown_subcommand(reply, words):
    """Clients go on without what they asked for if the answer is an error, at once."""
    assert reply == (b"-", f"ERR unknown subcommand '{words}'. Try CLIENT HELP.".encode())


@pytest.mark.differs
def test_redis_py_8(connect, server):
    client = connect()
    hello, maint, name, version, select = client.batch(
        "HELLO 3", "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
        "CLIENT SETINFO LIB-NAME redis-py", "CLIENT SETINFO LIB-VER 8.0.0", "SELECT 0")
    check_hello(hello, 3)
    check_unknown_subcommand(maint, "MAINT_NOTIFICATIONS")
    check_set_info(name, version, select)
    slots, command, readonly = client.batch("CLUSTER SLOTS", "COMMAND", "READONLY")
    check_slots(slots, server.client_port)
    check_command(command)
    assert readonly == OK
    # It waits for ever if this is `$-1`.
    assert client.batch("GET redis-py-8:none") == [(b"_", None)]


@pytest.mark.differs
def test_ioredis_6(connect, server):
    data, refresher = connect(), connect()
    hello, name, version, info, named = data.batch(
        "hello 3", "client SETINFO LIB-NAME ioredis", "client SETINFO LIB-VER 6.0.0", "info",
        "client setname io")
    check_hello(hello, 3)
    check_set_info(name, version, named)
    # Verbatim text in RESP3; text behind it is `loading:0`, or the client waits.
    assert info[0] in (b"=", b"$") and b"\r\nloading:0\r\n" in info[1]
    slots, cluster, readonly = refresher.batch("cluster SLOTS", "cluster INFO", "readonly")
    check_slots(slots, server.client_port)
    assert cluster[1].startswith(b"cluster_state:ok\r\n") or b"\r\ncluster_state:ok" in cluster[1]
    assert readonly == OK
    # One port, two protocols.
    assert refresher.batch("GET ioredis-6:none") == [(b"$", None)]
    assert data.batch("GET ioredis-6:none") == [(b"_", None)]


@pytest.mark.differs
def test_node_redis_6(connect, server):
    client = connect()
    hello, maint, name, version, slots, asking = client.batch(
        "HELLO 3 SETNAME node", "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
        "CLIENT SETINFO LIB-NAME node-redis", "CLIENT SETINFO LIB-VER 6.3.1", "CLUSTER SLOTS",
        "ASKING")
    check_hello(hello, 3)
    check_unknown_subcommand(maint, "MAINT_NOTIFICATIONS")
    check_set_info(name, version, asking)
    check_slots(slots, server.client_port)
    assert client.batch("CLIENT GETNAME") == [(b"$", b"node")]


@pytest.mark.differs
def test_go_redis_9(connect, server):
    client = connect()
    hello, readonly, maint, name, version = client.batch(
        "HELLO 3", "READONLY", "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
        "CLIENT SETINFO LIB-NAME go-redis(,go1.22)", "CLIENT SETINFO LIB-VER 9.14.0")
    check_hello(hello, 3)
    check_unknown_subcommand(maint, "MAINT_NOTIFICATIONS")
    check_set_info(readonly, name, version)
    slots, command = client.batch("CLUSTER SLOTS", "COMMAND")
    check_slots(slots, server.client_port)
    rows = check_command(command)
    assert [element for _, element in rows[b"mget"][3:6]] == [1, -1, 1]


@pytest.mark.differs
def test_jedis_8(connect, server):
    client = connect()
    check_hello(*client.batch("HELLO 3"), 3)
    check_set_info(*client.batch("CLIENT SETNAME jedis", "CLIENT SETINFO LIB-NAME jedis",
                                 "CLIENT SETINFO LIB-VER 8.0.0", "READONLY", "SELECT 0"))
    check_slots(*client.batch("CLUSTER SLOTS"), server.client_port)
    # Without RESP3 it speaks RESP2, on the word NOPROTO.
    assert client.batch("HELLO 4") == [(b"-", b"NOPROTO unsupported protocol version")]
    check_hello(*client.batch("HELLO 2"), 2)


@pytest.mark.differs
def test_lettuce_7(connect, server):
    client = connect()
    hello, name, version, maint = client.batch(
        "HELLO 3", "CLIENT SETINFO lib-name Lettuce", "CLIENT SETINFO lib-ver 7.8.0",
        "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type external-ip")
    check_hello(hello, 3)
    check_set_info(name, version)
    check_unknown_subcommand(maint, "MAINT_NOTIFICATIONS")
    nodes, info, named, identity = client.batch(
        "CLUSTER NODES", "INFO", "CLIENT SETNAME lettuce#ClusterTopologyRefresh", "CLUSTER MYID")
    assert nodes[0] in (b"=", b"$") and nodes[1].endswith(b"\n") and named == OK
    lines = [line.split(b" ") for line in nodes[1].removeprefix(b"txt:").splitlines()]
    own, = [words for words in lines if b"myself" in words[2].split(b",")]
    assert identity == (b"$", own[0]) and len(own[0]) == 40
    assert re.fullmatch(rb"127\.0\.0\.1:%d@\d+(,.*)?" % server.client_port, own[1])
    assert own[2:4] == [b"myself,master", b"-"] and own[7] == b"connected"
    assert all(re.fullmatch(rb"\d+", words) for words in own[4:7])
    assert own[8:] == [b"0-16383"]
    assert b"\r\nconnected_clients:" in info[1] and b"\r\nmaster_repl_offset:" in info[1]


def test_memtier_2(connect, server):
    client = connect()
    hello, slots = client.batch("HELLO 2", "CLUSTER SLOTS")
    check_hello(hello, 2)
    check_slots(slots, server.client_port)


def test_types_follow_the_protocol_of_the_connection(connect):
    """HELLO changes it for all that follows, also within one batch, and back."""
    client = connect()
    replies = client.batch("GET types:none", "CONFIG GET appendonly", "HELLO 3",
                           "GET types:none", "CONFIG GET appendonly", "CLUSTER SHARDS",
                           "HELLO 2", "GET types:none", "CLUSTER SHARDS")
    check_hello(replies[2], 3)
    check_hello(replies[6], 2)
    assert replies[0] == replies[7] == (b"$", None) and replies[3] == (b"_", None)
    assert replies[1][0] == b"*" and len(replies[1][1]) == 2
    assert replies[4][0] == b"%" and list(replies[4][1]) == [b"appendonly"]
    assert replies[5][1][0][0] == b"%" and replies[5][1][0][1][b"slots"][1] == [
        (b":", 0), (b":", SLOTS - 1)]
    assert replies[8][1][0][0] == b"*"
    assert client.batch("RESET", "GET types:none") == [(b"+", b"RESET"), (b"$", None)]
