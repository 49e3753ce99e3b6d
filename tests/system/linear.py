# SPDX-License-Identifier: Apache-2.0
"""Whether a recorded history of operations on keys is linearizable.

Each operation is an interval from its invocation to its return, on one key, and keys are
registers that have nothing to do with each other. A history is linearizable if each operation
can be given a moment in its interval such that a single register, going from one to the next,
would have answered the same (Herlihy, Wing: Linearizability, 1990). An operation whose outcome
nobody knows has no end: it may take effect at any time after its invocation, or never.

The search is that of Wing and Gong with Lowe's just-in-time order (Testing for
Linearizability, 2017): at each return, and no sooner, those orders are tried that let
the operation take effect. What distinguishes one attempt from another is the register, which
of the running operations took effect, and which of those of unknown outcome; an attempt that
differs from another one only in having used more of the latter is given up.
"""
import collections
import dataclasses

SHOWN = 24  # operations around one that contradicts the others


@dataclasses.dataclass(slots=True)
class Operation:
    """What a client asked (words, as sent) and was told; returned is None: it was not told.

    Times are of one clock. The value of a register is bytes, None: there is none.
    """
    client: str
    words: tuple
    invoked: float
    returned: float | None = None
    result: object = None

    @property
    def key(self):
        return self.words[1]

    def __str__(self):
        words = " ".join(excerpt(word) for word in self.words)
        if self.returned is None:
            return f"{self.invoked:.6f} ..        {self.client} {words} -> unknown"
        return (f"{self.invoked:.6f} {self.returned:.6f} {self.client} {words} -> "
                f"{excerpt(self.result)}")


def excerpt(word):
    text = word.decode(errors="replace") if isinstance(word, bytes) else str(word)
    return text if len(text) <= 40 else text[:40] + ".."


class NotLinearizable(AssertionError):
    pass


# ---- The register ------------------------------------------------------------------------

# A value that goes by itself, at a time that is not known: keys with an expiry.
Expiring = collections.namedtuple("Expiring", "value")


def value_of(state):
    return state.value if isinstance(state, Expiring) else state


def apply_set(state, value, *options):
    """SET with NX, IFEQ or PX."""
    old = value_of(state)
    if (options[:1] == ("NX",) and old is not None or
            options[:1] == ("IFEQ",) and old != options[1]):
        return None, state
    return "OK", Expiring(value) if options[:1] == ("PX",) else value


def apply_incr(state):
    number = int(value_of(state) or 0) + 1
    text = b"%d" % number
    return number, Expiring(text) if isinstance(state, Expiring) else text


COMMANDS = {
    "GET": lambda state: (value_of(state), state),
    "SET": apply_set,
    "DEL": lambda state: (int(state is not None), None),
    "INCR": apply_incr,
}


def apply(state, words):
    """The result of an operation and the state after it."""
    return COMMANDS[words[0]](state, *words[2:])


def outcomes(state, words):
    """All that an operation can come to: [(result, state)]."""
    found = [apply(state, words)]
    if isinstance(state, Expiring):
        found.append(apply(None, words))
    return found


# ---- The search --------------------------------------------------------------------------

class Attempts:
    """Attempts of which none is worse than another: (state, done) -> [used]."""

    def __init__(self):
        self.best = {}

    def add(self, state, done, used):
        """False if one that is as good is there already."""
        others = self.best.setdefault((state, done), [])
        if any(is_within(other, used) for other in others):
            return False
        others[:] = [other for other in others if not is_within(used, other)]
        others.append(used)
        return True

    def __iter__(self):
        for (state, done), all_used in self.best.items():
            for used in all_used:
                yield state, done, used

    def __bool__(self):
        return bool(self.best)


def is_within(fewer, more):
    """Whether one has used nothing that the other has not: ((kind, count), ...) of both."""
    if not fewer:
        return True
    more = dict(more)
    return all(more.get(kind, 0) >= count for kind, count in fewer)


def used_once_more(used, kind):
    counts = dict(used)
    counts[kind] = counts.get(kind, 0) + 1
    return tuple(sorted(counts.items()))


class Register:
    """The search over the operations on one key."""

    def __init__(self, operations):
        self.operations = operations
        self.attempts = Attempts()
        self.attempts.add(None, frozenset(), ())
        self.running = {}                         # number -> operation
        self.kinds = {}                           # words of what has an unknown outcome: a number
        self.invoked = collections.Counter()      # of each kind
        self.observed = {operation.result for operation in operations
                         if isinstance(operation.result, bytes)}
        self.observed |= {word for operation in operations for word in operation.words[3:]}
        self.counts = any(operation.words[0] == "INCR" for operation in operations)

    def kind_of(self, operation):
        """Operations of one kind can stand for each other: the same words, and values that
        nobody has seen are all the same."""
        words = operation.words
        if words[0] == "SET" and not self.counts and words[2] not in self.observed:
            words = (*words[:2], b"(never seen)", *words[3:])
        return self.kinds.setdefault(words, len(self.kinds))

    def events(self):
        """(time, 0: invoked or 1: returned, number), in the order that leaves most open."""
        for number, operation in enumerate(self.operations):
            if operation.returned is not None:
                yield operation.returned, 1, number
            if operation.returned is not None or operation.words[0] != "GET":
                yield operation.invoked, 0, number

    def check(self):
        for _, is_return, number in sorted(self.events()):
            operation = self.operations[number]
            if is_return:
                self.settle(number)
            elif operation.returned is None:
                self.invoked[self.kind_of(operation)] += 1
            else:
                self.running[number] = operation

    def settle(self, number):
        """An operation has returned: goes on with those attempts in which it took effect."""
        settled = Attempts()
        for state, done, used in self.attempts:
            if number in done:
                settled.add(state, done - {number}, used)
        waiting = [attempt for attempt in self.attempts if number not in attempt[1]]
        self.search(waiting, number, settled)
        if not settled:
            self.complain(number)
        self.attempts = settled
        del self.running[number]

    def search(self, waiting, number, settled):
        """Lets others take effect, until the one can."""
        seen = Attempts()
        for attempt in waiting:
            seen.add(*attempt)
        wanted = self.running[number]
        while waiting:
            later = []
            for state, done, used in waiting:
                for result, after in outcomes(state, wanted.words):
                    if result == wanted.result:
                        settled.add(after, done, used)
                for attempt in self.steps(state, done, used, number):
                    if seen.add(*attempt):
                        later.append(attempt)
            waiting = later

    def steps(self, state, done, used, number):
        """What can take effect next, but for the one that all this is about."""
        for other, operation in self.running.items():
            if other == number or other in done:
                continue
            for result, after in outcomes(state, operation.words):
                if result == operation.result:
                    yield after, done | {other}, used
        counts = dict(used)
        for words, kind in self.kinds.items():
            if counts.get(kind, 0) == self.invoked[kind]:
                continue
            for _, after in outcomes(state, words):
                if after != state:
                    yield after, done, used_once_more(used, kind)

    def complain(self, number):
        operation = self.operations[number]
        before = sorted((other for other in self.operations
                         if other.invoked <= operation.returned), key=lambda other: other.invoked)
        unknown = [other for other in before if other.returned is None]
        values = {excerpt(value_of(state)) for state, _, _ in self.attempts}
        shown = [f"{'->' if other is operation else '  '} {other}" for other in
                 unknown + [other for other in before if other.returned is not None][-SHOWN:]]
        raise NotLinearizable(
            f"{operation.key} is one of {sorted(values)}, but\n{operation}\n"
            "after those of unknown outcome, and the latest of the others:\n" + "\n".join(shown))


def check(operations):
    """Raises NotLinearizable if the history of any key is not."""
    by_key = collections.defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    for history in by_key.values():
        Register(sorted(history, key=lambda operation: operation.invoked)).check()
