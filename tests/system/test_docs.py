# SPDX-License-Identifier: Apache-2.0
"""The examples of the documents do what they show.

Blocks marked `console` hold commands behind `$ `, or behind `n2$ ` for the node n2, and what a
terminal shows of them, with `...` for anything. Those marked `python` and `javascript` are
programs that succeed and print nothing; `yaml` is a configuration that dhtd takes. The blocks of a
page run in their order, in a folder of their own. Nodes are real: their ports stand in for
7401 and 7402, and `systemctl` does to them what it does to the service. Between the blocks,
comments say what happens to the stage: `<!-- stage: kill n3 -->`, `<!-- stage: fresh n5 -->`.

What is not run here is listed in documents.ELSEWHERE, with who runs it.
"""
import os
import re
import signal
import subprocess

import pytest

import documents
from documents import ROOT, Command
from harness import BUILD, DEADLINE_S, ENVIRONMENT
from members import address, said, wait_stable

CLIENTS = ROOT / "tests/system/clients"
NODES = {"README.md": 3, "operations.md": 3}  # of a page; the others have one
SETTINGS = ("cluster.name=shop", "cluster.blocks=64")
DEADLINES = 4  # a command may take that many, on a loaded machine with sanitizers
TOOLS = {
    # What it prints at a terminal, though it writes to a pipe.
    "redis-cli": "exec /usr/bin/redis-cli --no-raw \"$@\"",
    "dhtctl": f"exec {BUILD}/dhtctl \"$@\"",
    "dhtd": f"exec {BUILD}/dhtd \"$@\"",
}
# A command that stands in a block marked `text`, as if it were none.
COMMAND = re.compile(r"^(?:n\d)?\$ |^ *(?:sudo|apt|systemctl|dhtctl|dhtd|redis-cli|tests/|build/)",
                       re.MULTILINE)


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


class Stage:
    """What a page is played on: nodes, and a folder that looks like the checkout's."""

    def __init__(self, make_node, tools, folder):
        self.make_node = make_node
        self.tools = tools
        self.folder = folder
        self.nodes = {}
        self.folder.mkdir()
        (self.folder / "README.md").symlink_to(ROOT / "README.md")

    def fresh(self, name):
        node = self.make_node(*SETTINGS)
        assert node.name == name, f"{name}: nodes are named in their order"
        self.nodes[name] = node

    def kill(self, name):
        self.nodes[name].kill()

    def direct(self, block):
        """What a comment says."""
        verb, *names = block.text.split()
        assert verb in ("kill", "fresh"), f"{block}: what is {verb}?"
        for name in names:
            getattr(self, verb)(name)

    def systemctl(self, node, verb):
        """What systemd does to the service."""
        if verb in ("stop", "restart"):
            node.stop()
        if verb in ("start", "restart"):
            node.start()
        if verb == "reload":
            node.signal(signal.SIGHUP)

    def place(self, text, node):
        """The text with the addresses of the stage."""
        def address_of(match):
            other = self.nodes[match[1]]
            return f"127.0.0.1:{other.client_port if match[2] == '7401' else other.peer_port}"

        text = re.sub(r"\b(n\d):(7401|7402)\b", address_of, text)
        text = re.sub(r"-h (n\d) -p 7401\b",
                      lambda match: f"-h 127.0.0.1 -p {self.nodes[match[1]].client_port}", text)
        return text.replace("7401", str(node.client_port)).replace("7402", str(node.peer_port))

    def run_words(self, node, words, folder):
        """Runs a command as the reader of a page would; returns its exit code and output."""
        environment = {**ENVIRONMENT, "PATH": f"{self.tools}:{os.environ['PATH']}",
                       "DHTCTL_SOCKET": str(node.socket)}
        done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=DEADLINES * DEADLINE_S)
        # An empty line ends an error; redis-benchmark returns to the start of a line.
        output = re.sub(r"\n+", "\n", done.stdout.replace("\r", "\n")).strip("\n")
        return done.returncode, output

    def run_command(self, command):
        node = self.nodes[command.node]
        verb = re.fullmatch(r"systemctl (start|stop|restart|reload) dhtd", command.text)
        if verb:
            self.systemctl(node, verb[1])
            return
        code, output = self.run_words(node, ["bash", "-c", self.place(command.text, node)],
                                      self.folder)
        assert code == 0, f"{command.node}$ {command.text}\n{output}\n--- exit code {code}"
        expected = self.place(command.output, node)
        assert matches(expected, output), (
            f"{command.node}$ {command.text}\n{output}\n--- instead of\n{expected}")

    def run_console(self, block):
        for command in documents.commands_of(block):
            if command.text not in documents.owners():
                self.run_command(command)

    def run_program(self, block, *words):
        node = self.nodes["n1"]
        code, output = self.run_words(node, [*words, self.place(block.text, node)], CLIENTS)
        assert (code, output) == (0, ""), f"{block}: exit code {code}\n{output}"

    def check_configuration(self, block):
        file = self.folder / "dhtd.yaml"
        file.write_text(block.text)
        code, output = self.run_words(self.nodes["n1"], ["dhtd", "-c", str(file), "--check-config"],
                                      self.folder)
        assert code == 0, f"{block}: {output}"

    def run_block(self, block):
        run = {
            "console": self.run_console,
            "python": lambda block: self.run_program(block, "/usr/bin/python3", "-c"),
            "javascript": lambda block: self.run_program(block, "node", "-e"),
            "yaml": self.check_configuration,
            "stage": self.direct,
            "text": check_text,
        }
        assert block.language in run, (
            f"{block}: a block is marked as one of {', '.join(run)}, not as {block.language!r}")
        run[block.language](block)


def matches(expected, output):
    parts = map(re.escape, expected.split("..."))
    return re.fullmatch(".*".join(parts), output, re.DOTALL) is not None


def check_text(block):
    assert not COMMAND.search(block.text), f"{block}: commands stand in a block marked console"


def is_played(page):
    return any(block.language != "text" for block in documents.blocks_of(page))


@pytest.fixture
def stage(make_node, tools, tmp_path):
    stage = Stage(make_node, tools, tmp_path / "checkout")
    stage.fresh("n1")
    return stage


def add_members(stage, count):
    """Fresh nodes up to a number."""
    for number in range(2, count + 1):
        stage.fresh(f"n{number}")


def let_all_join(stage):
    first, *others = stage.nodes.values()
    for node in others:
        done = node.ctl("join", address(first), timeout=60)
        assert done.returncode == 0, said(done)
    wait_stable(list(stage.nodes.values()))


@pytest.mark.parametrize("page", filter(is_played, documents.PAGES), ids=lambda page: page.name)
def test_examples(page, stage, installed):
    add_members(stage, NODES.get(page.name, 1))
    if page.name == "operations.md":
        let_all_join(stage)
        stage.fresh("n4")
    for block in documents.blocks_of(page):
        stage.run_block(block)


def test_every_command_that_is_run_elsewhere_is_shown():
    shown = {command.text for command in documents.all_commands()}
    assert not set(documents.owners()) - shown


@pytest.mark.parametrize("output", ["\"2\"", "\"1\"\nmore", ""])
def test_wrong_output_is_noticed(stage, output):
    stage.run_command(Command("n1", "redis-cli -p 7401 SET a 1", "OK"))
    with pytest.raises(AssertionError, match="instead of"):
        stage.run_command(Command("n1", "redis-cli -p 7401 GET a", output))


@pytest.mark.parametrize("language, text, problem", [
    ("console", "$ packaging/new-command\n", "exit code 127"),
    ("console", "dhtctl status\n", "no prompt"),
    ("console", "n1$ dhtctl get nothing\n", "exit code 3"),
    ("", "tests/run.sh\n", "is marked as"),
    ("sh", "tests/run.sh\n", "is marked as"),
    ("text", "  dhtctl status\n", "marked console"),
    ("yaml", "store:\n  fsync: sometimes\n", "sometimes"),
    ("stage", "burn n1", "what is burn"),
    ("python", "raise SystemExit(3)\n", "exit code 3"),
])
def test_wrong_blocks_are_noticed(stage, language, text, problem):
    with pytest.raises(AssertionError, match=problem):
        stage.run_block(documents.Block(ROOT / "README.md", 1, language, text))
