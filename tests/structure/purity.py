#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the pure core refers to no clock, randomness, socket, thread, lock or file.

Looks with nm at the objects of the pure folders in a release build (sanitizers refer
to symbols of their own). An undefined symbol must be one that another pure object
defines, or stand in the short list of what a pure function may use: whatever is not
known to be harmless is refused.

Usage: purity.py [BUILD_DIR]    (build)
Prints the violations and "N passed, N failed" (a check per object, and one per sample
of the self-test); exits with 1 if anything failed.
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

PURE_FOLDERS = ("base", "ring", "paxos", "store", "node")
# The implementation of the disk's vtable is the shell's, although it stands in store/.
IMPURE = re.compile(r"daemon/store/os[^/]*\.c$")

HARMLESS = re.compile(
    r"""
    (__)?(mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp)(_chk)?
    | (__)?str(len|nlen|cmp|ncmp|casecmp|ncasecmp|chr|rchr|str|spn|cspn|pbrk|n?cpy|n?dup)(_chk)?
    | (__)?(__isoc(99|23)_)?strto(u?l|u?ll|u?imax|l?d)
    | __ctype_(b|tolower|toupper)_loc | __errno_location
    | (__)?v?snprintf(_chk)?
    | qsort | bsearch
    | malloc | calloc | realloc | reallocarray | free | aligned_alloc | posix_memalign
    | abort | __stack_chk_fail | _GLOBAL_OFFSET_TABLE_
    | exp2?f? | log(2|10|1p)?f? | pow f? | sqrtf? | floorf? | ceilf? | l?l?roundf?
    | XXH(32|64|3|128)?_\w+
    """,
    re.VERBOSE,
)
# The log's default sink: the text of a failed assertion must come out somewhere.
HARMLESS_IN_BASE = re.compile(r"stderr|(__)?v?fprintf(_chk)?|fputs|fputc|fwrite")

SAMPLES = [
    ("clean", "#include <string.h>\nsize_t f(const char *s) { return strlen(s); }", []),
    ("clock", "#include <time.h>\nlong f(void) { return time(0); }", ["time"]),
    ("lock", "#include <pthread.h>\nint f(pthread_mutex_t *m)"
             "{ return pthread_mutex_lock(m); }", ["pthread_mutex_lock"]),
    ("file", "#include <unistd.h>\nlong f(void *p) { return read(0, p, 1); }", ["read"]),
]


def symbols(nm_option, objects):
    """Maps each object to the set of symbols that `nm nm_option` lists for it."""
    found = {}
    for path in objects:
        out = subprocess.run(["nm", "-P", nm_option, str(path)], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        found[path] = {line.split()[0].split("@")[0] for line in out.splitlines()}
    return found


def impurities(path, undefined, defined, folder):
    return sorted(
        name for name in undefined
        if name not in defined and not HARMLESS.fullmatch(name)
        and not (folder == "base" and HARMLESS_IN_BASE.fullmatch(name)))


def check_samples():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        for name, source, expected in SAMPLES:
            path = pathlib.Path(work, name + ".o")
            subprocess.run(["cc", "-O2", "-fno-builtin", "-xc", "-c", "-o", str(path), "-"],
                           input=source.encode(), check=True)
            found = impurities(path, symbols("-u", [path])[path], set(), "node")
            if found == expected:
                passed += 1
            else:
                failed += 1
                print(f"self-test: {name}: found {found} instead of {expected}")
    return passed, failed


def pure_objects(build):
    """(object, folder) of every pure source file, as the build compiles it now."""
    commands = json.loads((build / "compile_commands.json").read_text())
    for command in commands:
        match = re.search(r"daemon/([a-z]+)/[^/]+\.c$", command["file"])
        if match and match.group(1) in PURE_FOLDERS and not IMPURE.search(command["file"]):
            words = shlex.split(command["command"])
            output = words[words.index("-o") + 1]
            if f"dhtd_{match.group(1)}.dir" not in output:
                continue  # compiled anew for a test, as something else
            yield pathlib.Path(command["directory"], output), match.group(1)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    passed, failed = check_samples()
    try:
        objects = dict(pure_objects(build))
        undefined, defined = symbols("-u", objects), symbols("--defined-only", objects)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{build} is not a complete build: {error}")
        print(f"{passed} passed, {failed + 1} failed")
        return 1
    for folder in sorted(set(PURE_FOLDERS) - set(objects.values())):
        print(f"{build}: no object of daemon/{folder}")
        failed += 1
    ours = set().union(*defined.values())
    for path, folder in objects.items():
        found = impurities(path, undefined[path], ours, folder)
        for name in found:
            print(f"{folder}/{path.stem}: refers to {name}")
        passed, failed = (passed, failed + 1) if found else (passed + 1, failed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
