# SPDX-License-Identifier: Apache-2.0
"""Draws the words of the differential test: keys, values, numbers, times and patterns.

A part of them is wrong on purpose, such as numbers that almost are numbers. Times avoid
what would make a reply depend on the moment: a key expires at once or not while the test
runs, and two relative times are never the same (EXPIRE GT would compare milliseconds).
"""
import random
import string

INT64_MAX, INT64_MIN = 2**63 - 1, -2**63

# The first dozen gets most of the commands, so that these keys are mostly there.
KEYS = [b"k%d" % i for i in range(8)] + [b"n0", b"n1", b"f0", b"f1"] + [
    b"", b" ", b"0", b"-1", b"\0", b"a\0b", b"\r\n", b"a b", b'"', b"'q'", b"*", b"?", b"[", b"]",
    b"\\", b"[a-c]", b"a*", b"h*llo", b"hello", b"hallo", b"hxllo", b"hllo", b"heello", b"^a",
    b"a^", b"a-c", b"b", b"c", b"abc", b"ABC", b"user:1", b"user:2", b"user:10", b"user:1000",
    b"{tag}1", b"{tag}2", b"{}3", b"{", b"}{x}", b"\xff", b"\x80\xfe", "schlüssel".encode(),
    bytes(range(256)), b"x" * 255, b"x" * 256, b"y" * 4096, b"SET", b"EX", b"NX"]
KEY_SET = frozenset(KEYS)
HOT_KEYS = 12
LONG_KEY = b"z" * 65535
PATTERN_MAX = 1024  # longer ones are refused: a row of DIFFERENCES, never drawn

NUMBERS_GOOD = [b"%d" % n for n in (
    0, 1, 2, -1, -2, 7, 10, 99, 100, 255, 9999, 10000, -12345, 2**31 - 1, 2**31, -2**31, 2**32,
    2**53, 2**53 + 1, INT64_MAX, INT64_MAX - 1, INT64_MAX - 10, INT64_MIN, INT64_MIN + 1,
    INT64_MIN + 10, INT64_MAX // 2, INT64_MIN // 2)]
NUMBERS_BAD = [b"", b" ", b" 1", b"1 ", b"\t1", b"1\n", b"+1", b"+0", b"-0", b"01", b"-01", b"00",
               b"1.0", b"1.", b".1", b"1e2", b"0x10", b"abc", b"1a", b"a1", b"-", b"--1", b"+-1",
               b"\0", b"1\0", b"1,000", b"1_0", b"inf", b"nan", "١".encode(), b"9" * 20, b"9" * 40,
               b"%d" % (INT64_MAX + 1), b"%d" % (INT64_MIN - 1), b"%d" % 2**64, b"%d" % (2**64 + 1)]

FLOATS_GOOD = [b"0", b"-0", b"0.0", b"1.5", b"-1.5", b"3.0", b"0.1", b"0.2", b"-0.3", b".5", b"5.",
               b"-.5", b"+1.5", b"01.50", b"1e3", b"1E3", b"1e-3", b"1.5e+2", b"1e-17", b"1e-18",
               b"4e-18", b"6e-18", b"1e-300", b"1e15", b"1e17", b"1e19", b"1e22", b"1e300",
               b"3.14159265358979323846", b"0.12345678901234567", b"0.123456789012345678",
               b"12345678901234567", b"123456789012345678901234567890", b"9007199254740993",
               b"0.99999999999999999", b"99999999999999999.5", b"0x10", b"0x1p3", b"0x1.8p1",
               b"-0x1p-2", b"%d" % INT64_MAX, b"5e-324", b"2.2250738585072014e-308", b"1e-4000"]
FLOATS_BAD = [b"", b" ", b" 1.5", b"1.5 ", b"\t1", b"1.5\0", b"\0", b"1,5", b"1e", b"1e+", b"e1",
              b"abc", b"1.5x", b"--1", b"+-1", b"1.2.3", b"nan", b"NaN", b"-nan", b"nan(1)", b"inf",
              b"-inf", b"+inf", b"INF", b"Infinity", b"infinit", b"1e4932", b"1e5000", b"-1e5000",
              b"1e-5000", b"0x", b"0xg", b"1d3", b"1p3"]

# Seconds; absolute times lie behind everything that a relative one can reach.
NOT_YET_S = 4102444800
AT_POOL_S = [NOT_YET_S + n * 1000 for n in range(12)]
TIMES_PAST = [b"%d" % n for n in (1, 2, 1000, 1000000)]
TIMES_NEGATIVE = [b"0", b"-1", b"-2", b"-1000", b"%d" % -2**31, b"%d" % -(2**33),
                  b"%d" % (INT64_MIN // 1000), b"%d" % (INT64_MIN // 1000 - 1), b"%d" % INT64_MIN]
TIMES_HUGE = [b"%d" % n for n in (
    INT64_MAX // 1000, INT64_MAX // 1000 + 1, INT64_MAX // 1000 - 1, INT64_MAX, INT64_MAX - 1)]
TIMES_OVERFLOW_MS = TIMES_HUGE[3:]  # when the present is added

WORDS = [b"v", b"value", b"", b"OK", b"hello world", b"a" * 44, b"a" * 45, b"\r\n", b"$-1\r\n",
         b"\0\0", b"-ERR no", "größe".encode(), bytes(range(256)), b"x" * 511, b"x" * 512]

NEAR_OPTIONS = [b"", b" ", b"N", b"NXX", b"NNX", b"XNX", b"E", b"EXX", b"EXA", b"EXATT", b"P",
                b"PXA", b"KEEPTT", b"KEEPTTLL", b"KEEP", b"GE", b"GETT", b"PERSISTS", b"PERSIS",
                b"G", b"L", b"GTT", b"COUN", b"MATC", b"TYP", b"-", b"--", b"0", b"nx ", b" nx",
                b"\xff", b"e\xd5"]

def random_case(chance, word):
    """The word in some mixture of upper and lower case; most often in one of them."""
    kind = chance()
    if kind < 0.5:
        return word
    if kind < 0.8:
        return word.lower()
    return bytes(c ^ 0x20 if chr(c) in string.ascii_letters and chance() < 0.5 else c
                 for c in word)


class Words:
    """Draws single words."""

    def __init__(self, seed, many=0):
        self.random = random.Random(seed)
        self.many = [b"many%d" % number for number in range(many)]
        self.chance = self.random.random
        self.times = 0
        self.only_key = None  # set while a transaction is drawn: it knows one key

    def pick(self, choices):
        return choices[int(self.chance() * len(choices))]

    def key(self):
        if self.only_key is not None:
            return self.only_key
        return self.any_key()

    def any_key(self):
        if self.many and self.chance() < 0.4:
            return self.pick(self.many)
        kind = self.chance()
        if kind < 0.8:
            return KEYS[int(self.chance() * HOT_KEYS)]
        return LONG_KEY if kind > 0.9998 else self.pick(KEYS)

    def keys(self):
        """Several keys, often with one among them twice."""
        keys = [self.key() for _ in range(1 + int(self.chance() * self.chance() * 8))]
        if self.chance() < 0.3:
            keys.append(self.pick(keys))
        return keys

    def integer(self):
        kind = self.chance()
        if kind < 0.35:
            return b"%d" % int(self.chance() * 200 - 100)
        if kind < 0.45:
            return b"%d" % self.random.randint(INT64_MIN, INT64_MAX)
        return self.pick(NUMBERS_GOOD if kind < 0.85 else NUMBERS_BAD)

    def index(self):
        """A position in a value, from its begin or its end."""
        return b"%d" % int(self.chance() * 60 - 30) if self.chance() < 0.6 else self.integer()

    def floating(self):
        kind = self.chance()
        if kind < 0.25:
            return b"%.*f" % (int(self.chance() * 18), (self.chance() - 0.5) * 1000)
        if kind < 0.4:
            return b"%.*e" % (int(self.chance() * 18),
                              (self.chance() - 0.5) * 10 ** int(self.chance() * 30 - 12))
        if kind < 0.5:
            return self.integer()
        return self.pick(FLOATS_GOOD if kind < 0.85 else FLOATS_BAD)

    def value(self):
        kind = self.chance()
        if kind < 0.4:
            return self.integer()
        if kind < 0.55:
            return self.floating()
        if kind < 0.85:
            return self.pick(WORDS)
        if kind < 0.995:
            return self.random.randbytes(int(60 * self.chance()))
        if kind < 0.9995:
            return self.random.randbytes(int(5000 * self.chance()))
        return self.random.randbytes(10) * int(12000 * self.chance())

    def time(self, is_absolute, is_ms):
        """A time for an option or command, in its unit."""
        kind = self.chance()
        unit = 1000 if is_ms else 1
        if kind < 0.75:
            if is_absolute and self.only_key is not None:
                # The expiry that is there already may count as a change for WATCH, or not.
                self.times += 1
                return b"%d" % ((self.pick(AT_POOL_S) + self.times) * unit)
            if is_absolute:
                return b"%d" % (self.pick(AT_POOL_S) * unit + int(self.chance() * 2) * (unit - 1))
            self.times += 1
            return b"%d" % (1000 * unit * (1 + self.times * 7919 % 1000003))
        if kind < 0.82:
            return self.pick(TIMES_PAST if is_absolute and kind < 0.79 else TIMES_NEGATIVE)
        if kind < 0.85:  # near the largest there is, on either side of it
            self.times += 1
            largest = INT64_MAX // (1 if is_ms else 1000)
            return b"%d" % (largest - 2**31 * unit - 1000 * unit * self.times)
        if kind < 0.92:
            return self.pick(TIMES_OVERFLOW_MS if is_ms and not is_absolute else TIMES_HUGE)
        return self.pick(NUMBERS_BAD)

    def word(self, word):
        return random_case(self.chance, word)

    def pattern(self):
        """A glob pattern: one that is near a key, or anything made of what is special."""
        kind = self.chance()
        if kind < 0.3:
            return self.pick(KEYS[:64])[:PATTERN_MAX]
        if kind < 0.65:
            pattern = list(self.pick(KEYS)[:20])
            for _ in range(1 + int(self.chance() * 2)):
                at = int(self.chance() * (len(pattern) + 1))
                width = int(self.chance() * 3)
                pattern[at:at + width] = self.pick(
                    [b"*", b"?", b"**", b"[a-z]", b"[^a]", b"[z-a]", b"\\", b"[0-9]", b"[", b"]",
                     b"[]", b"[^]", b"[\\]]", b"[a-", b"[\\", b"\\*", b"[--0]", b"[!a]"])
            return bytes(pattern[:40])
        return b"".join(
            self.pick([b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"a", b"b", b"c", b"k", b"0",
                       b"1", b"h", b"l", b"o", b"\0", b"\xff", b"{", b":", b"user:", b"[a-c]"])
            for _ in range(int(self.chance() * 9)))
