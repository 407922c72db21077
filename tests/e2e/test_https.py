"""The service by a name over HTTPS on the local cloud: certificate, redirect and record as on AWS."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.browser.visits import chromium
from tests.e2e import another
from tests.e2e.checkout import ROOT, Checkout, free_port

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
NAME = "echo.example.test"
TOKENS = "make -s tokens ENV=local JSON=1"


def test_https_by_a_name_of_ones_own(place: Checkout) -> None:
    zone = another.client(place, "route53").create_hosted_zone(Name="example.test", CallerReference="test")
    port = free_port()
    place.edit(
        FILE,
        "[parameters.service]",
        f"""[parameters.service]
DomainName = "{NAME}"
HostedZoneId = "{zone["HostedZone"]["Id"].removeprefix("/hostedzone/")}"
HttpsPort = {port}
SignUp = "open"
""",
    )
    created = place.succeed("make create ENV=local")
    said = dict(re.findall(r"^export (URL|TOKEN)=(\S+)$", created, re.M))
    assert said["URL"] == f"https://{NAME}:{port}"
    line = next(line for line in created.splitlines() if line.startswith("curl "))
    answer = subprocess.run(
        ["bash", "-c", line], env={**place.environment, **said}, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == '{"str": "hello"}', answer.stderr
    tested = place.succeed("make test ENV=local")
    for check in (
        "certificate is trusted",
        "TLS 1.3",
        "TLS 1.2",
        "TLS 1.1 is refused",
        "HTTP redirects to HTTPS",
    ):
        assert re.search(rf"{check}.*pass", tested), tested

    _console(said["URL"], f"{place.root}/.state/localcloud/certificates/authority.pem")

    # Load takes the same way: the name that is in no DNS, verified by the local cloud's authority.
    loaded = place.run("make -s load ENV=local RATE=10 SECONDS=3 JSON=1")
    found = json.loads(loaded.stdout)
    assert (found["failed"], found["different"]) == (0, 0), loaded.stdout
    assert found["url"] == said["URL"]
    assert 0 < found["requests"] <= found["planned"] == 30
    # On a busy machine the latency may be broken.
    assert (loaded.returncode == 0) is found["passed"]
    assert "local, steady" in (place.root / ".state/local/load-steady.html").read_text()
    states = {one["name"].split("-")[0]: one["state"] for one in json.loads(place.succeed(TOKENS))}
    assert states["load"] == "revoked"


def _console(url: str, authority: str) -> None:
    """The page in a browser: cookie, WebSocket, tasks, and what the web ACL refuses."""
    if chromium() is None and os.environ.get("CI") != "true":
        return  # tests/browser says so
    command = [sys.executable, "-m", "tests.e2e.console", url, authority]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
