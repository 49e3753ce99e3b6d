# SPDX-License-Identifier: Apache-2.0
"""The commands of the client port about connections: HELLO, CLIENT and their like.

What replies must be is what Redis 7.0.15 in cluster mode replies, byte by byte.
"""
import contextlib
import socket
import threading

import pytest

from harness import DEADLINE_S, RespConnection, RespError, run_together, wait_until

encode = RespConnection.encode

CLIENT_NAME_ERROR = (b"-ERR Client names cannot contain spaces, newlines or special "
                     b"characters.\r\n")
SYNTAX_ERROR = b"-ERR syntax error\r\n"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range\r\n"
WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


def replies(node, *requests):
    """All bytes that the daemon sends to one batch of requests, up to a mark."""
    mark = b"$4\r\nmark\r\n"
    with node.client() as client:
        client.send_bytes(b"".join(encode(*words) for words in requests) + encode("ECHO", "mark"))
        while not client.pending.endswith(mark):
            client.fill()
        return bytes(client.pending)[:-len(mark)]


def hello_of(version, client_id):
    head = {2: b"*14\r\n", 3: b"%7\r\n"}[version]
    return head + (b"$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n"
                   b"$5\r\nproto\r\n:%d\r\n$2\r\nid\r\n:%d\r\n$4\r\nmode\r\n$7\r\ncluster\r\n"
                   b"$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n" % (version, client_id))


def fields_of(line):
    """A line of CLIENT LIST."""
    return dict(field.split("=", 1) for field in line.split(" "))


def clients_of(client, *options):
    """What CLIENT LIST says, by id."""
    lines = client.call("CLIENT", "LIST", *options).decode().splitlines()
    return {int(fields["id"]): fields for fields in map(fields_of, lines)}


def info_of(client):
    return fields_of(client.call("CLIENT", "INFO").decode().removesuffix("\n"))


def is_closed(client):
    """Waits until the daemon has closed the connection."""
    try:
        return client.socket.recv(1) == b""
    except ConnectionResetError:
        return True


# ---- HELLO and AUTH --------------------------------------------------------------------

def test_hello_chooses_the_protocol_for_what_follows(shared_node):
    with shared_node.client() as client:
        number = client.call("CLIENT", "ID")
        client.send_bytes(encode("HELLO") + encode("CLIENT", "GETNAME") + encode("HELLO", 3) +
                          encode("CLIENT", "GETNAME") + encode("HELLO") + encode("HELLO", "2") +
                          encode("CLIENT", "GETNAME"))
        expected = (hello_of(2, number) + b"$-1\r\n" + hello_of(3, number) + b"_\r\n" +
                    hello_of(3, number) + hello_of(2, number) + b"$-1\r\n")
        assert client.read_exactly(len(expected)) == expected
        # The next batch knows it, too.
        assert client.call("HELLO", 3)[b"proto"] == 3
        assert client.call("HELLO")[b"proto"] == 3


@pytest.mark.parametrize("words, error", [
    (["1"], b"-NOPROTO unsupported protocol version\r\n"),
    (["4"], b"-NOPROTO unsupported protocol version\r\n"),
    (["-3"], b"-NOPROTO unsupported protocol version\r\n"),
    (["3.0"], b"-ERR Protocol version is not an integer or out of range\r\n"),
    (["03"], b"-ERR Protocol version is not an integer or out of range\r\n"),
    ([""], b"-ERR Protocol version is not an integer or out of range\r\n"),
    (["SETNAME", "x"], b"-ERR Protocol version is not an integer or out of range\r\n"),
    (["3", "SETNAME"], b"-ERR Syntax error in HELLO option 'SETNAME'\r\n"),
    (["3", "AUTH", "default"], b"-ERR Syntax error in HELLO option 'AUTH'\r\n"),
    (["3", "f\r\noo"], b"-ERR Syntax error in HELLO option 'f  oo'\r\n"),
    (["3", "SETNAME", "a b"], CLIENT_NAME_ERROR),
    (["3", "AUTH", "nobody", "x"], WRONG_PASSWORD)])
def test_a_wrong_hello_changes_no_protocol(shared_node, words, error):
    assert replies(shared_node, ("HELLO", *words), ("CLIENT", "GETNAME")) == error + b"$-1\r\n"


def test_hello_with_options(shared_node):
    with shared_node.client() as client:
        reply = client.call("hello", 3, "auth", "default", "any", "setname", "me")
        assert reply[b"proto"] == 3
        assert client.call("CLIENT", "GETNAME") == b"me"
        # Options are taken in their order, up to the first that is wrong.
        error = client.call("HELLO", 2, "SETNAME", "you", "AUTH", "nobody", "x")
        assert error == WRONG_PASSWORD[1:-2].decode()
        assert client.call("CLIENT", "GETNAME") == b"you"
        assert info_of(client)["resp"] == "3"


def test_auth(shared_node):
    assert replies(shared_node, ("AUTH", "x")) == (
        b"-ERR AUTH <password> called without any password configured for the default user. "
        b"Are you sure your configuration is correct?\r\n")
    assert replies(shared_node, ("AUTH", "default", "x"), ("AUTH", "nobody", "x"),
                   ("AUTH", "a", "b", "c"), ("AUTH",)) == (
        b"+OK\r\n" + WRONG_PASSWORD + SYNTAX_ERROR +
        b"-ERR wrong number of arguments for 'auth' command\r\n")


# ---- State -----------------------------------------------------------------------------

def test_select(shared_node):
    assert replies(shared_node, *(("SELECT", index) for index in (
        "0", "1", "-1", "a", "00", "99999999999", "99999999999999999999"))) == (
        b"+OK\r\n" + 2 * b"-ERR SELECT is not allowed in cluster mode\r\n" + 2 * NOT_AN_INTEGER +
        b"-ERR value is out of range, value must between -2147483648 and 2147483647\r\n" +
        NOT_AN_INTEGER)


def test_quit_ends_the_connection_behind_its_reply(shared_node):
    with shared_node.client() as client:
        client.send_bytes(encode("PING") + encode("QUIT", "now") + encode("PING"))
        assert client.receive() == "PONG"
        assert client.receive() == "OK"
        assert client.is_closed()


def test_modes_are_noted(shared_node):
    with shared_node.client() as client:
        assert info_of(client)["flags"] == "N"
        for words in (["READONLY"], ["CLIENT", "NO-EVICT", "on"], ["CLIENT", "NO-TOUCH", "ON"]):
            assert client.call(*words) == "OK"
        assert info_of(client)["flags"] == "reT"
        for words in (["READWRITE"], ["CLIENT", "NO-EVICT", "OFF"], ["CLIENT", "NO-TOUCH", "off"]):
            assert client.call(*words) == "OK"
        assert info_of(client)["flags"] == "N"
        assert client.call("CLIENT", "NO-EVICT", "x") == "ERR syntax error"
        assert client.call("ASKING") == "OK"


def test_reset(shared_node):
    with shared_node.client() as client:
        client.call("HELLO", 3, "SETNAME", "me")
        for words in (["READONLY"], ["CLIENT", "NO-TOUCH", "ON"],
                      ["CLIENT", "SETINFO", "LIB-NAME", "lib"]):
            assert client.call(*words) == "OK"
        client.send_bytes(encode("CLIENT", "REPLY", "OFF") + encode("PING") + encode("RESET") +
                          encode("CLIENT", "GETNAME"))
        assert client.read_exactly(13) == b"+RESET\r\n$-1\r\n"
        info = info_of(client)
        assert info["flags"] == "N" and info["resp"] == "2" and info["lib-name"] == "lib"


def test_reset_gives_up_a_transaction(shared_node):
    with shared_node.client() as client, shared_node.client() as other:
        number = client.call("CLIENT", "ID")

        def transaction():
            fields = clients_of(other, "ID", number)[number]
            return fields["flags"], fields["multi"]

        assert transaction() == ("N", "-1")
        assert client.call("MULTI") == "OK"
        assert transaction() == ("x", "0")
        assert client.call("SET", "reset", "1") == "QUEUED"
        assert transaction() == ("x", "1")
        assert client.call("RESET") == "RESET"
        assert transaction() == ("N", "-1")
        assert client.call("GET", "reset") is None
        for end in ("EXEC", "DISCARD"):
            client.send_bytes(encode("MULTI") + encode("SET", "reset", "2") + encode(end))
            assert [client.receive() for _ in range(2)] == ["OK", "QUEUED"]
            assert client.receive() == {"EXEC": ["OK"], "DISCARD": "OK"}[end]
            assert transaction() == ("N", "-1")


# ---- CLIENT ----------------------------------------------------------------------------

def test_names(shared_node):
    with shared_node.client() as client:
        assert client.call("CLIENT", "GETNAME") is None
        assert client.call("CLIENT", "SETNAME", "a:b#c~") == "OK"
        assert client.call("CLIENT", "SETINFO", "lib-name", "redis-py(x)") == "OK"
        assert client.call("CLIENT", "SETINFO", "LIB-VER", "1.2.3") == "OK"
        assert client.call("CLIENT", "GETNAME") == b"a:b#c~"
        info = info_of(client)
        assert (info["name"], info["lib-name"], info["lib-ver"]) == (
            "a:b#c~", "redis-py(x)", "1.2.3")
        assert client.call("CLIENT", "SETINFO", "LIB-NAME", "") == "OK"
        assert client.call("CLIENT", "SETNAME", "") == "OK"
        info = info_of(client)
        assert (info["name"], info["lib-name"], info["lib-ver"]) == ("", "", "1.2.3")
        for name in ("a b", "a\n", "\x7f", b"\xff", "\0"):
            assert client.call("CLIENT", "SETNAME", name) == CLIENT_NAME_ERROR[1:-2].decode()
        assert client.call("CLIENT", "SETINFO", "LIB-VER", "1 2") == (
            "ERR LIB-VER cannot contain spaces, newlines or special characters.")
        assert client.call("CLIENT", "SETINFO", "LIB", "x") == "ERR Unrecognized option 'LIB'"
        assert client.call("CLIENT", "SETNAME", "x" * 1024) == "OK"
        assert "1024 bytes" in client.call("CLIENT", "SETNAME", "x" * 1025)
        assert client.call("CLIENT", "GETNAME") == b"x" * 1024


def test_info_tells_what_is_true(shared_node):
    with shared_node.client() as client:
        line = client.call("CLIENT", "INFO").decode()
        own, peer = client.socket.getsockname(), client.socket.getpeername()
        assert line.endswith("\n") and line.count("\n") == 1
        info = fields_of(line[:-1])
        assert list(info) == (
            "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem "
            "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
        ).split()
        assert info["addr"] == f"{own[0]}:{own[1]}" and info["laddr"] == f"{peer[0]}:{peer[1]}"
        assert int(info["id"]) == client.call("CLIENT", "ID")
        assert info["cmd"] == "client|info" and info["user"] == "default"
        assert int(info["age"]) <= DEADLINE_S and int(info["idle"]) <= DEADLINE_S
        client.call("HELLO", 3)
        client.send("CLIENT", "INFO")
        assert client.read_line().startswith(b"=")


def test_list_shows_all_clients(make_node):
    node = make_node("workers.count=2")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(node.client()) for _ in range(300)]
        for number, client in enumerate(clients):
            assert client.call("CLIENT", "SETNAME", f"c{number}") == "OK"
        ids = [client.call("CLIENT", "ID") for client in clients]
        clients[1].call("PING")
        clients[2].call("HELLO", 3)
        clients[3].call("NOSUCH")
        clients[4].send_bytes(b"*2\r\n$4\r\nECHO\r\n$100\r\nhalf")
        listed = clients[0].call("CLIENT", "LIST").decode().splitlines()
        assert [int(fields_of(line)["id"]) for line in listed] == ids
        listed = clients_of(clients[0])
        assert [listed[i]["name"] for i in ids] == [f"c{n}" for n in range(300)]
        assert listed[ids[1]]["cmd"] == "ping" and listed[ids[2]]["cmd"] == "hello"
        assert listed[ids[2]]["resp"] == "3" and listed[ids[3]]["cmd"] == "client|id"
        wait_until(lambda: clients_of(clients[0])[ids[4]]["qbuf"] == "24")
        assert list(clients_of(clients[0], "ID", ids[7], 999999, ids[5], ids[7])) == [
            ids[5], ids[7]]
        assert list(clients_of(clients[0], "TYPE", "normal")) == ids
        for kind in ("master", "replica", "slave", "pubsub"):
            assert clients[0].call("CLIENT", "LIST", "TYPE", kind) == b""
        # A port of another protocol has no clients of this one.
        with node.admin() as admin:
            admin.call("status")
            assert list(clients_of(clients[0])) == ids


@pytest.mark.parametrize("words, error", [
    (["LIST", "x"], SYNTAX_ERROR), (["LIST", "TYPE"], SYNTAX_ERROR),
    (["LIST", "ID"], SYNTAX_ERROR), (["LIST", "ID", "1", "x"], b"-ERR Invalid client ID\r\n"),
    (["LIST", "TYPE", "x"], b"-ERR Unknown client type 'x'\r\n"),
    (["LIST", "TYPE", "normal", "x"], SYNTAX_ERROR),
    (["KILL"], b"-ERR wrong number of arguments for 'client|kill' command\r\n"),
    (["KILL", "1.1.1.1:1"], b"-ERR No such client\r\n"),
    (["KILL", "ID", "0"], b"-ERR client-id should be greater than 0\r\n"),
    (["KILL", "ID", "x"], b"-ERR client-id should be greater than 0\r\n"),
    (["KILL", "ID", "999999"], b":0\r\n"), (["KILL", "TYPE", "pubsub"], b":0\r\n"),
    (["KILL", "TYPE", "x"], b"-ERR Unknown client type 'x'\r\n"),
    (["KILL", "USER", "x"], b"-ERR No such user 'x'\r\n"),
    (["KILL", "SKIPME", "x"], SYNTAX_ERROR), (["KILL", "ID", "1", "x"], SYNTAX_ERROR),
    (["KILL", "x", "1"], SYNTAX_ERROR), (["KILL", "ADDR", "1:1", "LADDR", "2:2"], b":0\r\n"),
    (["REPLY", "x"], SYNTAX_ERROR), (["REPLY"], b"-ERR wrong number of arguments for "
                                     b"'client|reply' command\r\n"),
    (["MAINT_NOTIFICATIONS", "ON"],
     b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"),
    (["a\r\nb"], b"-ERR unknown subcommand 'a  b'. Try CLIENT HELP.\r\n"),
    pytest.param(["x" * 200], b"-ERR unknown subcommand '" + b"x" * 128 +
                 b"'. Try CLIENT HELP.\r\n", id="long"),
    (["HELP", "x"], b"-ERR wrong number of arguments for 'client|help' command\r\n")])
def test_a_wrong_client_command(shared_node, words, error):
    assert replies(shared_node, ("CLIENT", *words)) == error


@pytest.mark.parametrize("stream", [
    b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET http 1\r\n",
    b"Host: localhost\r\nSET http 1\r\n",
    b"*1\r\n$4\r\npost\r\n*3\r\n$3\r\nSET\r\n$4\r\nhttp\r\n$1\r\n1\r\n",
    b"MULTI\r\nSET http 1\r\nhost:\r\nEXEC\r\n",
])
def test_http_ends_the_connection(node, stream):
    for _ in range(2):
        with node.client() as client:
            client.send_bytes(stream)
            with pytest.raises(ConnectionError):
                while True:
                    assert client.receive() in ("OK", "QUEUED")
    with node.client() as client:
        assert client.call("EXISTS", "http") == 0
        assert client.call("ECHO", "POST") == b"POST"
        assert client.call("POSTS").startswith("ERR unknown command 'POSTS'")
    assert node.log().count(b"a connection that speaks HTTP") == 1


@pytest.mark.parametrize("name", ["PAUSE", "UNPAUSE", "TRACKING", "TRACKINGINFO", "CACHING",
                                  "GETREDIR", "UNBLOCK"])
def test_what_is_refused_says_why(shared_node, name):
    with shared_node.client() as client:
        error = client.call("CLIENT", name.lower(), "ON")
        assert isinstance(error, RespError)
        assert error.startswith(f"ERR CLIENT {name.lower()} is not supported: ")


def test_help_is_made_from_the_table(shared_node):
    with shared_node.client() as client:
        lines = client.call("CLIENT", "HELP")
        assert lines[0] == "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        assert lines[-2:] == ["HELP", "    Prints this help."]
        assert "SETNAME connection-name" in lines and "ID" in lines
        assert all(line.startswith("    ") for line in lines[2::2])


# ---- CLIENT KILL -----------------------------------------------------------------------

@pytest.fixture
def killing_node(make_node):
    """One where clients are with either worker, or parked."""
    return make_node("workers.count=2", "workers.park_after=1s")


@pytest.mark.threads
def test_kill_by_filters(killing_node):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(killing_node.client()) for _ in range(8)]
        ids = [client.call("CLIENT", "ID") for client in clients]
        own = [f"{host}:{port}" for host, port in (c.socket.getsockname() for c in clients)]
        listen = f"127.0.0.1:{killing_node.client_port}"
        killer = clients[0]
        assert killer.call("CLIENT", "KILL", "ID", ids[1]) == 1
        assert is_closed(clients[1])
        assert killer.call("CLIENT", "KILL", "ADDR", own[2], "LADDR", listen) == 1
        assert is_closed(clients[2])
        assert killer.call("CLIENT", "KILL", own[3]) == "OK"
        assert is_closed(clients[3])
        # Every filter has to fit.
        assert killer.call("CLIENT", "KILL", "ID", ids[4], "ADDR", own[5]) == 0
        assert killer.call("CLIENT", "KILL", "ID", ids[4], "TYPE", "pubsub") == 0
        assert killer.call("CLIENT", "KILL", "ID", ids[0]) == 0
        wait_until(lambda: list(clients_of(killer)) == [ids[0], *ids[4:]])
        assert clients[4].call("PING") == "PONG"
        assert killer.call("CLIENT", "KILL", "TYPE", "normal", "USER", "default") == 4
        assert all(is_closed(client) for client in clients[4:])
        assert killer.call("PING") == "PONG"
        wait_until(lambda: killing_node.status()["connections"] == 1)


@pytest.mark.parametrize("words", [["{addr}"], ["ID", "{id}", "SKIPME", "no"],
                                   ["SKIPME", "NO"]])
def test_kill_of_oneself_is_answered(make_node, words):
    node = make_node()
    with node.client() as client:
        number = client.call("CLIENT", "ID")
        host, port = client.socket.getsockname()
        words = [word.format(id=number, addr=f"{host}:{port}") for word in words]
        client.send_bytes(encode("CLIENT", "KILL", *words) + encode("PING"))
        assert client.receive() == ("OK" if len(words) == 1 else 1)
        assert client.is_closed()


@pytest.mark.threads
@pytest.mark.parametrize("park_after", ["0", "1s"])
def test_nothing_of_a_killed_client_is_executed(make_node, park_after):
    """Not what it had sent before, in whatever state it is."""
    node = make_node("workers.count=1", f"workers.park_after={park_after}",
                     "clients.output_max=1MiB")
    with contextlib.ExitStack() as stack:
        killer, half, deaf = (stack.enter_context(node.client()) for _ in range(3))
        ids = [client.call("CLIENT", "ID") for client in (half, deaf)]
        half.send_bytes(encode("SET", "half", "x" * 100)[:-10])
        wait_until(lambda: clients_of(killer)[ids[0]]["qbuf"] != "0")
        # It takes no replies, so that its requests wait in the daemon and in the socket.
        request = encode("ECHO", "x" * 100000)
        deaf.socket.setblocking(False)
        sent = 0

        def takes_no_more():
            nonlocal sent
            try:
                while True:
                    sent += deaf.socket.send((request * 50)[sent % len(request):])
            except BlockingIOError:
                pass
            return int(clients_of(killer)[ids[1]]["omem"]) >= 1 << 20

        wait_until(takes_no_more)
        assert killer.call("CLIENT", "KILL", "ID", ids[1]) == 1
        assert killer.call("CLIENT", "KILL", "ID", ids[0]) == 1
        with contextlib.suppress(OSError):
            half.send_bytes(encode("SET", "half", "x" * 100)[-10:])
        wait_until(lambda: node.status()["connections"] == 1)
        assert killer.call("GET", "half") is None


@pytest.mark.threads
def test_clients_come_go_and_kill_each_other(make_node):
    """While others list them, name themselves and are killed."""
    node = make_node("workers.count=2", "workers.park_after=1ms")
    over = threading.Event()

    def live():
        while not over.is_set():
            try:
                with node.client() as client:
                    for number in range(20):
                        client.call("CLIENT", "SETNAME", f"n{number}")
                        client.call("CLIENT", "SETINFO", "LIB-NAME", f"l{number}")
                        assert client.call("ECHO", number) == b"%d" % number
            except (ConnectionError, socket.error):
                pass  # it was killed

    def look():
        try:
            with node.client() as client:
                for _ in range(100):
                    listed = clients_of(client)
                    assert listed[client.call("CLIENT", "ID")]["cmd"] in (
                        "client|list", "client|id")
                    others = sorted(set(listed) - {client.call("CLIENT", "ID")})
                    if others:
                        assert client.call("CLIENT", "KILL", "ID", others[-1]) in (0, 1)
        finally:
            over.set()

    run_together([look, live, live, live])
    wait_until(lambda: node.status()["connections"] == 0)


# ---- CLIENT REPLY ------------------------------------------------------------------------

@pytest.mark.parametrize("requests, expected", [
    ([["REPLY", "ON"]], b"+OK\r\n"),
    ([["REPLY", "OFF"], ["ID"], ["NOSUCH"], ["REPLY", "ON"], ["GETNAME"]], b"+OK\r\n$-1\r\n"),
    ([["REPLY", "SKIP"], ["ID"], ["GETNAME"]], b"$-1\r\n"),
    ([["REPLY", "SKIP"], ["NOSUCH"], ["GETNAME"]], b"$-1\r\n"),
    ([["REPLY", "SKIP"], ["REPLY", "SKIP"], ["ID"], ["GETNAME"]], b"$-1\r\n"),
    ([["REPLY", "SKIP"], ["REPLY", "ON"], ["GETNAME"]], b"+OK\r\n$-1\r\n"),
    ([["REPLY", "OFF"], ["REPLY", "SKIP"], ["ID"], ["REPLY", "ON"]], b"+OK\r\n"),
    ([["REPLY", "SKIP"], ["REPLY", "OFF"], ["ID"], ["REPLY", "ON"]], b"+OK\r\n")])
def test_replies_are_left_out(shared_node, requests, expected):
    assert replies(shared_node, *(["CLIENT", *words] for words in requests)) == expected


def test_many_replies_are_left_out(shared_node):
    """More than is collected before it is sent."""
    with shared_node.client() as client:
        client.send("CLIENT", "REPLY", "OFF")
        for _ in range(100):
            client.send("ECHO", "x" * 10000)
        client.send_bytes(encode("SET", "quiet", "1") + encode("CLIENT", "REPLY", "ON"))
        assert client.receive() == "OK"
        assert client.call("GET", "quiet") == b"1"
