# SPDX-License-Identifier: Apache-2.0
"""The judge of histories is judged: what it must accept, and what it must not."""
import itertools
import random

import pytest

from linear import NotLinearizable, Operation, apply, check, outcomes

UNKNOWN = "unknown"


def history(*lines):
    """Operations of (invoked, returned, words, result); the result may be UNKNOWN."""
    made = []
    for number, (invoked, returned, words, result) in enumerate(lines):
        verb, *rest = words.split()
        words = (verb, "k", *(rest[i].encode() if i % 2 == 0 else rest[i]
                              for i in range(len(rest))))
        if "IFEQ" in words:
            words = (*words[:4], rest[2].encode())
        made.append(Operation(f"c{number}", words, invoked,
                              None if result == UNKNOWN else returned,
                              None if result == UNKNOWN else result))
    return made


def is_linearizable(operations):
    try:
        check(operations)
    except NotLinearizable:
        return False
    return True


ACCEPTED = {
    "one after the other": [
        (0, 1, "SET a", "OK"), (2, 3, "GET", b"a"), (4, 5, "DEL", 1), (6, 7, "GET", None)],
    "two at once, in either order": [
        (0, 5, "SET a", "OK"), (1, 4, "SET b", "OK"), (6, 7, "GET", b"a")],
    "a read sees what has not returned yet": [
        (0, 9, "SET a", "OK"), (1, 2, "GET", None), (3, 4, "GET", b"a")],
    "an unknown write takes effect late": [
        (0, 1, "SET a", "OK"), (2, 0, "SET b", UNKNOWN), (3, 4, "GET", b"a"),
        (5, 6, "GET", b"b")],
    "or never": [
        (0, 1, "SET a", "OK"), (2, 0, "SET b", UNKNOWN), (3, 4, "GET", b"a")],
    "unknown ones in a row": [
        (0, 0, "SET 4", UNKNOWN), (0, 0, "INCR", UNKNOWN), (0, 0, "INCR", UNKNOWN),
        (1, 2, "INCR", 7)],
    "an unknown one that nobody sees makes another fail": [
        (0, 0, "SET a", UNKNOWN), (1, 2, "SET b NX", None), (3, 4, "DEL", 1)],
    "compare and set": [
        (0, 1, "SET a", "OK"), (2, 3, "SET b IFEQ a", "OK"), (4, 5, "SET c IFEQ a", None),
        (6, 7, "GET", b"b")],
    "a key that expires, once": [
        (0, 1, "SET a PX", "OK"), (2, 3, "GET", b"a"), (4, 5, "GET", None), (6, 7, "DEL", 0)],
}

REJECTED = {
    "a lost write": [
        (0, 1, "SET a", "OK"), (2, 3, "GET", None)],
    "a stale read": [
        (0, 1, "SET a", "OK"), (2, 3, "SET b", "OK"), (4, 5, "GET", b"a")],
    "a read that goes back": [
        (0, 1, "SET a", "OK"), (2, 9, "SET b", "OK"), (3, 4, "GET", b"b"), (5, 6, "GET", b"a")],
    "a value from nowhere": [
        (0, 1, "SET a", "OK"), (2, 3, "GET", b"z")],
    "a value from the future": [
        (0, 1, "GET", b"a"), (2, 3, "SET a", "OK")],
    "an unknown write before it was sent": [
        (0, 1, "GET", b"a"), (2, 0, "SET a", UNKNOWN)],
    "an unknown write that takes effect twice": [
        (0, 0, "SET b", UNKNOWN), (1, 2, "GET", b"b"), (3, 4, "SET a", "OK"),
        (5, 6, "GET", b"b")],
    "a number counted twice": [
        (0, 9, "INCR", 1), (0, 9, "INCR", 1)],
    "an unknown count that counts twice": [
        (0, 0, "INCR", UNKNOWN), (1, 2, "INCR", 3)],
    "two that were set where nothing was": [
        (0, 9, "SET a NX", "OK"), (0, 9, "SET b NX", "OK")],
    "two that replaced the same value": [
        (0, 1, "SET a", "OK"), (2, 9, "SET b IFEQ a", "OK"), (2, 9, "SET c IFEQ a", "OK")],
    "what was deleted comes back": [
        (0, 1, "SET a", "OK"), (2, 3, "DEL", 1), (4, 5, "GET", b"a")],
    "deleted twice": [
        (0, 1, "SET a", "OK"), (2, 9, "DEL", 1), (2, 9, "DEL", 1)],
    "what expired comes back": [
        (0, 1, "SET a PX", "OK"), (2, 3, "GET", None), (4, 5, "GET", b"a")],
    "what has no expiry goes": [
        (0, 1, "SET a PX", "OK"), (2, 3, "SET b", "OK"), (4, 5, "GET", None)],
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name):
    check(history(*ACCEPTED[name]))


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name):
    with pytest.raises(NotLinearizable):
        check(history(*REJECTED[name]))


def test_keys_are_apart():
    writes = history((0, 1, "SET a", "OK"))
    reads = [Operation("r", ("GET", "other"), 2, 3, None)]
    check(writes + reads)


# ---- Against the definition ---------------------------------------------------------------

KINDS = ("GET", "GET", "SET {}", "SET {} NX", "SET {} PX", "INCR", "DEL", "SET {} IFEQ {}")


def is_linearizable_by_definition(operations):
    """Tries every order of every choice of those that may not have taken effect."""
    sure = [operation for operation in operations if operation.returned is not None]
    unsure = [operation for operation in operations if operation.returned is None]
    for count in range(len(unsure) + 1):
        for chosen in itertools.combinations(unsure, count):
            if any(explains(order) for order in itertools.permutations(sure + list(chosen))):
                return True
    return False


def explains(order):
    for i, later in enumerate(order):
        if any(later.returned is not None and later.returned < earlier.invoked
               for earlier in order[:i]):
            return False
    states = {None}
    for operation in order:
        states = {after for state in states for result, after in outcomes(state, operation.words)
                  if operation.returned is None or result == operation.result}
    return bool(states)


def random_history(chance):
    """What clients might have seen of a register that now and then lies."""
    state, lines = None, []
    for number in range(chance.randint(2, 6)):
        words = chance.choice(KINDS).format(number, chance.randint(0, number))
        made, = history((number, number, words, UNKNOWN))
        result, state = apply(state, made.words)
        if chance.random() < 0.15:
            result = chance.choice([None, "OK", 0, 1, 2, b"%d" % chance.randint(0, number)])
        reach = chance.choice((0.4, 1.6, 4.0))
        lines.append((number - chance.random() * reach, number + chance.random() * reach, words,
                      UNKNOWN if chance.random() < 0.2 else result))
    return history(*lines)


def test_against_the_definition(chance):
    """On short histories the search says what trying everything does."""
    seen = {True: 0, False: 0}
    for _ in range(1500):
        made = random_history(chance)
        expected = is_linearizable_by_definition(made)
        assert is_linearizable(made) == expected, "\n".join(map(str, made))
        seen[expected] += 1
    assert min(seen.values()) > 150, seen


def long_history(chance, count, clients, losses):
    """Of `clients` that are never idle; each operation takes effect somewhere in its
    interval, or, if lost, maybe never."""
    free, state, made = [0.0] * clients, None, []
    moments = []
    for number in range(count):
        client = min(range(clients), key=free.__getitem__)
        begin = free[client]
        end = free[client] = begin + chance.uniform(0.5, 1.5)
        words = chance.choice(("GET", "GET", "SET {}", "SET {} NX", "DEL")).format(number)
        operation, = history((begin, end, words, UNKNOWN))
        lost = chance.random() < losses
        moments.append((chance.uniform(begin, end), number, operation, end, lost))
    for _, _, operation, end, lost in sorted(moments):
        if lost and chance.random() < 0.5:
            made.append(operation)
            continue
        result, state = apply(state, operation.words)
        if not lost:
            operation.returned, operation.result = end, result
        made.append(operation)
    return made


def test_a_long_history(chance):
    """Many at once, many lost: found right, and wrong when one read is changed."""
    made = long_history(chance, 1000, clients=6, losses=0.02)
    check(made)
    reads = [operation for operation in made if isinstance(operation.result, bytes)]
    victim = reads[len(reads) // 2]
    victim.result = reads[0].result
    assert not is_linearizable(made)
