# SPDX-License-Identifier: Apache-2.0
"""The pages of the documentation as tests see them: README.md, CHANGELOG.md and docs/*.md.

As a program it prints the commands that another test runs, one a line, in the order of the pages:

    /usr/bin/python3 tests/system/documents.py packaging

prints those of tests/packaging; ELSEWHERE has the other names.
"""
import dataclasses
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

# What a page shows and test_docs.py does not run: who does, and why not test_docs.py.
ELSEWHERE = {
    "packaging": ("tests/packaging, in a Debian root of its own", (
        "packaging/build-deb",
        "sudo apt install ./dist/dhtd_*.deb ./dist/dhtctl_*.deb",
        "sudo dhtctl status",
        "head -c 32 /dev/urandom | base64 | install -m 640 -g dhtd /dev/stdin /etc/dhtd/secret",
        "apt install ./dhtd_*.deb ./dhtctl_*.deb",
        "apt-mark hold dhtd",
        "apt install --allow-change-held-packages ./dhtd_*.deb ./dhtctl_*.deb",
        "install -d -o dhtd -g dhtd -m 750 /srv/dhtd",
    )),
    "nobody": ("nobody: they need an SSH server on other machines, or change the tester's own", (
        "for node in n2 n3; do ssh $node 'cat | install -m 640 -g dhtd /dev/stdin "
        "/etc/dhtd/secret' < /etc/dhtd/secret; done",
    )),
    "ops": ("tests/system/test_ops_*.py", (
        "/usr/share/dhtd/ops/rolling-restart --run 'ssh root@{}' n1 n2 n3",
        "/usr/share/dhtd/ops/backup create backup-monday",
        "/usr/share/dhtd/ops/backup verify backup-monday",
        "/usr/share/dhtd/ops/backup restore backup-monday",
        "/usr/share/dhtd/ops/check-dhtd",
        "/usr/share/dhtd/ops/support-bundle",
    )),
    "quickstart": ("tests/system/test_quickstart.py", (
        "packaging/quickstart.sh",
        "packaging/quickstart.sh stop",
    )),
    "build": ("tests/run.sh, for every part that needs a build", (
        "packaging/deps.sh build",
        "cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build",
        "tests/run.sh",
    )),
    "sim": ("part sim of tests/run.sh, with fewer seeds: this takes minutes to an hour", (
        "tests/sim/run --seeds 100000 --first 40000000",
        "tests/sim/run --schedules",
        "tests/sim/variants",
    )),
    "unit": ("part unit of tests/run.sh, with fewer members: this takes up to a minute", (
        "tests/sim/build build-sim sim_scale",
        "build-sim/tests/sim_scale 3 32 100 300 1000",
        "build/tests/bench_planner",
    )),
    "soak": ("part system of tests/run.sh, without DHT_SOAK: this takes a quarter of an hour", (
        "DHT_SOAK=5 /usr/bin/python3 -m pytest tests/system/test_cluster_crash.py",
        "DHT_FUZZ_SECONDS=600 tests/run.sh fuzz",
    )),
    "bench": ("tests/bench/test_*.py, with --quick: on a quiet machine this takes minutes", (
        "tests/bench/resp --rounds 5 --calm 8",
        "tests/bench/store",
        "tests/bench/cluster --rounds 3 --seconds 1.5",
        "tests/bench/cluster --part kills --only dhtd --kills 20 --window 3",
    )),
}

FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
STAGE = re.compile(r"^<!-- stage: (.*) -->$", re.MULTILINE)
PROMPT = re.compile(r"^(?:(n\d))?\$ ", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Block:
    """What stands between two fences, or a comment that tells what happens to the stage."""
    page: pathlib.Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command behind a prompt, which may name the node on which it is typed."""
    node: str
    text: str
    output: str


def blocks_of(page):
    """All blocks of a page and stage comments between them, in their order."""
    text = page.read_text()
    found = [(match.start(), match.group(1), match.group(2)) for match in FENCE.finditer(text)]
    found += [(match.start(), "stage", match.group(1)) for match in STAGE.finditer(text)]
    return [Block(page, text.count("\n", 0, at) + 1, language, content)
            for at, language, content in sorted(found)]


def commands_of(block):
    """The commands of a console, each with what it prints. A backslash goes on in the next line."""
    text = block.text
    if not PROMPT.match(text):
        raise AssertionError(f"{block}: no prompt in front of the first command")
    prompts = list(PROMPT.finditer(text))
    for prompt, following in zip(prompts, [*prompts[1:], None]):
        part = text[prompt.end():following.start() if following else len(text)]
        command, _, output = part.replace("\\\n", "\0").partition("\n")
        # Space in front of a comment is for the reader.
        command = re.sub(r"\s*\0\s*", " ", command)
        yield Command(prompt.group(1) or "n1", re.sub(r"\s+# .*$", "", command).strip(),
                      output.replace("\0", "\\\n").strip("\n"))


@functools.cache
def owners():
    """Who runs a command that test_docs.py does not."""
    return {command: who for who, (_, commands) in ELSEWHERE.items() for command in commands}


def all_commands():
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "console":
                yield from commands_of(block)


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in ELSEWHERE:
        sys.exit(f"usage: documents.py {'|'.join(ELSEWHERE)}")
    for command in all_commands():
        if owners().get(command.text) == arguments[0]:
            print(command.text)


if __name__ == "__main__":
    main(sys.argv[1:])
