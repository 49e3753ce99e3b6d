# SPDX-License-Identifier: Apache-2.0
"""Replies as bytes: where each ends, and what it is. Types are kept: `$-1` is not `_`."""


class Malformed(Exception):
    """The bytes are no reply."""


SCALARS = frozenset(b"+-:_,#(")
STRINGS = frozenset(b"$!=")
LISTS = frozenset(b"*~>")
MAP = ord("%")


def reply_end(data, start):
    """The offset behind the reply that begins at start; -1: it is not all there."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return -1
    kind, end = data[start], line + 2
    if kind in SCALARS:
        return end
    try:
        count = int(data[start + 1:line])
    except ValueError:
        raise Malformed(bytes(data[start:end])) from None
    if kind in STRINGS:
        if count < 0:
            return end
        end += count + 2
        if end > len(data):
            return -1
        if data[end - 2:end] != b"\r\n":
            raise Malformed(bytes(data[start:end + 20]))
        return end
    if kind == MAP:
        count *= 2
    elif kind not in LISTS:
        raise Malformed(bytes(data[start:end]))
    for _ in range(count):
        end = reply_end(data, end)
        if end < 0:
            return -1
    return end


def split_replies(data):
    """All replies of a finished stream; bytes behind the last whole one are one more."""
    replies, start = [], 0
    while start < len(data):
        end = reply_end(data, start)
        if end < 0:
            end = len(data)
        replies.append(bytes(data[start:end]))
        start = end
    return replies


def elements(reply):
    """The elements of an array, set or map, as they stand in the reply."""
    end = reply.index(b"\r\n") + 2
    return split_replies(reply[end:])


def integer(reply):
    return int(reply[1:-2]) if reply[:1] == b":" else None


def text(reply):
    """The bytes of a bulk string or a status."""
    return reply[reply.index(b"\r\n") + 2:-2] if reply[:1] == b"$" else reply[1:-2]


def kind_of(reply):
    """What kind of reply it is, for the report: ":", "nil", "-ERR" and so on."""
    first = reply[:1]
    if first == b"-":
        return reply.split(None, 1)[0].decode(errors="replace")
    if reply in (b"$-1\r\n", b"*-1\r\n", b"_\r\n"):
        return "nil"
    return first.decode(errors="replace")
