#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks which folder includes which, and the form of headers.

The directions of STYLE.md as a table (ALLOWED), and for every file of daemon/, cli/
and proto/: the own header comes first, includes are written by path and never
through "..", a header has its guard, a file begins with its licence. Files elsewhere
are checked for the licence alone.

Usage: includes.py [ROOT]
Prints the violations and "N passed, N failed" (a check per file, and one per broken
sample that must be found); exits with 1 if anything failed.
"""
import pathlib
import re
import sys

PURE = {"paxos", "ring", "store", "node"}

# What a folder may include besides itself and base. An entry with a slash is one header.
ALLOWED = {
    "base": set(),
    "conf": set(),
    "io": set(),
    "paxos": set(),
    "ring": set(),
    "store": {"paxos/ballot.h"},
    "node": {"paxos", "ring", "store"},
    "wire": PURE | {"proto"},
    "worker": PURE | {"io", "wire"},
    "resp": PURE - {"paxos"} | {"io", "conf", "worker", "wire"},
    "admin": PURE - {"paxos"} | {"io", "conf", "worker", "wire", "proto"},
    "server": PURE | {"io", "conf", "worker", "wire", "resp", "admin", "proto"},
    "main": PURE | {"io", "conf", "worker", "wire", "resp", "admin", "server", "proto"},
    "proto": set(),
    "cli": {"proto"},
}

SOURCE_ROOTS = ("daemon", "cli", "proto")
LICENSED_ROOTS = SOURCE_ROOTS + ("tests", "packaging", "etc", ".ci")
LICENSED_SUFFIXES = {".c", ".h", ".def", ".proto", ".py", ".sh", ".yaml", ".cmake"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def folder_of(path):
    """The row of ALLOWED for a source file, given by its parts below the root."""
    if path[0] != "daemon":
        return path[0]
    return path[1] if len(path) > 2 else "main"


def target_of(name):
    """The folder a quoted include leads to, or None when it is not written by path."""
    if name.endswith(".pb-c.h") and "/" not in name:
        return "proto"  # generated from proto/, without a folder of its own
    return name.split("/")[0] if "/" in name else None


def include_problems(path, text):
    folder = folder_of(path)
    if folder not in ALLOWED:
        yield f"folder {folder} has no row in the table of allowed directions"
        return
    for quote, name in INCLUDE.findall(text):
        if quote == "<":
            continue
        target = target_of(name)
        if ".." in name.split("/"):
            yield f'"{name}" goes through ".."'
        elif target is None:
            yield f'"{name}" is not written by path'
        elif target not in ALLOWED:
            yield f'"{name}" is in no folder of the project'
        elif target not in {folder, "base"} | ALLOWED[folder] and name not in ALLOWED[folder]:
            yield f'{folder} may not include "{name}"'


def own_header_problems(path, text, exists):
    """A .c file that has a header includes it before anything else."""
    shown = path[1:] if path[0] == "daemon" else path
    header = "/".join(shown)[:-2] + ".h"
    if not exists(path[:-1] + (path[-1][:-2] + ".h",)):
        return
    first = INCLUDE.search(text)
    if first is None or first.group(2) != header:
        yield f'the first include is not its own header "{header}"'


def guard_problems(path, text):
    shown = path[1:] if path[0] == "daemon" else path
    guard = "DHT_" + re.sub(r"[^A-Z0-9]", "_", "_".join(shown).upper())
    directives = [line.split() for line in COMMENT.sub("", text).splitlines() if line.strip()]
    if directives[:2] != [["#ifndef", guard], ["#define", guard]] or directives[-1:] != [["#endif"]]:
        yield f"the header guard is not #ifndef {guard}, #define {guard} ... #endif"


def licence_problems(text):
    head = text.splitlines()[:2] if text.startswith("#!") else text.splitlines()[:1]
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head):
        yield "does not begin with SPDX-License-Identifier: Apache-2.0"


def problems(path, text, exists):
    """Everything wrong with one file; path is a tuple of its parts below the root."""
    yield from licence_problems(text)
    if path[0] not in SOURCE_ROOTS or not path[-1].endswith((".c", ".h", ".def")):
        return
    code = COMMENT.sub("", text)
    yield from include_problems(path, code)
    if path[-1].endswith(".c"):
        yield from own_header_problems(path, code, exists)
    if path[-1].endswith(".h"):
        yield from guard_problems(path, text)


LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
GUARDED = LICENCE + "#ifndef DHT_STORE_X_H\n#define DHT_STORE_X_H\n{}\n#endif\n"

# (path, text, must be clean): the checks themselves must tell good from bad.
SAMPLES = [
    ("daemon/ring/map.c", LICENCE + '#include "ring/map.h"\n#include "base/list.h"\n', True),
    ("daemon/ring/map.c", LICENCE + '#include "ring/map.h"\n#include "store/store.h"\n', False),
    ("daemon/ring/map.c", LICENCE + '#include "base/list.h"\n#include "ring/map.h"\n', False),
    ("daemon/ring/map.c", LICENCE + '#include "ring/map.h"\n# include "../node/node.h"\n', False),
    ("daemon/ring/map.c", LICENCE + '#include "ring/map.h"\n/* #include "io/loop.h" */\n', True),
    ("daemon/ring/map.c", LICENCE + '#include "ring/map.h"\n#include "slot.h"\n', False),
    ("daemon/ring/map.c", '#include "ring/map.h"\n', False),
    ("daemon/store/x.h", GUARDED.format('#include "paxos/ballot.h"'), True),
    ("daemon/store/x.h", GUARDED.format('#include "paxos/acceptor.h"'), False),
    ("daemon/store/x.h", LICENCE + "#define DHT_STORE_X_H\n", False),
    ("daemon/store/x.h", GUARDED.format("").replace("STORE_X", "STORE_Y"), False),
    ("daemon/wire/wire.c", LICENCE + '#include "admin.pb-c.h"\n#include "node/node.h"\n', True),
    ("daemon/wire/wire.c", LICENCE + '#include "worker/worker.h"\n', False),
    ("daemon/main.c", LICENCE + '#include "server/server.h"\n', True),
    ("daemon/attic/old.c", LICENCE, False),
    ("cli/put.c", LICENCE + '#include "cli/client.h"\n#include "proto/frame.h"\n', True),
    ("cli/put.c", LICENCE + '#include "conf/conf.h"\n', False),
    ("packaging/x.sh", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n", True),
    ("packaging/x.sh", "#!/bin/bash\nset -e\n", False),
]


def check_samples():
    """Returns how many samples were judged rightly and how many wrongly."""
    wrong = 0
    for name, text, clean in SAMPLES:
        path = tuple(name.split("/"))
        found = list(problems(path, text, lambda p: p[-1] == "map.h"))
        if (not found) != clean:
            wrong += 1
            print(f"self-test: {name}: {found or 'nothing'} found in:\n{text}")
    return len(SAMPLES) - wrong, wrong


def is_checked(path):
    if {"__pycache__", "corpus"} & set(path.parts) or not path.is_file():
        return False
    if path.suffix in LICENSED_SUFFIXES or path.name == "CMakeLists.txt":
        return True
    return path.suffix == "" and path.read_bytes().startswith(b"#!")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    if root.is_file():
        root = root.parents[2]
    passed, failed = check_samples()
    files = [root / "CMakeLists.txt"]
    for name in LICENSED_ROOTS:
        files += sorted(path for path in (root / name).rglob("*") if is_checked(path))
    sources = 0
    for file in files:
        path = file.relative_to(root).parts
        sources += path[0] in SOURCE_ROOTS
        found = list(problems(path, file.read_text(), lambda p: root.joinpath(*p).exists()))
        for problem in found:
            print(f"{'/'.join(path)}: {problem}")
        passed, failed = (passed, failed + 1) if found else (passed + 1, failed)
    if sources == 0:
        print(f"{root}: no source file found")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
