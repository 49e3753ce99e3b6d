# SPDX-License-Identifier: Apache-2.0
"""What the documents point to is there: pages, sections, files, commands, options, settings.

Programs are asked themselves: `dhtctl help get` knows what `get` takes. Figures are well-formed, say
in words what they show, and show the numbers of the pages.
"""
import functools
import re
import subprocess
import xml.etree.ElementTree

import pytest

import documents
from documents import ROOT
from harness import BUILD, DEADLINE_S

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = sorted((ROOT / "docs/figures").glob("*.svg"))
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
FOLDERS = "cli|daemon|docs|etc|packaging|proto|tests"
MODULES = "admin|base|conf|io|node|paxos|resp|ring|server|store|wire|worker"
SECTIONS = "node|cluster|listen|advertise|workers|store|clients|peers|log"
# Words that stand for what the reader fills in, and no options.
OPTION = re.compile(r"(?<!\S)--?[a-z][a-z-]*")
CPU_ROWS = {
    "GET, one in flight": "server CPU, us: `GET`, one in flight",
    "GET, 16 deep": "`GET`, 16 deep",
    "SET, one in flight": "`SET`, one in flight",
    "SET, 16 deep": "`SET`, 16 deep",
}


def prose_of(page):
    """A page without its blocks."""
    return documents.FENCE.sub("", page.read_text())


def slug(heading):
    """The anchor that a heading gets: letters, digits and dashes."""
    return re.sub(r"[^\w -]", "", heading.replace("`", "").lower()).replace(" ", "-")


@functools.cache
def anchors_of(page):
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE)}


def check_link(page, target):
    if target.startswith("https://"):
        return
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.exists(), f"{page.name}: {target} leads nowhere"
    assert not anchor or anchor in anchors_of(file), f"{page.name}: {target} has no such section"


def printed(*words):
    """What a program prints and its exit code."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, cwd=ROOT, check=False, timeout=DEADLINE_S)
    return done.returncode, done.stdout


@functools.cache
def help_of(*words):
    code, text = printed(*words)
    assert code == 0, f"{' '.join(map(str, words))}: {text}"
    return text


@functools.cache
def settings():
    """The names of all settings."""
    names, section = set(), ""
    for line in help_of(BUILD / "dhtd", "--print-defaults").splitlines():
        found = re.match(r"( *)(?:# ?)?(\w+):", line)
        if found and not found[1]:
            section = found[2]
        elif found:
            names.add(f"{section}.{found[2]}")
    return names


def check_options(words, text, help_text):
    for option in set(OPTION.findall(text)) - {"--help"}:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", help_text), (
            f"`{text}`: {' '.join(map(str, words))} knows no {option}")


def check_program(text):
    """A command of this repository, such as `tests/run.sh fuzz`: it is there, with its options."""
    command = re.sub(r"^(?:[A-Z_]+=\S+ |/usr/bin/python3 -m pytest )*", "", text)
    path = ROOT / command.split()[0]
    assert path.exists(), f"`{text}`: there is no {command.split()[0]}"
    if OPTION.search(command):
        check_options([path], command, help_of(path, "--help"))


def check_dhtctl(text):
    verb = text.split()[1]
    if verb.startswith("-"):
        _, help_text = printed(BUILD / "dhtctl", "--help")
        words = text.split()
        # Options stand before the command.
        known = [word for word in words[1:] if re.search(rf"^ +{word}[ ,]", help_text, re.MULTILINE)]
        assert known, f"`{text}`: dhtctl knows none of it"
        return
    code, help_text = printed(BUILD / "dhtctl", "help", verb)
    assert code == 0, f"`{text}`: dhtctl has no {verb}"
    check_options(["dhtctl", verb], text, help_text + help_of(BUILD / "dhtctl", "--help"))


def check_span(page, text):
    """What stands between backquotes is there, if it is a name of ours."""
    if re.match(r"dhtctl \S", text):
        check_dhtctl(text)
    elif re.match(r"dhtd -", text):
        check_options(["dhtd"], text, help_of(BUILD / "dhtd", "--help"))
    elif re.fullmatch(rf"(?:{SECTIONS})\.[a-z_]+", text):
        assert text in settings(), f"{page.name}: there is no setting {text}"
    elif re.match(rf"(?:{FOLDERS})/", text) and " " in text:
        check_program(text)
    elif re.fullmatch(rf"(?:{FOLDERS})/[\w./*\[\]-]*", text):
        assert list(ROOT.glob(text)), f"{page.name}: there is no {text}"
    elif re.fullmatch(rf"(?:{MODULES})/\w+(?:\.[ch])?", text):
        assert list((ROOT / "daemon").glob(f"{text}*")), f"{page.name}: there is no daemon/{text}"


PAGES = pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.name)


@PAGES
def test_blocks_are_fenced_in_one_way(page):
    """So that no command hides from test_docs.py."""
    text = page.read_text()
    fences = re.findall(r"^ *(?:```|~~~).*$", text, re.MULTILINE)
    assert len(fences) == 2 * len(documents.FENCE.findall(text))
    assert not re.search(r"\n\n(?: {4,}|\t)\S", prose_of(page)), "an indented block"


@PAGES
def test_links_lead_somewhere(page):
    for is_image, text, target in LINK.findall(prose_of(page)):
        check_link(page, target)
        assert not is_image or len(text) > 40, f"{page.name}: {target} is not told in words"


@PAGES
def test_names_are_those_of_programs_and_files(page):
    for text in SPAN.findall(prose_of(page)):
        check_span(page, text)


def test_every_page_is_reached_from_the_readme():
    targets = {target.partition("#")[0] for _, _, target in
               LINK.findall(prose_of(ROOT / "README.md"))}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= targets


def test_commands_that_are_run_elsewhere_could_be_run():
    for command in documents.owners():
        if not re.match(r"apt|build|cmake |for |head |install |sudo |/usr/", command):
            check_program(command)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_figures_are_well_formed_and_told_in_words(figure):
    root = xml.etree.ElementTree.parse(figure).getroot()
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    assert len(description.text) > 100
    # In a page's image nothing else says which colours the reader has.
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text
    used = {name for element in root.iter() for name in element.get("class", "").split()}
    assert all(re.search(rf"\.{name} {{", root.find(f"{SVG}style").text) for name in used)


def test_figures_are_shown():
    shown = {(page.parent / target).resolve() for page in documents.PAGES
             for is_image, _, target in LINK.findall(prose_of(page)) if is_image}
    assert shown == set(FIGURES)


def test_the_bars_are_those_of_the_table():
    page = (ROOT / "docs/redis.md").read_text()
    told = (ROOT / "docs/comparison.md").read_text()
    root = xml.etree.ElementTree.parse(ROOT / "docs/figures/cpu.svg").getroot()
    bars = {}
    for bar in root.iter(f"{SVG}rect"):
        if bar.get("data-row"):
            bars.setdefault(bar.get("data-row"), []).append(bar)
            assert bar.get("data-value") in told, "the words beside the figure"
            assert abs(float(bar.get("width")) / float(bar.get("data-value")) - 70) < 0.5
    assert set(bars) == set(CPU_ROWS)
    for row, name in CPU_ROWS.items():
        values = " | ".join(bar.get("data-value") for bar in bars[row])
        assert f"| {name} | {values} |" in page, f"docs/redis.md has other figures of {row}"
        assert [bar.get("class") for bar in bars[row]] == ["dhtd", "redis", "memcached"]


@pytest.mark.parametrize("text, problem", [
    ("dhtctl frobnicate NODE", "has no frobnicate"),
    ("dhtctl leave --gently", "knows no --gently"),
    ("dhtd --check-everything", "knows no --check-everything"),
    ("store.fsink", "no setting store.fsink"),
    ("tests/sim/run --sedes 3", "knows no --sedes"),
    ("tests/bench/speed --rounds 3", "no tests/bench/speed"),
    ("daemon/node/nobody.c", "no daemon/node/nobody.c"),
    ("worker/idler", "no daemon/worker/idler"),
])
def test_wrong_names_are_noticed(text, problem):
    with pytest.raises(AssertionError, match=problem):
        check_span(ROOT / "README.md", text)


@pytest.mark.parametrize("target", ["docs/nothing.md", "docs/store.md#nothing", "#nothing"])
def test_dead_links_are_noticed(target):
    with pytest.raises(AssertionError, match="leads nowhere|no such section"):
        check_link(ROOT / "README.md", target)
