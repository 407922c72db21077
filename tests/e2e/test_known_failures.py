"""Services that cannot come to be: the verdict names the cause, and says what to do."""

import re
from pathlib import Path

import pytest

from tests.e2e import another
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
CONTAINER = """
[container]
image = "{image}"

[parameters.service]
ContainerPort = {port}
HealthCheckPath = "{path}"
HealthCommand = "NONE"
StartSeconds = 0
"""
# It knows one path only.
PROGRAM = """
import http.server, os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


# What is wrong, what the verdict shows of it, and what it says to do.
WRONG = {
    "path": ({"path": "/nowhere"}, "codes: [404]", "Correct HealthCheckPath"),
    "port": (
        {"port": another.PORT + 1}, "is unhealthy in", "ContainerPort in [parameters.service] has to be"
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_the_verdict_says_what_to_do(
    place: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(another, "PROGRAM", PROGRAM)
    text = another.for_another((place.root / FILE).read_text())
    good = {"image": another.push(place, "process", tmp_path), "port": another.PORT, "path": "/up"}

    def describe(container: dict[str, object]) -> None:
        entries = CONTAINER.format(**container).strip()
        (place.root / FILE).write_text(text.replace("[parameters.service]", entries))

    change, seen, hint = WRONG[wrong]
    describe({**good, **change})
    said = place.fail("make create ENV=local")
    assert seen in said, said
    (told,) = re.findall(r"^What to do: (.+)$", said, re.M)
    assert hint in told, said
    # Corrected, it goes on where it failed.
    describe(good)
    assert "export URL=" in place.succeed("make create ENV=local")
    place.succeed("make delete ENV=local")
