"""PostgreSQL's own tests, for the server that is installed: fetched once, with apt, from Debian.

The runners (pg_regress, pg_isolation_regress, isolationtester) come with Debian's client package. What
it leaves out is the tests, which are in the source package, and regress.so, the C functions that
they call, which is compiled from there with the headers of postgresql-server-dev.

apt works on sources, lists and a cache of its own in a temporary directory, so that the machine's own
configuration is neither changed nor asked for source packages; nothing is installed. What apt fetches it
checks against the archive's signature as ever.
"""

import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import harness

APT_SECONDS = 600


class OutOfReach(Exception):
    """apt does not get at the suites from here."""


class Material:
    """Where the tests of one version lie; `home` has src/test/regress, src/test/isolation, lib."""

    def __init__(self, home, version):
        self.home = pathlib.Path(home)
        self.version = version
        self.bin = pathlib.Path(harness.server_bin("postgres")).parent
        self.major = self.bin.parent.name
        self.runners = self.bin.parent / "lib" / "pgxs" / "src" / "test"

    @property
    def library(self):
        return self.home / "lib"

    def suite(self, name):
        return self.home / "src" / "test" / name


def installed_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True,
                          text=True)
    if done.returncode != 0 or not done.stdout:
        raise SystemExit(f"error: {package} is not installed: these tests need Debian's packages")
    return done.stdout


def get(directory):
    """The material, from `directory` if it has been fetched for this version before."""
    major = pathlib.Path(harness.server_bin("postgres")).parent.parent.name
    package = f"postgresql-{major}"
    version = installed_version(package)
    home = pathlib.Path(directory) / f"{package}_{version}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pgsidecar-conformance-") as scratch:
            made = fetch(pathlib.Path(scratch), package, version)
            # Under its own name only when it is whole.
            part = home.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(made, part)
            part.rename(home)
    return Material(home, version)


def fetch(scratch, package, version):
    print(f"fetching the tests of {package} {version} with apt", file=sys.stderr, flush=True)
    apt = Apt(scratch / "apt")
    archives = scratch / "archives"
    archives.mkdir()
    source = apt.version(package, version)
    apt.run(archives, "source", "--download-only", f"{package}={source}")
    made = scratch / "made"
    made.mkdir()
    tarball = one(archives.glob("*.orig.tar.*"))
    subprocess.run(["tar", "-xf", tarball, "-C", made, "--strip-components=1", "--wildcards",
                    "*/COPYRIGHT", "*/src/test/regress/*", "*/src/test/isolation/*"], check=True)

    headers = "postgresql-server-dev-" + package.rpartition("-")[2]
    include = pathlib.Path("/usr/include/postgresql")
    if not (include / package.rpartition("-")[2] / "server" / "c.h").exists():
        apt.run(archives, "download", f"{headers}={source}")
        subprocess.run(["dpkg", "-x", one(archives.glob(headers + "_*.deb")), scratch / "headers"],
                       check=True)
        include = scratch / "headers" / "usr" / "include" / "postgresql"
    library = made / "lib"
    library.mkdir()
    subprocess.run(
        ["gcc", "-O1", "-w", "-fPIC", "-shared", "-o", library / "regress.so",
         f"-I{include / package.rpartition('-')[2] / 'server'}", f"-I{include / 'internal'}",
         made / "src" / "test" / "regress" / "regress.c"], check=True)
    # The tests of triggers load these two from the same directory.
    for name in ("autoinc.so", "refint.so"):
        shutil.copy(pathlib.Path(harness.server_bin("postgres")).parent.parent / "lib" / name,
                    library)
    return made


def one(found):
    found = list(found)
    if len(found) != 1:
        raise SystemExit(f"error: expected one file, found {found}")
    return found[0]


class Apt:
    """apt-get with the machine's sources, source packages among them, and everything else its own."""

    def __init__(self, directory):
        parts = directory / "sources"
        for path in (parts, directory / "lists" / "partial", directory / "cache" / "archives" /
                     "partial"):
            path.mkdir(parents=True)
        for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
            text = with_source_packages(path)
            if text:
                (parts / os.path.basename(path)).write_text(text)
        # apt fetches as root here, because its own user sees none of these directories.
        self._options = [
            "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}",
            "-o", f"Dir::State::lists={directory / 'lists'}",
            "-o", f"Dir::Cache={directory / 'cache'}", "-o", "APT::Sandbox::User=root"]
        self.run(directory, "update")

    def run(self, directory, *arguments):
        done = subprocess.run(["apt-get", "-q", *self._options, *arguments], cwd=directory,
                              capture_output=True, text=True, timeout=APT_SECONDS)
        if done.returncode != 0:
            raise OutOfReach(f"this failed: apt-get {' '.join(arguments)}\n"
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def version(self, package, wanted):
        """`wanted` if the archive still has its source, else the newest that it has."""
        done = subprocess.run(["apt-cache", *self._options, "showsrc", "--only-source", package],
                              capture_output=True, text=True, timeout=APT_SECONDS)
        found = re.findall(r"^Version: (\S+)$", done.stdout, re.MULTILINE)
        if wanted in found:
            return wanted
        if not found:
            raise OutOfReach(f"apt knows of no source package {package}")
        newest = found[0]
        for version in found[1:]:
            if subprocess.run(["dpkg", "--compare-versions", version, "gt",
                               newest]).returncode == 0:
                newest = version
        print(f"the archive has no source of {wanted}: taking {newest}", file=sys.stderr)
        return newest


def with_source_packages(path):
    """The text of a file of sources, source packages added; empty if apt would not read the file."""
    try:
        text = pathlib.Path(path).read_text()
    except (FileNotFoundError, IsADirectoryError):
        return ""
    if path.endswith(".sources"):
        return re.sub(r"(?mi)^Types:.*$", "Types: deb deb-src", text)
    if path.endswith(".list"):
        lines = [line for line in text.splitlines() if re.match(r"deb\s", line)]
        return "".join(f"{line}\n" + re.sub(r"^deb\s", "deb-src ", line) + "\n" for line in lines)
    return ""
