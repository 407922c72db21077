"""The pictures of the console are of the console as it is, small, and shown."""

import json
import re
import subprocess
import sys

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "screens"
MOST_BYTES = 150_000
# In a process of its own, because the script changes where modules are looked for.
LIST = """
import json, runpy
screens = runpy.run_path("docs/screens.py")
read = lambda name: screens["recorded"]((screens["FOLDER"] / f"{name}.png").read_bytes())
print(json.dumps([screens["digest"](), {name: read(name) for name in screens["SCREENS"]}]))
"""


def test_they_are_current_small_and_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    digest, found = json.loads(done.stdout)
    assert found == dict.fromkeys(found, digest), "take them anew: make screenshots"
    files = sorted(FOLDER.iterdir())
    assert [path.stem for path in files] == sorted(found)
    assert all(path.stat().st_size < MOST_BYTES for path in files)
    page = (ROOT / "docs" / "screens.md").read_text()
    assert set(re.findall(r"!\[[^]]+\]\(screens/(\S+)\.png\)", page)) == set(found)
