# SPDX-License-Identifier: Apache-2.0
"""Fixtures and marks of the system tests; what they are made of stands in harness.py."""
import os
import random
import shutil

import pytest

import harness
from redis_server import RedisServer

SEED = int(os.environ.get("DHT_SEED") or random.randrange(2**32))


def pytest_addoption(parser):
    parser.addoption("--redis", action="store_true",
                     help="run the tests of clients against Debian's redis-server")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "threads: also run with the ThreadSanitizer build")
    config.addinivalue_line(
        "markers", "valgrind: runs its nodes under valgrind, with the release build")
    config.addinivalue_line(
        "markers", "differs: dhtd means to differ from redis here; skipped with --redis")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the end of each node's log to the report of a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.has_failed = True
        for node in getattr(item, "node_set", harness.NodeSet(None)).nodes:
            report.sections.append((f"log of {node.name}", node.log_tail()))


@pytest.fixture(autouse=True)
def no_litter(request, tmp_path):
    """What a test has written goes with it, unless it failed: all of them write many gigabytes."""
    yield
    if not getattr(request.node, "has_failed", False):
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def make_node(request, tmp_path):
    """make_node("workers.count=2") starts a node; start=False only prepares it."""
    valgrind = request.node.get_closest_marker("valgrind") is not None
    with harness.NodeSet(tmp_path, valgrind=valgrind) as nodes:
        request.node.node_set = nodes
        yield nodes.make


@pytest.fixture
def node(make_node):
    """A node that serves, with default settings."""
    return make_node()


@pytest.fixture(scope="module")
def module_nodes(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("module")
    failed_before = request.session.testsfailed
    with harness.NodeSet(directory) as nodes:
        yield nodes
    if request.session.testsfailed == failed_before:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def shared_node(request, module_nodes):
    """A node that serves all tests of a module that ask for it: each uses keys of its own."""
    request.node.node_set = module_nodes
    if not module_nodes.nodes:
        module_nodes.make()
    return module_nodes.nodes[0]


@pytest.fixture(scope="module")
def module_server(request, module_nodes, tmp_path_factory):
    if not request.config.getoption("--redis"):
        yield module_nodes.make("workers.count=2")
        return
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def server(request, module_nodes, module_server):
    """What a module that tests clients talks to: one node, or with --redis a redis-server.

    As with shared_node, each test uses keys of its own.
    """
    if request.config.getoption("--redis") and request.node.get_closest_marker("differs"):
        pytest.skip("dhtd means to differ from redis here")
    request.node.node_set = module_nodes
    return module_server


@pytest.fixture
def chance(request):
    """Random numbers; set DHT_SEED to what a failed test has printed to have the same."""
    print(f"DHT_SEED={SEED}")
    return random.Random(f"{SEED}/{request.node.name}")


@pytest.fixture(scope="session")
def admin_pb2():
    """The protobuf classes of the admin socket."""
    return harness.admin_schema()
