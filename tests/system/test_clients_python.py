# SPDX-License-Identifier: Apache-2.0
"""redis-py, as Debian ships it (RESP2): plain, as a cluster client, in threads.

With pytest's option --redis everything but what is marked `differs` runs against
Debian's redis-server, so that nothing is asked of dhtd that redis would not do.
"""
import threading
import time

import pytest
import redis
from redis.cluster import RedisCluster

from harness import DEADLINE_S, run_together, wait_until

SLOTS = 16384


@pytest.fixture
def connect(server):
    """connect(decode_responses=True) makes a client, which is closed behind the test."""
    clients = []

    def make(**options):
        clients.append(redis.Redis("127.0.0.1", server.client_port, socket_timeout=DEADLINE_S,
                                   **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
        client.connection_pool.disconnect()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def cluster(server):
    with RedisCluster(host="127.0.0.1", port=server.client_port,
                      socket_timeout=DEADLINE_S) as made:
        yield made
        made.disconnect_connection_pools()


@pytest.fixture
def key(request):
    """A key of the test's own; key + "..." has the same slot."""
    return f"{{{request.node.name}}}"


# ---- Strings ------------------------------------------------------------------------

def test_set_and_its_options(client, key):
    assert client.set(key, "1") is True
    assert client.get(key) == b"1" and client.ttl(key) == -1
    assert client.set(key, "2", nx=True) is None
    assert client.set(key, "2", xx=True, ex=100) is True
    assert 99 <= client.ttl(key) <= 100
    assert client.set(key, "3", keepttl=True) is True
    assert 99 <= client.ttl(key) <= 100
    assert client.set(key, "4", px=200000) is True
    assert 199000 < client.pttl(key) <= 200000
    in_an_hour = int(time.time()) + 3600
    assert client.set(key, "5", exat=in_an_hour) is True
    assert client.expiretime(key) == in_an_hour
    assert client.set(key, "6", pxat=in_an_hour * 1000 + 5000) is True
    assert client.expiretime(key) == in_an_hour + 5
    assert client.set(key, "7", get=True) == b"6"
    assert client.ttl(key) == -1
    assert client.set(key, "8", get=True, nx=True) == b"7"
    assert client.get(key) == b"7"
    assert client.set(key + "2", "1", get=True) is None
    assert client.set(key + "3", "1", xx=True) is None
    assert not client.exists(key + "3")
    with pytest.raises(redis.ResponseError, match="^invalid expire time in 'set' command$"):
        client.set(key, "9", ex=0)
    with pytest.raises(redis.ResponseError, match="^syntax error$"):
        client.execute_command("SET", key, "9", "EX", "10", "KEEPTTL")
    with pytest.raises(redis.ResponseError, match="^value is not an integer or out of range$"):
        client.execute_command("SET", key, "9", "EX", "ten")


def test_other_ways_to_read_and_write(client, key):
    assert client.setnx(key, "a") is True and client.setnx(key, "b") is False
    assert client.setex(key, 100, "c") is True and 99 <= client.ttl(key) <= 100
    assert client.psetex(key, 100000, "d") is True and 99000 < client.pttl(key) <= 100000
    assert client.getset(key, "e") == b"d" and client.ttl(key) == -1
    assert client.append(key, "fg") == 3 and client.strlen(key) == 3
    assert client.getex(key, ex=100) == b"efg" and 99 <= client.ttl(key) <= 100
    assert client.getex(key, persist=True) == b"efg" and client.ttl(key) == -1
    assert client.getdel(key) == b"efg" and client.getdel(key) is None
    assert client.append(key, "new") == 3
    assert client.type(key) == b"string" and client.type(key + "2") == b"none"
    assert client.strlen(key + "2") == 0


def test_numbers(client, key):
    assert client.incr(key) == 1 and client.incrby(key, 41) == 42
    assert client.decr(key) == 41 and client.decrby(key, 1) == 40
    assert client.incrbyfloat(key, 0.5) == 40.5 and client.get(key) == b"40.5"
    with pytest.raises(redis.ResponseError, match="^value is not an integer or out of range$"):
        client.incr(key)
    client.set(key, 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="^increment or decrement would overflow$"):
        client.incr(key)
    client.set(key, "no")
    with pytest.raises(redis.ResponseError, match="^value is not a valid float$"):
        client.incrbyfloat(key, 1)


def test_several_keys(client, key):
    names = [f"{key}{number}" for number in range(10)]
    assert client.mset({name: name for name in names}) is True
    assert client.mget(names + [key]) == [name.encode() for name in names] + [None]
    assert client.exists(*names, key, names[0]) == 11
    assert client.touch(*names, key) == 10
    assert client.delete(*names[:5], names[0]) == 5
    assert client.unlink(*names) == 5
    assert client.exists(*names) == 0


@pytest.mark.differs
def test_several_keys_of_different_slots(client, key):
    names = [f"{number}{key[1:-1]}" for number in range(10)]
    assert client.mset({name: name for name in names}) is True
    assert client.mget(names) == [name.encode() for name in names]
    assert client.exists(*names) == client.touch(*names) == 10
    assert client.delete(*names[:5]) == 5 and client.unlink(*names) == 5


@pytest.mark.parametrize("value", [b"", b"\r\n", bytes(range(256)), b"x" * (1 << 20)],
                         ids=["empty", "line end", "all bytes", "1 MiB"])
def test_any_bytes(client, key, value):
    assert client.set(key, value) is True and client.get(key) == value
    name = key.encode() + value[:1000]
    assert client.set(name, "v") is True and client.get(name) == b"v"
    assert client.echo(value) == value and client.ping() is True


def test_decoded_responses(connect, key):
    client = connect(decode_responses=True)
    assert client.set(key, "ключ") is True and client.get(key) == "ключ"
    assert client.strlen(key) == 8
    assert client.mget(key, key + "2") == ["ключ", None]
    assert client.type(key) == "string"


# ---- Expiry -------------------------------------------------------------------------

def test_expiry_and_its_options(client, key):
    assert client.ttl(key) == client.pttl(key) == client.expiretime(key) == -2
    assert client.expire(key, 10) is False and client.persist(key) is False
    client.set(key, "v")
    assert client.ttl(key) == client.pttl(key) == client.expiretime(key) == -1
    assert client.expire(key, 100, xx=True) is False
    assert client.expire(key, 100, gt=True) is False
    assert client.expire(key, 100, nx=True) is True
    assert client.expire(key, 50, nx=True) is False
    assert client.expire(key, 50, gt=True) is False
    assert client.expire(key, 50, lt=True) is True
    assert client.expire(key, 200, xx=True, gt=True) is True
    assert 199 <= client.ttl(key) <= 200
    assert client.pexpire(key, 300000) is True and 299000 < client.pttl(key) <= 300000
    in_an_hour = int(time.time()) + 3600
    assert client.expireat(key, in_an_hour) is True
    assert client.expiretime(key) == in_an_hour
    assert client.pexpireat(key, in_an_hour * 1000 + 5000) is True
    assert client.expiretime(key) == in_an_hour + 5
    assert client.persist(key) is True and client.persist(key) is False
    with pytest.raises(redis.ResponseError, match="^NX and XX, GT or LT options at the same"):
        client.execute_command("EXPIRE", key, 10, "NX", "XX")
    assert client.expire(key, -1) is True and not client.exists(key)


def test_expired_keys_are_gone(client, key):
    client.set(key, "v", px=50)
    client.set(key + "2", "v")
    client.pexpire(key + "2", 50)
    wait_until(lambda: client.get(key) is None and client.get(key + "2") is None)
    assert client.exists(key, key + "2") == 0 and client.ttl(key) == -2
    assert client.set(key, "v", nx=True) is True


# ---- Scan ---------------------------------------------------------------------------

def test_scan_finds_every_key(client, key):
    names = {f"scan:{number}:{key}".encode() for number in range(1000)}
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.set(name, "v")
    assert all(pipeline.execute())
    assert set(client.scan_iter(match=f"scan:*:{key}")) == names
    assert set(client.scan_iter(match=f"scan:*:{key}", count=300, _type="STRING")) == names
    assert not set(client.scan_iter(match=f"scan:*:{key}", _type="LIST"))
    assert set(client.scan_iter(match=f"scan:[1-2]?:{key}")) == {
        f"scan:{number}:{key}".encode() for number in range(10, 30)}
    assert client.dbsize() >= len(names)
    cursor, some = client.scan(count=100)
    assert isinstance(cursor, int) and cursor != 0 and some


def test_scan_finds_keys_while_others_come_and_go(client, key):
    names = {f"stay:{number}:{key}".encode() for number in range(500)}
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.set(name, "v")
    pipeline.execute()
    found, cursor, others = set(), None, 0
    while cursor != 0:
        cursor, some = client.scan(cursor or 0, match=f"*:{key}", count=50)
        found.update(some)
        for number in range(others, others + 100):
            pipeline.set(f"go:{number}:{key}", "v").delete(f"go:{number - 50}:{key}")
        pipeline.execute()
        others += 100
    assert names <= found


# ---- Pipelines and transactions -----------------------------------------------------

def test_pipeline_without_transaction(client, key):
    pipeline = client.pipeline(transaction=False)
    for number in range(1000):
        pipeline.set(f"{key}{number % 10}", number).incr(key)
    assert pipeline.execute() == [reply for number in range(1000) for reply in (True, number + 1)]
    replies = pipeline.set(key, "no").incr(key).get(key).execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError)
    assert replies[2] == b"no"
    with pytest.raises(redis.ResponseError, match="Command # 1 .*not an integer"):
        pipeline.incr(key).execute()


@pytest.mark.threads
def test_transaction_on_one_key(client, key):
    with client.pipeline() as pipeline:
        pipeline.set(key, "1").incr(key).append(key, "0").get(key).expire(key, 100)
        assert pipeline.execute() == [True, 2, 2, b"20", True]
        assert 99 <= client.ttl(key) <= 100
        replies = pipeline.set(key, "no").incr(key).strlen(key).execute(raise_on_error=False)
        assert replies[0] is True and isinstance(replies[1], redis.ResponseError)
        assert replies[2] == 2
    # What is wrong on its face ends the transaction before anything was done.
    with client.pipeline() as pipeline, pytest.raises(redis.ResponseError, match="wrong number"):
        pipeline.set(key, "changed").execute_command("GET", key, "more").execute()
    assert client.get(key) == b"no"


@pytest.mark.differs
def test_transaction_on_two_keys_is_refused(client, key):
    client.set(key, "1")
    with client.pipeline() as pipeline:
        with pytest.raises(redis.exceptions.ExecAbortError, match=r"pipeline\(transaction=False\)"):
            pipeline.incr(key).incr(key + "2").execute()
    assert client.get(key) == b"1" and not client.exists(key + "2")
    assert client.pipeline(transaction=False).incr(key).incr(key + "2").execute() == [2, 1]


def test_watch(connect, key):
    client, other = connect(), connect()
    client.set(key, "1")
    with client.pipeline() as pipeline:
        pipeline.watch(key)
        assert pipeline.get(key) == b"1"
        pipeline.multi()
        pipeline.set(key, "mine")
        assert pipeline.execute() == [True]
        # A change by another client, even to the same value.
        pipeline.watch(key)
        other.set(key, "mine")
        pipeline.multi()
        pipeline.set(key, "lost")
        with pytest.raises(redis.WatchError):
            pipeline.execute()
        # A key that is not there and comes to be; one that is deleted.
        for change in (lambda: other.set(key + "2", "v"), lambda: other.delete(key + "2")):
            pipeline.watch(key + "2")
            change()
            pipeline.multi()
            pipeline.set(key + "2", "lost")
            with pytest.raises(redis.WatchError):
                pipeline.execute()
        pipeline.watch(key)
        other.set(key, "others")
        pipeline.unwatch()
        pipeline.multi()
        pipeline.append(key, "+mine")
        assert pipeline.execute() == [11]
    assert client.get(key) == b"others+mine" and not client.exists(key + "2")


@pytest.mark.threads
def test_transactions_that_race(connect, key):
    """The transaction helper tries until no other came between: no increment is lost."""
    threads, rounds = 4, 25
    tries = []

    def increment(pipeline):
        value = int(pipeline.get(key) or 0)
        tries.append(value)
        pipeline.multi()
        pipeline.set(key, value + 1)

    def work():
        client = connect()
        for _ in range(rounds):
            assert client.transaction(increment, key) == [True]

    run_together([work] * threads)
    assert connect().get(key) == b"%d" % (threads * rounds)
    assert len(tries) > threads * rounds, "no two of them met"


# ---- The connection and the server --------------------------------------------------

def test_client_commands(connect):
    one, other = connect(single_connection_client=True), connect(single_connection_client=True)
    assert one.client_setname("one") is True and one.client_getname() == "one"
    assert other.client_getname() is None
    identity, info = one.client_id(), one.client_info()
    assert info["id"] == str(identity) or info["id"] == identity
    assert info["name"] == "one" and info["cmd"] == "client|info"
    listed = {entry["id"]: entry for entry in other.client_list()}
    assert listed[str(identity)]["name"] == "one"
    assert listed[str(identity)]["addr"].startswith("127.0.0.1:")
    assert [entry["name"] for entry in other.client_list(client_id=[str(identity)])] == ["one"]
    with pytest.raises(redis.ResponseError, match="^Client names cannot contain spaces"):
        one.client_setname("a b")
    # It is killed in the midst, and connects again by itself.
    assert other.client_kill_filter(_id=identity) == 1
    wait_until(lambda: str(identity) not in {entry["id"] for entry in other.client_list()})
    with pytest.raises(redis.ResponseError, match="^No such client"):
        other.client_kill("127.0.0.1:1")
    assert connect().ping() is True


def test_server_commands(client, key):
    client.set(key, "v")
    info = client.info()
    assert info["redis_mode"] == "cluster" and info["role"] == "master" and info["loading"] == 0
    assert info["connected_clients"] >= 1 and info["db0"]["keys"] >= 1
    assert client.info("server").keys() >= {"redis_version", "process_id", "uptime_in_seconds"}
    assert "redis_version" not in client.info("clients")
    assert client.info("commandstats")["cmdstat_set"]["calls"] >= 1
    assert client.config_get("appendonly").keys() == {"appendonly"}
    assert client.config_get("save*").keys() == {"save"}
    assert client.slowlog_reset() is True
    # A slow machine may have made entries of these commands themselves.
    assert client.slowlog_len() <= 2
    assert all(entry["command"].startswith(b"SLOWLOG") for entry in client.slowlog_get(10))
    assert client.execute_command("LATENCY", "RESET") >= 0
    assert isinstance(client.execute_command("LATENCY", "LATEST"), list)
    seconds, microseconds = client.time()
    assert abs(seconds - time.time()) < DEADLINE_S and 0 <= microseconds < 1000000
    assert client.role()[0] == b"master"
    assert client.memory_usage(key) > 0 and client.memory_usage(key + "2") is None
    assert client.object("encoding", key) == b"embstr"
    client.set(key, 1)
    assert client.object("encoding", key) == b"int"
    assert client.wait(0, 10) == 0
    assert client.execute_command("SELECT", 0) is True


def test_latency_histogram(client, key):
    client.set(key, "v")
    histogram = client.execute_command("LATENCY", "HISTOGRAM", "set")
    assert histogram[0] == b"set" and histogram[1][0] == b"calls" and histogram[1][1] >= 1
    assert histogram[1][2] == b"histogram_usec" and len(histogram[1][3]) % 2 == 0


def test_slow_log(client):
    """What it holds is read; what gets there is tested elsewhere."""
    for entry in client.slowlog_get(100):
        assert entry.keys() >= {"id", "start_time", "duration", "command", "client_address"}


def test_command_docs(client):
    commands = client.command()
    assert len(commands) == client.command_count() > 50
    get, mget = commands["get"], commands["mget"]
    assert get["arity"] == 2 and "readonly" in get["flags"]
    assert (get["first_key_pos"], get["last_key_pos"], get["step_count"]) == (1, 1, 1)
    assert (mget["first_key_pos"], mget["last_key_pos"], mget["step_count"]) == (1, -1, 1)
    assert "write" in commands["set"]["flags"]
    assert client.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]


@pytest.mark.differs
def test_what_is_refused_says_why(client, key):
    client.set(key, "v")
    for command in (["LPUSH", key, "v"], ["HSET", key, "f", "v"], ["EVAL", "return 1", 0],
                    ["SUBSCRIBE", "channel"], ["CLUSTER", "MEET", "127.0.0.1", "1"],
                    ["CONFIG", "SET", "maxmemory", "1"], ["SELECT", 1]):
        with pytest.raises(redis.ResponseError) as refusal:
            client.execute_command(*command)
        assert len(str(refusal.value)) > 20, command
    assert client.get(key) == b"v"


def test_unknown_commands(client):
    with pytest.raises(redis.ResponseError,
                       match="^unknown command 'FROB', with args beginning with: 'a' 'b' $"):
        client.execute_command("FROB", "a", "b")
    with pytest.raises(redis.ResponseError, match="^unknown subcommand 'FROB'. Try CLIENT HELP.$"):
        client.execute_command("CLIENT", "FROB")
    with pytest.raises(redis.ResponseError,
                       match="^wrong number of arguments for 'get' command$"):
        client.execute_command("GET")


# ---- Threads and connections --------------------------------------------------------

@pytest.mark.threads
def test_threads_share_few_connections(connect, server, key):
    pool = redis.BlockingConnectionPool(host="127.0.0.1", port=server.client_port,
                                        max_connections=4, timeout=DEADLINE_S,
                                        socket_timeout=DEADLINE_S)
    client = redis.Redis(connection_pool=pool)
    threads, rounds = 8, 50
    barrier = threading.Barrier(threads)

    def work(number):
        barrier.wait(DEADLINE_S)
        for turn in range(rounds):
            client.incr(key)
            assert client.set(f"{key}{number}", turn) is True
            assert client.get(f"{key}{number}") == b"%d" % turn

    run_together([lambda number=number: work(number) for number in range(threads)])
    assert client.get(key) == b"%d" % (threads * rounds)
    pool.disconnect()


def test_connections_outlive_a_restart(server, client, connect, key):
    """Those of the pool are found to be dead, and replaced; the keys are there."""
    clients = [client, connect(decode_responses=True)]
    assert all(each.set(key, "kept") for each in clients)
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.get(key)
    server.start()
    assert client.get(key) == b"kept" and clients[1].get(key) == "kept"


# ---- Cluster ------------------------------------------------------------------------

def test_cluster_client(cluster, key):
    names = [f"{number}{key[1:-1]}" for number in range(50)]
    assert all(cluster.set(name, name) for name in names)
    assert [cluster.get(name) for name in names] == [name.encode() for name in names]
    assert cluster.mset_nonatomic({name: "new" for name in names})
    assert cluster.mget_nonatomic(names) == [b"new"] * 50
    assert cluster.exists(*names) == cluster.touch(*names) == 50
    assert cluster.incr(key) == 1 and cluster.expire(key, 100) is True
    assert 99 <= cluster.ttl(key) <= 100
    with cluster.pipeline() as pipeline:
        for name in names:
            pipeline.append(name, "er").strlen(name)
        assert pipeline.execute() == [5] * 100
    assert set(cluster.scan_iter(match=f"*{key[1:-1]}")) == {name.encode() for name in names}
    assert cluster.delete(*names[:25]) == 25 and cluster.unlink(*names) == 25
    assert not set(cluster.scan_iter(match=f"*{key[1:-1]}"))
    assert cluster.dbsize() >= 1


def test_what_the_cluster_says_of_itself(cluster, server, key):
    node, = cluster.get_nodes()
    assert (node.host, node.port, node.server_type) == (
        "127.0.0.1", server.client_port, "primary")
    info = cluster.cluster_info()
    assert info["cluster_state"] == "ok" and info["cluster_slots_assigned"] == str(SLOTS)
    assert info["cluster_known_nodes"] == info["cluster_size"] == "1"
    (address, entry), = cluster.cluster_nodes().items()
    assert address.split("@")[0] == f"127.0.0.1:{server.client_port}"
    assert len(entry["node_id"]) == 40 and entry["flags"] == "myself,master"
    assert entry["connected"] and entry["master_id"] == "-"
    assert entry["slots"] == [["0", str(SLOTS - 1)]]
    (slots, holders), = cluster.cluster_slots().items()
    assert slots == (0, SLOTS - 1)
    assert holders["primary"] == ("127.0.0.1", server.client_port)
    assert cluster.cluster_myid(node) == entry["node_id"].encode()
    shard, = cluster.execute_command("CLUSTER SHARDS", target_nodes=node)
    assert shard["slots"] == [(0, SLOTS - 1)]
    holder, = shard["nodes"]
    assert (holder[b"id"], holder[b"port"]) == (entry["node_id"].encode(), server.client_port)
    assert (holder[b"role"], holder[b"health"]) == (b"master", b"online")
    # The slot of a key, as both sides compute it; the keys of a slot.
    assert cluster.cluster_keyslot(key) == cluster.keyslot(key) == cluster.keyslot(key + "2")
    slot = cluster.keyslot(key)
    names = {f"{key}{number}" for number in range(3)}
    for name in names:
        cluster.set(name, "v")
    assert cluster.cluster_countkeysinslot(slot) == 3
    assert set(cluster.cluster_get_keys_in_slot(slot, 10)) == names
    assert len(cluster.cluster_get_keys_in_slot(slot, 2)) == 2


def test_cluster_client_over_a_restart(server, cluster, key):
    assert cluster.set(key, "kept") is True
    server.stop()
    server.start()
    assert cluster.get(key) == b"kept"


def test_cluster_client_reads_from_replicas(server, key):
    """It sends READONLY on each connection."""
    with RedisCluster(host="127.0.0.1", port=server.client_port, read_from_replicas=True,
                      socket_timeout=DEADLINE_S) as cluster:
        assert cluster.set(key, "v") is True and cluster.get(key) == b"v"
        cluster.disconnect_connection_pools()
