# SPDX-License-Identifier: Apache-2.0
"""The manual: it can be shown, it has all that the programs have, its examples work."""
import os
import re
import subprocess

import pytest

from harness import BUILD, DEADLINE_S, ENVIRONMENT, ROOT, admin_schema, free_port, run_dhtd

PAGES = ("dhtctl.1", "dhtd.yaml.5", "dhtd-protocol.7", "dhtd.8")
FOLDER = BUILD / "packaging/man"
# What stands in examples and can be different elsewhere.
FIGURES = {"slot 9032": "slot ...", "60": "..."}
# What mandoc says of references to pages that are not installed where the tests run.
NOT_INSTALLED = re.compile(r"referenced manual not found|mandoc\.db")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True,
                          timeout=DEADLINE_S, **options)


def shown(page):
    """A page as text, without hyphens that typesetting adds, in long lines."""
    environment = {**ENVIRONMENT, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8"}
    return run("man", "--no-hyphenation", "--no-justification", "-l", FOLDER / page,
               env=environment).stdout


@pytest.fixture(scope="module")
def text():
    """The pages by name."""
    return {page: shown(page) for page in PAGES}


def section(text, title):
    """What stands below a heading."""
    return re.search(rf"(?ms)^{title}\n(.*?)(?=^\S|\Z)", text)[1]


def squeezed(text):
    """Text without what help and manual print differently: blanks, and capitals."""
    return re.sub(r"\s+", "", text).lower()


# ---- Form ----------------------------------------------------------------------------

@pytest.mark.parametrize("page", PAGES)
def test_pages_are_shown_without_warnings(page):
    for width in ("80", "132"):
        done = run("man", "--warnings", "-l", FOLDER / page, env={
            **ENVIRONMENT, "MANWIDTH": width, "LC_ALL": "C.UTF-8"})
        assert done.stderr == "" and done.stdout.count("\n") > 50
    done = run("groff", "-ww", "-mandoc", "-Tutf8", FOLDER / page, env=ENVIRONMENT)
    assert done.stderr == ""


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", FOLDER / page], check=False,
                          capture_output=True, text=True, timeout=DEADLINE_S)
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if not NOT_INSTALLED.search(line)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_its_sections(text, page):
    expected = ["NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO"]
    if page in ("dhtctl.1", "dhtd.8"):
        expected += ["SYNOPSIS", "ENVIRONMENT", "FILES", "EXIT STATUS"]
    for title in expected:
        assert section(text[page], title).strip() != ""
    assert "@" not in text[page]  # a word of the template that nothing replaced
    others = {re.sub(r"\.(\d)$", r"(\1)", other) for other in PAGES if other != page}
    assert others <= set(re.findall(r"[\w.-]+\(\d\)", section(text[page], "SEE ALSO")))


# ---- Content -------------------------------------------------------------------------

def test_every_command_with_what_its_help_says(text):
    page = squeezed(text["dhtctl.1"])
    listing = run(BUILD / "dhtctl", "help", env=ENVIRONMENT).stdout
    commands = re.findall(r"(?m)^  (\S+)  ", re.search(r"(?s)commands:\n(.*?)\n\n", listing)[1])
    assert len(commands) > 20
    for command in commands:
        lines = run(BUILD / "dhtctl", "help", command, env=ENVIRONMENT).stdout.splitlines()
        assert squeezed(lines[0].removeprefix("usage: dhtctl")) in page, command
        for line in lines[1:-1]:
            assert squeezed(line) in page, (command, line)


def test_options_and_exit_codes_of_dhtctl(text):
    listing = run(BUILD / "dhtctl", "--help", env=ENVIRONMENT).stdout
    page = squeezed(text["dhtctl.1"])
    usage = re.search(r"usage: (.*)", listing)[1]
    assert squeezed(usage) in page
    for line in re.search(r"(?s)options.*?:\n(.*?)\n\n", listing)[1].splitlines():
        assert squeezed(line) in page
    exits = squeezed(section(text["dhtctl.1"], "EXIT STATUS"))
    lines = re.search(r"(?s)exit codes:\n(.*?)\n\n", listing)[1].splitlines()
    assert len(lines) > 10
    for line in lines:
        assert squeezed(line) in exits


def test_the_help_of_dhtd(text):
    page = squeezed(text["dhtd.8"])
    listing = run(BUILD / "dhtd", "--help", env=ENVIRONMENT).stdout
    for line in re.search(r"(?s)usage: (.*?)\n\n", listing)[1].splitlines():
        assert squeezed(line) in page
    for part in ("options", "signals", "exit codes"):
        for line in re.search(rf"(?s)\n{part}:\n(.*?)\n\n", listing)[1].splitlines():
            assert squeezed(line) in page


def test_every_setting(text):
    settings = section(text["dhtd.yaml.5"], "SETTINGS")
    group, count = "", 0
    for line in run_dhtd("--print-defaults").stdout.decode().splitlines():
        if match := re.match(r"(\w+):$", line):
            group = match[1]
        elif match := re.match(r"  #?(\w+):", line):
            assert re.search(rf"(?m)^ +{group}\.{match[1]}$", settings), (group, match[1])
            count += 1
        elif match := re.match(r"  # (?:Allowed: )?(.*)", line):
            assert squeezed(match[1].removeprefix("Default: ").removeprefix("Change: ")) in (
                squeezed(settings)), line
    assert count > 20


def test_every_command_of_redis(text, shared_node):
    page = text["dhtd-protocol.7"]
    with shared_node.client() as client:
        names = client.call("COMMAND", "LIST")
        assert len(names) > 50
        for name in names:
            assert re.search(rf"(?m)^ +{name.decode().upper()}( |$)", page), name
        for refused in ("KEYS", "LPUSH", "EVAL", "CLUSTER MEET"):
            assert client.call(*refused.split()).startswith("ERR")
            assert re.search(rf"(?m)^ +(.*, )?{refused}(,| |$)", page), refused


def test_every_message_and_field(text):
    page = text["dhtd-protocol.7"]
    schema = admin_schema().DESCRIPTOR
    assert len(schema.message_types_by_name) > 40

    def check(message):
        for field in message.fields:
            assert re.search(rf"(?m)^ .* {field.name} = {field.number}$", page), field.full_name
        for enum in message.enum_types:
            for value in enum.values:
                assert re.search(rf"(?m)^ +{value.name} = {value.number}$", page), value.name

    for name, message in schema.message_types_by_name.items():
        assert re.search(rf"(?m)^ +{name}( |$)", page), name
        check(message)


# ---- Examples ------------------------------------------------------------------------

def examples_of(text):
    """Pairs of a command and what it prints, with ... for anything."""
    for block in re.findall(r"(?m)^ {11}\$ .*\n(?:^ {11}.*\n)*", section(text, "EXAMPLES")):
        for part in re.split(r"(?m)^\$ ", re.sub(r"(?m)^ {11}", "", block))[1:]:
            command = re.match(r"(?:.*\\\n)*.*", part)[0]
            yield command, part[len(command):].strip("\n")


def stage(folder, node):
    """What the examples find in the folder that they run in."""
    for program in ("dhtctl", "dhtd"):
        (folder / program).symlink_to(BUILD / program)
    (folder / "redis-cli").write_text('#!/bin/sh\nexec /usr/bin/redis-cli --no-raw "$@"\n')
    (folder / "redis-cli").chmod(0o755)
    (folder / "README.md").symlink_to(ROOT / "README.md")
    (folder / "secret").write_text("the secret of the examples\n")
    (folder / "secret").chmod(0o600)
    return {**ENVIRONMENT, "PATH": f"{folder}:{os.environ['PATH']}",
            "DHTCTL_SOCKET": str(node.socket)}


def play(examples, environment, folder):
    """Runs the commands in one shell; yields each with what it should print and has printed."""
    mark = "--- the end of a command"
    script = "".join(f"{command}\n printf '\\n{mark}\\n'\n" for command, _ in examples)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=2 * DEADLINE_S)
    outputs = done.stdout.split(f"{mark}\n")
    assert len(outputs) == len(examples) + 1
    for (command, expected), output in zip(examples, outputs):
        yield command, expected, re.sub(r"\n+", "\n", output).strip("\n")


@pytest.mark.parametrize("page", PAGES)
def test_examples(text, node, tmp_path, page):
    ports = {"7401": str(node.client_port), "7411": str(free_port()), "7412": str(free_port())}

    def local(words):
        for port, other in ports.items():
            words = words.replace(f":{port}", f":{other}").replace(f"-p {port}", f"-p {other}")
        return words.replace("/etc/dhtd/secret", str(tmp_path / "secret"))

    shown_file = re.search(r"(?m)(^ {11}node:\n(?:^ {11}.*\n)+)", section(text[page], "EXAMPLES"))
    if shown_file is not None:
        (tmp_path / "dhtd.yaml").write_text(local(re.sub(r"(?m)^ {11}", "", shown_file[1])))
    examples = [(local(command), expected) for command, expected in examples_of(text[page])]
    assert len(examples) > 2
    for command, expected, output in play(examples, stage(tmp_path, node), tmp_path):
        for figure, other in FIGURES.items():
            expected = expected.replace(figure, other)
        pattern = ".*".join(map(re.escape, expected.split("...")))
        assert re.fullmatch(pattern, output, re.DOTALL), f"$ {command}\n{output}"


def test_the_bytes_of_an_example(text, shared_node):
    """They are the request that the page says."""
    shared_node.ctl("put", "a", "1", check=True)
    line = re.search(r"(?m)^ +((?:[0-9a-f]{2} +)+[0-9a-f]{2})$",
                     section(text["dhtd-protocol.7"], "EXAMPLES"))[1]
    with shared_node.admin() as admin:
        admin.send_bytes(bytes.fromhex(line))
        response = admin.receive()
    assert (response.call_id, response.last, response.get.value) == (1, True, b"1")
