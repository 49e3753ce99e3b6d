# SPDX-License-Identifier: Apache-2.0
"""When two replies of the differential test are the same.

They are when their bytes are. Everything else is a row of one of the two tables here:
TOLERANCES, where both servers are right and bytes may differ all the same, and
DIFFERENCES, what dhtd does otherwise than Redis on purpose. docs/redis.md shows both
(`differential.py --table` prints them), and a test compares.
"""
from typing import Callable, NamedTuple

from differential_replies import elements, integer, text
from harness import RespConnection

encode = RespConnection.encode

# What a time may differ by: the servers get the same command at two moments.
SKEW_S, SKEW_MS = 2, 2000
# The years in which a point in time was given as such, and is the same on both servers.
ABSOLUTE_S = range(4102444800, 2 * 4102444800)
ABSOLUTE_MS = range(4102444800000, 2 * 4102444800000)


class Example(NamedTuple):
    """A stream on a connection of its own, and what must be found in what comes back."""
    stream: bytes
    redis: bytes
    dhtd: bytes


class Row(NamedTuple):
    """What differs. `accept(words, redis, dhtd)` decides about two replies to `commands`, or
    to any command when there are none; without it, what differs is never drawn, and the
    examples alone show that the row is true."""
    what: str
    redis: str
    dhtd: str
    reason: str
    commands: tuple = ()
    accept: Callable = None
    examples: tuple = ()


def within(skew, exact=()):
    """Accepts two times that differ by at most `skew`, if none is one of those `exact`."""
    def accept(_, redis, dhtd):
        a, b = integer(redis), integer(dhtd)
        return (a is not None and b is not None and 0 <= a and 0 <= b and abs(a - b) <= skew and
                a not in exact and b not in exact)
    return accept


def accept_encoding(words, redis, dhtd):
    return (words[1].upper() == b"ENCODING" and redis[:1] == dhtd[:1] == b"$" and
            (text(redis), text(dhtd)) in ((b"raw", b"embstr"), (b"raw", b"int"),
                                          (b"embstr", b"int")))


def accept_hello(_, redis, dhtd):
    """Both describe the server: the same fields in the same order, in the same protocol."""
    if not redis.startswith((b"%7\r\n", b"*14\r\n")) or redis[:3] != dhtd[:3]:
        return False
    ours, theirs = elements(redis), elements(dhtd)
    if ours[0] != b"$6\r\nserver\r\n" or ours[::2] != theirs[::2]:
        return False
    free = (b"version", b"id", b"mode")
    return all(a == b or (text(name) in free and a[:1] == b[:1])
               for name, a, b in zip(ours[::2], ours[1::2], theirs[1::2]))


def accept_select(_, redis, dhtd):
    return (redis == b"-ERR DB index is out of range\r\n" and
            dhtd == b"-ERR SELECT is not allowed in cluster mode\r\n")


TOLERANCES = [
    Row("`TTL`", "seconds that are left", "the same",
        "each server is asked at a moment of its own: within 2 s; -1 and -2 are exact",
        (b"TTL",), within(SKEW_S)),
    Row("`PTTL`", "milliseconds that are left", "the same",
        "as `TTL`: within 2000 ms", (b"PTTL",), within(SKEW_MS)),
    Row("`EXPIRETIME`", "when a key expires", "the same",
        "as `TTL` if that was given in relative terms; exact if it was given as a point in time",
        (b"EXPIRETIME",), within(SKEW_S, ABSOLUTE_S)),
    Row("`PEXPIRETIME`", "when a key expires", "the same", "as `EXPIRETIME`: within 2000 ms",
        (b"PEXPIRETIME",), within(SKEW_MS, ABSOLUTE_MS)),
    Row("`SCAN`", "keys in the order of its table, some of them twice", "the same",
        "whole iterations are compared, as sets of keys: order, cursors and repetitions are free"),
]

KEY_TOO_LONG, VALUE_TOO_LONG = b"k" * 65536, b"v" * (16 * 1024 * 1024 + 1)
NOTHING = rb"^$"

DIFFERENCES = [
    Row("keys", "512 MiB", "65535 bytes", "the length is 16 bits of a record's header",
        examples=(Example(encode("GET", KEY_TOO_LONG), rb"^\$-1", b"^-ERR a key has at most"),
                  Example(encode("DEL", "k", KEY_TOO_LONG), b"^:0", b"^-ERR a key has at most"))),
    Row("values", "512 MiB", "`store.max_value_size`, 16 MiB by default",
        "a value is written, sent and compacted as one piece",
        examples=(Example(encode("SET", "e", VALUE_TOO_LONG) + encode("DEL", "e"), rb"^\+OK",
                          rb"^-ERR string exceeds maximum allowed size"),)),
    Row("requests", "2147483647 arguments, of 512 MiB each", "1048576 arguments, 64 MiB together",
        "what a client claims to send must not make a node run out of memory",
        examples=(Example(b"*1048577\r\n", NOTHING, b"^-ERR Protocol error: invalid multibulk"),
                  Example(b"*1\r\n$67108865\r\n", NOTHING, b"^-ERR Protocol error: "))),
    Row("words of a request for one key or none, such as `CONFIG GET`", "as above", "1024",
        "it runs in one piece, and others wait meanwhile",
        examples=(Example(encode("CONFIG", "GET", *["x"] * 1023), rb"^\*0", b"^-ERR too many arg"),)),
    Row("keys of one `WATCH`, and watched keys", "as above", "1024", "as above",
        examples=(Example(encode("WATCH", *["e"] * 1025), rb"^\+OK", b"^-ERR at most 1024 keys"),)),
    Row("patterns of `SCAN` and `COMMAND LIST`", "512 MiB", "1024 bytes",
        "what matching takes grows with the pattern's length times the key's",
        examples=(Example(encode("COMMAND", "LIST", "FILTERBY", "PATTERN", "x" * 1025), rb"^\*0",
                          b"^-ERR a pattern has at most"),)),
    Row("lines beyond 64 KiB", "refused, unless all of the line has arrived at once", "refused",
        "whether a request is valid does not depend on packets"),
    Row("a NUL byte in a line", "hides the end of the line, so that the request never ends",
        "a byte like any other", "as above",
        examples=(Example(b"ECHO a\0b\r\n", NOTHING, rb"^\$3\r\na\0b\r\n"),)),
    Row("a NUL byte in the name of an option or of a command", "ends the name",
        "is a part of it: the name is not known", "no request means two things",
        examples=(Example(encode("SET", "e", "v", "NX\0") + encode("DEL", "e"), rb"^\+OK",
                          b"^-ERR syntax error"),)),
    Row("`HELLO`: `version`, `mode`, `id`", "7.0.15, standalone", "7.2.4, cluster",
        "clients take from it what they may send, and that there is a cluster",
        (), accept_hello, (Example(encode("HELLO", "2"), b"standalone", b"cluster"),)),
    Row("`OBJECT ENCODING`", "how the value was made, for instance `raw` after `APPEND`",
        "what `SET` of the same value shows", "the store keeps the bytes of a value alone",
        (b"OBJECT",), accept_encoding,
        (Example(encode("SET", "e", "1") + encode("APPEND", "e", "2") +
                 encode("OBJECT", "ENCODING", "e") + encode("DEL", "e"), b"raw", b"int"),)),
    Row("transactions: `MULTI`, `EXEC`, `WATCH`", "on any keys",
        "all keys of a transaction are one key; otherwise `EXEC` replies `-EXECABORT`",
        "one key is changed in one step on all its replicas; several keys belong to several nodes",
        examples=(Example(encode("MULTI") + encode("SET", "e1", "v") + encode("SET", "e2", "v") +
                          encode("EXEC") + encode("DEL", "e1", "e2"), rb"\*2\r\n\+OK\r\n\+OK",
                          b"\r\n-EXECABORT [^\r]*transaction=False[^\r]*\r\n:0"),)),
    Row("`WATCH` of a key that is missing, comes and goes again", "`EXEC` replies null",
        "`EXEC` executes", "the key is what it was: what is missing has no version",
        examples=(Example(encode("WATCH", "e") + encode("SET", "e", "v") + encode("DEL", "e") +
                          encode("MULTI") + encode("GET", "e") + encode("EXEC"),
                          rb"\*-1\r\n$", rb"\*1\r\n\$-1\r\n$"),)),
    Row("`APPEND` of nothing to a key that is watched, or the expiry that it has already",
        "`EXEC` replies null", "`EXEC` executes", "nothing is written where nothing changes",
        examples=tuple(Example(encode("SET", "e", "v", "EXAT", "4102444800") +
                               encode("WATCH", "e") + encode(*words) + encode("MULTI") +
                               encode("DEL", "e") + encode("EXEC") + encode("DEL", "e"),
                               rb"\*-1\r\n:1\r\n$", rb"\*1\r\n:1\r\n:0\r\n$")
                       for words in (("APPEND", "e", ""), ("EXPIREAT", "e", "4102444800")))),
    Row("`SCAN` with a cursor such as `+0` or `-1`", "a number", "not valid",
        "a cursor is what `SCAN` has returned",
        examples=(Example(encode("SCAN", "+0"), rb"^\*2", b"^-ERR invalid cursor"),
                  Example(encode("SCAN", "0\0x"), rb"^\*2", b"^-ERR invalid cursor"))),
    Row("several keys in `MSET`, `MGET`, `DEL`, `UNLINK`, `EXISTS`, `TOUCH`", "one atomic step",
        "one step for each key, in their order", "as above"),
    Row("databases", "16", "database 0 alone: `SELECT` of another one is an error",
        "as in a Redis cluster, with its text", (b"SELECT",), accept_select,
        (Example(encode("SELECT", "1"), b"^-ERR DB index", b"^-ERR SELECT is not allowed in cl"),)),
    Row("an empty request (`*0`) behind `CLIENT REPLY SKIP`", "is what is skipped", "is nothing",
        "the reply that a client does not wait for is that of its next command",
        examples=(Example(encode("CLIENT", "REPLY", "SKIP") + b"*0\r\n" + encode("PING"),
                          rb"^\+PONG", NOTHING),)),
    Row("`SET key value IFEQ old`, `DELIFEQ key old`", "not known", "as Valkey 9",
        "a retry that cannot overwrite what another client wrote meanwhile",
        examples=(Example(encode("SET", "e", "v", "IFEQ", "x"), b"^-ERR syntax", rb"^\$-1"),
                  Example(encode("DELIFEQ", "e", "x"), b"^-ERR unknown command", b"^:0"))),
    Row("`CLIENT SETINFO`, `CLIENT NO-TOUCH`", "not known (Redis 7.2 has them)", "`+OK`",
        "libraries send them when they connect",
        examples=(Example(encode("CLIENT", "SETINFO", "LIB-NAME", "x"), b"^-ERR unknown sub",
                          rb"^\+OK"),
                  Example(encode("CLIENT", "NO-TOUCH", "ON"), b"^-ERR unknown sub", rb"^\+OK"))),
    Row("`CONFIG SET`", "changes a setting", "refused",
        "settings stand in the configuration file, which `systemctl reload dhtd` reads again",
        examples=(Example(encode("CONFIG", "SET", "maxmemory-samples", "5"), rb"^\+OK",
                          b"^-ERR CONFIG SET is not supported: "),)),
    Row("`COMMAND GETKEYSANDFLAGS` of `SET`", "flags for the options given",
        "those of `COMMAND`, for `SET` with any options", "each command is one row of one table",
        examples=(Example(encode("COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v"), b"OW",
                          b"variable_flags"),)),
    Row("`CLUSTER`, `READONLY`, `READWRITE`, `ASKING`", "refused, unless it is a cluster",
        "as in a Redis cluster", "a node is part of a cluster, be it of one",
        examples=(Example(encode("CLUSTER", "KEYSLOT", "foo"), b"^-ERR This inst", b"^:12182"),
                  Example(encode("READONLY"), b"^-ERR This instance", rb"^\+OK"))),
    Row("`CLIENT TRACKING`, `PAUSE` and `UNBLOCK`; `HELP` of containers", "there are",
        "refused; `HELP` lists what there is", "no command blocks, and no client is tracked",
        examples=(Example(encode("CLIENT", "PAUSE", "0"), rb"^\+OK", b"^-ERR (?!unknown)"),)),
    Row("`KEYS`, `RANDOMKEY`, `RENAME`, `COPY`, `MOVE`, `SORT`, `DUMP`, `RESTORE`, `MSETNX`, "
        "`SETRANGE`, `LCS`, commands on bits, `FLUSHALL`, `SAVE`, `MONITOR`, `ACL`, `DEBUG`",
        "there are", "refused: the error says why, and what to use instead",
        "they are about several keys in one step, about all of them, or have another way here",
        examples=(Example(encode("KEYS", "nothing"), rb"^\*0", b"^-ERR KEYS is not supported: it"),
                  Example(encode("BITCOUNT", "e"), b"^:0", b"^-ERR BITCOUNT is not supported: "))),
    Row("lists, hashes, sets, sorted sets, streams; scripts; publish and subscribe", "there are",
        "refused, in the same way", "a key holds a value of bytes: that is what replicas agree on",
        examples=tuple(Example(encode(*words) + encode("DEL", "e"), rb"^[:+*>]",
                               b"^-ERR %s is not supported: " % words[0].encode())
                       for words in (("LPUSH", "e", "x"), ("HSET", "e", "f", "v"),
                                     ("SADD", "e", "m"), ("ZADD", "e", "1", "m"),
                                     ("XLEN", "e"),
                                     ("EVAL", "return 1", "0"), ("PUBLISH", "c", "m")))),
]


class Judge:
    """Decides whether two replies to a command are the same, and counts what it lets pass."""

    def __init__(self, rows=None):
        self.rows = [row for row in (rows or TOLERANCES + DIFFERENCES) if row.accept]
        self.accepted = {row.what: 0 for row in self.rows}

    def is_same(self, words, redis, dhtd, queued=()):
        """`queued` are the commands whose replies an EXEC returns. Without words, the
        command is not known (it is somewhere in a stream)."""
        if redis == dhtd:
            return True
        if queued and redis[:1] == dhtd[:1] == b"*":
            ours, theirs = elements(redis), elements(dhtd)
            return (len(ours) == len(theirs) == len(queued) and
                    all(map(self.is_same, queued, ours, theirs)))
        name = words[0].upper() if words else None
        for row in self.rows:
            if ((name in row.commands or not row.commands) and
                    row.accept(words, redis, dhtd)):
                self.accepted[row.what] += 1
                return True
        return False


def markdown_table(rows):
    """The rows as they stand in docs/redis.md."""
    lines = ["| what | Redis 7.0.15 | dhtd | why |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.redis} | {row.dhtd} | {row.reason} |" for row in rows]
    return "\n".join(lines) + "\n"
