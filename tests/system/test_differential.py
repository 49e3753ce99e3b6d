# SPDX-License-Identifier: Apache-2.0
"""dhtd's replies against those of Debian's redis-server: random commands, all compared.

differential.py draws and compares. Here it is also held to its own claims: it finds
faults that are planted in one of two equal servers, it reaches every command and option,
and what it lets pass is what docs/redis.md says.
"""
import contextlib
import random
import re
import socket

import pytest

import differential
from differential_commands import Commands
from differential_report import shorten
from differential_rules import DIFFERENCES, TOLERANCES, markdown_table
from harness import ROOT, wait_until

FIXED_SEED = 1
COMMANDS = 200_000
MORE_COMMANDS = 60_000
COLD_KEYS, COLD_COMMANDS = 3000, 15_000
PLANTED_MAX = 50_000  # commands within which a planted fault is found


@pytest.fixture(scope="module")
def redis_port():
    with differential.redis_server() as port:
        yield port


@pytest.fixture
def two_servers():
    """The ports of two redis-servers."""
    with differential.redis_server() as a, differential.redis_server() as b:
        yield a, b


@contextlib.contextmanager
def comparing(node, seed, commands, many=0):
    """A comparison of a redis-server with a node; prints how to repeat it."""
    print(f"tests/system/differential.py --seed {seed} --commands {commands} --many {many}")
    with differential.redis_server() as redis_port:
        comparison = differential.Comparison(redis_port, node.client_port, seed, many=many)
        try:
            yield comparison
        finally:
            comparison.close()


class Planted(differential.Server):
    """A server with a fault: `rewrite` changes what it is told, `reply` what it says, `after`
    is what it does besides, without being told (outside of transactions)."""

    def __init__(self, port, rewrite=None, reply=None, after=None):
        super().__init__(port)
        self.rewrite = rewrite or (lambda words: words)
        self.reply = reply or (lambda words, reply: reply)
        self.after = after or (lambda words: None)
        self.told = [], []  # on each connection: commands, and None behind which is unasked

    def send(self, connection, commands):
        told = self.told[connection]
        told.clear()
        is_transaction = any(words and words[0].upper() in (b"MULTI", b"EXEC")
                             for words in commands)
        stream = []
        for words in commands:
            told.append(words)
            stream.append(self.rewrite(words))
            besides = None if is_transaction else self.after(words)
            if besides:
                told.append(None)
                stream.append(besides)
        super().send(connection, stream)

    def receive(self, connection, count):
        told = self.told[connection]
        replies = super().receive(connection, len(told))
        return [self.reply(words, reply) for words, reply in zip(told, replies)
                if words is not None]


@contextlib.contextmanager
def planted(two_servers, **fault):
    """A comparison of a server with one that has a fault."""
    comparison = differential.Comparison(*two_servers, FIXED_SEED)
    healthy = comparison.servers[1]
    comparison.servers = comparison.servers[0], Planted(two_servers[1], **fault)
    try:
        yield comparison
    finally:
        comparison.close()
        healthy.close()


def find(two_servers, **fault):
    """The difference that a fault makes. There must be one."""
    with planted(two_servers, **fault) as comparison, \
            pytest.raises(differential.Difference) as found:
        comparison.run(PLANTED_MAX)
    return found.value


def without(name, option, has_argument=False):
    """Makes a server overlook the only option of a command."""
    place = 2 if name == b"GETEX" else 3

    def rewrite(words):
        is_target = (len(words) == place + 1 + has_argument and words[0].upper() == name and
                     words[place].upper() == option)
        return words[:place] if is_target else words
    return rewrite


def instead(old, *new):
    """Makes a server take a command that has the right number of words for another: a number
    in `new` is the position of one of them."""
    count = sum(isinstance(word, int) for word in new) + 1
    return lambda words: [words[word] if isinstance(word, int) else word for word in new] if (
        len(words) == count and words[0].upper() == old) else words


def besides(name, *extra):
    """Makes a server do something with the key behind a command."""
    return lambda words: [*extra, words[1]] if words[1:] and words[0].upper() == name else None


FAULTS = {
    **{f"SET without {option.decode()}": without(b"SET", option)
       for option in Commands.SET_FLAGS},
    **{f"{name.decode()} without {option.decode()}": without(name, option, True)
       for name in (b"SET", b"GETEX") for option in Commands.SET_TIMES},
    "GETEX without PERSIST": without(b"GETEX", b"PERSIST"),
    **{f"{name.decode()} without {option.decode()}": without(name, option)
       for name in (b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT")
       for option in Commands.EXPIRE_FLAGS},
    **{f"{old.decode()} as {new.decode()}": instead(old, new, 1) for old, new in (
        (b"INCR", b"DECR"), (b"DECR", b"INCR"), (b"GETDEL", b"GET"), (b"UNLINK", b"EXISTS"),
        (b"DEL", b"TOUCH"), (b"TTL", b"PTTL"), (b"EXPIRETIME", b"PEXPIRETIME"),
        (b"PERSIST", b"EXISTS"), (b"STRLEN", b"EXISTS"))},
    **{f"{old.decode()} as {new.decode()}": instead(old, new, 1, 2) for old, new in (
        (b"APPEND", b"SET"), (b"EXPIRE", b"PEXPIRE"), (b"EXPIREAT", b"PEXPIREAT"),
        (b"INCRBY", b"INCRBYFLOAT"), (b"INCRBYFLOAT", b"INCRBY"))},
    "PSETEX as SETEX": instead(b"PSETEX", b"SETEX", 1, 2, 3),
    "SETNX that overwrites": instead(b"SETNX", b"MSET", 1, 2),
    "SET that keeps the expiry": instead(b"SET", b"SET", 1, 2, b"KEEPTTL"),
    "GETSET that keeps the expiry": instead(b"GETSET", b"SET", 1, 2, b"KEEPTTL", b"GET"),
    "MSET that keeps the expiry": instead(b"MSET", b"SET", 1, 2, b"KEEPTTL"),
    "WATCH of another key": lambda words: [b"WATCH", b"another"] if (
        len(words) == 2 and words[0].upper() == b"WATCH") else words,
    "UNWATCH that does nothing": instead(b"UNWATCH", b"SELECT", b"0"),
    "DISCARD that executes": instead(b"DISCARD", b"EXEC"),
}
BESIDES = {
    **{f"{name} that forgets the expiry": besides(name.encode(), b"PERSIST")
       for name in ("INCR", "DECR", "INCRBY", "DECRBY", "INCRBYFLOAT", "APPEND", "GETEX")},
    **{f"{name} that deletes": besides(name.encode(), b"DEL")
       for name in ("SETEX", "PSETEX", "SET", "TYPE", "TOUCH", "EXISTS")},
}


@pytest.mark.parametrize("name", FAULTS)
def test_finds_what_a_server_does_otherwise(two_servers, name):
    find(two_servers, rewrite=FAULTS[name])


@pytest.mark.parametrize("name", BESIDES)
def test_finds_what_a_server_does_besides(two_servers, name):
    find(two_servers, after=BESIDES[name])


REPLIES = {
    "another number": lambda words, reply: b":2\r\n" if reply == b":1\r\n" else reply,
    "the null of the other protocol":
        lambda words, reply: b"$-1\r\n" if reply == b"_\r\n" else reply,
    "a string for a status": lambda words, reply: b"$2\r\nOK\r\n" if reply == b"+OK\r\n" else reply,
    "another case in an error": lambda words, reply: reply.replace(b"syntax", b"Syntax"),
    "a null among values": lambda words, reply:
        reply.replace(b"$0\r\n\r\n", b"$-1\r\n") if reply[:1] == b"*" else reply,
    "the last digit of a float": lambda words, reply:
        reply[:-3] + b"0\r\n" if words[0].upper() == b"INCRBYFLOAT" and len(reply) > 20 and
        reply[:1] == b"$" else reply,
    "a time that is far off": lambda words, reply:
        b":%d\r\n" % (int(reply[1:]) + 3) if words[0].upper() == b"TTL" and len(reply) > 6 and
        reply[:1] == b":" else reply,
    "a second more in a point in time": lambda words, reply:
        b":%d\r\n" % (int(reply[1:]) + 1) if words[0].upper() == b"EXPIRETIME" and
        reply[:3] == b":41" else reply,
}


@pytest.mark.parametrize("name", REPLIES)
def test_finds_a_reply_that_is_wrong(two_servers, name):
    find(two_servers, reply=REPLIES[name])


def test_a_report_says_what_is_needed(two_servers):
    """The command, both replies, and what happened to its keys."""
    difference = find(two_servers, rewrite=without(b"SET", b"KEEPTTL"))
    report = str(difference)
    ours, theirs = difference.event.replies
    assert f"#{difference.event.number} RESP" in report
    assert shorten(ours) in report and shorten(theirs) in report
    assert any(words[0].upper() == b"SET" and b"KEEPTTL" in [word.upper() for word in words]
               for words in (event.words for event in difference.before))
    assert len(report) < 10_000


def test_a_seed_draws_the_same_commands():
    first, second = Commands(7), Commands(7)
    assert [first.command() for _ in range(1000)] == [second.command() for _ in range(1000)]


def test_two_equal_servers_are_equal(two_servers):
    """Nothing depends on the moment. Every command and option is reached, and works often."""
    with planted(two_servers) as comparison:
        comparison.run(MORE_COMMANDS)
    coverage = comparison.coverage
    # DISCARD, WATCH and so on stand in transactions; the rest is drawn by itself.
    for name, _ in Commands.DATA:
        assert coverage.good(name.upper().encode()) > 100, name
        assert coverage.kinds[name.upper().encode()]["-ERR"] >= 2, name
    for name in (b"PING", b"ECHO", b"SELECT", b"CLIENT", b"COMMAND", b"OBJECT", b"AUTH", b"WAIT",
                 b"SCAN", b"DBSIZE", b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"UNWATCH"):
        assert coverage.good(name) > 15, name
    worked = {(name, option) for name, option, _ in coverage.options}
    expected = {(b"SET", option) for option in (*Commands.SET_TIMES, *Commands.SET_FLAGS)}
    expected |= {(b"GETEX", option) for option in (*Commands.SET_TIMES, b"PERSIST")}
    expected |= {(name, option) for name in (b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT")
                 for option in Commands.EXPIRE_FLAGS}
    expected |= {(b"SCAN", option) for option in (b"MATCH", b"COUNT", b"TYPE")}
    assert expected <= worked
    for option in expected:
        assert sum(n for (name, word, _), n in coverage.options.items()
                   if (name, word) == option) > 8, option
    assert coverage.kinds[b"EXEC"]["nil"] > 30, "transactions that WATCH ends"
    assert coverage.kinds[b"EXEC"]["-EXECABORT"] > 30


def test_dhtd_replies_as_redis_does(make_node):
    node = make_node("store.fsync=never", "workers.count=1")
    with comparing(node, FIXED_SEED, COMMANDS) as comparison:
        comparison.run(COMMANDS)


def test_dhtd_replies_so_to_anything(make_node):
    """Other commands in each run; the seed is printed."""
    node = make_node("store.fsync=never", "workers.count=2")
    with comparing(node, random.randrange(2**32), MORE_COMMANDS) as comparison:
        comparison.run(MORE_COMMANDS)


def test_values_that_are_read_from_the_disk_make_no_difference(make_node):
    """A command that waits for a record begins again: it must not do anything twice."""
    node = make_node("store.fsync=never", "store.memory=64MiB", "store.segment_size=1MiB",
                     "store.max_value_size=512KiB")
    with comparing(node, random.randrange(2**32), COLD_COMMANDS, COLD_KEYS) as comparison:
        comparison.run(COLD_KEYS)  # they are loaded
        wait_until(lambda: node.status()["store"]["cold_segments"] > 8, "values are cold")
        comparison.resume(COLD_COMMANDS)


EXAMPLES = [(row, number) for row in DIFFERENCES for number in range(len(row.examples))]


@pytest.mark.parametrize("row, number", EXAMPLES,
                         ids=[f"{row.what[:40]}-{number}" for row, number in EXAMPLES])
def test_a_difference_is_as_the_table_says(redis_port, shared_node, row, number):
    example = row.examples[number]
    for server, expected in ((redis_port, example.redis), (shared_node.client_port, example.dhtd)):
        with differential.RawConnection(server) as connection:
            connection.send_bytes(example.stream)
            connection.socket.shutdown(socket.SHUT_WR)
            answer = connection.receive_all()
        assert re.search(expected, answer, re.DOTALL), (server == redis_port, answer[:1000])


@pytest.mark.parametrize("rows", [DIFFERENCES, TOLERANCES], ids=["differences", "tolerances"])
def test_the_manual_has_the_table(rows):
    """docs/redis.md shows the very rows; `differential.py --table` prints them."""
    assert markdown_table(rows) in (ROOT / "docs/redis.md").read_text()
