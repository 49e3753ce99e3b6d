# SPDX-License-Identifier: Apache-2.0
"""The admin socket, driven with the classes that protoc makes of proto/admin.proto."""
import os
import random
import socket
import stat
import struct

import pytest

from harness import SUN_PATH_MAX, give_up_privileges, run_together, wait_until

FRAME_MAX = 17 * 1024 * 1024

INVALID, NOT_FOUND, PRECONDITION, UNSAFE, MALFORMED, TOO_LARGE, NO_INTEGER, UNKNOWN = (
    1, 4, 5, 9, 10, 11, 15, 16)


def header(length):
    return struct.pack(">I", length)


def only(responses):
    """The one response of a call that is no stream."""
    assert len(responses) == 1 and responses[0].last
    return responses[0]


def assert_refused(admin, code, call_id=0):
    """The daemon says why, in words, and names the call if it could read its number."""
    answer = admin.receive()
    assert answer.last and answer.call_id == call_id
    assert answer.error.code == code
    assert answer.error.message and "\n" not in answer.error.message
    return answer.error.message


def assert_serves(node):
    with node.admin() as admin:
        assert only(admin.call("status")).status.health == "ok"
        assert only(admin.call("incr", key=b"still here", delta=1)).incr.value > 0


# ---- The commands --------------------------------------------------------------------

def test_every_command(make_node, admin_pb2):
    node = make_node()
    with node.admin() as admin:
        status = only(admin.call("status")).status
        assert (status.cluster, status.node, status.health) == ("dht", "n1", "ok")
        assert len(status.id) == 32 and int(status.id, 16) >= 0
        assert status.pid == node.pid and status.serving and status.startup == ""
        assert status.workers >= 1 and list(status.reasons) == []
        me, = status.nodes
        assert (me.id, me.name, me.state, me.zone, me.weight) == (
            status.id, "n1", "up", "default", 100)
        assert me.client == node.settings["listen.client"]
        assert me.peer == node.settings["listen.peer"]

        queues = only(admin.call("queues")).queues
        assert [worker.worker for worker in queues.workers] == list(range(status.workers))
        assert queues.dispatcher.accepted >= 1

        level = only(admin.call("log_level")).log_level
        assert (level.level, level.previous) == ("info", "info")
        level = only(admin.call("log_level", level="debug")).log_level
        assert (level.level, level.previous) == ("debug", "info")

        items = {item.key: item for item in only(admin.call("config")).config.items}
        assert items["node.name"].value == "n1"
        assert items["workers.park_after"].default_value == "1s"
        assert items["log.level"].reloadable and not items["listen.client"].reloadable
        config = only(admin.call("config", action=1, file_name="a.yaml",
                                 content=b"log:\n  level: loud\nnode: {wait: 1}\n")).config
        assert [problem.split(":")[:3] for problem in config.problems] == [
            ["a.yaml", "2", "10"], ["a.yaml", "3", "8"]]

        put = only(admin.call("put", key=b"k", value=b"v")).put
        got = only(admin.call("get", key=b"k")).get
        assert (got.value, got.version, got.expires_ms) == (b"v", put.version, 0)
        assert put.version.counter > 0
        cas = only(admin.call("cas", key=b"k", old_version=put.version, new_value=b"w")).cas
        assert cas.version.counter > put.version.counter
        assert only(admin.call("cas", key=b"k", old_value=b"w", new_value=b"1")).HasField("cas")
        assert only(admin.call("incr", key=b"k", delta=-3)).incr.value == -2
        ttl = only(admin.call("ttl", key=b"k", ttl_ms=60_000)).ttl
        assert 59_000 < ttl.ttl_ms <= 60_000 and ttl.version.counter > cas.version.counter
        assert only(admin.call("ttl", key=b"k")).ttl.expires_ms == ttl.expires_ms
        assert only(admin.call("ttl", key=b"k", persist=True)).ttl.expires_ms == 0
        assert only(admin.call("load", entries=[{"key": b"l", "value": b"m"}])).load.loaded == 1
        # A stream comes in any number of parts; the last one may be empty.
        responses = admin.call("scan")
        assert [response.last for response in responses] == [False] * (len(responses) - 1) + [True]
        assert sorted(key for response in responses for key in response.scan.keys) == [b"k", b"l"]
        entries = [entry for response in admin.call("dump") for entry in response.dump.entries]
        assert sorted((entry.key, entry.value) for entry in entries) == [(b"k", b"-2"),
                                                                         (b"l", b"m")]
        assert only(admin.call("del", key=b"k")).HasField("del")
        assert only(admin.call("get", key=b"k")).error.code == NOT_FOUND

        member, = only(admin.call("node")).node.nodes
        assert (member.number, member.id, member.state) == (0, status.id, "up")
        assert only(admin.call("plan", node="n1")).plan.code == UNSAFE
        assert not only(admin.call("job")).job.HasField("job")
        stop = only(admin.call("ok_to_stop", node="n1")).ok_to_stop
        assert not stop.ok and len(stop.reasons) == 2
        place = only(admin.call("locate", key=b"a")).locate
        assert place.slot == 15495 and [r.name for r in place.replicas] == ["n1"]
        for command, fields in (("leave", {}), ("remove", {"node": "0"})):
            ticket = getattr(only(admin.call(command, **fields)), command).ticket
            wait_until(lambda t=ticket: only(admin.call("job", ticket=t)).job.code == UNSAFE,
                       "the refusal")
        loss = only(admin.call("recover", survivors=["n1"])).recover
        assert (loss.members, loss.kept, loss.merged, loss.empty, loss.job) == (1, 1024, 0, 0, 0)
        verified = only(admin.call("verify")).verify
        assert (verified.run, verified.over, verified.differences) == (0, False, 0)
        assert only(admin.call("recover")).error.code == INVALID
        assert only(admin.call("join")).error.code == INVALID
        assert only(admin.call("replace", node="n2")).error.code == INVALID
        # The list above is complete.
        oneof = admin_pb2.AdminRequest.DESCRIPTOR.oneofs_by_name["command"]
        assert {field.name for field in oneof.fields} == {
            "status", "queues", "log_level", "config", "get", "put", "del", "cas", "incr", "scan",
            "dump", "load", "ttl", "join", "leave", "remove", "replace", "node", "plan", "job",
            "ok_to_stop", "locate", "recover", "verify"}


@pytest.mark.parametrize("command, fields, code", [
    ("get", {"key": b"missing"}, NOT_FOUND),
    ("del", {"key": b"missing"}, NOT_FOUND),
    ("put", {"key": b"missing", "value": b"v", "condition": 2}, PRECONDITION),
    ("put", {"key": b"k", "value": b"v", "condition": 99}, INVALID),
    pytest.param("put", {"key": b"k" * 65536, "value": b"v"}, TOO_LARGE, id="long key"),
    pytest.param("put", {"key": b"k", "value": b"v" * (16 * 1024 * 1024 + 1)}, TOO_LARGE,
                 id="long value"),
    ("cas", {"key": b"missing", "old_value": b"", "new_value": b"v"}, PRECONDITION),
    ("cas", {"key": b"k", "new_value": b"v"}, INVALID),
    ("cas", {"key": b"k", "old_version": {"counter": 1 << 52}, "new_value": b"v"}, INVALID),
    ("cas", {"key": b"k", "old_version": {"member": 4096}, "new_value": b"v"}, INVALID),
    ("log_level", {"level": "loud"}, INVALID),
    ("log_level", {"level": "INFO"}, INVALID),
    ("config", {"action": 99}, INVALID),
    pytest.param("config", {"action": 1, "file_name": "n" * 4097}, TOO_LARGE, id="long name"),
])
def test_a_refused_call_leaves_the_connection_usable(shared_node, command, fields, code):
    with shared_node.admin() as admin:
        call_id = admin.send(command, **fields)
        assert_refused(admin, code, call_id)
        assert only(admin.call("status")).HasField("status")
        assert only(admin.call("get", key=b"missing")).error.code == NOT_FOUND


def test_config_check_of_odd_files(shared_node):
    """Whatever stands in the file and in its name, the answer is lines of text, and short."""
    alias_bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9))
        for n in range(20))
    files = [b"", b"\0", b"\xff\xfe", b"log: [", b"[" * 50000, b"{" * 50000, alias_bomb,
             b"a: &x *x\n", b"- 1\n", b"log:\n  level: \"" + b"y" * 100000 + b"\"\n",
             b"log:\n  level: \"\\n\\0\\xff\"\n", "log: {level: ü}\n".encode("utf-16"),
             b"".join(b"k%d: 1\n" % n for n in range(5000)), b"x" * (1024 * 1024),
             b"a: &v " + b"z" * 900000 + b"\nlog: {level: *v}\nworkers: {count: *v}\n",
             b"%YAML 9.9\n---\nx: 1\n", b"--- a\n--- b\n", b"!!binary x\n", b"? [a]\n: b\n"]
    with shared_node.admin() as admin:
        for content in files:
            answer = only(admin.call("config", action=1, file_name="odd\n.yaml" * 400,
                                     content=content))
            assert answer.HasField("config") or answer.error.message
            assert answer.ByteSize() < 1024 * 1024
            for problem in answer.config.problems:
                assert "\n" not in problem and "\0" not in problem
        answer = only(admin.call("config", action=1, file_name="big",
                                 content=b"#" * (1024 * 1024 + 1)))
        assert answer.HasField("error") or len(answer.config.problems) == 1
    assert_serves(shared_node)


def test_text_that_is_sent_back_is_text(shared_node, admin_pb2):
    """A string field may hold any bytes, and an error quotes it: the answer must parse."""
    levels = [b"\xff\xfe", b"a" + "ü".encode() * 40, b"line\nline", b"tab\there", b"\x1b[31m",
              b"x" * 5000, "\N{CHEESE WEDGE}".encode() * 8 + b"x"]
    with shared_node.admin() as admin:
        for level in levels:
            size = len(level)
            text = b"\x0a" + varint(size) + level
            admin.send_frame(b"\x08\x07" + b"\x62" + varint(len(text)) + text)
            message = assert_refused(admin, INVALID, call_id=7)
            assert all(character.isprintable() for character in message)
        name = b"\xff\xfename\n" * 3
        body = b"\x08\x01\x12" + varint(len(name)) + name + b"\x1a\x01x"
        admin.send_frame(b"\x08\x08" + b"\x6a" + varint(len(body)) + body)
        answer = admin.receive()
        assert answer.call_id == 8
        assert all("\n" not in problem for problem in answer.config.problems)
        # The hand-made messages are what they are meant to be.
        request = admin_pb2.AdminRequest.FromString(b"\x08\x07\x62\x03\x0a\x01x")
        assert (request.call_id, request.log_level.level) == (7, "x")


def varint(number):
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


# ---- Frames --------------------------------------------------------------------------

@pytest.mark.parametrize("length, code", [
    (0, MALFORMED), (FRAME_MAX + 1, TOO_LARGE), (0x7fffffff, TOO_LARGE), (0xffffffff, TOO_LARGE)])
def test_a_length_out_of_bounds_ends_the_connection(shared_node, length, code):
    with shared_node.admin() as admin:
        admin.send("status")
        admin.send_bytes(header(length) + b"rest of it")
        assert admin.receive().HasField("status")
        message = assert_refused(admin, code)
        assert str(FRAME_MAX) in message
        assert admin.is_closed()
    assert_serves(shared_node)


def test_the_longest_frame(shared_node, admin_pb2):
    request = admin_pb2.AdminRequest(call_id=5)
    request.put.key = b"k"
    request.put.value = b""
    room = FRAME_MAX - len(request.SerializeToString())
    request.put.value = b"v" * (room - 8)
    request.put.value += b"v" * (FRAME_MAX - request.ByteSize())
    assert request.ByteSize() == FRAME_MAX
    with shared_node.admin() as admin:
        admin.send_frame(request.SerializeToString())
        assert_refused(admin, TOO_LARGE, call_id=5)
        assert only(admin.call("status")).HasField("status")


def test_garbage_is_answered_and_ends_the_connection(shared_node):
    for payload in (b"\xff", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\x08",
                    b"\x0a\xff\xff\xff\xff\x0f"):
        with shared_node.admin() as admin:
            admin.send_frame(payload)
            assert_refused(admin, MALFORMED)
            assert admin.is_closed()
    assert_serves(shared_node)


def test_another_protocol_is_answered_and_ends_the_connection(shared_node):
    """The first four bytes of a text are a length that is far too large."""
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"*1\r\n$4\r\nPING\r\n",
                 b"\x16\x03\x01\x02\0"):
        with shared_node.admin() as admin:
            admin.send_bytes(text)
            assert_refused(admin, TOO_LARGE)
            assert admin.is_closed()
    assert_serves(shared_node)


def test_random_frames_break_nothing(shared_node, admin_pb2):
    chance = random.Random(20)
    valid = [admin_pb2.AdminRequest(call_id=3, put={"key": b"fuzz", "value": b"v"}),
             admin_pb2.AdminRequest(call_id=4, cas={"key": b"fuzz", "new_value": b"v"}),
             admin_pb2.AdminRequest(call_id=5, load={"entries": [{"key": b"fuzz", "value": b"w"}]}),
             admin_pb2.AdminRequest(call_id=6, dump={"prefix": b"fuzz"})]
    for _ in range(200):
        payload = bytearray(chance.choice(valid).SerializeToString())
        for _ in range(chance.randint(1, 4)):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
        with shared_node.admin() as admin:
            admin.send_frame(bytes(payload))
            # Whatever it has become, it is answered: an answer or the reason why not.
            response = admin.receive()
            assert response.WhichOneof("result") is not None
    assert_serves(shared_node)


@pytest.mark.parametrize("sent", [
    b"", b"\0", b"\0\0\0", header(100), header(100) + b"\x08\x01",
    pytest.param(header(FRAME_MAX) + b"x" * 70000, id="long")])
def test_a_frame_that_is_cut_short(shared_node, sent):
    with shared_node.admin() as admin:
        admin.send("incr", key=b"cut short", delta=0)
        admin.send_bytes(sent)
        admin.socket.shutdown(socket.SHUT_WR)
        assert admin.receive().HasField("incr")
        if sent:
            message = assert_refused(admin, MALFORMED)
            assert "end" in message
        assert admin.is_closed()
    with shared_node.admin() as admin:  # and without waiting for anything
        admin.send_bytes(sent)
    assert_serves(shared_node)


def test_half_a_frame_holds_nobody_up(make_node):
    node = make_node("workers.count=1", "workers.park_after=10ms")
    waiting = []
    for cut in (1, 3, 4, 7, 5000):
        admin = node.admin()
        request = node_request(b"half", b"v" * 6000)
        admin.send_bytes(request[:cut])
        waiting.append((admin, request[cut:]))
    for _ in range(20):
        assert_serves(node)
    for admin, rest in waiting:
        admin.send_bytes(rest)
        assert only([admin.receive()]).HasField("put")
        admin.close()


def node_request(key, value):
    """The frame of a put with call_id 1."""
    put = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value
    message = b"\x08\x01" + b"\xaa\x01" + varint(len(put)) + put
    return header(len(message)) + message


def test_frames_that_come_cut_anywhere(shared_node):
    """A large frame with the beginning of the next, and then the rest: on a connection
    that is parked, and on one that is hot."""
    first, second = node_request(b"cut", b"v" * 1000), node_request(b"cut", b"w")
    with shared_node.admin() as admin:
        for cut in range(1, len(second)):
            admin.send_bytes(first + second[:cut])
            assert admin.receive().HasField("put")
            admin.send_bytes(second[cut:])
            assert admin.receive().HasField("put")


def test_byte_by_byte(shared_node, admin_pb2):
    requests = [admin_pb2.AdminRequest(call_id=1, status={}),
                admin_pb2.AdminRequest(call_id=2, put={"key": b"slow", "value": b"x" * 50}),
                admin_pb2.AdminRequest(call_id=3, get={"key": b"slow"}),
                admin_pb2.AdminRequest(call_id=4, queues={})]
    with shared_node.admin() as admin:
        for request in requests:
            message = request.SerializeToString()
            for byte in header(len(message)) + message:
                admin.send_bytes(bytes([byte]))
            answer = admin.receive()
            assert answer.call_id == request.call_id and not answer.HasField("error")


@pytest.mark.parametrize("message, code, call_id", [
    (b"\x08\x07", UNKNOWN, 7),                       # no command
    (b"\x08\x07\xca\x3e\x00", UNKNOWN, 7),           # field 1001
    (b"\x08\x07\xa2\x02\x00", UNKNOWN, 7),           # field 36
    (b"\x52\x00", INVALID, 0),                       # status without a call_id
    (b"\x08\x00\x52\x00", INVALID, 0),               # call_id 0
    (b"\xa2\x01\x03\x0a\x01k", INVALID, 0),          # get without a call_id
    (b"\x08\x07\xba\x01\x03\x0a\x01k", INVALID, 7),  # cas of which only the key is there
])
def test_unknown_commands_and_missing_fields(shared_node, message, code, call_id):
    with shared_node.admin() as admin:
        admin.send_frame(message)
        assert_refused(admin, code, call_id)
        assert only(admin.call("status")).HasField("status")


def test_unknown_fields_are_ignored(shared_node):
    unknown = b"\xca\x3e\x03abc"
    with shared_node.admin() as admin:
        admin.send_frame(b"\x08\x07" + b"\xaa\x01" + bytes([6 + len(unknown)]) + b"\x0a\x01u" +
                         unknown + b"\x12\x01v" + unknown)
        answer = admin.receive()
        assert (answer.call_id, answer.WhichOneof("result")) == (7, "put")
        assert only(admin.call("get", key=b"u")).get.value == b"v"


TINY = 8 * 1024 * 1024  # fields of two bytes that fill a frame


def nested(*numbers_and_content):
    """A field in a field in a field; the last argument is the innermost content."""
    *numbers, content = numbers_and_content
    for number in reversed(numbers):
        content = varint(number << 3 | 2) + varint(len(content)) + content
    return b"\x08\x07" + content


@pytest.mark.parametrize("message", [
    pytest.param(lambda: nested(27, b"\x0a\x00" * TINY), id="entries of a load"),
    pytest.param(lambda: nested(27, b"\x02\x00" + b"\x0a\x00" * TINY), id="entries behind field 0"),
    pytest.param(lambda: nested(27, 1, b"\x78\x00" * TINY), id="unknown fields of an entry"),
    pytest.param(lambda: b"\x08\x07" + b"\x28\x00" * TINY, id="unknown fields of the request"),
    pytest.param(lambda: nested(22, b"\x78\x00" * TINY), id="unknown fields of a del"),
    pytest.param(lambda: nested(23, 3, b"\x78\x00" * TINY), id="unknown fields of a version"),
])
def test_a_frame_of_millions_of_fields(make_node, message):
    """Unpacked, each takes a hundred bytes: that may cost neither much memory nor much
    time of the others."""
    node = make_node("workers.count=1", start=False)
    node.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    node.start()
    before = node.resident_bytes()
    with node.admin() as admin:
        admin.send_frame(message())
        answer = admin.receive()
        assert answer.last and answer.HasField("error") and answer.error.message
    assert node.resident_bytes() - before < 128 * 1024 * 1024
    assert_serves(node)


# ---- Many requests, many clients -----------------------------------------------------

def test_pipelined_calls_are_answered_in_order(shared_node):
    fields = {"put": {"key": b"pipe", "value": b"1"}, "get": {"key": b"pipe"}, "status": {},
              "incr": {"key": b"pipe", "delta": 1}, "del": {"key": b"no such"}, "queues": {},
              "log_level": {}, "scan": {"prefix": b"pipe"},
              "cas": {"key": b"pipe", "new_value": b"x"}}
    chance = random.Random(7)
    calls = [(chance.randrange(1, 1 << 64), chance.choice(list(fields))) for _ in range(1000)]
    with shared_node.admin() as admin:
        admin.call("put", key=b"pipe", value=b"1")

        def send():
            for call_id, command in calls:
                admin.send(command, call_id=call_id, **fields[command])

        def receive():
            for call_id, command in calls:
                result = "error" if command in ("del", "cas") else command
                for response in responses_of_call(admin):
                    assert (response.call_id, response.WhichOneof("result")) == (call_id, result)

        run_together([send, receive])


def responses_of_call(admin):
    """Yields what comes, up to the last response of a call."""
    while True:
        response = admin.receive()
        yield response
        if response.last:
            return


def test_streams_and_single_answers_keep_their_order(make_node):
    """A dump takes many slices; what was asked behind it waits for its end."""
    node = make_node("workers.count=1")
    order = ["dump", "get", "scan", "status", "dump", "put", "load", "scan", "queues"]
    fields = {"get": {"key": b"1"}, "put": {"key": b"1", "value": b"w" * 100000},
              "load": {"entries": [{"key": b"%d" % n, "value": b"x"} for n in range(3000)]}}
    with node.admin() as admin:
        admin.call("load", entries=[{"key": b"%d" % n, "value": b"v" * 1000} for n in range(3000)])

        def send():
            for call_id, command in enumerate(order, start=100):
                admin.send(command, call_id=call_id, **fields.get(command, {}))
            admin.socket.shutdown(socket.SHUT_WR)

        def receive():
            for call_id, command in enumerate(order, start=100):
                seen = 0
                for response in responses_of_call(admin):
                    assert (response.call_id, response.WhichOneof("result")) == (call_id, command)
                    seen += len(response.scan.keys) + len(response.dump.entries)
                assert seen == (3000 if command in ("scan", "dump") else 0)
            assert admin.is_closed()

        run_together([send, receive])


def test_requests_and_then_the_end(shared_node):
    """Also when everything has arrived before the daemon looks at it for the first time."""
    frames = b"".join(node_request(b"end%d" % n, b"v" * 2000) for n in range(100))
    with shared_node.admin() as admin:
        admin.send_bytes(frames)
        admin.socket.shutdown(socket.SHUT_WR)
        for _ in range(100):
            assert admin.receive().HasField("put")
        assert admin.is_closed()


@pytest.mark.threads
def test_many_clients_at_once(make_node):
    node = make_node("workers.count=2")

    def work(name):
        with node.admin() as admin:
            for number in range(30):
                key = b"%d/%d" % (name, number)
                assert only(admin.call("put", key=key, value=key)).HasField("put")
                assert only(admin.call("get", key=key)).get.value == key
                assert only(admin.call("status")).status.serving

    run_together([lambda name=name: work(name) for name in range(40)])
    assert node.status()["keys"] == 40 * 30


@pytest.mark.threads
def test_connections_that_come_and_go(make_node):
    node = make_node("workers.count=2", "workers.park_after=1ms")

    def come_and_go(seed):
        chance = random.Random(seed)
        for _ in range(60):
            with node.admin() as admin:
                for _ in range(chance.randrange(3)):
                    admin.send(chance.choice(["status", "dump", "queues"]))
                if chance.random() < 0.5:
                    admin.send_bytes(b"\0\0")

    run_together([lambda seed=seed: come_and_go(seed) for seed in range(6)])
    wait_until(lambda: node.queues()["dispatcher"]["parked"] == 0)
    assert_serves(node)


# ---- The socket's file ---------------------------------------------------------------

def test_the_mode_of_the_socket(make_node):
    node = make_node(start=False)
    node.before_exec = lambda: os.umask(0)
    node.start()
    status = os.stat(node.socket)
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o660
    assert status.st_uid == os.getuid()
    node.stop()
    assert not os.path.lexists(node.socket)


def test_a_stale_socket_is_replaced(make_node):
    node = make_node()
    node.kill()
    assert stat.S_ISSOCK(os.lstat(node.socket).st_mode)
    node.start()
    assert_serves(node)


def lock_of(node):
    """The lock file beside the socket."""
    return node.socket.with_name(node.socket.name + ".lock")


def test_of_many_daemons_that_start_at_once_one_survives(make_node):
    """On a socket that a crash has left behind, each with a directory of its own."""
    first = make_node()
    first.kill()
    others = [make_node(f"listen.admin={first.socket}", start=False) for _ in range(12)]
    for _ in range(3):
        for node in others:
            node.log_file.unlink(missing_ok=True)
            node.start(wait=False)
        wait_until(lambda: sum(node.is_running() for node in others) <= 1, "all but one end")
        survivor, = [node for node in others if node.is_running()]
        wait_until(lambda: b'msg="serving"' in survivor.log())
        for node in others:
            if node is not survivor:
                assert node.wait_exit() == 1
                assert f"another dhtd is running, pid {survivor.pid}".encode() in node.log()
        assert survivor.ctl("-s", first.socket, "status").returncode == 0
        survivor.kill()


def test_the_lock_beside_the_socket(make_node):
    node = make_node()
    assert lock_of(node).read_text() == f"{node.pid}\n"
    node.stop()
    assert not os.path.lexists(lock_of(node))
    # What is no lock file is left alone.
    lock_of(node).write_text("precious")
    node.start(wait=False)
    assert node.wait_exit() == 1
    assert os.fsencode(lock_of(node)) in node.log()
    assert lock_of(node).read_text() == "precious"


def test_the_longest_path_of_a_socket(make_node, tmp_path):
    path = tmp_path / ("x" * (SUN_PATH_MAX - 1 - len(os.fsencode(tmp_path))))
    node = make_node(f"listen.admin={path}", start=False)
    node.socket = path
    node.start()
    assert lock_of(node).exists()
    other = make_node(f"listen.admin={path}", start=False)
    other.start(wait=False)
    assert other.wait_exit() == 1
    assert f"another dhtd is running, pid {node.pid}".encode() in other.log()
    node.stop()
    assert not os.path.lexists(path) and not os.path.lexists(lock_of(node))


def test_a_second_daemon_on_the_same_socket_is_refused(make_node):
    node = make_node()
    other = make_node(f"listen.admin={node.socket}", start=False)
    other.start(wait=False)
    assert other.wait_exit() == 1
    assert f"another dhtd is running, pid {node.pid}".encode() in other.log()
    assert_serves(node)
    # It has left the socket alone and serves where the first one does not listen.
    with pytest.raises(ConnectionRefusedError):
        other.client()


def test_a_second_daemon_on_the_same_data_directory_is_refused(make_node):
    node = make_node()
    node.ctl("put", "k", "v", check=True)
    other = make_node(f"node.data_dir={node.data_dir}", start=False)
    other.start(wait=False)
    assert other.wait_exit() == 1
    assert f"another dhtd is running, pid {node.pid}".encode() in other.log()
    assert os.fsencode(node.data_dir) in other.log()
    assert not os.path.lexists(other.socket)
    assert node.ctl("get", "k", check=True).stdout == b"v"
    node.stop()
    other.start()
    assert_serves(other)


def test_a_daemon_that_was_killed_leaves_no_lock(make_node):
    node = make_node()
    node.kill()
    other = make_node(f"node.data_dir={node.data_dir}")
    assert_serves(other)


def test_a_daemon_removes_its_own_socket_alone(make_node):
    """Somebody has removed both files by hand, and another daemon has made new ones."""
    one = make_node()
    one.socket.unlink()
    lock_of(one).unlink()
    two = make_node(f"listen.admin={one.socket}", start=False)
    two.start(wait=False)
    wait_until(lambda: two.ctl("-s", one.socket, "status").returncode == 0)
    one.stop()
    assert two.ctl("-s", one.socket, "status").returncode == 0
    assert lock_of(one).exists()
    two.stop()
    assert not os.path.lexists(one.socket) and not os.path.lexists(lock_of(one))


def test_what_is_no_socket_is_left_alone(make_node):
    for name in ("file", "directory", "dangling"):
        node = make_node(start=False)
        if name == "file":
            node.socket.write_text("precious")
        elif name == "directory":
            node.socket.mkdir()
        else:
            node.socket.symlink_to("nowhere")
        node.start(wait=False)
        assert node.wait_exit() == 1
        assert os.fsencode(node.socket) in node.log() and b"not a socket" in node.log()
        assert os.path.lexists(node.socket)
        if name == "file":
            assert node.socket.read_text() == "precious"


def test_a_socket_that_nobody_accepts_from_is_alive(make_node, tmp_path):
    """A daemon that hangs, with a backlog that is full, is still a daemon."""
    path = tmp_path / "full.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        listener.listen(0)
        client.connect(str(path))
        node = make_node(f"listen.admin={path}", start=False)
        node.start(wait=False)
        assert node.wait_exit() == 1
        assert b"another dhtd is running" in node.log() and os.fsencode(path) in node.log()
        assert path.exists()


def test_a_missing_directory_is_named(make_node, tmp_path):
    node = make_node(f"listen.admin={tmp_path}/missing/dhtd.sock", start=False)
    node.start(wait=False)
    assert node.wait_exit() == 1
    assert f"{tmp_path}/missing/dhtd.sock: its directory does not exist".encode() in node.log()
    assert b"--set listen.admin=PATH" in node.log()


def test_who_may_not_use_the_socket(make_node):
    node = make_node()
    os.chmod(node.socket, 0)
    done = node.ctl("status", before_exec=give_up_privileges)
    assert done.returncode == 8
    assert b"Permission denied" in done.stderr and os.fsencode(node.socket) in done.stderr
