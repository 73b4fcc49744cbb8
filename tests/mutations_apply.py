#!/usr/bin/env python3
"""Every mutation of the oracle's still applies: one that does not proves nothing, and nobody notices.

    mutations_apply.py ROOT     tests the checker on trees made for it, then checks ROOT

As strict as tests/oracle/prove, which applies them: what stands around a change has to be there too.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

EXPECTED = re.compile(r"(caught|survives): (lockstep|fullspeed)")


def check(root):
    """What is wrong with each mutation under `root`, as one text for each."""
    found = []
    for path in sorted((root / "tests/oracle/mutations").glob("*.patch")):
        first = path.read_text().partition("\n")[0]
        if not EXPECTED.fullmatch(first):
            found.append(f"{path.name}: its first line does not say what is expected")
        # --force: it asks nothing, nor takes a mutation that is in the tree for one to be undone.
        ran = subprocess.run(["patch", "--dry-run", "--force", "--fuzz=0", "-p1", "-i", path],
                             cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
        if ran.returncode != 0:
            found.append(f"{path.name}: does not apply\n{ran.stdout}")
    return found


class Checker(unittest.TestCase):
    """The checker really fails on what does not apply."""

    MUTATION = ("caught: lockstep\nWhy.\n\ndiff --git a/cache/a.cc b/cache/a.cc\n--- a/cache/a.cc\n"
                "+++ b/cache/a.cc\n@@ -1,3 +1,2 @@\n one\n-two\n three\n")

    def found(self, source, mutation=MUTATION):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in (("tests/oracle/mutations/m.patch", mutation),
                               ("cache/a.cc", source)):
                if text is not None:
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(text)
            found = check(root)
            if source is not None:
                self.assertEqual(source, (root / "cache/a.cc").read_text())
            return found

    def test_applies(self):
        self.assertEqual([], self.found("one\ntwo\nthree\n"))

    def test_has_moved(self):
        self.assertEqual([], self.found("zero\none\ntwo\nthree\nfour\n"))

    def test_does_not_apply(self):
        for source in ("one\n2\nthree\n",  # what it changes is another
                       "one\ntwo\n3\n",    # so is what stands beside that
                       "one\nthree\n",     # it is in the tree already
                       None):              # its file is gone
            self.assertEqual(1, len(self.found(source)), source)

    def test_says_what_is_expected(self):
        for first in ("found: lockstep", "caught: oracle", "caught:"):
            mutation = self.MUTATION.replace("caught: lockstep", first)
            self.assertEqual(1, len(self.found("one\ntwo\nthree\n", mutation)), first)


class Tree(unittest.TestCase):
    root = None

    def test_tree(self):
        self.assertTrue(any((self.root / "tests/oracle/mutations").glob("*.patch")), "no mutations")
        found = check(self.root)
        if found:
            self.fail("\n" + "\n".join(found))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Tree.root = pathlib.Path(sys.argv.pop()).resolve()
    unittest.main()
