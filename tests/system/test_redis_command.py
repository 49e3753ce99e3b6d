# SPDX-License-Identifier: Apache-2.0
"""COMMAND: what clients learn of the table of commands, and what redis-cli shows of it."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from harness import DEADLINE_S, RespError, run_together

SYNTAX_ERROR = "ERR syntax error"


@contextlib.contextmanager
def client_of(node, version):
    with node.client() as client:
        if version == 3:
            client.call("HELLO", 3)
        yield client


def as_map(value):
    """A map, which is a flat array in RESP2."""
    return value if isinstance(value, dict) else dict(zip(value[::2], value[1::2]))


def receive_shape(client):
    """The next reply with the kinds of what it consists of: (kind, value)."""
    line = client.read_line().decode()
    kind, rest = line[0], line[1:]
    if kind in "+:-_":
        return kind, rest
    if kind == "$":
        return kind, None if rest == "-1" else client.read_exactly(int(rest) + 2)[:-2].decode()
    count = int(rest) * (2 if kind == "%" else 1)
    return kind, [receive_shape(client) for _ in range(count)]


def entry(client, name):
    return client.call("COMMAND", "INFO", name)[0]


# ---- COMMAND INFO --------------------------------------------------------------------------

@pytest.mark.parametrize("version", [2, 3])
def test_all_commands_are_told(shared_node, version):
    with client_of(shared_node, version) as client:
        entries = client.call("COMMAND")
        assert len(entries) == client.call("COMMAND", "COUNT")
        assert client.call("COMMAND") == entries == client.call("COMMAND", "INFO")
        names = [words[0].decode() for words in entries]
        assert len(set(names)) == len(names)
        assert {"get", "set", "ping", "hello", "client", "command"} <= set(names)
        for words in entries:
            check_entry(client, words)


def check_entry(client, words, parent=None):
    name, arity, flags, first, last, step, categories, tips, specs, subs = words
    assert name == name.lower() and (b"|" in name) == (parent is not None)
    assert isinstance(arity, int) and abs(arity) >= 1
    assert all(isinstance(flag, str) for flag in flags)
    assert ("@fast" in categories) == ("fast" in flags) != ("@slow" in categories)
    assert ("@read" in categories) == ("readonly" in flags)
    assert ("@write" in categories) == ("write" in flags)
    assert all(isinstance(tip, bytes) for tip in tips)
    assert len(specs) == (first != 0)
    for spec in map(as_map, specs):
        begin, find = as_map(spec[b"begin_search"]), as_map(spec[b"find_keys"])
        assert begin[b"type"] == b"index" and as_map(begin[b"spec"]) == {b"index": first}
        assert find[b"type"] == b"range"
        assert as_map(find[b"spec"]) == {
            b"lastkey": last if last < 0 else last - first, b"keystep": step, b"limit": 0}
        assert spec[b"flags"]
    assert entry(client, name) == words and entry(client, name.upper()) == words
    for sub in subs:
        assert sub[0].startswith(name + b"|")
        check_entry(client, sub, name)
    if subs:
        assert name + b"|help" in [sub[0] for sub in subs]


def test_an_entry_byte_by_byte(shared_node):
    """As Redis 7.0.15 writes it."""
    expected = {
        2: b"*2\r\n$-1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
           b"*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n"
           b"+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
           b"*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n"
           b"$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n"
           b"*0\r\n",
        3: b"*2\r\n_\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
           b"~3\r\n+@read\r\n+@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n"
           b"+access\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
           b"%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n"
           b"$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n"
           b"~0\r\n"}
    for version, reply in expected.items():
        with client_of(shared_node, version) as client:
            client.send("COMMAND", "INFO", "nosuch", "GET")
            assert client.read_exactly(len(reply)) == reply
            assert client.call("PING") == "PONG"


def test_subcommands_are_entries_of_their_own(shared_node):
    with shared_node.client() as client:
        assert entry(client, "client|id")[:6] == [
            b"client|id", 2, ["noscript", "loading", "stale"], 0, 0, 0]
        assert entry(client, "del")[1:6] == [-2, ["write"], 1, -1, 1]
        for name in ("", "|", "client|", "client|nosuch", "get|x", "|id", "client|id|x"):
            assert entry(client, name) is None


@pytest.mark.threads
def test_the_first_who_ask_ask_together(make_node):
    """The replies are made once, by whoever comes first."""
    node = make_node("workers.count=4", "workers.park_after=0")
    replies = []

    def ask(version):
        with client_of(node, version) as client:
            replies.append((version, client.call("COMMAND"), client.call("COMMAND", "DOCS")))

    run_together([lambda version=version: ask(version) for version in (2, 3) * 6])
    for version in (2, 3):
        same = [reply[1:] for reply in replies if reply[0] == version]
        assert len(same) == 6 and all(reply == same[0] for reply in same)


# ---- COMMAND DOCS --------------------------------------------------------------------------

@pytest.mark.parametrize("version", [2, 3])
def test_all_commands_are_documented(shared_node, version):
    with client_of(shared_node, version) as client:
        docs = as_map(client.call("COMMAND", "DOCS"))
        assert list(docs) == [words[0] for words in client.call("COMMAND")]
        for name, doc in docs.items():
            check_doc(doc)
            assert as_map(client.call("COMMAND", "DOCS", name.upper())) == {name: doc}


def check_doc(doc):
    doc = as_map(doc)
    assert doc[b"summary"] and not doc[b"summary"].endswith(b".")
    assert re.fullmatch(rb"\d+\.\d+\.\d+", doc[b"since"])
    assert doc[b"group"] in (b"string", b"generic", b"connection", b"server", b"cluster",
                             b"transactions")
    for argument in doc.get(b"arguments", []):
        check_argument(as_map(argument))
    for sub in as_map(doc.get(b"subcommands", [])).values():
        check_doc(sub)


def check_argument(argument):
    kind = argument[b"type"]
    assert argument[b"name"]
    assert kind in (b"string", b"integer", b"key", b"pattern", b"unix-time", b"pure-token",
                    b"oneof", b"block")
    assert (b"key_spec_index" in argument) == (kind == b"key")
    assert (b"arguments" in argument) == (kind in (b"oneof", b"block"))
    assert set(argument.get(b"flags", ["optional"])) <= {"optional", "multiple"}
    assert kind != b"pure-token" or argument[b"token"].isupper()
    for child in argument.get(b"arguments", []):
        check_argument(as_map(child))


def test_a_document_has_the_shape_of_redis(shared_node):
    with client_of(shared_node, 3) as client:
        client.send("COMMAND", "DOCS", "DEL", "nosuch", "client|reply")
        kind, pairs = receive_shape(client)
        assert kind == "%" and pairs[0] == ("$", "del") and pairs[2] == ("$", "client|reply")
        kind, doc = pairs[1]
        assert kind == "%" and doc[0::2] == [
            ("$", word) for word in ("summary", "since", "group", "arguments")]
        assert doc[7] == ("*", [("%", [
            ("$", "name"), ("$", "key"), ("$", "type"), ("$", "key"),
            ("$", "key_spec_index"), (":", "0"), ("$", "flags"), ("~", [("+", "multiple")])])])
        kind, doc = pairs[3]
        kind, argument = doc[7][1][0]
        assert argument[:4] == [("$", "name"), ("$", "on_off_skip"), ("$", "type"), ("$", "oneof")]
        assert argument[5][1][0] == ("%", [
            ("$", "name"), ("$", "on"), ("$", "type"), ("$", "pure-token"),
            ("$", "token"), ("$", "ON")])
        client.send("COMMAND", "DOCS", "nosuch")
        assert receive_shape(client) == ("%", [])


# ---- COMMAND LIST and GETKEYS ----------------------------------------------------------------

def test_names_are_listed(shared_node):
    with shared_node.client() as client:
        names = client.call("COMMAND", "LIST")
        for words in client.call("COMMAND"):
            assert words[0] in names and all(sub[0] in names for sub in words[9])
        assert client.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "ECH?") == [b"echo"]
        assert client.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "client|SET*") == [
            b"client|setinfo", b"client|setname"]
        assert client.call("COMMAND", "LIST", "FILTERBY", "MODULE", "any") == []
        reads = client.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "READ")
        assert b"get" in reads and b"set" not in reads
        assert client.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == []
        for words in (["x"], ["FILTERBY"], ["FILTERBY", "PATTERN"], ["FILTERBY", "x", "y"],
                      ["FILTERBY", "PATTERN", "x", "y"]):
            assert client.call("COMMAND", "LIST", *words) == SYNTAX_ERROR


def test_keys_of_requests(shared_node):
    with shared_node.client() as client:
        assert client.call("COMMAND", "GETKEYS", "get", "k") == [b"k"]
        assert client.call("COMMAND", "GETKEYS", "DEL", "a", "b", "a") == [b"a", b"b", b"a"]
        assert client.call("COMMAND", "GETKEYS", "SET", "k", "v", "NX") == [b"k"]
        assert client.call("COMMAND", "GETKEYSANDFLAGS", "GET", "k") == [[b"k", ["RO", "access"]]]
        for words, error in (
                (["nosuch", "x"], "ERR Invalid command specified"),
                (["client", "nosuch"], "ERR Invalid command specified"),
                (["client|id", "x"], "ERR Invalid command specified"),
                (["ping", "x"], "ERR The command has no key arguments"),
                (["client", "id"], "ERR The command has no key arguments"),
                (["get", "a", "b"], "ERR Invalid number of arguments specified for command"),
                (["set", "a"], "ERR Invalid number of arguments specified for command"),
                (["get"], "ERR wrong number of arguments for 'command|getkeys' command")):
            assert client.call("COMMAND", "GETKEYS", *words) == error


@pytest.mark.parametrize("words, error", [
    (["nosuch"], "ERR unknown subcommand 'nosuch'. Try COMMAND HELP."),
    (["COUNT", "x"], "ERR wrong number of arguments for 'command|count' command"),
    (["HELP", "x"], "ERR wrong number of arguments for 'command|help' command")])
def test_a_wrong_subcommand(shared_node, words, error):
    with shared_node.client() as client:
        reply = client.call("COMMAND", *words)
        assert isinstance(reply, RespError) and reply == error


def test_every_parent_helps(shared_node):
    with shared_node.client() as client:
        for words in client.call("COMMAND"):
            if not words[9]:
                continue
            name = words[0].decode().upper()
            lines = client.call(name, "HELP")
            assert lines[0] == f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
            assert [line.split(" ")[0] for line in lines[1:-2:2]] == [
                sub[0].decode().split("|")[1].upper() for sub in words[9]
                if not sub[0].endswith(b"|help")]
            assert lines[-2:] == ["HELP", "    Prints this help."]


# ---- redis-cli on a terminal -----------------------------------------------------------------

class Terminal:
    """redis-cli as a person sees it."""

    def __init__(self, port, home):
        self.fd, end = pty.openpty()
        # Of no size, it would be asked where its cursor stands.
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.process = subprocess.Popen(
            ["redis-cli", "-p", str(port)], stdin=end, stdout=end, stderr=end,
            start_new_session=True,
            env={"TERM": "xterm", "HOME": str(home), "PATH": os.environ["PATH"]})
        os.close(end)
        self.prompt = f":{port}> "
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)

    def type(self, text, awaited):
        """Types and waits for what must appear behind it, whatever colours it has.

        A line that was entered must be followed by its prompt: redis-cli throws away what is
        typed before it.
        """
        self.seen = ""
        os.write(self.fd, text.encode())
        end = time.monotonic() + DEADLINE_S
        prompt = self.prompt if text.endswith("\r") else ""
        while not (awaited in self.seen and prompt in self.seen.partition(awaited)[2]):
            assert time.monotonic() < end, f"no {awaited!r} behind {text!r} but {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "",
                                    os.read(self.fd, 65536).decode(errors="replace"))


def test_redis_cli_shows_hints(make_node, tmp_path):
    node = make_node()
    with Terminal(node.client_port, tmp_path) as cli:
        cli.type("", cli.prompt)
        cli.type("get ", "get key")
        cli.type("\x15del ", "del key [key ...]")
        cli.type("\x15hello ",
                 "hello [protover [AUTH username password] [SETNAME clientname]]")
        cli.type("\x15client setname ", "client setname connection-name")
        cli.type("\x15client reply ", "client reply ON|OFF|SKIP")
        cli.type("\x15help client setname\r", "Gives the connection a name")
        cli.type("help @connection\r", "CLIENT REPLY ON|OFF|SKIP")
