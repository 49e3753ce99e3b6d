# SPDX-License-Identifier: Apache-2.0
"""What programs ask the client port about the node: INFO, CONFIG, DBSIZE, MEMORY and others."""
import time

import pytest

from harness import RespError, wait_until

SECTIONS = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU",
            "Errorstats", "Cluster", "Keyspace", "Store"]


def info(client, *sections):
    """The fields of INFO; those of each section under its head, too."""
    text = client.call("INFO", *sections).decode()
    fields, heads = {}, []
    assert text == "" or text.endswith("\r\n")
    for line in text.split("\r\n"):
        if line.startswith("# "):
            heads.append(line[2:])
        elif line:
            key, value = line.split(":", 1)
            assert key not in fields
            fields[key] = value
    return fields, heads


# ---- INFO ------------------------------------------------------------------------------

def test_sections_of_info(shared_node):
    with shared_node.client() as client:
        assert info(client)[1] == SECTIONS
        assert info(client, "default")[1] == SECTIONS
        both = info(client, "all")[1]
        assert set(both) - set(SECTIONS) == {"Commandstats", "Latencystats"}
        assert info(client, "EVERYTHING")[1] == both
        assert info(client, "keyspace", "SERVER", "server")[1] == ["Server", "Keyspace"]
        assert info(client, "nosuch") == ({}, [])
        assert info(client, "nosuch", "cluster") == ({"cluster_enabled": "1"}, ["Cluster"])


def test_info_is_true(make_node):
    node = make_node("workers.count=2", "clients.max=1234")
    with node.client() as client, node.client() as other:
        assert other.call("PING") == "PONG"
        fields, _ = info(client)
        assert fields["redis_mode"] == "cluster"
        assert fields["role"] == "master"
        assert fields["loading"] == "0"
        assert fields["rdb_bgsave_in_progress"] == "0"
        assert fields["cluster_enabled"] == "1"
        assert int(fields["process_id"]) == node.pid
        assert int(fields["tcp_port"]) == node.client_port
        assert fields["config_file"] == str(node.config_file)
        assert fields["executable"] == str((node.build / "dhtd").resolve())
        assert fields["dhtd_node"] == node.name
        assert fields["connected_clients"] == "2"
        assert fields["maxclients"] == "1234"
        assert fields["io_threads_active"] == "1"
        assert len(fields["run_id"]) == 40
        assert int(fields["uptime_in_seconds"]) < 600
        assert abs(int(fields["server_time_usec"]) / 1e6 - time.time()) < 60
        assert abs(int(fields["used_memory"]) - node.resident_bytes()) < 64 << 20
        assert int(fields["used_memory_peak"]) >= int(fields["used_memory"]) > 0
        assert float(fields["used_cpu_user"]) >= 0
        assert "db0" not in fields


def test_info_counts_keys_and_the_log(make_node):
    node = make_node()
    with node.client() as client:
        before = int(info(client)[0]["master_repl_offset"])
        for i in range(100):
            assert client.call("SET", f"k{i}", b"v" * 100) == "OK"
        fields, _ = info(client)
        assert fields["db0"] == "keys=100,expires=0,avg_ttl=0"
        assert int(fields["master_repl_offset"]) >= before + 100 * 100
        assert int(fields["store_live_bytes"]) > 100 * 100
        assert int(fields["used_memory_dataset"]) == 100 * 100 + sum(
            len(f"k{i}") for i in range(100))
        assert client.call("DBSIZE") == 100
        assert client.call("DEL", "k0", "k1") == 2
        assert client.call("DBSIZE") == 98
        assert client.call("ROLE")[1] >= int(fields["master_repl_offset"])
    node.stop()
    node.start()
    with node.client() as client:
        assert client.call("DBSIZE") == 98
        assert info(client, "keyspace")[0]["db0"] == "keys=98,expires=0,avg_ttl=0"


def test_info_counts_keys_that_expire(make_node):
    node = make_node()
    with node.client() as client:
        assert client.call("SET", "stays", "v") == "OK"
        node.ctl("put", "goes", "v", "--ttl", "1h", check=True)
        assert info(client)[0]["db0"] == "keys=2,expires=1,avg_ttl=0"


def test_ids_last_as_they_should(make_node):
    node = make_node()
    with node.client() as client:
        first, _ = info(client)
        id_ = client.call("CLUSTER", "MYID")
    node.stop()
    node.start()
    with node.client() as client:
        second, _ = info(client)
        assert client.call("CLUSTER", "MYID") == id_
        assert first["run_id"] != second["run_id"]
        assert first["master_replid"] == second["master_replid"] == id_.decode()
    assert id_.decode() == node.status()["id"] + "0" * 8


# ---- CONFIG ----------------------------------------------------------------------------

def config(client, *patterns):
    pairs = client.call("CONFIG", "GET", *patterns)
    assert len(pairs) % 2 == 0
    values = {k.decode(): v.decode() for k, v in zip(pairs[::2], pairs[1::2])}
    assert len(values) == len(pairs) // 2, "a name stands there twice"
    return values


def test_config_get(make_node):
    node = make_node("store.fsync=interval", "clients.slow_after=25ms", "clients.slow_max=7")
    with node.client() as client:
        assert config(client, "save", "appendonly") == {"save": "", "appendonly": "yes"}
        assert config(client, "appendfsync") == {"appendfsync": "everysec"}
        assert config(client, "MAXMEMORY*") == {"maxmemory": "0",
                                                "maxmemory-policy": "noeviction"}
        assert config(client, "MaxMemory") == {"MaxMemory": "0"}
        assert config(client, "port", "bind", "databases", "timeout") == {
            "port": str(node.client_port), "bind": "127.0.0.1", "databases": "1", "timeout": "0"}
        assert config(client, "slowlog-*") == {"slowlog-log-slower-than": "25000",
                                               "slowlog-max-len": "7"}
        assert config(client, "store.fsync", "store.f*") == {"store.fsync": "interval"}
        assert config(client, "dir")["dir"] == str(node.data_dir)
        assert config(client, "nosuch") == {}
        assert config(client, "x" * 1000) == {}
        everything = config(client, "*")
        # No setting has to be told to the client port.
        settings = [line.split()[0] for line in
                    node.ctl("config", "show", check=True).stdout.decode().splitlines()]
        assert {s for s in settings if "." in s} <= set(everything)


def test_config_get_in_resp3(shared_node):
    with shared_node.client() as client:
        client.call("HELLO", 3)
        assert client.call("CONFIG", "GET", "save", "appendonly") == {
            b"save": b"", b"appendonly": b"yes"}
        assert client.call("CONFIG", "GET", "nosuch") == {}
        assert client.call("MEMORY", "USAGE", "resp3:no") is None


def test_config_follows_a_reload(make_node):
    node = make_node()
    with node.client() as client:
        assert config(client, "slowlog*") == {"slowlog-log-slower-than": "10000",
                                              "slowlog-max-len": "128"}
        with open(node.config_file, "a", encoding="utf-8") as file:
            file.write("clients:\n  slow_after: 3ms\n  slow_max: 0\n  max: 99\n")
        node.signal(1)
        wait_until(lambda: config(client, "slowlog*") == {"slowlog-log-slower-than": "3000",
                                                          "slowlog-max-len": "0"})
        assert config(client, "maxclients", "clients.max") == {"maxclients": "99",
                                                               "clients.max": "99"}
        assert info(client)[0]["maxclients"] == "99"


@pytest.mark.parametrize("words, text", [
    (["CONFIG", "SET", "save", ""], "ERR CONFIG SET is not supported: change dhtd.yaml"),
    (["CONFIG", "REWRITE"], "ERR CONFIG REWRITE is not supported: "),
    (["CONFIG", "GET"], "ERR wrong number of arguments for 'config|get' command"),
    (["CONFIG"], "ERR wrong number of arguments for 'config' command"),
    (["CONFIG", "FOO"], "ERR unknown subcommand 'FOO'. Try CONFIG HELP."),
    (["DEBUG", "SLEEP", "0"], "ERR DEBUG is not supported: "),
    (["LOLWUT"], "ERR LOLWUT is not supported: "),
    (["SAVE"], "ERR SAVE is not supported: "),
    (["MEMORY", "DOCTOR"], "ERR MEMORY DOCTOR is not supported: "),
    (["MEMORY", "USAGE", "k", "x"], "ERR syntax error"),
    (["MEMORY", "USAGE", "k", "SAMPLES"], "ERR syntax error"),
    (["MEMORY", "USAGE", "k", "SAMPLES", "x"], "ERR value is not an integer or out of range"),
    (["MEMORY", "USAGE", "k", "SAMPLES", "-1"], "ERR syntax error"),
    (["WAIT", "x", "0"], "ERR value is not an integer or out of range"),
    (["WAIT", "0", "x"], "ERR timeout is not an integer or out of range"),
    (["WAIT", "0", "-1"], "ERR timeout is negative"),
])
def test_errors(shared_node, words, text):
    with shared_node.client() as client:
        reply = client.call(*words)
        assert isinstance(reply, RespError) and reply.startswith(text)


# ---- Small questions -------------------------------------------------------------------

def test_time_role_wait_lastsave(shared_node):
    with shared_node.client() as client:
        seconds, micros = client.call("TIME")
        assert abs(int(seconds) - time.time()) < 60 and 0 <= int(micros) < 1000000
        role, offset, replicas = client.call("ROLE")
        assert role == b"master" and offset > 0 and replicas == []
        assert client.call("WAIT", 0, 0) == 0
        assert client.call("WAIT", 3, 100000) == 0
        assert abs(client.call("LASTSAVE") - time.time()) < 600


def test_memory_usage(shared_node):
    with shared_node.client() as client:
        assert client.call("MEMORY", "USAGE", "mem:no") is None
        for size in (0, 100, 100000):
            assert client.call("SET", f"mem:{size}", b"v" * size) == "OK"
            taken = client.call("MEMORY", "USAGE", f"mem:{size}")
            # The header of a record, and an entry of a table that is not nearly full.
            least = size + len(f"mem:{size}") + 23 + 8
            assert least <= taken <= least + 300
            assert client.call("MEMORY", "USAGE", f"mem:{size}", "SAMPLES", 5) == taken
        # What a value has replaced is part of its record.
        assert client.call("SET", "mem:0", "") == "OK"
        assert client.call("MEMORY", "USAGE", "mem:0") > 5 + 23 + 8


@pytest.mark.parametrize("value, encoding", [
    ("0", b"int"), ("-9223372036854775808", b"int"), ("9223372036854775807", b"int"),
    ("9223372036854775808", b"embstr"), ("01", b"embstr"), ("+1", b"embstr"), ("", b"embstr"),
    ("x" * 44, b"embstr"), ("x" * 45, b"raw"),
])
def test_object_encoding(shared_node, value, encoding):
    with shared_node.client() as client:
        assert client.call("SET", "enc:k", value) == "OK"
        assert client.call("OBJECT", "ENCODING", "enc:k") == encoding
        assert client.call("OBJECT", "REFCOUNT", "enc:k") == 1
        assert client.call("OBJECT", "FREQ", "enc:k").startswith("ERR An LFU maxmemory policy")
        assert isinstance(client.call("OBJECT", "IDLETIME", "enc:k"), RespError)
        for what in ("ENCODING", "REFCOUNT", "FREQ", "IDLETIME"):
            assert client.call("OBJECT", what, "enc:no") is None


def test_questions_about_a_key_in_a_transaction(make_node):
    node = make_node()
    with node.client() as client:
        assert client.call("MULTI") == "OK"
        for words in (["SET", "tx", "v" * 1000], ["OBJECT", "ENCODING", "tx"], ["DEL", "tx"],
                      ["OBJECT", "ENCODING", "tx"], ["DBSIZE"]):
            assert client.call(*words) == "QUEUED"
        assert client.call("EXEC") == ["OK", b"raw", 1, None, 0]
        # Each was looked up once.
        fields, _ = info(client)
        assert (fields["keyspace_hits"], fields["keyspace_misses"]) == ("1", "1")
        # The key's record is that of the transaction's end, whenever it is asked about.
        assert client.call("MULTI") == "OK"
        assert client.call("MEMORY", "USAGE", "tx") == (
            "ERR Command not allowed inside a transaction")
        assert client.call("DISCARD") == "OK"
