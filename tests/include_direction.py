#!/usr/bin/env python3
"""Includes run one way: each room of the house may include what the table says and nothing else.

    include_direction.py ROOT     tests the checker on trees made for it, then checks ROOT

The table is the one place that says so for includes; CMakeLists.txt links in the same direction.
"""

import pathlib
import re
import sys
import tempfile
import unittest

# Room -> the rooms that it may include besides itself.
ALLOWED = {
    "base": set(),
    "pgwire": {"base"},
    "sql": {"base"},
    "cache": {"base", "pgwire"},
    "pool": {"base", "pgwire", "sql"},
    "catalog": {"base", "sql"},
    "feed": {"base", "pgwire", "cache"},
    "proxy": {"base", "pgwire", "sql", "cache", "pool", "catalog", "feed"},
    "net": {"base", "pgwire", "sql", "cache", "pool", "catalog", "feed", "proxy"},
}
# Folders that hold no room: tests and benchmarks may include anything.
NOT_ROOMS = {"tests", "benchmarks", "k8s", "scripts"}
# Only net/ knows libuv, OpenSSL's SSL objects and sockets.
NET_ONLY = re.compile(
    r"uv\.h|uv/.*|openssl/(ssl|tls1|dtls1|bio)\.h|sys/(socket|epoll|select|un)\.h|poll\.h"
    r"|netdb\.h|httplib\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
SOURCES = {".cc", ".h", ".cpp", ".hpp", ".c", ".inc"}


def includes(path):
    """(line number, what is included, whether in quotes) of a file."""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1) or found.group(2), found.group(1) is not None


def problem(room, included, quoted):
    """What is wrong with an include in a file of `room`, or None."""
    if room != "net" and NET_ONLY.fullmatch(included):
        return "only net/ may know it"
    target = included.split("/")[0] if "/" in included else None
    if target in ALLOWED:
        if target != room and target not in ALLOWED[room]:
            return f"{room}/ must not include {target}/"
    elif quoted:
        return "an include of our own is written room/file.h, with a room of the table"
    return None


def check(root):
    """Every violation under `root` as one line of text."""
    found = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        name = folder.name
        if name.startswith((".", "build")) or name in NOT_ROOMS:
            continue
        files = sorted(path for path in folder.rglob("*") if path.suffix in SOURCES)
        if files and name not in ALLOWED:
            found.append(f"{name}/: a room that is not in the table of include_direction.py")
            continue
        for path in files:
            for number, included, quoted in includes(path):
                wrong = problem(name, included, quoted)
                if wrong:
                    found.append(f"{path.relative_to(root)}:{number}: {included}: {wrong}")
    return found


class Checker(unittest.TestCase):
    """The checker really fails on what it forbids."""

    def found(self, **files):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in files.items():
                path = root / name.replace("__", "/").replace("_cc", ".cc").replace("_h", ".h")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(root)

    def test_allowed(self):
        self.assertEqual([], self.found(
            base__a_h="#include <string>\n", net__main_cc="#include <uv.h>\n#include \"pool/p.h\"\n",
            cache__a_cc='#include <openssl/sha.h>\n#include "base/a.h"\n#include "cache/b.h"\n',
            tests__x_cc='#include "net/a.h"\n', build__x_cc='#include "net/a.h"\n'))

    def test_wrong_direction(self):
        for file in ({"base__a_cc": '#include "cache/b.h"\n'},
                     {"cache__a_h": '#include "sql/b.h"\n'},
                     {"proxy__a_cc": '  #  include "net/loop.h"\n'},
                     {"pgwire__a_cc": "#include <pool/b.h>\n"}):
            self.assertEqual(1, len(self.found(**file)), file)

    def test_net_only(self):
        for header in ("uv.h", "openssl/ssl.h", "sys/socket.h"):
            self.assertEqual(1, len(self.found(proxy__a_cc=f"#include <{header}>\n")), header)
            self.assertEqual([], self.found(net__a_cc=f"#include <{header}>\n"), header)

    def test_unlisted_room(self):
        self.assertEqual(1, len(self.found(misc__a_cc="#include <string>\n")))

    def test_own_header_without_room(self):
        self.assertEqual(1, len(self.found(sql__a_cc='#include "analyzer.h"\n')))


class Tree(unittest.TestCase):
    root = None

    def test_tree(self):
        self.assertTrue((self.root / "base").is_dir(), f"{self.root} is not the house")
        self.assertEqual([], check(self.root))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Tree.root = pathlib.Path(sys.argv.pop()).resolve()
    unittest.main()
