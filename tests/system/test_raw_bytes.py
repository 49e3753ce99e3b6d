# SPDX-License-Identifier: Apache-2.0
"""The shapes of replies that client libraries rely on, byte by byte.

What Redis does as well is compared by test_differential.py. Here stand the replies that
describe the server, the cluster and the commands: each library reads other parts of them,
and some hang or give up on a small deviation. A test named after a library sends what it
sends when it connects.
"""
import re

import pytest

import differential
from differential_replies import elements, text
from harness import RespConnection, RespError

encode = RespConnection.encode

SLOTS = 16384
HELLO_FIELDS = (rb"\$6\r\nserver\r\n\$5\r\nredis\r\n"
                rb"\$7\r\nversion\r\n\$5\r\n7\.2\.4\r\n"
                rb"\$5\r\nproto\r\n:%d\r\n"
                rb"\$2\r\nid\r\n:([1-9][0-9]*)\r\n"
                rb"\$4\r\nmode\r\n\$7\r\ncluster\r\n"
                rb"\$4\r\nrole\r\n\$6\r\nmaster\r\n"
                rb"\$7\r\nmodules\r\n\*0\r\n")


@pytest.fixture
def raw(shared_node):
    """raw(b"...", count) returns `count` replies to bytes on a connection of its own."""
    def ask(stream, count=1):
        with differential.RawConnection(shared_node.client_port) as connection:
            connection.send_bytes(stream)
            return connection.receive_raw(count)
    return ask


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def client(request, shared_node):
    """A connection in either protocol."""
    with shared_node.client() as connection:
        connection.call("HELLO", request.param)
        connection.protocol = request.param
        yield connection


# ---- HELLO, and what it switches ----

def test_hello(raw):
    """A flat array in RESP2 and a map in RESP3, with the fields in Redis's order."""
    for request, head, protocol in ((["HELLO"], rb"\*14\r\n", 2), (["HELLO", 2], rb"\*14\r\n", 2),
                                    (["HELLO", 3], rb"%7\r\n", 3)):
        reply, = raw(encode(*request))
        assert re.fullmatch(head + HELLO_FIELDS % protocol, reply)


def test_hello_without_a_version_tells_the_protocol_in_use(raw):
    replies = raw(encode("HELLO", 3) + encode("HELLO") + encode("HELLO", 2) + encode("HELLO"), 4)
    assert replies[1] == replies[0] and replies[3] == replies[2]
    assert replies[1].startswith(b"%7") and replies[3].startswith(b"*14")


def test_ids_of_connections_differ_and_stay(raw):
    ids = set()
    for _ in range(3):
        hello, number = raw(encode("HELLO", 3) + encode("CLIENT", "ID"), 2)
        found = re.search(rb"\r\nid\r\n(:[0-9]+\r\n)", hello)
        assert found[1] == number
        ids.add(number)
    assert len(ids) == 3


@pytest.mark.parametrize("version", ["1", "4", "0", "-1", "32"])
def test_a_protocol_that_is_unknown(raw, version):
    """The text on which clients go on with RESP2; nothing has changed then."""
    replies = raw(encode("HELLO", version, "SETNAME", "x") + encode("GET", "missing") +
                  encode("CLIENT", "GETNAME"), 3)
    assert replies == [b"-NOPROTO unsupported protocol version\r\n", b"$-1\r\n", b"$-1\r\n"]


def test_a_version_that_is_no_number(raw):
    assert raw(encode("HELLO", "x")) == [
        b"-ERR Protocol version is not an integer or out of range\r\n"]


def test_the_protocol_belongs_to_the_connection(shared_node):
    with differential.RawConnection(shared_node.client_port) as two, \
            differential.RawConnection(shared_node.client_port) as three:
        three.send("HELLO", 3)
        three.receive_raw(1)
        for connection, null in ((two, b"$-1\r\n"), (three, b"_\r\n"), (two, b"$-1\r\n")):
            connection.send("GET", "missing")
            assert connection.receive_raw(1) == [null]


def test_reset_goes_back_to_resp2(raw):
    assert raw(encode("HELLO", 3) + encode("CLIENT", "SETNAME", "x") + encode("RESET") +
               encode("GET", "missing") + encode("CLIENT", "GETNAME"), 5)[1:] == [
                   b"+OK\r\n", b"+RESET\r\n", b"$-1\r\n", b"$-1\r\n"]


def test_quit_closes_behind_its_reply(shared_node):
    with differential.RawConnection(shared_node.client_port) as connection:
        connection.send_bytes(encode("PING") + encode("QUIT") + encode("PING"))
        assert connection.receive_all() == b"+PONG\r\n+OK\r\n"


ABSENT = [["GET", "missing"], ["GETDEL", "missing"], ["GETEX", "missing"],
          ["SET", "missing", "v", "XX"], ["SET", "missing", "v", "XX", "GET"],
          ["OBJECT", "ENCODING", "missing"], ["MEMORY", "USAGE", "missing"]]


@pytest.mark.parametrize("words", ABSENT, ids=" ".join)
def test_null(raw, words):
    """redis-py waits for ever on a $-1 in RESP3."""
    assert raw(encode(*words)) == [b"$-1\r\n"]
    assert raw(encode("HELLO", 3) + encode(*words), 2)[1] == b"_\r\n"


def test_null_inside_an_array(raw):
    request = encode("MGET", "missing", "missing")
    assert raw(request) == [b"*2\r\n$-1\r\n$-1\r\n"]
    assert raw(encode("HELLO", 3) + request, 2)[1] == b"*2\r\n_\r\n_\r\n"


def test_null_of_a_transaction(raw):
    """EXEC that WATCH has ended: the null array of RESP2, the one null of RESP3."""
    stream = (encode("WATCH", "watched") + encode("SET", "watched", "1") + encode("MULTI") +
              encode("GET", "watched") + encode("EXEC"))
    assert raw(stream, 5) == [b"+OK\r\n", b"+OK\r\n", b"+OK\r\n", b"+QUEUED\r\n", b"*-1\r\n"]
    assert raw(encode("HELLO", 3) + stream, 6)[5] == b"_\r\n"


# ---- What is not known ----

def test_unknown_command(raw):
    """Jedis, Lettuce and ioredis look for "ERR unknown command"."""
    assert raw(encode("FOO", "a", "b") + encode("foo"), 2) == [
        b"-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n",
        b"-ERR unknown command 'foo', with args beginning with: \r\n"]


@pytest.mark.parametrize("command, name", [("CLIENT", "MAINT_NOTIFICATIONS"), ("client", "x"),
                                           ("CLUSTER", "Nothing"), ("CONFIG", "X"),
                                           ("COMMAND", "X"), ("SLOWLOG", "X"), ("LATENCY", "X"),
                                           ("MEMORY", "X"), ("OBJECT", "X")])
def test_unknown_subcommand(raw, command, name):
    assert raw(encode(command, name, "y")) == [
        b"-ERR unknown subcommand '%s'. Try %s HELP.\r\n" % (name.encode(),
                                                            command.upper().encode())]


# ---- COMMAND ----

def commands_of(port, protocol=2):
    with differential.RawConnection(port) as connection:
        connection.call("HELLO", protocol)
        return connection.call("COMMAND")


def test_command_entries(client):
    """go-redis wants 6, 7 or 10 elements; names are strings, flags statuses, positions numbers."""
    entries = client.call("COMMAND")
    assert len(entries) == client.call("COMMAND", "COUNT") > 50
    names = [entry[0] for entry in entries]
    assert len(set(names)) == len(names)
    for entry in entries:
        assert len(entry) == 10
        name, arity, flags, first, last, step, categories, _, _, subcommands = entry
        assert isinstance(name, bytes) and name == name.lower()
        assert all(isinstance(number, int) for number in (arity, first, last, step))
        assert arity != 0
        for words in (flags, categories):
            assert isinstance(words, list)
            assert all(isinstance(word, str) and not isinstance(word, RespError)
                       for word in words)
        assert (first == 0) == (step == 0)
        assert {"readonly", "write"} - set(flags), name
        assert all(sub[0].startswith(name + b"|") for sub in subcommands)


def test_command_in_raw_bytes(raw):
    """The head of an entry; flags and categories are a set in RESP3."""
    head = (rb"\*1\r\n\*10\r\n\$3\r\nget\r\n:2\r\n[*~]2\r\n\+readonly\r\n\+fast\r\n"
            rb":1\r\n:1\r\n:1\r\n")
    two, = raw(encode("COMMAND", "INFO", "GET"))
    assert re.match(head, two) and b"~" not in two and b"%" not in two
    three = raw(encode("HELLO", 3) + encode("COMMAND", "INFO", "get"), 2)[1]
    assert re.match(head, three) and b"~2\r\n+readonly\r\n" in three


def test_command_info_of_unknown_ones(raw):
    assert raw(encode("COMMAND", "INFO", "nothing")) == [b"*1\r\n$-1\r\n"]
    assert raw(encode("HELLO", 3) + encode("COMMAND", "INFO", "nothing"), 2)[1] == b"*1\r\n_\r\n"


def test_commands_agree_with_redis(shared_node):
    """Arity, key positions and whether it writes: cluster clients send by them."""
    with differential.redis_server() as port:
        theirs = {entry[0]: entry for entry in commands_of(port)}
    ours = {entry[0]: entry for entry in commands_of(shared_node.client_port)}
    assert len(ours.keys() & theirs.keys()) > 50
    for name in ours.keys() & theirs.keys():
        assert ours[name][1] == theirs[name][1], f"arity of {name}"
        assert ours[name][3:6] == theirs[name][3:6], f"keys of {name}"
        for flag in ("readonly", "write"):
            assert (flag in ours[name][2]) == (flag in theirs[name][2]), f"{flag} of {name}"


def test_every_command_is_known(client):
    """redis-py's cluster client refuses what COMMAND does not list; what it lists is there."""
    for entry in client.call("COMMAND"):
        reply = client.call("COMMAND", "INFO", entry[0])
        assert reply == [entry]
        # Too few words, so that nothing is done.
        if abs(entry[1]) > 1:
            reply = client.call(entry[0])
            assert isinstance(reply, RespError) and "wrong number of arguments" in reply


def test_command_docs(client):
    """redis-cli reads summaries and arguments for its hints."""
    docs = client.call("COMMAND", "DOCS", "get", "set")
    if client.protocol == 2:
        docs = dict(zip(docs[::2], docs[1::2]))
        docs = {name: dict(zip(doc[::2], doc[1::2])) for name, doc in docs.items()}
    assert set(docs) == {b"get", b"set"}
    assert isinstance(docs[b"get"][b"summary"], bytes)
    assert client.call("COMMAND", "DOCS", "nothing") == ({} if client.protocol == 3 else [])


# ---- CLUSTER ----

def node_id(client):
    found = client.call("CLUSTER", "MYID")
    assert re.fullmatch(rb"[0-9a-f]{32}0{8}", found)
    return found


def test_cluster_slots(client, shared_node):
    """Jedis and redis-py want no hole, ioredis and memtier a host, all a 40-digit id."""
    ranges = client.call("CLUSTER", "SLOTS")
    covered = []
    for start, end, *nodes in ranges:
        covered += range(start, end + 1)
        for host, port, name, *_ in nodes:
            assert isinstance(host, bytes) and host == b"127.0.0.1"
            assert port == shared_node.client_port
            assert name == node_id(client)
    assert covered == list(range(SLOTS))


def test_cluster_slots_in_raw_bytes(raw, shared_node):
    """Metadata, if there are any, are an empty map: %0 in RESP3, *0 in RESP2."""
    shape = (rb"\*1\r\n\*3\r\n:0\r\n:16383\r\n\*(?:3|4)\r\n\$9\r\n127\.0\.0\.1\r\n:%d\r\n"
             rb"\$40\r\n[0-9a-f]{32}00000000\r\n" % shared_node.client_port)
    assert re.fullmatch(shape + rb"(\*0\r\n)?", raw(encode("CLUSTER", "SLOTS"))[0])
    three = raw(encode("HELLO", 3) + encode("CLUSTER", "SLOTS"), 2)[1]
    assert re.fullmatch(shape + rb"([*%]0\r\n)?", three)


def test_cluster_nodes(client, shared_node):
    """Lettuce wants exactly one line flagged `myself`; redis-benchmark wants slots in it."""
    lines = client.call("CLUSTER", "NODES").decode()
    assert lines.endswith("\n")
    assert re.fullmatch(
        rf"{node_id(client).decode()} 127\.0\.0\.1:{shared_node.client_port}@[0-9]+(,[^ ]*)? "
        r"myself,master - [0-9]+ [0-9]+ [0-9]+ connected 0-16383\n", lines)


def test_cluster_shards(client, shared_node):
    shards = client.call("CLUSTER", "SHARDS")
    assert len(shards) == 1

    def fields(found):
        return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2]))

    shard = fields(shards[0])
    assert shard[b"slots"] == [0, SLOTS - 1]
    node = fields(shard[b"nodes"][0])
    assert node[b"id"] == node_id(client)
    assert node[b"port"] == shared_node.client_port
    assert node[b"ip"] == node[b"endpoint"] == b"127.0.0.1"
    assert node[b"role"] == b"master" and node[b"health"] == b"online"
    assert isinstance(node[b"replication-offset"], int)


def test_cluster_info(client):
    """ioredis hangs on an error, and refuses a cluster that is not ok."""
    info = client.call("CLUSTER", "INFO").decode()
    assert info.endswith("\r\n") and "\n" not in info.replace("\r\n", "")
    fields = dict(line.split(":") for line in info.split("\r\n") if line)
    assert fields["cluster_state"] == "ok"
    assert fields["cluster_slots_assigned"] == fields["cluster_slots_ok"] == "16384"
    assert fields["cluster_slots_pfail"] == fields["cluster_slots_fail"] == "0"
    assert fields["cluster_known_nodes"] == fields["cluster_size"] == "1"
    for number in ("cluster_current_epoch", "cluster_my_epoch", "cluster_stats_messages_sent",
                   "cluster_stats_messages_received"):
        assert fields[number].isdigit()


@pytest.mark.parametrize("key, slot", [("foo", 12182), ("bar", 5061), ("", 0),
                                       ("123456789", 12739), ("{user1000}.following", 3443),
                                       ("{user1000}.followers", 3443), ("foo{}{bar}", 8363),
                                       ("foo{{bar}}zap", 4015), ("foo{bar}{zap}", 5061)])
def test_cluster_keyslot(raw, key, slot):
    """The values of the Redis Cluster specification, and of its own examples."""
    assert raw(encode("CLUSTER", "KEYSLOT", key)) == [b":%d\r\n" % slot]


def test_cluster_keys_in_slot(client):
    client.call("SET", "{slot}1", "v")
    client.call("SET", "{slot}2", "v")
    slot = client.call("CLUSTER", "KEYSLOT", "{slot}")
    assert client.call("CLUSTER", "COUNTKEYSINSLOT", slot) == 2
    assert set(client.call("CLUSTER", "GETKEYSINSLOT", slot, 10)) == {b"{slot}1", b"{slot}2"}
    assert len(client.call("CLUSTER", "GETKEYSINSLOT", slot, 1)) == 1
    assert client.call("DEL", "{slot}1", "{slot}2") == 2


@pytest.mark.parametrize("words", [["MEET", "127.0.0.1", "1"], ["FORGET", "x"],
                                   ["SETSLOT", "1", "NODE", "x"], ["ADDSLOTS", "1"],
                                   ["FAILOVER"], ["RESET"]], ids=" ".join)
def test_the_cluster_is_not_changed_from_here(raw, words):
    reply, = raw(encode("CLUSTER", *words))
    assert reply.startswith(b"-ERR CLUSTER %s is not supported: " % words[0].encode())


def test_what_only_cluster_clients_send(raw):
    assert raw(encode("READONLY") + encode("READWRITE") + encode("ASKING"), 3) == [b"+OK\r\n"] * 3


# ---- INFO and what operators ask ----

def info_of(client, *sections):
    """INFO as {section: {field: value}}."""
    info = client.call("INFO", *sections).decode()
    assert "\n" not in info.replace("\r\n", "")
    found, section = {}, None
    for line in info.split("\r\n"):
        if line.startswith("# "):
            section = found.setdefault(line[2:], {})
        elif line:
            name, value = line.split(":", 1)
            section[name] = value
    return found


def test_info(client):
    """The fields that libraries and dashboards read."""
    info = info_of(client)
    assert {"Server", "Clients", "Memory", "Stats", "Replication", "CPU", "Cluster",
            "Keyspace"} <= set(info)
    assert info["Server"]["redis_version"] == "7.2.4"
    assert info["Server"]["redis_mode"] == "cluster"
    assert info["Server"]["process_id"].isdigit() and info["Server"]["tcp_port"].isdigit()
    assert info["Replication"]["role"] == "master"
    assert info["Replication"]["master_repl_offset"].isdigit()
    assert int(info["Clients"]["connected_clients"]) >= 1
    assert info["Cluster"]["cluster_enabled"] == "1"
    assert [fields["loading"] for fields in info.values() if "loading" in fields] == ["0"]


def test_info_of_the_keyspace(node):
    with node.client() as client:
        assert info_of(client, "keyspace") == {"Keyspace": {}}
        client.call("SET", "a", "1")
        client.call("SET", "b", "1", "EX", 1000)
        assert info_of(client, "keyspace") == {
            "Keyspace": {"db0": "keys=2,expires=1,avg_ttl=0"}}


def test_info_sections(client):
    assert set(info_of(client, "server")) == {"Server"}
    assert set(info_of(client, "SERVER", "clients")) == {"Server", "Clients"}
    assert set(info_of(client, "everything")) >= {"Server", "Commandstats", "Latencystats"}
    assert client.call("INFO", "nothing") == b""


def test_command_statistics(client):
    client.call("GET", "missing")
    stats = info_of(client, "commandstats")["Commandstats"]
    assert re.match(r"calls=[1-9][0-9]*,usec=[0-9]+,usec_per_call=[0-9]+\.[0-9]{2},"
                    r"rejected_calls=[0-9]+,failed_calls=[0-9]+", stats["cmdstat_get"])
    latency = info_of(client, "latencystats")["Latencystats"]
    assert re.match(r"p50=[0-9.]+,p99=[0-9.]+,p99\.9=[0-9.]+",
                    latency["latency_percentiles_usec_get"])


def test_config_get(raw):
    """redis-benchmark asks for two settings; the reply is a map in RESP3."""
    replies = raw(encode("CONFIG", "GET", "save") + encode("CONFIG", "GET", "appendonly"), 2)
    assert replies[0].startswith(b"*2\r\n$4\r\nsave\r\n$")
    assert re.fullmatch(rb"\*2\r\n\$10\r\nappendonly\r\n\$(2\r\nno|3\r\nyes)\r\n", replies[1])
    three = raw(encode("HELLO", 3) + encode("CONFIG", "GET", "save"), 2)[1]
    assert three == b"%1\r\n" + replies[0][4:]
    assert raw(encode("CONFIG", "GET", "nothing")) == [b"*0\r\n"]


def test_config_is_not_set_from_here(raw):
    reply, = raw(encode("CONFIG", "SET", "maxmemory", "1"))
    assert reply.startswith(b"-ERR ")


def test_what_operators_ask(client):
    role, offset, replicas = client.call("ROLE")
    assert role == b"master" and isinstance(offset, int) and replicas == []
    seconds, micros = client.call("TIME")
    assert seconds.isdigit() and int(micros) < 1_000_000
    assert client.call("WAIT", 0, 0) == 0
    assert isinstance(client.call("SLOWLOG", "GET"), list)
    assert isinstance(client.call("SLOWLOG", "LEN"), int)
    assert client.call("SLOWLOG", "RESET") == "OK"
    assert client.call("LATENCY", "LATEST") == []
    assert isinstance(client.call("LATENCY", "RESET"), int)
    client.call("SET", "weighed", b"x" * 1000)
    assert client.call("MEMORY", "USAGE", "weighed") >= 1000
    assert isinstance(client.call("DBSIZE"), int)


def test_client_commands(client):
    assert client.call("CLIENT", "SETNAME", "tester") == "OK"
    assert client.call("CLIENT", "GETNAME") == b"tester"
    number = client.call("CLIENT", "ID")
    info = client.call("CLIENT", "INFO").decode()
    assert f"id={number} " in info and "name=tester" in info and f"resp={client.protocol}" in info
    assert f"id={number} " in client.call("CLIENT", "LIST").decode()
    for words in (["SETINFO", "LIB-NAME", "x"], ["SETINFO", "lib-ver", "1.0"], ["NO-EVICT", "ON"],
                  ["NO-TOUCH", "OFF"], ["REPLY", "ON"]):
        assert client.call("CLIENT", *words) == "OK"
    assert client.call("CLIENT", "KILL", "ID", 10**9) == 0


@pytest.mark.parametrize("words", [
    ["EVAL", "return 1", "0"], ["SUBSCRIBE", "x"], ["LPUSH", "l", "x"], ["HSET", "h", "f", "v"],
    ["SADD", "s", "x"], ["ZADD", "z", "1", "x"], ["XADD", "x", "*", "f", "v"], ["FLUSHALL"],
    ["KEYS", "*"]], ids=" ".join)
def test_what_is_refused_is_refused_with_a_reason(raw, words):
    """Not as a typing error: the text says more than that the command is unknown."""
    reply, after = raw(encode(*words) + encode("PING"), 2)
    assert reply.startswith(b"-") and not reply.startswith(b"-ERR unknown command")
    assert len(reply) > 30 and after == b"+PONG\r\n"


# ---- What libraries send when they connect ----

def test_go_redis(raw):
    """HELLO, then one pipeline; the subcommand that there is not must be answered at once."""
    replies = raw(encode("hello", "3") + encode("client", "maint_notifications", "on",
                                                "moving-endpoint-type", "internal-ip") +
                  encode("client", "setinfo", "LIB-NAME", "go-redis(,go1.24)") +
                  encode("client", "setinfo", "LIB-VER", "9.17.0") + encode("command"), 5)
    assert replies[0].startswith(b"%7\r\n")
    assert replies[1] == b"-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.\r\n"
    assert replies[2:4] == [b"+OK\r\n", b"+OK\r\n"]
    assert all(entry.split(b"\r\n")[0] in (b"*6", b"*7", b"*10") for entry in elements(replies[4]))


def test_jedis(raw):
    """HELLO's proto; a batch whose errors are ignored; slots without a hole."""
    replies = raw(encode("HELLO", "3") + encode("CLIENT", "SETNAME", "j") +
                  encode("CLIENT", "SETINFO", "LIB-NAME", "jedis") +
                  encode("CLIENT", "SETINFO", "LIB-VER", "8.0.0") + encode("READONLY") +
                  encode("CLUSTER", "SLOTS"), 6)
    assert b"$5\r\nproto\r\n:3\r\n" in replies[0]
    assert replies[1:5] == [b"+OK\r\n"] * 4
    bounds = [tuple(int(bound[1:]) for bound in elements(entry)[:2])
              for entry in elements(replies[5])]
    assert bounds[0][0] == 0 and bounds[-1][1] == SLOTS - 1
    assert all(before[1] + 1 == after[0] for before, after in zip(bounds, bounds[1:]))


def test_lettuce(raw):
    """CLUSTER NODES and INFO from each seed, never SLOTS."""
    replies = raw(encode("HELLO", "3") + encode("CLIENT", "SETNAME",
                                                "lettuce#ClusterTopologyRefresh") +
                  encode("CLIENT", "SETINFO", "lib-name", "Lettuce") +
                  encode("CLIENT", "SETINFO", "lib-ver", "7.8.0") +
                  encode("CLIENT", "MAINT_NOTIFICATIONS", "on") +
                  encode("CLUSTER", "NODES") + encode("CLUSTER", "MYID") + encode("INFO"), 8)
    assert re.search(rb"\r\nid\r\n:[0-9]+\r\n", replies[0])
    assert replies[1:4] == [b"+OK\r\n"] * 3 and replies[4].startswith(b"-ERR unknown subcommand")
    lines = text_of(replies[5]).splitlines()
    assert [b"myself" in line.split()[2].split(b",") for line in lines].count(True) == 1
    assert text_of(replies[6]) in lines[0]
    for field in (b"connected_clients:", b"master_repl_offset:", b"redis_version:"):
        assert b"\r\n" + field in text_of(replies[7])


def text_of(reply):
    """The text of a string, verbatim or not."""
    return text(reply.replace(b"=", b"$", 1))[4:] if reply[:1] == b"=" else text(reply)


def test_ioredis(raw):
    """The ready checks: INFO without `loading:1`, CLUSTER INFO with `cluster_state:ok`."""
    replies = raw(encode("hello", "3") + encode("client", "SETINFO", "LIB-NAME", "ioredis") +
                  encode("client", "SETINFO", "LIB-VER", "6.0.0") + encode("info") +
                  encode("cluster", "INFO") + encode("cluster", "SLOTS"), 6)
    assert replies[1:3] == [b"+OK\r\n"] * 2
    assert b"\r\nloading:0\r\n" in replies[3]
    assert b"cluster_state:ok\r\n" in replies[4]
    assert replies[5].startswith(b"*1\r\n")


def test_redis_py(raw):
    """HELLO with its proto, COMMAND with something in it, no $-1 anywhere."""
    replies = raw(encode("HELLO", "3") +
                  encode("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type",
                         "internal-ip") +
                  encode("CLIENT", "SETINFO", "LIB-NAME", "redis-py") +
                  encode("CLIENT", "SETINFO", "LIB-VER", "8.0.0") + encode("CLUSTER", "SLOTS") +
                  encode("COMMAND") + encode("READONLY") + encode("GET", "missing"), 8)
    assert replies[1].startswith(b"-ERR unknown subcommand")
    assert len(elements(replies[5])) > 50
    assert replies[6:] == [b"+OK\r\n", b"_\r\n"]
    assert not any(b"\r\n$-1\r\n" in reply or b"\r\n*-1\r\n" in reply for reply in replies)
