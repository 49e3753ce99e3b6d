# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of etc/ops, with the dhtctl and dhtd under test."""
import os
import re
import subprocess

from harness import BUILD, DEADLINE_S, ENVIRONMENT, ROOT, check_output

OPS = ROOT / "etc" / "ops"
SCRIPTS = ("backup", "check-dhtd", "rolling-restart", "support-bundle")
PATH = {"PATH": f"{BUILD}:{os.environ['PATH']}"}


def begin(script, *args, environment=None, **options):
    """Starts a script; stdout and stderr are one text."""
    return subprocess.Popen([OPS / script, *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=ENVIRONMENT | PATH | (environment or {}), **options)


def run(script, *args, environment=None, timeout=DEADLINE_S, **options):
    """Runs a script to its end; returns its exit code and all that it wrote."""
    with begin(script, *args, environment=environment, **options) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    check_output(output, f"{script} {args}")
    return process.returncode, output.decode()


def has_line(output, pattern):
    return re.search(pattern, output, re.MULTILINE) is not None
