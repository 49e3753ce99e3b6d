# SPDX-License-Identifier: Apache-2.0
"""Completion of dhtctl: what it says of itself, and what bash, zsh and fish make of it."""
import contextlib
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import termios
import threading
import time

import pytest

from harness import BUILD, DEADLINE_S, ENVIRONMENT, ROOT, AdminConnection, admin_schema, wait_until

SCRIPTS = ROOT / "packaging/completion"
JOB = 4711


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Shells that find dhtctl, and nothing of the user who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    return {**ENVIRONMENT, "PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(home),
            "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home), "TERM": "xterm",
            "LC_ALL": "C.UTF-8", "DHTCTL_SOCKET": str(home / "none.sock")}


def complete(environment, line):
    """What dhtctl offers for the last word of a line, without descriptions."""
    words = line.split(" ")[1:]
    done = subprocess.run([BUILD / "dhtctl", "--complete", *words], env=environment,
                          capture_output=True, check=True, timeout=DEADLINE_S)
    assert done.stderr == b""
    return [offer.split("\t")[0] or offer for offer in done.stdout.decode().splitlines()]


def complete_bash(environment, line):
    """The same as bash takes it: readline splits words at = and : as well."""
    words = re.findall(r"[=:]+|[^\s=:]+", line) + [""] * line.endswith(" ")
    program = (f". {SCRIPTS}/dhtctl.bash; COMP_WORDS=({shlex.join(words)}) "
               f"COMP_CWORD={len(words) - 1} COMP_LINE={shlex.quote(line)} "
               f"COMP_POINT={len(line)}; _dhtctl dhtctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", program], env=environment, check=True,
                          capture_output=True, timeout=DEADLINE_S, cwd=ROOT)
    assert done.stderr == b""
    return done.stdout.decode().split()


def complete_fish(environment, line):
    program = f"source {SCRIPTS}/dhtctl.fish; complete -C {shlex.quote(line)}"
    done = subprocess.run(["fish", "--no-config", "-c", program], env=environment, check=True,
                          capture_output=True, timeout=DEADLINE_S, cwd=ROOT)
    assert done.stderr == b""
    return [offer.split("\t")[0] for offer in done.stdout.decode().splitlines()]


@contextlib.contextmanager
def fake_daemon(path, answer):
    """A socket whose requests answer(request, response) answers, unless it returns False."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                with accepted:
                    size = int.from_bytes(accepted.recv(4, socket.MSG_WAITALL), "big")
                    request = admin_schema().AdminRequest.FromString(
                        accepted.recv(size, socket.MSG_WAITALL))
                    response = admin_schema().AdminResponse(call_id=request.call_id, last=True)
                    if answer(request, response) is not False:
                        accepted.sendall(AdminConnection.frame(response.SerializeToString()))
                    accepted.recv(1)  # until dhtctl has closed it

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE_S)


def answer_members(request, response):
    """As a cluster of three would, in which a job goes on."""
    if request.WhichOneof("command") == "node":
        for name, zone in (("alpha", "east"), ("alder", "west"), ("beta", "west")):
            response.node.nodes.add(name=name, zone=zone, state="up")
    else:
        response.job.job.id, response.job.job.kind, response.job.job.node = JOB, "join", "beta"


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    with fake_daemon(tmp_path_factory.mktemp("fake") / "s", answer_members) as path:
        yield path


# ---- What dhtctl says ----------------------------------------------------------------

def test_commands_are_those_of_the_help(environment):
    listed = subprocess.run([BUILD / "dhtctl", "help"], env=environment, check=True,
                            capture_output=True, text=True).stdout
    listed = re.search(r"commands:\n(.*?)\n\n", listed, re.DOTALL)[1]
    commands = [line.split()[0] for line in listed.splitlines()]
    assert complete(environment, "dhtctl ") == commands
    assert complete(environment, "dhtctl help ") == commands
    assert complete(environment, "dhtctl -o json sta") == ["status"]


@pytest.mark.parametrize("line, offers", [
    ("dhtctl jo", ["join", "job"]),
    ("dhtctl nonsense ", []),
    ("dhtctl -o ", ["table", "json", "lines"]),
    ("dhtctl --output=j", ["--output=json"]),
    ("dhtctl -ojson status --v", ["--version"]),
    ("dhtctl get --h", ["--hex", "--help"]),
    ("dhtctl get --hex --h", ["--help"]),
    ("dhtctl get k --ttl", []),
    ("dhtctl cas k --ver", ["--verbose", "--version"]),
    ("dhtctl log-level ", ["error", "warn", "info", "debug"]),
    ("dhtctl node ", ["ls", "show", "set"]),
    ("dhtctl node ls --z", []),
    ("dhtctl node set n1 --z", ["--zone"]),
    ("dhtctl node set n1 --weight 5 --z", ["--zone"]),
    ("dhtctl job ls ", []),
    ("dhtctl recover ", ["--no-wait", "--from"]),
    ("dhtctl config check ", ["\tfiles"]),
    ("dhtctl --socket ", ["\tfiles"]),
    ("dhtctl load ", ["\tfiles"]),
    ("dhtctl load -- -", ["\tfiles"]),
    ("dhtctl put k ", []),
    # No daemon is there to name any.
    ("dhtctl remove ", []),
    ("dhtctl config show ", []),
])
def test_offers(environment, line, offers):
    assert complete(environment, line) == offers


@pytest.mark.parametrize("line, offers", [
    ("remove ", ["alpha", "alder", "beta"]),
    ("remove al", ["alpha", "alder"]),
    ("plan leave b", ["beta"]),
    ("node set be", ["beta"]),
    ("node set alpha --zone ", ["east", "west"]),
    ("node set alpha --zone=w", ["--zone=west"]),
    ("recover --from alpha,al", ["alpha,alpha", "alpha,alder"]),
    ("recover --from=alpha,b", ["--from=alpha,beta"]),
    ("job cancel ", [str(JOB)]),
    ("job show 9", []),
])
def test_offers_of_the_daemon(environment, members, line, offers):
    """Whichever way its socket is given."""
    for before in (f"-s {members}", f"-s{members}", f"--socket {members}", f"--socket={members}"):
        assert complete(environment, f"dhtctl {before} {line}") == offers
    assert complete({**environment, "DHTCTL_SOCKET": str(members)}, f"dhtctl {line}") == offers
    assert complete(environment, f"dhtctl {line}") == []


def test_settings_and_nodes_of_a_real_node(environment, shared_node):
    at = f"dhtctl -s {shared_node.socket}"
    assert complete(environment, f"{at} config show log.") == ["log.level"]
    assert complete(environment, f"{at} ok-to-stop ") == ["n1"]
    assert complete(environment, f"{at} job show ") == []


def test_a_silent_daemon_holds_nobody_up(environment, tmp_path):
    with fake_daemon(tmp_path / "s", lambda request, response: False) as path:
        start = time.monotonic()
        assert complete(environment, f"dhtctl -s {path} remove ") == []
        assert time.monotonic() - start < DEADLINE_S / 3


# ---- What shells make of it ----------------------------------------------------------

@pytest.mark.parametrize("shell", [complete_bash, complete_fish])
def test_shells(environment, members, shell):
    split = shell is complete_bash  # it replaces only what is behind a = or :
    assert sorted(shell(environment, "dhtctl jo")) == ["job", "join"]
    assert shell(environment, "dhtctl -s none get --he") in (["--hex", "--help"],
                                                             ["--help", "--hex"])
    assert shell(environment, "dhtctl --output=j") == ["json" if split else "--output=json"]
    assert shell(environment, "dhtctl config check etc/dh") == ["etc/dhtd.yaml"]
    assert shell(environment, "dhtctl --socket=etc/dh") == [
        "etc/dhtd.yaml" if split else "--socket=etc/dhtd.yaml"]
    assert shell(environment, "dhtctl remove ") == []
    at = f"dhtctl --socket={members}"
    assert shell(environment, f"{at} remove b") == ["beta"]
    assert sorted(shell(environment, f"{at} node set alpha --zone=")) == (
        ["east", "west"] if split else ["--zone=east", "--zone=west"])
    assert shell(environment, f"{at} job cancel ") == [str(JOB)]
    assert shell(environment, f"{at} recover --from alpha,b") == ["alpha,beta"]


class Terminal:
    """A shell at a terminal; keys are typed, and what is shown is waited for."""

    def __init__(self, command, environment):
        self.shown = ""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvpe(command[0], command, environment)
        termios.tcsetwinsize(self.descriptor, (50, 500))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.descriptor, 4096):
                text = data.decode(errors="replace")
                self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|[\x00-\x08]|\r", "", text)

    def type(self, keys, expected):
        self.shown = ""
        os.write(self.descriptor, keys.encode())
        wait_until(lambda: re.search(expected, self.shown), f"{expected} after {keys!r}",
                   DEADLINE_S)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


@pytest.fixture
def terminal(environment):
    with contextlib.ExitStack() as stack:
        def start(*command):
            terminal = Terminal(command, environment)
            stack.callback(terminal.close)
            return terminal
        yield start


def type_lines(terminal, members):
    """^U removes the line before the next one."""
    terminal.type("dhtctl stat\t", r"dhtctl status ")
    terminal.type(f"\x15dhtctl --socket={members} remove be\t", r"remove beta ")
    terminal.type(f"\x15dhtctl --socket={members} node set alpha --zone=e\t", r"--zone=east ")
    terminal.type("\x15dhtctl config check etc/dh\t", r"etc/dhtd\.yaml ")


def test_bash_at_a_terminal(terminal, members):
    bash = terminal("bash", "--norc", "-i")
    bash.type(f"PS1='rea''dy '; . {SCRIPTS}/dhtctl.bash\n", "ready ")
    type_lines(bash, members)
    bash.type("\x15dhtctl jo\t\t", r"job +join")


def test_zsh_at_a_terminal(terminal, members):
    zsh = terminal("zsh", "-f", "-i")
    zsh.type(f"PS1='rea''dy '; fpath=({SCRIPTS} $fpath); autoload -Uz compinit; "
             "compinit -u -D; unsetopt beep\n", "ready ")
    type_lines(zsh, members)
    zsh.type("\x15dhtctl jo\t\t", r"job +-- show or cancel")
