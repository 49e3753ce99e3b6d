# SPDX-License-Identifier: Apache-2.0
"""The harness must notice a daemon that misbehaves, or its judgements mean nothing."""
import signal

import pytest

from harness import NodeSet, wait_until

# Runs a command, serves once it can be stopped (the file of its socket is there then),
# and ends as told when SIGTERM comes.
FAKE_DHTD = """#!/bin/bash
trap 'rm -f "$socket"; exit {code}' TERM
{first}
for word; do case $word in listen.admin=*) socket=${{word#*=}} ;; esac; done
: >"$socket"
while :; do read -t 0.05 <> <(:) || :; done
"""


@pytest.fixture
def fake_build(tmp_path):
    """fake_build(first, code): a build whose dhtd runs a shell command and waits."""
    def make(first=":", code=0, ctl='[ -e "$2" ]'):
        build = tmp_path / "build"
        build.mkdir()
        for name, text in (("dhtd", FAKE_DHTD.format(first=first, code=code)),
                           ("dhtctl", f"#!/bin/bash\n{ctl}\n")):
            (build / name).write_text(text)
            (build / name).chmod(0o755)
        return build
    return make


def test_a_good_daemon_passes(fake_build, tmp_path):
    with NodeSet(tmp_path, fake_build()) as nodes:
        nodes.make()
        nodes.make()
        assert [node.is_running() for node in nodes.nodes] == [True, True]
    assert not any(node.is_running() for node in nodes.nodes)


@pytest.mark.parametrize("words", [
    "==1==ERROR: AddressSanitizer: heap-use-after-free",
    "==1==ERROR: LeakSanitizer: detected memory leaks",
    "a.c:1:2: runtime error: signed integer overflow",
    "WARNING: ThreadSanitizer: data race",
    "level=error module=assert msg=\"broken invariant, stopping\"",
])
def test_a_report_in_the_log_fails(fake_build, tmp_path, words):
    with pytest.raises(AssertionError, match="n1 reported"):
        with NodeSet(tmp_path, fake_build(f"echo '{words}' >&2")) as nodes:
            node = nodes.make()
            wait_until(node.log)


def test_a_report_of_dhtctl_fails(fake_build, tmp_path):
    build = fake_build(ctl="echo 'x.c:1: runtime error: x' >&2")
    with pytest.raises(AssertionError, match="dhtctl .* reported"):
        with NodeSet(tmp_path, build) as nodes:
            nodes.make(start=False).ctl("status")


def test_a_wrong_exit_code_fails(fake_build, tmp_path):
    with pytest.raises(AssertionError, match="n1 exited with 3"):
        with NodeSet(tmp_path, fake_build(code=3)) as nodes:
            nodes.make()


def test_a_daemon_that_died_fails(fake_build, tmp_path):
    with pytest.raises(AssertionError, match="n1 does not run"):
        with NodeSet(tmp_path, fake_build()) as nodes:
            node = nodes.make()
            node.signal(signal.SIGKILL)
            wait_until(lambda: not node.is_running())


def test_a_daemon_that_does_not_start_fails(fake_build, tmp_path):
    with pytest.raises(AssertionError, match="(?s)ended while starting.*no room"):
        with NodeSet(tmp_path, fake_build("echo 'no room' >&2; exit 1", ctl="exit 4")) as nodes:
            nodes.make()


def test_a_daemon_that_does_not_stop_fails(fake_build, tmp_path):
    with pytest.raises(AssertionError, match="n1 did not stop"):
        with NodeSet(tmp_path, fake_build("trap '' TERM; echo up")) as nodes:
            node = nodes.make()
            wait_until(node.log)


def test_a_daemon_that_the_test_ended_passes(fake_build, tmp_path):
    with NodeSet(tmp_path, fake_build()) as nodes:
        nodes.make().kill()
        nodes.make().stop()
        node = nodes.make()
        node.signal(signal.SIGTERM)
        assert node.wait_exit() == 0
        node.start()
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: False, deadline_s=0.05)
