# SPDX-License-Identifier: Apache-2.0
"""The life of an installation, from `apt install` to `apt purge`, on one machine.

The tests are the chapters of one story and run in this order. All along, a call of the
kernel that the unit does not allow kills the daemon, instead of failing (STRICT).
"""
import re

import pytest

import machine as machines

STRICT = "[Service]\nSystemCallErrorNumber=kill\n"
CONFIGURATION = "/etc/dhtd/dhtd.yaml"
RESTART_DEADLINE_S = 20


@pytest.fixture(scope="module")
def story(machine):
    """The machine, running, and its files before the installation."""
    drop_in = machine.root / "etc/systemd/system/dhtd.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "strict.conf").write_text(STRICT)
    machine.boot()
    machine.files_before = machine.files()
    yield machine


def install(machine, packages, *options):
    files = [machine.copy_in(packages.dhtd), machine.copy_in(packages.dhtctl)]
    return machine.run(machines.quote(
        "apt-get", "install", "--yes", "-qq", "-o", "Dpkg::Use-Pty=0",
        "--no-install-recommends", *options, *files))


def main_pid(machine):
    return int(machine.property("MainPID"))


def assert_serves(machine):
    assert machine.property("ActiveState") == "active"
    assert machine.property("StatusText") == "serving"
    machine.run("dhtctl health")


def test_fresh_install_starts_a_cluster_of_one_on_loopback(story, packages):
    install(story, packages)
    assert_serves(story)
    assert story.run("systemctl is-enabled dhtd").strip() == "enabled"
    story.run("dhtctl put a 1")
    assert story.run("dhtctl get a").strip() == "1"
    assert story.run("dhtctl -o json node ls").count('"number"') == 1
    listening = [line.split()[1] for line in
                 story.call("cat", "/proc/net/tcp", "/proc/net/tcp6").stdout.splitlines()
                 if line.split()[3] == "0A"]
    assert sorted(listening) == ["0100007F:1CE9", "0100007F:1CEA"]  # 127.0.0.1:7401, :7402


def test_files_belong_to_whom_they_should(story):
    listing = story.run("stat -c '%A %U %G %n' /var/lib/dhtd /run/dhtd /run/dhtd/dhtd.sock "
                        f"{CONFIGURATION}").splitlines()
    assert listing == [
        "drwxr-x--- dhtd dhtd /var/lib/dhtd",
        "drwxr-x--- dhtd dhtd /run/dhtd",
        "srw-rw---- dhtd dhtd /run/dhtd/dhtd.sock",
        f"-rw-r--r-- root root {CONFIGURATION}",
    ]
    status = story.call("cat", f"/proc/{main_pid(story)}/status").stdout
    assert re.search(r"^CapBnd:\s0+$", status, re.MULTILINE), status
    assert re.search(r"^Seccomp:\s2$", status, re.MULTILINE), status


def test_the_node_knows_the_boot_of_the_machine(story):
    """Without it every crash counts as one of the machine: store.fsync has more to say then."""
    boot_id = story.run("cat /proc/sys/kernel/random/boot_id").strip()
    assert f"\nboot_id {boot_id}\n" in story.run("cat /var/lib/dhtd/identity")


def test_a_secret_is_made_and_read_as_the_readme_says(story):
    story.run("head -c 32 /dev/urandom | base64 | "
              "install -m 640 -g dhtd /dev/stdin /etc/dhtd/secret")
    listing = story.run("stat -c '%a %U %G %s' /etc/dhtd/secret").strip()
    assert listing == "640 root dhtd 45"
    story.run(f"sed -i 's|^  secret_file:.*|  secret_file: /etc/dhtd/secret|' {CONFIGURATION} && "
              "systemctl restart dhtd")
    assert_serves(story)
    story.run(f"sed -i 's|^  secret_file:.*|  secret_file: \"\"|' {CONFIGURATION} && "
              "systemctl restart dhtd")


def test_drop_ins_of_the_documentation_let_a_node_go_elsewhere(story):
    text = (machines.SOURCE / "docs/operations.md").read_text()
    drop_ins = re.findall(r"```text\n(\[(?:Unit|Service)\]\n.*?)```", text, re.DOTALL)
    assert len(drop_ins) == 2
    folder = story.root / "etc/systemd/system/dhtd.service.d"
    files = [folder / f"{number}.conf" for number in range(len(drop_ins))]
    for file, drop_in in zip(files, drop_ins):
        file.write_text(drop_in)
    story.run("install -d -o dhtd -g dhtd -m 750 /srv/dhtd")
    story.run(f"cp {CONFIGURATION} /root/good.yaml && sed -i 's|data_dir: .*|data_dir: /srv/dhtd|; "
              f"s|client: 127.0.0.1:7401|client: 127.0.0.1:401|' {CONFIGURATION} && "
              "systemctl daemon-reload && systemctl restart dhtd")
    assert_serves(story)
    story.run("test -e /srv/dhtd/identity && grep -q ' 0100007F:0191 ' /proc/net/tcp")
    for file in files:
        file.unlink()
    story.run(f"cp /root/good.yaml {CONFIGURATION} && systemctl daemon-reload && "
              "systemctl restart dhtd && rm -r /srv/dhtd")
    assert story.run("dhtctl get a").strip() == "1"


def test_scripts_for_operators_find_the_node(story):
    story.run("/usr/share/dhtd/ops/check-dhtd --disk off")
    story.run("/usr/share/dhtd/ops/backup create /root/backup && "
              "/usr/share/dhtd/ops/backup verify /root/backup && rm -r /root/backup")


def test_a_load_needs_no_forbidden_call(story):
    pid = main_pid(story)
    story.from_outside("redis-benchmark", "-p", "7401", "-n", "5000", "-r", "1000", "-d", "4000",
                       "-c", "20", "-P", "4", "-q", "-t", "ping,set,get,incr,mset")
    story.run("dhtctl dump | head -c 2000000 > /dev/null; dhtctl scan > /dev/null; "
              "dhtctl verify")
    assert main_pid(story) == pid
    assert_serves(story)


def test_data_is_there_after_a_shutdown_and_a_boot(story):
    story.power_off()
    story.boot()
    story.wait_until("systemctl is-active dhtd")
    assert_serves(story)
    assert story.run("dhtctl get a").strip() == "1"


def test_a_node_that_hangs_is_started_again(story):
    story.run("mkdir -p /run/systemd/system/dhtd.service.d && "
              "printf '[Service]\\nWatchdogSec=2s\\n' "
              "> /run/systemd/system/dhtd.service.d/watchdog.conf && "
              "systemctl daemon-reload && systemctl restart dhtd")
    pid = main_pid(story)
    story.run(f"kill -STOP {pid}")
    story.wait_until("test $(systemctl show -p NRestarts --value dhtd) -gt 0 && "
                     "systemctl is-active dhtd", RESTART_DEADLINE_S)
    assert main_pid(story) != pid
    story.run("rm -r /run/systemd/system/dhtd.service.d && systemctl daemon-reload && "
              "systemctl restart dhtd")
    assert story.run("dhtctl get a").strip() == "1"


def test_a_bad_configuration_is_said_and_not_tried_again(story):
    story.run(f"cp {CONFIGURATION} /root/good.yaml && echo 'no: setting' >> {CONFIGURATION}")
    story.run("systemctl reload dhtd", code=1)
    assert_serves(story)
    story.run("systemctl restart dhtd", code=1)
    assert story.property("ActiveState") == "failed"
    assert story.property("ExecMainStatus") == "2"
    assert "no: " in story.run("journalctl --quiet --unit=dhtd --lines=5 --output=cat")
    story.run(f"cp /root/good.yaml {CONFIGURATION} && systemctl start dhtd")
    assert_serves(story)


def test_an_upgrade_keeps_data_and_configuration_and_restarts(story, newer_packages):
    story.run(f"sed -i 's/^  level: .*/  level: debug/' {CONFIGURATION}")
    before = (story.root / CONFIGURATION[1:]).read_bytes()
    pid = main_pid(story)
    story.run("apt-mark hold dhtd")
    install(story, newer_packages, "--allow-change-held-packages")
    story.run("apt-mark unhold dhtd")
    assert main_pid(story) != pid
    assert_serves(story)
    assert "+upgrade" in story.run("dhtctl status")
    assert story.run("dhtctl get a").strip() == "1"
    assert (story.root / CONFIGURATION[1:]).read_bytes() == before


def test_the_test_that_comes_with_the_package(story):
    script = machines.SOURCE / "packaging" / "debian" / "tests" / "service"
    story.run(story.copy_in(script))


def test_removal_stops_the_node_and_keeps_its_data(story):
    story.run("apt-get remove --yes -qq -o Dpkg::Use-Pty=0 dhtd")
    assert story.property("ActiveState") == "inactive"
    story.run("test -e /var/lib/dhtd/identity && test -e /etc/dhtd/dhtd.yaml && "
              "! test -e /usr/sbin/dhtd")


def test_a_new_installation_finds_the_data(story, newer_packages):
    install(story, newer_packages)
    assert_serves(story)
    assert story.run("dhtctl get a").strip() == "1"


def start_member(machine, number):
    """Another node of the same machine, which joins the service's cluster."""
    directory = f"/tmp/n{number}"
    port = 7400 + 10 * number
    machine.run(f"install -d -o dhtd -g dhtd {directory}")
    machine.run(
        f"systemd-run --quiet --unit=n{number} --uid=dhtd -p Type=notify /usr/sbin/dhtd "
        f"--set node.name=n{number} --set node.data_dir={directory} "
        f"--set listen.admin={directory}/sock --set listen.client=127.0.0.1:{port} "
        f"--set listen.peer=127.0.0.1:{port + 1}")
    machine.run(f"dhtctl -s {directory}/sock join 127.0.0.1:7402")


def test_an_upgrade_restarts_a_member_whom_the_others_can_replace(story, newer_packages):
    for number in (1, 2):
        start_member(story, number)
    story.wait_until("dhtctl health")
    pid = main_pid(story)
    install(story, newer_packages, "--reinstall")
    assert main_pid(story) != pid
    story.wait_until("dhtctl health")


def test_an_upgrade_leaves_a_member_running_that_is_needed(story, newer_packages):
    story.run("systemctl stop n2")
    story.wait_until(f"! dhtctl ok-to-stop {machines.HOST_NAME}")
    pid = main_pid(story)
    said = install(story, newer_packages, "--reinstall")
    assert main_pid(story) == pid
    assert "not restarted" in said and f"dhtctl ok-to-stop {machines.HOST_NAME}" in said, said


def test_an_upgrade_restarts_no_node_that_would_not_start(story):
    """The executable that runs has been replaced already; this is what the upgrade calls."""
    pid = main_pid(story)
    story.run(f"echo 'no: setting' >> {CONFIGURATION}")
    said = story.run("/usr/libexec/dhtd/restart-upgraded")
    story.run(f"sed -i '$d' {CONFIGURATION}")
    assert main_pid(story) == pid
    assert "refuses the configuration" in said and "unknown section" in said, said
    story.run("systemctl stop n1")


def test_no_forbidden_call_was_made(story):
    killed = story.call("journalctl", "--quiet", "--output=cat",
                        "--grep=dhtd.service: Main process exited, .*status=31/SYS")
    assert killed.stdout == ""


def test_purge_empties_what_a_link_leads_to_and_what_is_mounted(story, newer_packages):
    story.run("systemctl stop dhtd && mv /var/lib/dhtd /srv/ && ln -s /srv/dhtd /var/lib/dhtd && "
              "mount --bind /etc/dhtd /etc/dhtd && test -e /var/lib/dhtd/identity")
    said = story.run("apt-get purge --yes -qq -o Dpkg::Use-Pty=0 dhtd")
    assert "rm:" not in said and "find:" not in said and "rmdir:" not in said, said
    story.run("test ! -L /var/lib/dhtd && umount /etc/dhtd && rmdir /srv/dhtd /etc/dhtd")
    install(story, newer_packages)
    assert_serves(story)


def test_purge_leaves_nothing_behind(story):
    story.run("apt-get purge --yes -qq -o Dpkg::Use-Pty=0 dhtd dhtctl")
    story.run("apt-get autoremove --purge --yes -qq -o Dpkg::Use-Pty=0")
    after = story.files()
    assert {path for path in after if path not in story.files_before} == set()
    assert {path for path in story.files_before if path not in after} == set()
    changed = {path for path, what in after.items() if story.files_before[path] != what}
    assert changed == set()
    story.run("test ! -e /run/dhtd && ! getent passwd dhtd && ! getent group dhtd")
    assert not list((story.root / "var/lib/systemd").rglob("*dhtd*"))
