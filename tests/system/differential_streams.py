# SPDX-License-Identifier: Apache-2.0
"""Draws what the differential test sends on connections that it throws away.

A stream is the bytes of one connection from its first to its last: lines as a person
types them, broken framing, HELLO and RESET in between, replies switched off. Each ends
with QUIT or with a protocol error, so that the server closes and what it sent is whole.
"""
from harness import RespConnection

encode = RespConnection.encode

BROKEN = [  # of those that read no further; a request before them is still answered
    b"*a\r\n", b"*1a\r\n", b"* 1\r\n", b"*+1\r\n", b"*01\r\n", b"*1 \r\n", b"*-0\r\n", b"*\r\n",
    b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1\r\n$a\r\n", b"*1\r\n$-1\r\n",
    b"*1\r\n$\r\n", b"*1\r\n$ 1\r\n", b"*1\r\n$01\r\n", b"*1\r\n$+1\r\n", b"*1\r\n$4 \r\n",
    b"*1\r\n$99999999999\r\n", b"*1\r\n$99999999999999999999\r\n", b"*1\r\nPING\r\n",
    b"*1\r\n:4\r\n", b"*1\r\n*1\r\n", b"*1\r\n\r\n", b"*1\r\n\n\r\n", b"*1\r\n\xff\r\n",
    b"*2\r\n$4\r\nPING\r\nx\r\n", b"*2\r\n$4\r\nECHO\r\n$-1\r\n", b"GET 'k\r\n", b'GET "k\r\n',
    b"GET 'k'x\r\n", b'GET "k"x\r\n', b"\"\\\r\n", b"'\\'\r\n",
]
HARMLESS = [  # between requests
    b"", b"", b"", b"\r\n", b"\n", b"  \r\n", b"*0\r\n", b"*-1\r\n", b"*-5\r\n",
]
HELLO = [
    ["HELLO"], ["HELLO", "2"], ["HELLO", "3"], ["hello", "3"], ["HELLO", "1"], ["HELLO", "4"],
    ["HELLO", "-1"], ["HELLO", "abc"], ["HELLO", ""], ["HELLO", "03"], ["HELLO", " 3"],
    ["HELLO", "3", "SETNAME"], ["HELLO", "3", "SETNAME", "me"], ["HELLO", "3", "setname", "m e"],
    ["HELLO", "2", "SETNAME", ""], ["HELLO", "3", "AUTH"], ["HELLO", "3", "AUTH", "default"],
    ["HELLO", "3", "AUTH", "default", "x"], ["HELLO", "3", "AUTH", "someone", "x"],
    ["HELLO", "3", "auth", "default", "x", "SETNAME", "both"], ["HELLO", "3", "WHAT"],
    ["HELLO", "3", "SETNAME", "a", "SETNAME", "b"], ["HELLO", "99999999999999999999"],
    ["HELLO", "3", "SETNAME", "a", "WHAT"], ["HELLO", "4", "AUTH", "someone", "x"],
]


class Streams:
    """Draws streams; the words of their commands come from `commands`. None of them asks for
    a time: which reply belongs to which command is known to the server alone."""

    def __init__(self, commands):
        self.commands = commands
        self.random = commands.random
        self.pick = commands.pick

    def stream(self):
        """The bytes of one connection, in the pieces in which they are sent."""
        return self.pick([self.inline, self.inline, self.broken, self.broken, self.hello,
                          self.hello, self.reply, self.split])()

    def plain(self):
        """A request that any connection may send."""
        return encode(*self.commands.command(self.commands.timeless))

    def quoted(self, word):
        """A word as it may be typed: bare where that is possible, or in one of the quotes."""
        kind = self.random.random()
        is_bare = word and all(33 <= byte < 127 and byte not in b"\"'" for byte in word)
        if is_bare and kind < 0.5:
            return word
        if kind < 0.65 and not any(byte in b"\r\n\0" for byte in word):
            # Within single quotes a backslash is one, except in front of a quote.
            if b"\\'" not in word and not word.endswith(b"\\"):
                return b"'" + word.replace(b"'", b"\\'") + b"'"
        names = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
        written = b"".join(
            names[byte] if byte in names and self.random.random() < 0.8
            else b"\\x%02x" % byte if not 32 <= byte < 127 or byte in b"\"\\"
            else bytes([byte]) for byte in word)
        return b'"' + written + b'"'

    def line(self):
        words = self.commands.command(self.commands.timeless)
        gap = self.pick([b" ", b" ", b"  ", b"\t", b" \t ", b"\v ", b" \f"])
        line = gap.join(self.quoted(word) for word in words)
        if self.random.random() < 0.1:
            line = self.pick([b"PING", b"ping  ", b" PING", b"\tECHO a", b"ECHO a\\x41",
                              b'ECHO "\\x4"', b'ECHO "\\xzz"', b"ECHO 'a\\nb'", b'ECHO a"b"',
                              b"ECHO a'b c'", b'ECHO "\\q\\?"', b'ECHO ""', b"ECHO ''", b'""',
                              b"ECHO \xff\xfe", b"ECHO a\rb", b"PING\r", b"ECHO 'it\\'s'"])
        return line[:60000] + self.pick([b"\r\n", b"\r\n", b"\n", b" \r\n"])

    def inline(self):
        lines = [self.line() for _ in range(1 + int(self.random.random() * 5))]
        return [b"".join([*lines, b"QUIT\r\n"])]

    def broken(self):
        """Requests, and then something that ends the connection."""
        parts = [self.pick(HARMLESS) + self.plain()
                 for _ in range(int(self.random.random() * 4))]
        return [b"".join([*parts, self.pick(BROKEN)])]

    def hello(self):
        """Requests in both protocols, whose nulls and maps tell which one it is."""
        parts = []
        for _ in range(1 + int(self.random.random() * 5)):
            parts.append(encode(*self.pick(HELLO)))
            parts.append(self.pick([
                encode("GET", "missing"), encode("CLIENT", "GETNAME"), encode("RESET"),
                encode("MULTI") + encode("GET", "missing") + encode("EXEC"),
                encode("WATCH", "w") + encode("SET", "w", "1") + encode("MULTI") + encode("EXEC"),
                encode("MULTI") + encode("RESET") + encode("EXEC"),
                encode("MULTI") + encode("PING") + encode("QUIT"),
                encode("MGET", "missing", "k0"), encode("HELLO"), self.plain()]))
        return [b"".join([*parts, encode("QUIT")])]

    def reply(self):
        """CLIENT REPLY: which requests are answered, and which are not."""
        parts = []
        for _ in range(2 + int(self.random.random() * 8)):
            kind = self.random.random()
            if kind < 0.5:
                parts.append(encode("CLIENT", "REPLY", self.pick(["OFF", "SKIP", "ON", "off"])))
            elif kind < 0.55:
                parts.append(encode(*self.pick([["RESET"], ["EXEC"], ["HELLO", "3"],
                                                ["CLIENT", "REPLY"]])))
            else:
                parts.append(self.plain())
        return [b"".join([*parts, encode("CLIENT", "REPLY", "ON"), encode("QUIT")])]

    def split(self):
        """Sound requests, cut anywhere."""
        stream = b"".join([*(self.pick(HARMLESS) + self.plain() for _ in range(4)),
                           encode("QUIT")])
        cuts = sorted(self.random.randrange(len(stream) + 1)
                      for _ in range(1 + int(self.random.random() * 6)))
        return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]
