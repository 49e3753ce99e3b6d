# SPDX-License-Identifier: Apache-2.0
"""CLUSTER on a node of its own: the shapes that client libraries take apart."""
import pytest

from harness import RespConnection, RespError, free_port, run_together, wait_until

SLOTS = 16384


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def slot_of(key):
    key = key.encode()
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        key = key[start + 1:end]
    return crc16(key) % SLOTS


def pairs(flat):
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


# ---- Who holds what --------------------------------------------------------------------

def test_slots_shards_and_nodes_agree(shared_node):
    id_ = (shared_node.status()["id"] + "0" * 8).encode()
    port = shared_node.client_port
    with shared_node.client() as client:
        assert client.call("CLUSTER", "MYID") == id_
        assert client.call("CLUSTER", "SLOTS") == [
            [0, SLOTS - 1, [b"127.0.0.1", port, id_, []]]]
        [shard] = client.call("CLUSTER", "SHARDS")
        shard = pairs(shard)
        assert shard["slots"] == [0, SLOTS - 1]
        [node] = shard["nodes"]
        assert pairs(node) == {
            "id": id_, "port": port, "ip": b"127.0.0.1", "endpoint": b"127.0.0.1",
            "role": b"master", "replication-offset": 0, "health": b"online"}
        assert client.call("CLUSTER", "NODES").decode() == (
            f"{id_.decode()} 127.0.0.1:{port}@{shared_node.peer_port} "
            f"myself,master - 0 0 1 connected 0-{SLOTS - 1}\n")
        assert client.call("CLUSTER", "LINKS") == []


def test_shapes_of_resp3(shared_node):
    with shared_node.client() as client:
        client.call("HELLO", 3)
        id_ = client.call("CLUSTER", "MYID")
        [[first, last, [host, port, node_id, metadata]]] = client.call("CLUSTER", "SLOTS")
        assert (first, last, metadata, node_id) == (0, SLOTS - 1, {}, id_)
        [shard] = client.call("CLUSTER", "SHARDS")
        assert shard[b"slots"] == [0, SLOTS - 1]
        [node] = shard[b"nodes"]
        assert (node[b"endpoint"], node[b"port"], node[b"id"]) == (host, port, id_)
        for words in (["CLUSTER", "NODES"], ["CLUSTER", "INFO"], ["INFO"]):
            client.send(*words)
            header = client.read_line()
            assert header[:1] == b"=", "a verbatim string"
            assert client.read_exactly(int(header[1:]) + 2).startswith(b"txt:")


def test_cluster_info(shared_node):
    with shared_node.client() as client:
        lines = client.call("CLUSTER", "INFO").decode().split("\r\n")
        assert lines[-1] == ""
        fields = dict(line.split(":") for line in lines[:-1])
        assert fields["cluster_state"] == "ok"
        assert fields["cluster_slots_assigned"] == fields["cluster_slots_ok"] == str(SLOTS)
        assert fields["cluster_slots_pfail"] == fields["cluster_slots_fail"] == "0"
        assert fields["cluster_known_nodes"] == fields["cluster_size"] == "1"
        assert {"cluster_current_epoch", "cluster_my_epoch", "cluster_stats_messages_sent",
                "cluster_stats_messages_received"} <= fields.keys()


def hosts_of(client):
    """The one address that all of them show."""
    _, _, [host, port, *_] = client.call("CLUSTER", "SLOTS")[0]
    node = pairs(pairs(client.call("CLUSTER", "SHARDS")[0])["nodes"][0])
    assert (node["ip"], node["endpoint"], node["port"]) == (host, host, port)
    address = client.call("CLUSTER", "NODES").decode().split()[1].split("@")[0]
    assert address == f"{host.decode()}:{port}"
    return host.decode(), port


def test_an_address_for_listening_is_never_shown(make_node):
    port, port6 = free_port(), free_port()
    node = make_node(f"listen.client=0.0.0.0:{port},[::1]:{port6}")
    for address, at in (("127.0.0.1", port), ("127.0.0.2", port), ("::1", port6)):
        with RespConnection(at, address) as client:
            assert hosts_of(client) == (address, at)


def test_an_advertised_address_is_shown(make_node, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    node = make_node("advertise.client=cache.example.net:6379",
                     "advertise.peer=cache.example.net:6380",
                     f"cluster.secret_file={tmp_path}/secret")
    with node.client() as client:
        assert hosts_of(client) == ("cache.example.net", 6379)
        assert "@6380 " in client.call("CLUSTER", "NODES").decode()


@pytest.mark.parametrize("words, text", [
    (["CLUSTER", "MEET", "127.0.0.1", "1"],
     "ERR CLUSTER MEET is not supported: use dhtctl join on the node that is to become a member"),
    (["CLUSTER", "FORGET", "x"], "ERR CLUSTER FORGET is not supported: use dhtctl remove, or"),
    (["CLUSTER", "RESET"], "ERR CLUSTER RESET is not supported: use dhtctl leave"),
    (["CLUSTER", "SETSLOT", "1", "STABLE"], "ERR CLUSTER SETSLOT is not supported: "),
    (["CLUSTER", "ADDSLOTS", "1"], "ERR CLUSTER ADDSLOTS is not supported: "),
    (["CLUSTER", "FAILOVER"], "ERR CLUSTER FAILOVER is not supported: "),
    (["CLUSTER", "REPLICATE", "x"], "ERR CLUSTER REPLICATE is not supported: "),
    (["CLUSTER", "FOO"], "ERR unknown subcommand 'FOO'. Try CLUSTER HELP."),
    (["CLUSTER"], "ERR wrong number of arguments for 'cluster' command"),
    (["CLUSTER", "SLOTS", "x"], "ERR wrong number of arguments for 'cluster|slots' command"),
    (["CLUSTER", "COUNTKEYSINSLOT", "16384"], "ERR Invalid slot"),
    (["CLUSTER", "COUNTKEYSINSLOT", "-1"], "ERR Invalid slot"),
    (["CLUSTER", "COUNTKEYSINSLOT", "x"], "ERR value is not an integer or out of range"),
    (["CLUSTER", "GETKEYSINSLOT", "16384", "1"], "ERR Invalid slot or number of keys"),
    (["CLUSTER", "GETKEYSINSLOT", "1", "-1"], "ERR Invalid slot or number of keys"),
    (["CLUSTER", "GETKEYSINSLOT", "1", "x"], "ERR value is not an integer or out of range"),
])
def test_errors(shared_node, words, text):
    with shared_node.client() as client:
        reply = client.call(*words)
        assert isinstance(reply, RespError) and reply.startswith(text)


# ---- Keys of slots ---------------------------------------------------------------------

def test_keyslot(shared_node):
    with shared_node.client() as client:
        for key in ("", "foo", "{foo}bar", "a{}b", "{}", "{a", "x{y}{z}"):
            assert client.call("CLUSTER", "KEYSLOT", key) == slot_of(key)


def keys_in(client, slot, count):
    return {key.decode() for key in client.call("CLUSTER", "GETKEYSINSLOT", slot, count)}


def test_keys_of_every_slot(make_node):
    node = make_node("cluster.blocks=64")
    keys = {}
    with node.client() as client:
        for i in range(3000):
            key = f"key:{i}"
            keys.setdefault(slot_of(key), set()).add(key)
            assert client.call("SET", key, i) == "OK"
        for i in range(20):
            assert client.call("SET", f"{{t}}{i}", i) == "OK"
            keys.setdefault(slot_of("t"), set()).add(f"{{t}}{i}")
        slots = list(range(SLOTS))
        client.send_bytes(b"".join(client.encode("CLUSTER", "COUNTKEYSINSLOT", s) for s in slots))
        for slot in slots:
            assert client.receive() == len(keys.get(slot, ())), slot
        for slot in list(keys)[:50]:
            assert keys_in(client, slot, 10000) == keys[slot]
        some = keys_in(client, slot_of("t"), 5)
        assert len(some) == 5 and some < keys[slot_of("t")]
        assert keys_in(client, slot_of("t"), 0) == set()
        assert client.call("DEL", "{t}3") == 1
        assert client.call("CLUSTER", "COUNTKEYSINSLOT", slot_of("t")) == len(
            keys[slot_of("t")]) - 1


@pytest.mark.threads
def test_a_large_slot_leaves_room_for_others(make_node):
    """A search of several turns: others are served meanwhile, keys come and go."""
    node = make_node("workers.count=2", "store.fsync=never")
    count = 20000
    with node.client() as client:
        client.send_bytes(b"".join(client.encode("SET", f"{{s}}{i}", "v") for i in range(count)))
        assert all(client.receive() == "OK" for _ in range(count))

    def change():
        with node.client() as client:
            for i in range(500):
                assert client.call("SET", f"{{s}}more{i}", "v") == "OK"
                assert client.call("DEL", f"{{s}}more{i}") == 1

    def search():
        with node.client() as client:
            for _ in range(5):
                # Keys that come and go meanwhile may be seen, one after the other.
                found = client.call("CLUSTER", "COUNTKEYSINSLOT", slot_of("s"))
                assert count <= found <= count + 500
                keys = keys_in(client, slot_of("s"), 1 << 30)
                assert {f"{{s}}{i}" for i in range(count)} <= keys

    def leave():
        for _ in range(20):
            with node.client() as client:
                client.send("CLUSTER", "GETKEYSINSLOT", slot_of("s"), count)
    run_together([change, search, search, leave])


def test_no_search_in_a_transaction(shared_node):
    """It takes several turns, and a transaction has one."""
    with shared_node.client() as client:
        for words in (["COUNTKEYSINSLOT", 1], ["GETKEYSINSLOT", 1, 1]):
            assert client.call("MULTI") == "OK"
            assert client.call("CLUSTER", *words) == (
                "ERR Command not allowed inside a transaction")
            assert client.call("EXEC").startswith("EXECABORT")
        assert client.call("MULTI") == "OK"
        assert client.call("CLUSTER", "KEYSLOT", "foo") == "QUEUED"
        assert client.call("EXEC") == [12182]


def test_keys_that_are_not_in_memory(make_node):
    node = make_node("cluster.blocks=64", "store.memory=64MiB", "store.fsync=never",
                     "workers.count=1")
    count, size = 600, 256 * 1024
    with node.client() as client:
        for i in range(count):
            assert client.call("SET", f"{{c}}{i}", b"v" * size) == "OK"
        # The housekeeper takes them out of memory.
        wait_until(lambda: b"store_cold_segments:0\r" not in client.call("INFO", "store"))
        assert client.call("CLUSTER", "COUNTKEYSINSLOT", slot_of("c")) == count
        assert keys_in(client, slot_of("c"), count) == {f"{{c}}{i}" for i in range(count)}
        assert client.call("MEMORY", "USAGE", "{c}0") > size
        assert client.call("OBJECT", "ENCODING", "{c}0") == b"raw"
