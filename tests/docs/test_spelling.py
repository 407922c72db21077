"""No common misspelling in pages, templates and code: codespell's list."""

import subprocess
import sys

from tests.docs.pages import ROOT

# Locks are no language, and tests plant mistakes on purpose. `te` is a header of HTTP.
SKIP = "*/requirements.txt,tests/*,*.png"
KNOWN = "te"
# What commands print breaks words: in the cells of tables, and where a line is cut.
BROKEN = r"│.*|\w+…"


def test_codespell_finds_nothing() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    done = subprocess.run(
        [
            sys.executable, "-m", "codespell_lib", "-S", SKIP, "-L", KNOWN, "--ignore-regex", BROKEN,
            *listed.split(),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
