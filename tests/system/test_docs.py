# SPDX-License-Identifier: Apache-2.0
"""The examples of the documents do what they show.

Blocks marked `console` hold commands behind `$ ` and what a terminal shows of them, with
`...` for anything; those marked `python` and `javascript` are programs that succeed and
print nothing. The blocks run in their order against one node, whose port stands in for
7401; so does the block of the README that is marked `sh`.
"""
import os
import re
import subprocess

import pytest

from harness import BUILD, DEADLINE_S, ROOT

CLIENTS = ROOT / "tests/system/clients"
DOCUMENT = ROOT / "docs/redis.md"
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOOLS = {
    # What it prints at a terminal, though it writes to a pipe.
    "redis-cli": "exec /usr/bin/redis-cli --no-raw \"$@\"",
    "dhtctl": f"exec {BUILD}/dhtctl \"$@\"",
}


def blocks_of(document):
    return BLOCK.findall(document.read_text())


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A folder of programs that the examples find first."""
    folder = tmp_path_factory.mktemp("tools")
    for name, line in TOOLS.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def installed():
    """The libraries for Node.js; `tests/run.sh deps` has installed them already."""
    subprocess.run([CLIENTS / "install.sh"], stdin=subprocess.DEVNULL, check=True)


@pytest.fixture
def run(shared_node, tools):
    """run("ls") runs a command as the reader of a document would, and returns its output."""
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}",
                   "DHTCTL_SOCKET": str(shared_node.socket)}

    def run_command(*command):
        done = subprocess.run(command, cwd=CLIENTS, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=2 * DEADLINE_S)
        assert done.returncode == 0, (command, done.stdout)
        # An empty line ends an error; redis-benchmark returns to the start of a line.
        return re.sub(r"\n+", "\n", done.stdout.replace("\r", "\n")).strip("\n")
    return run_command


def commands_of(block):
    """Pairs of a command and what it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip("\n")


def matches(expected, output):
    parts = map(re.escape, expected.split("..."))
    return re.fullmatch(".*".join(parts), output, re.DOTALL) is not None


def run_console(run, block):
    for command, expected in commands_of(block):
        output = run("bash", "-c", command)
        assert matches(expected, output), f"$ {command}\n{output}\n--- instead of\n{expected}"


def run_program(run, *command):
    assert run(*command) == ""


RUN = {
    "console": run_console,
    "python": lambda run, block: run_program(run, "/usr/bin/python3", "-c", block),
    "javascript": lambda run, block: run_program(run, "node", "-e", block),
}


def test_examples(shared_node, installed, run):
    languages = set()
    for language, block in blocks_of(DOCUMENT):
        RUN[language](run, block.replace("7401", str(shared_node.client_port)))
        languages.add(language)
    assert languages == set(RUN)


def test_the_commands_of_the_readme(shared_node, run, tmp_path):
    (tmp_path / "build").symlink_to(BUILD)
    (tmp_path / "README.md").symlink_to(README)
    (_, block), = blocks_of(README)
    block = block.replace("/tmp/n1.sock", str(shared_node.socket))
    assert "dhtctl load" in run("bash", "-exc", f"cd {tmp_path}\n{block}")


@pytest.mark.parametrize("block", [
    "$ redis-cli -p 7401 SET a 1\nOK\n$ redis-cli -p 7401 GET a\n\"2\"\n",
    "$ redis-cli -p 7401 GET a\n\"1\"\nmore\n",
    "$ redis-cli -p 7401 GET a\n",
])
def test_wrong_output_is_noticed(shared_node, run, block):
    shared_node.client().call("SET", "a", "1")
    with pytest.raises(AssertionError, match="instead of"):
        run_console(run, block.replace("7401", str(shared_node.client_port)))
