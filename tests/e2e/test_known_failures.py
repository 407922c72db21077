"""Services that cannot come to be: the verdict names the cause, and says what to do."""

import json
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
environment = {{ CRASH = "{crash}" }}
secrets = {{ PASSWORD = "{secret}:password::" }}

[parameters.service]
ContainerPort = {port}
HealthCheckPath = "{path}"
HealthCommand = "NONE"
"""
# It knows one path only, and ends at once when it is told to.
PROGRAM = """
import http.server, os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
if os.environ.get("CRASH"):
    sys.exit("settings: CRASH is set")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


# What is wrong, what the verdict shows of it, and what it says to do.
Wrong = list[tuple[dict[str, object], str, str]]
WRONG_PATH: Wrong = [({"path": "/nowhere"}, "codes: [404]", "Correct HealthCheckPath")]
WRONG_PORT: Wrong = [
    ({"port": another.PORT + 1}, "is unhealthy in", "ContainerPort in [parameters.service] has to be")
]


@pytest.mark.parametrize("wrong", [WRONG_PATH, WRONG_PORT], ids=["path", "port"])
def test_the_verdict_says_what_to_do(
    place: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    monkeypatch.setattr(another, "PROGRAM", PROGRAM)
    image = another.push(place, "process", tmp_path)
    secret = another.client(place, "secretsmanager").create_secret(
        Name="other", SecretString=json.dumps({"password": "hush"})
    )["ARN"]
    text = (place.root / FILE).read_text()
    text = re.sub(r"(?ms)^# How an API token.*?(?=^\[parameters)", "", text).replace('"registry", ', "")
    good = {"image": image, "crash": "", "secret": secret, "port": another.PORT, "path": "/up"}
    nowhere = f"{image.partition('@')[0]}@sha256:{'0' * 64}"
    for change, seen, hint in wrong:
        marks = {"NOWHERE": nowhere, "NO-SECRET": f"{secret}x"}
        changed = {key: marks.get(str(value), value) for key, value in change.items()}
        entries = CONTAINER.format(**{**good, **changed})
        (place.root / FILE).write_text(text.replace("[parameters.service]", entries.strip()))
        # Each goes on where the one before failed.
        said = place.fail("make create ENV=local")
        assert seen in said, said
        told = re.findall(r"^What to do: (.+)$", said, re.M)
        assert len(told) == 1, said
        assert hint in told[0], said
    (place.root / FILE).write_text(text.replace("[parameters.service]", CONTAINER.format(**good).strip()))
    assert "export URL=" in place.succeed("make create ENV=local")
    place.succeed("make delete ENV=local")
