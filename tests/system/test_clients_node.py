# SPDX-License-Identifier: Apache-2.0
"""ioredis and node-redis: RESP2 and RESP3, plain and as cluster clients.

The checks are the scripts of clients/, which also run by hand (clients/checks.js); here
each is one test. With pytest's option --redis they run against Debian's redis-server.
"""
import pathlib
import re
import subprocess
import threading

import pytest

CLIENTS = pathlib.Path(__file__).parent / "clients"
TIMEOUT_S = 180  # a script's own deadlines are shorter


@pytest.fixture(scope="module")
def installed():
    """The libraries of the lock file; `tests/run.sh deps` has installed them already."""
    done = subprocess.run([CLIENTS / "install.sh"], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout


def run_script(server, is_redis, name, *options):
    """Runs a script of checks and restarts the server when it says so; returns its output."""
    command = ["node", CLIENTS / name, "--port", str(server.client_port), "--restarts", *options]
    output = []
    with subprocess.Popen(command + ["--redis"] * is_redis, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        limit = threading.Timer(TIMEOUT_S, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                output.append(line)
                if line == "restart\n":
                    server.stop()
                    server.start()
                    print("restarted", file=process.stdin, flush=True)
        finally:
            limit.cancel()
            process.kill()
    return process.returncode, "".join(output)


@pytest.mark.parametrize("script, options", [
    ("ioredis.js", []),
    ("ioredis.js", ["--cluster"]),
    ("node_redis.js", ["--resp", "2"]),
    ("node_redis.js", ["--resp", "3"]),
    ("node_redis.js", ["--resp", "2", "--cluster"]),
    ("node_redis.js", ["--resp", "3", "--cluster"]),
], ids=lambda value: value if isinstance(value, str) else "".join(value) or "plain")
def test_checks_of(request, installed, server, script, options):
    code, output = run_script(server, request.config.getoption("--redis"), script, *options)
    counts = re.search(r"^(\d+) passed, (\d+) failed\n\Z", output, re.MULTILINE)
    assert counts and int(counts[1]) >= 10, output
    assert counts[2] == "0" and code == 0, output
    assert "restart\n" in output
