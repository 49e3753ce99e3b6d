# SPDX-License-Identifier: Apache-2.0
"""Draws the commands of the differential test: everything a client can say about strings.

Most of what is drawn is meant to work, so that keys have a state that commands can meet;
a part is wrong on purpose: arity, options that exclude each other, names that almost are
options.
"""
from differential_words import KEYS, LONG_KEY, NEAR_OPTIONS, NUMBERS_BAD, Words

# Other names of the first cursor, and what is none.
CURSORS = [b"00", b"", b" ", b" 0", b"0 ", b"0x0", b"abc", b"0a", b"-", b"+", b"1.0",
           b"%d" % 2**64, b"9" * 40]
MANY_KEYS = frozenset([b"DEL", b"UNLINK", b"EXISTS", b"TOUCH", b"MGET", b"MSET"])

UNKNOWN = [b"FOO", b"GETT", b"GE", b"SE", b"SETT", b"get ", b" get", b"\0", b"", b"-",
           b"g\xc3\xa9t", b"GET\r\n", b"foo|bar", b"client|getname", b"x" * 31, b"x" * 32,
           b"x" * 127, b"x" * 128, b"x" * 129, b"x" * 300, b"%s", b"%n%n", b"'quoted'", b"*1"]


# About the server and its clients: what does not tell one server from another.
FIXED = b"""CLIENT ID x|CLIENT INFO x|CLIENT GETNAME x|CLIENT SETNAME|CLIENT KILL|CLIENT REPLY
CLIENT KILL 1.2.3.4:1|CLIENT KILL nothing|CLIENT KILL ID 0|CLIENT KILL ID -1|CLIENT KILL ID x
CLIENT KILL ID 99999999|CLIENT KILL ID|CLIENT KILL id 99999999 ID 99999998|CLIENT KILL FOO x
CLIENT KILL ADDR 1.2.3.4:1|CLIENT KILL LADDR 1.2.3.4:1|CLIENT KILL ADDR nothing SKIPME no
CLIENT KILL SKIPME yes ID 99999999|CLIENT KILL SKIPME maybe|CLIENT KILL TYPE nothing
CLIENT KILL TYPE pubsub|CLIENT KILL type REPLICA|CLIENT KILL TYPE master|CLIENT KILL USER nobody
CLIENT KILL ID 99999999 ADDR|CLIENT KILL x y z|CLIENT LIST x|CLIENT LIST ID|CLIENT LIST ID x
CLIENT LIST ID 99999999|CLIENT LIST ID 99999999 99999998|CLIENT LIST ID -1|CLIENT LIST ID 0
CLIENT LIST TYPE|CLIENT LIST TYPE nothing|CLIENT LIST TYPE pubsub|CLIENT LIST type replica
CLIENT LIST TYPE master|CLIENT LIST TYPE normal x|CLIENT NO-EVICT|CLIENT|CLIENT HELP x
COMMAND COUNT x|COMMAND INFO nothing|COMMAND INFO nothing no|COMMAND DOCS nothing|COMMAND NOTHING
COMMAND GETKEYS|COMMAND GETKEYS GET|COMMAND GETKEYSANDFLAGS GET k|COMMAND GETKEYSANDFLAGS PING x
COMMAND GETKEYSANDFLAGS MSET a b c d|COMMAND GETKEYSANDFLAGS DEL a b
COMMAND GETKEYSANDFLAGS nothing x|COMMAND LIST x|COMMAND LIST FILTERBY|COMMAND LIST FILTERBY x y
COMMAND LIST FILTERBY PATTERN|COMMAND LIST FILTERBY PATTERN nothing*
COMMAND LIST FILTERBY ACLCAT nothing|COMMAND LIST FILTERBY MODULE nothing
CONFIG GET nothing|CONFIG GET|CONFIG|CONFIG RESETSTAT x|CONFIG GET nothing no
SLOWLOG|SLOWLOG GET x|SLOWLOG GET -2|SLOWLOG GET 0|SLOWLOG LEN x|SLOWLOG RESET x|SLOWLOG RESET
SLOWLOG GET 1 2|LATENCY|LATENCY LATEST x|LATENCY LATEST|LATENCY HISTORY|LATENCY HISTORY nothing
LATENCY RESET nothing|LATENCY HISTOGRAM nothing|MEMORY|MEMORY USAGE|MEMORY USAGE missing
MEMORY USAGE k0 SAMPLES|MEMORY USAGE k0 SAMPLES x|MEMORY USAGE k0 SAMPLES -1|MEMORY USAGE k0 x 1
MEMORY USAGE k0 SAMPLES 1 x|MEMORY USAGE missing SAMPLES x|OBJECT|OBJECT ENCODING|OBJECT FREQ
OBJECT ENCODING k0 x|OBJECT REFCOUNT missing|OBJECT IDLETIME missing|OBJECT REFCOUNT|OBJECT x y
INFO nothing|INFO nothing no|TIME x|ROLE x|LASTSAVE x|DBSIZE x|WAIT|WAIT 0|WAIT 0 0 0|HELLO 4
HELLO x|READONLY x|READWRITE x|ASKING x|RESET x|AUTH|AUTH a b c|SELECT|SELECT 0 1|ECHO a b
CLUSTER|SCAN|SCAN 0 x|SCAN 0 MATCH|SCAN 0 COUNT x|SCAN 0 COUNT 0|SCAN x""".replace(
    b"\n", b"|").split(b"|")


class Commands(Words):
    """Draws whole commands: lists of words. The methods named draw_* are the table."""

    # What is said of keys is most of what is drawn; (command, weight).
    DATA = [("get", 5), ("set", 14), ("setnx", 2), ("setex", 2), ("psetex", 2), ("getset", 2),
            ("getdel", 2), ("getex", 6), ("del", 2), ("unlink", 1), ("exists", 2), ("touch", 1),
            ("mget", 2), ("mset", 2), ("incr", 2), ("decr", 2), ("incrby", 4), ("decrby", 4),
            ("incrbyfloat", 6), ("append", 3), ("strlen", 2), ("getrange", 2),
            ("substr", 0.5), ("ttl", 2), ("pttl", 2),
            ("expiretime", 2), ("pexpiretime", 2), ("expire", 5), ("pexpire", 4), ("expireat", 4),
            ("pexpireat", 4), ("persist", 2), ("type", 1)]
    # What MULTI takes besides; the rest is about the connection or all keys.
    KEYLESS = [("ping", 1), ("echo", 1), ("unknown", 1)]
    OTHER = [("object", 2), ("select", 1), ("client", 3), ("command", 3),
             ("subcommand", 1), ("auth", 1), ("wait", 0.3), ("stray", 1),
             ("fixed", 3)]

    # Options: their name, and how their argument is drawn: (is absolute, is ms).
    SET_TIMES = {b"EX": (False, False), b"PX": (False, True), b"EXAT": (True, False),
                 b"PXAT": (True, True)}
    SET_FLAGS = [b"NX", b"XX", b"GET", b"KEEPTTL"]
    EXPIRE_FLAGS = [b"NX", b"XX", b"GT", b"LT"]

    def __init__(self, seed, only=None, many=0):
        super().__init__(seed, many)
        self.only = only and {name.lower() for name in only}
        self.data = self.weighted(self.DATA)
        self.queued = self.weighted(self.DATA + self.KEYLESS)
        self.timeless = self.weighted([row for row in self.DATA + self.KEYLESS
                                       if not row[0].endswith(("ttl", "time"))])
        self.all = self.weighted(self.DATA + self.KEYLESS + self.OTHER)

    def weighted(self, table):
        """The draw_* methods of a table, each as often as it weighs."""
        rows = []
        for name, weight in table:
            if not self.only or name in self.only:
                method = getattr(self, f"draw_{name}", None) or self.of_arguments(name)
                rows += [method] * round(weight * 10)
        return rows

    def of_arguments(self, name):
        """How a command with fixed arguments is drawn."""
        word = name.upper().encode()
        arguments = self.ARGUMENTS[name]
        return lambda: [self.word(word), *(getattr(self, argument)() for argument in arguments)]

    ARGUMENTS = {
        "get": ["key"], "setnx": ["key", "value"], "getset": ["key", "value"], "getdel": ["key"],
        "incr": ["key"], "decr": ["key"], "incrby": ["key", "integer"],
        "decrby": ["key", "integer"], "incrbyfloat": ["key", "floating"],
        "getrange": ["key", "index", "index"], "substr": ["key", "index", "index"],
        "strlen": ["key"], "ttl": ["key"], "pttl": ["key"],
        "expiretime": ["key"], "pexpiretime": ["key"], "persist": ["key"], "type": ["key"],
        "echo": ["value"],
    }

    def command(self, rows=None):
        """One command of the given rows (all): most are well-formed."""
        draw = self.pick(rows or self.all)
        words = draw()
        kind = self.chance()
        # With fewer words the latter would tell what each server is.
        if kind > 0.05 or draw in (self.draw_command, self.draw_subcommand, self.draw_fixed):
            return words
        if kind < 0.005 or (self.only_key is not None and words[0].upper() in MANY_KEYS):
            del words[1:]
        elif kind < 0.025 and len(words) > 1:
            # In a transaction the key stays: another one makes another transaction of it.
            first = 1 if self.only_key is None else 2
            at = first + int(self.chance() * (len(words) - first))
            del words[at:at + 1]
        elif kind < 0.04:
            words.append(self.pick([b"", b"x", b"NX", b"GET", b"1000000000", b"KEEPTTL"]))
        else:
            words.append(self.pick(NEAR_OPTIONS))
        return words

    def options(self, flags, times, most):
        """Words of some options in any order: one is common, several often exclude each other."""
        words = []
        kind = self.chance()
        count = 0 if kind < 0.25 else 1 if kind < 0.65 else 2 if kind < 0.88 else most
        for _ in range(count):
            kind = self.chance()
            if times and kind < 0.4:
                name = self.pick(list(times))
                words += [self.word(name), self.time(*times[name])]
            elif kind < 0.97:
                words.append(self.word(self.pick(flags)))
            else:
                words.append(self.pick(NEAR_OPTIONS))
        return words

    def draw_append(self):
        # To append nothing may count as a change for WATCH, or not.
        value = self.value()
        return [self.word(b"APPEND"), self.key(), value if self.only_key is None else value or b"+"]

    def draw_set(self):
        return [self.word(b"SET"), self.key(), self.value(),
                *self.options(self.SET_FLAGS, self.SET_TIMES, 3)]

    def draw_setex(self):
        return [self.word(b"SETEX"), self.key(), self.time(False, False), self.value()]

    def draw_psetex(self):
        return [self.word(b"PSETEX"), self.key(), self.time(False, True), self.value()]

    def draw_getex(self):
        return [self.word(b"GETEX"), self.key(), *self.options([b"PERSIST"], self.SET_TIMES, 2)]

    def draw_expire(self):
        return [self.word(b"EXPIRE"), self.key(), self.time(False, False),
                *self.options(self.EXPIRE_FLAGS, None, 3)]

    def draw_pexpire(self):
        return [self.word(b"PEXPIRE"), self.key(), self.time(False, True),
                *self.options(self.EXPIRE_FLAGS, None, 3)]

    def draw_expireat(self):
        return [self.word(b"EXPIREAT"), self.key(), self.time(True, False),
                *self.options(self.EXPIRE_FLAGS, None, 3)]

    def draw_pexpireat(self):
        return [self.word(b"PEXPIREAT"), self.key(), self.time(True, True),
                *self.options(self.EXPIRE_FLAGS, None, 3)]

    def draw_del(self):
        return [self.word(b"DEL"), *self.keys()]

    def draw_unlink(self):
        return [self.word(b"UNLINK"), *self.keys()]

    def draw_exists(self):
        return [self.word(b"EXISTS"), *self.keys()]

    def draw_touch(self):
        return [self.word(b"TOUCH"), *self.keys()]

    def draw_mget(self):
        return [self.word(b"MGET"), *self.keys()]

    def draw_mset(self):
        words = [self.word(b"MSET")]
        for key in self.keys():
            words += [key, self.value()]
        return words

    def draw_ping(self):
        return [self.word(b"PING"), *(self.value() for _ in range(int(self.chance() * 2.2)))]

    def draw_unknown(self):
        return [self.pick(UNKNOWN),
                *(self.value() for _ in range(int(self.chance() * self.chance() * 8)))]

    def draw_object(self):
        name = self.word(self.pick([b"ENCODING", b"ENCODING", b"FREQ"]))
        return [self.word(b"OBJECT"), name, self.key()]

    def draw_select(self):
        return [self.word(b"SELECT"), b"0" if self.chance() < 0.5 else self.pick(
            [b"1", b"-1", b"16", b"2147483647", b"2147483648", *NUMBERS_BAD])]

    def draw_client(self):
        kind = self.chance()
        words = [self.word(b"CLIENT")]
        if kind < 0.4:
            return words + [self.word(b"SETNAME"),
                            self.pick([b"", b"app", b"a:b", b"a b", b"a\n", b"\0", b"\x7f", b"~!",
                                       b"\xc3\xa9", b"x" * 300])]
        if kind < 0.7:
            return words + [self.word(b"GETNAME")]
        if kind < 0.85:
            return words + [self.word(b"NO-EVICT"), self.pick([b"on", b"OFF", b"maybe", b""])]
        return words + [self.word(b"REPLY"), self.pick([b"ON", b"on", b"maybe", b""])]

    def draw_command(self):
        """COMMAND GETKEYS of anything."""
        return [self.word(b"COMMAND"), self.word(b"GETKEYS"),
                *self.command(self.queued if self.chance() < 0.9 else None)]

    def draw_subcommand(self):
        """Subcommands that there are not, of commands that have some."""
        return [self.word(self.pick([b"CLIENT", b"COMMAND", b"OBJECT", b"MEMORY", b"CONFIG",
                                     b"SLOWLOG", b"LATENCY"])),
                self.pick([b"NONE", b"none", b"", b"GETNAMES", b"x" * 130, b"a b", b"\r\n",
                           b"MAINT_NOTIFICATIONS", b"\xff"]),
                *(self.value() for _ in range(int(self.chance() * 3)))]

    def draw_auth(self):
        return [self.word(b"AUTH"), *self.pick([[b"secret"], [b"default", b"secret"], [b""],
                                                [b"someone", b"secret"], [b"default", b""]])]

    def draw_wait(self):
        if self.chance() < 0.6:
            return [self.word(b"WAIT"), b"0", self.pick([b"0", b"1", b"100"])]
        return [self.word(b"WAIT"), self.pick([b"0", b"-1", *NUMBERS_BAD[:8]]),
                self.pick([b"1", b"-1", *NUMBERS_BAD[:8]])]

    def draw_stray(self):
        """What belongs to a transaction, outside of one."""
        return self.pick([[b"EXEC"], [b"DISCARD"], [b"UNWATCH"], [b"EXEC", b"x"]])[:]

    def draw_fixed(self):
        return self.pick(FIXED).split(b" ")

    def scan(self):
        """A SCAN from its start. Cursors that are none are part of it."""
        words = [self.word(b"SCAN"), b"0"]
        if self.chance() < 0.1:
            words[1] = self.pick(CURSORS)
        if self.chance() < 0.8:
            words += [self.word(b"MATCH"), self.pattern()]
        if self.chance() < 0.6:
            words += [self.word(b"COUNT"), self.pick(
                [b"1000"] if self.many else [b"1", b"5", b"10", b"100", b"1000", b"1000000"])]
        if self.chance() < 0.2:
            words += [self.word(b"TYPE"), self.pick([b"string", b"STRING", b"list", b""])]
        if self.chance() < 0.06:
            words += self.pick([[b"COUNT", b"0"], [b"COUNT", b"-1"], [b"COUNT"], [b"MATCH"],
                                [b"COUNT", self.pick(NUMBERS_BAD)], [b"NOVALUES"], [b"TYPE"]])
        return words

    def dbsize(self):
        """DBSIZE, behind a look at every key: Redis counts those that have expired (after
        SET EXAT in the past) until it meets them."""
        return [[b"EXISTS", *KEYS, LONG_KEY, *self.many], [self.word(b"DBSIZE")]]

    def transaction(self):
        """Steps of (connection, commands) around MULTI; the connections are 0 and 1.

        All of them speak of one key. Between the steps everything has been answered.
        """
        self.only_key = self.any_key()
        own = int(self.chance() * 2)
        other = own if self.chance() < 0.2 else 1 - own
        steps, may_meanwhile = [], True
        if self.chance() < 0.5:
            may_meanwhile = self.chance() < 0.7
            steps += self.watching(own, other, may_meanwhile)
        body = [self.queued_command() for _ in range(int(self.chance() * 6))]
        end = [[self.word(b"EXEC" if self.chance() < 0.85 else b"DISCARD")]]
        if self.chance() < 0.4 and may_meanwhile:
            steps.append((own, [[self.word(b"MULTI")], *body]))
            meanwhile = [self.command(self.data) for _ in range(int(self.chance() * 3))]
            steps.append((1 - own, meanwhile))
            steps.append((own, end))
        else:
            steps.append((own, [[self.word(b"MULTI")], *body, *end]))
        self.only_key = None
        return steps

    def watching(self, own, other, is_there):
        """Steps of a WATCH and of what happens to its key before MULTI. A key that is missing
        may come into being, but not go again: whether that is a change is a matter of taste."""
        if is_there:
            yield own, [[b"SETNX", self.only_key, self.value()]]
        words = [self.word(b"WATCH"), self.only_key]
        yield own, [words + [self.only_key] if self.chance() < 0.1 else words]
        if is_there and self.chance() < 0.6:
            yield other, [self.command(self.queued)
                          for _ in range(1 + int(self.chance() ** 2 * 4))]
        elif not is_there:
            name, *rest = self.pick([[b"GET"], [b"DEL"], [b"INCR"], [b"SET", b"v"], [b"SET", b""],
                                     [b"APPEND", b"1"], [b"SET", b"v", b"GET", b"NX"]])
            yield other, [[name, self.only_key, *rest]]
        if self.chance() < 0.1:
            yield own, [[self.pick([b"UNWATCH", b"DISCARD", b"EXEC"])]]

    def queued_command(self):
        kind = self.chance()
        if kind < 0.94:
            return self.command(self.queued)
        return self.pick([[b"MULTI"], [b"WATCH", self.only_key], [b"UNWATCH"],
                          [b"WATCH"]])[:]
