# SPDX-License-Identifier: Apache-2.0
"""A minimal Debian system with systemd, booted in namespaces of its own.

The system is unpacked from an archive that is made once: a Debian of packages with priority
required, systemd, and (downloaded, not installed) what the packages under test depend on,
so that apt needs no network.
"""
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
WORK = SOURCE / "build" / "packaging"
SUITE = "bookworm"
HOST_NAME = "packaged"
DEADLINE_S = 120
BOOT_DEADLINE_S = 60
STOP_DEADLINE_S = 30
ENVIRONMENT = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
               "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
# What a running system writes for itself: not part of its files.
VOLATILE = ("proc/", "sys/", "dev/", "run/", "tmp/", "mnt/", "var/log/", "var/cache/",
            "var/lib/apt/", "var/lib/dpkg/", "var/lib/systemd/", "var/tmp/", "packages/",
            "root/", "etc/ld.so.cache", "etc/passwd-", "etc/group-", "etc/shadow-",
            "etc/gshadow-", "etc/.pwd.lock", "etc/machine-id")


def why_impossible():
    """Why no system can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "booting a system in namespaces needs root"
    trial = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup", "sh",
         "-c", "mount -t proc proc /proc && mount -t cgroup2 cgroup2 /mnt && "
         "mount -t tmpfs tmpfs /mnt && touch /mnt/file && chown 1:1 /mnt/file"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if trial.returncode == 0:
        return None
    return f"root lacks what a system in namespaces needs: {trial.stderr.strip()}"


def mirror():
    """The Debian mirror that this machine's apt uses."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)",
         "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=False).stdout
    for line in targets.splitlines():
        codename, component, uri = line.split()
        if (codename, component) == (SUITE, "main"):
            return uri
    return "http://deb.debian.org/debian"


def depends(package):
    return subprocess.run(["dpkg-deb", "-f", package, "Depends"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout


def base_archive(packages):
    """The archive of a system in which `packages` can be installed."""
    uri = mirror()
    wanted = "\n".join([SUITE, uri, *map(depends, packages)])
    archive = WORK / f"base-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}.tar"
    if archive.exists():
        return archive
    WORK.mkdir(parents=True, exist_ok=True)
    for outdated in WORK.glob("base-*.tar"):
        outdated.unlink()
    partial = archive.with_suffix(".partial.tar")
    names = [package.name for package in packages]
    download = " ".join(f"/{name}" for name in names)
    subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--include=systemd-sysv",
         "--skip=cleanup/apt",
         "--customize-hook=rm -f \"$1\"/var/cache/apt/archives/*.deb",
         *(f"--customize-hook=copy-in {package} /" for package in packages),
         "--customize-hook=chroot \"$1\" apt-get install --yes --no-install-recommends "
         f"--download-only {download}",
         f"--customize-hook=cd \"$1\" && rm -f {' '.join(names)}",
         SUITE, str(partial), uri],
        stdin=subprocess.DEVNULL, check=True)
    partial.rename(archive)
    return archive


class Machine:
    """Use as a context manager; boot() and power_off() any number of times."""

    def __init__(self, archive, directory, transcript):
        self.root = directory
        self.transcript = transcript
        self.archive = archive
        self.host = None
        self.init = None

    def __enter__(self):
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-C", self.root, "-xf", self.archive], check=True)
        (self.root / "etc/hostname").write_text(f"{HOST_NAME}\n")
        return self

    def __exit__(self, *_):
        if self.host is not None:
            self.power_off()
        shutil.rmtree(self.root)

    # ---- Power ----------------------------------------------------------------------

    def boot(self):
        self.note("(the machine boots)")
        self.host = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", HERE / "boot", "--boot",
             self.root], stdin=subprocess.DEVNULL)
        end = time.monotonic() + BOOT_DEADLINE_S
        while True:
            assert self.host.poll() is None, "the system did not boot"
            assert time.monotonic() < end, f"the system has not booted: {self.state()}"
            self.init = self.find_init()
            if self.init is not None and self.state() in ("running", "degraded"):
                return
            time.sleep(0.05)

    def find_init(self):
        """The process, as seen from here, that is process 1 inside."""
        pids = [self.host.pid]
        while pids:
            pid = pids.pop()
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return pid
                pids += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children")
                            .read_text().split())
            except FileNotFoundError:
                pass
        return None

    def state(self):
        if self.init is None:
            return "no systemd yet"
        return self.call("systemctl", "is-system-running").stdout.strip()

    def power_off(self):
        """Stops all services, as a shutdown does, and ends the system."""
        self.note("(the machine is powered off)")
        self.call("systemctl", "poweroff")
        try:
            self.host.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.kill(self.init, 9)
            self.host.wait(STOP_DEADLINE_S)
            raise
        finally:
            self.host = self.init = None

    # ---- Commands -------------------------------------------------------------------

    def call(self, *command, deadline_s=DEADLINE_S):
        """Runs a command in the system; returns what subprocess.run does."""
        return subprocess.run(
            ["nsenter", "--target", str(self.init), "--all", "--", *ENVIRONMENT, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=deadline_s, check=False)

    def run(self, line, code=0):
        """Runs a line of shell, which ends with `code`; returns its output. Both appear in
        the transcript."""
        self.note(f"# {line}")
        done = self.call("sh", "-c", line)
        self.note(done.stdout.rstrip("\n"))
        assert done.returncode == code, f"{line}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def from_outside(self, *command):
        """Runs a program of this machine in the system's network."""
        return subprocess.run(
            ["nsenter", "--target", str(self.init), "--net", "--", *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S,
            check=True).stdout

    def wait_until(self, line, deadline_s=DEADLINE_S):
        """Runs a line of shell until it succeeds."""
        end = time.monotonic() + deadline_s
        while (done := self.call("sh", "-c", line)).returncode != 0:
            assert time.monotonic() < end, f"{line}: not within {deadline_s} s\n{done.stdout}"
            time.sleep(0.05)

    def property(self, name, unit="dhtd.service"):
        return self.call("systemctl", "show", f"--property={name}", "--value",
                         unit).stdout.strip()

    def copy_in(self, file):
        """Copies a file of this machine into /packages; returns its path there."""
        target = self.root / "packages"
        target.mkdir(exist_ok=True)
        shutil.copy(file, target)
        return f"/packages/{pathlib.Path(file).name}"

    def note(self, text):
        with self.transcript.open("a") as file:
            print(text, file=file)

    # ---- Files ----------------------------------------------------------------------

    def files(self):
        """Every file that is not volatile, and what it is: {path: content's digest}."""
        found = {}
        for directory, directories, names in os.walk(self.root):
            inside = os.path.relpath(directory, self.root)
            for name in directories + names:
                path = os.path.normpath(os.path.join(inside, name))
                if not f"{path}/".startswith(VOLATILE):
                    found[path] = digest(self.root / path)
            directories[:] = [name for name in directories if not os.path.normpath(
                os.path.join(inside, name, "-")).startswith(VOLATILE)]
        return found


def digest(path):
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if path.is_dir():
        return "directory"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "special"


def quote(*words):
    return " ".join(map(shlex.quote, words))
