# SPDX-License-Identifier: Apache-2.0
"""What the differential test says: where replies differ, and what it has reached."""
import collections
from typing import NamedTuple

from differential_commands import UNKNOWN, Commands
from differential_replies import kind_of

SHOWN = 160  # bytes of a word or a reply that a report shows


class Event(NamedTuple):
    """One command and its replies, or one stream."""
    number: int
    connection: int  # -1: a stream
    words: list
    replies: tuple   # of both servers


def shorten(data):
    shown = repr(bytes(data[:SHOWN]))[1:]
    return shown if len(data) <= SHOWN else f"{shown}... ({len(data)} bytes)"


def show_event(event):
    place = "a connection of its own" if event.connection < 0 else f"RESP{2 + event.connection}"
    return f"#{event.number} {place}: {' '.join(shorten(word) for word in event.words)}"


class Difference(Exception):
    """Two replies that are not the same."""

    def __init__(self, event, before):
        self.event = event
        self.before = before
        super().__init__(self.report())

    def report(self):
        lines = ["the replies differ", "  " + show_event(self.event),
                 "    a: " + shorten(self.event.replies[0]),
                 "    b: " + shorten(self.event.replies[1]),
                 *self.excerpts(),
                 "  what was on the same keys before, the latest last:"]
        for event in self.before:
            lines += ["  " + show_event(event), "    a: " + shorten(event.replies[0])]
            if event.replies[1] != event.replies[0]:
                lines.append("    b: " + shorten(event.replies[1]))
        return "\n".join(lines)

    def excerpts(self):
        """Where long replies differ."""
        a, b = self.event.replies
        same = next((i for i, pair in enumerate(zip(a, b)) if pair[0] != pair[1]),
                    min(len(a), len(b)))
        if same < SHOWN - 20:
            return []
        start = same - 20
        return [f"  from byte {same} on, behind {a[start:same]!r}:",
                "    a: " + shorten(a[same:]), "    b: " + shorten(b[same:])]


class Coverage:
    """What was reached: per command the kinds of replies, per option how often it worked."""

    OPTIONS = frozenset([*Commands.SET_TIMES, *Commands.SET_FLAGS, *Commands.EXPIRE_FLAGS,
                         b"PERSIST", b"MATCH", b"COUNT", b"TYPE"])

    def __init__(self):
        self.kinds = collections.defaultdict(collections.Counter)
        self.options = collections.Counter()
        self.errors = collections.Counter()

    def count(self, words, reply):
        name = words[0].upper() if words else b""
        kind = kind_of(reply)
        self.kinds[name][kind] += 1
        if kind[0] == "-":
            self.errors[reply[:40].split(b"'")[0]] += 1
        elif name in (b"SET", b"GETEX", b"SCAN") or name.startswith((b"EXPIRE", b"PEXPIRE")):
            for word in words[2:]:
                if word.upper() in self.OPTIONS:
                    self.options[name, word.upper(), kind] += 1

    def good(self, name):
        """How often a command did not give an error."""
        return sum(n for kind, n in self.kinds[name].items() if kind[0] != "-")

    def table(self):
        unknown = {name.upper() for name in UNKNOWN}
        lines = [f"{'command':18}{'sent':>8}{'no error':>10}  replies"]
        for name, kinds in sorted(self.kinds.items()):
            if name not in unknown:
                lines.append(f"{name.decode():18}{kinds.total():8}{self.good(name):10}  " +
                             " ".join(f"{kind}={n}" for kind, n in kinds.most_common()))
        lines.append("options that gave no error:")
        by_option = collections.defaultdict(list)
        for (name, option, kind), n in sorted(self.options.items()):
            by_option[name, option].append(f"{kind}={n}")
        lines += [f"  {name.decode()} {option.decode()}: {' '.join(kinds)}"
                  for (name, option), kinds in by_option.items()]
        lines.append("errors:")
        lines += [f"  {n:8} {text!r}" for text, n in self.errors.most_common()]
        return "\n".join(lines)
