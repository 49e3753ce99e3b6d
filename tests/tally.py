#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the test cases in a JUnit file of ctest or pytest.

A program of the Check library is one test to ctest and many cases to us: its line
"100%: Checks: 12, Failures: 0, Errors: 0" is what counts, if there is one.

Usage: tally.py FILE
Prints "PASSED FAILED SKIPPED".
"""
import re
import sys
import xml.etree.ElementTree

CHECKS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)


def tally_case(case):
    """(passed, failed, skipped) of one <testcase>."""
    if case.find("skipped") is not None:
        return 0, 0, 1
    bad = case.find("failure") is not None or case.find("error") is not None
    suites = CHECKS.findall(case.findtext("system-out") or "")
    if not suites:
        return int(not bad), int(bad), 0
    checks, failures, errors = (sum(map(int, column)) for column in zip(*suites))
    failed = failures + errors
    # A program may fail without a failed check, by a leak for example.
    return checks - failed, max(failed, int(bad)), 0


def main():
    cases = xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase")
    counts = [tally_case(case) for case in cases]
    print(*(sum(column) for column in zip(*counts)) if counts else (0, 0, 0))


if __name__ == "__main__":
    main()
