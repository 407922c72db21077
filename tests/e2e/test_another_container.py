"""Another container in the echo service's place, by an edit of the environment file and of nothing else."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import another
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
CONTAINER = """
[container]
image = "{image}"
environment = {{ GREETING = "good day" }}
secrets = {{ PASSWORD = "{secret}:password::" }}

[parameters.service]
ContainerPort = {port}
HealthCheckPath = "/up"
HealthCommand = "NONE"
"""
CHECKS = """
[parameters.health]
AlivePath = "/alive"
AliveText = "/alive"
EchoPath = "/greeting"
EchoText = "GREETING"
"""


@pytest.fixture
def place(checkout: Checkout, runtime: str) -> Iterator[Checkout]:
    """The local cloud, up, with nothing on it yet."""
    checkout.start_cloud()
    try:
        yield checkout
    finally:
        checkout.run("make delete ENV=local")
        if runtime == "container":
            another.remove_container_images(checkout)


def describe(place: Checkout, image: str) -> None:
    """Make local.toml say what runs; the registry and the echo service's tokens go."""
    secret = another.client(place, "secretsmanager").create_secret(
        Name="other", SecretString=json.dumps({"user": "me", "password": "hush"})
    )
    text = another.for_another((place.root / FILE).read_text())
    entries = CONTAINER.format(image=image, secret=secret["ARN"], port=another.PORT)
    text = text.replace("[parameters.service]", entries.strip())
    (place.root / FILE).write_text(text.replace("[parameters.health]", CHECKS.strip()))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.1)


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def test_another_container_runs_is_changed_and_goes(place: Checkout, runtime: str, tmp_path: Path) -> None:
    describe(place, another.push(place, runtime, tmp_path))
    created = place.succeed("make create ENV=local")
    url = f"http://127.0.0.1:{place.http_port}"
    assert created == f'export URL={url}\ncurl -s "$URL/up"\n'
    assert get(f"{url}/any/where") == {"path": "/any/where", "GREETING": "good day", "PASSWORD": "hush"}

    tested = json.loads(place.succeed("make -s test ENV=local JSON=1"))
    assert [one["name"] for one in tested["checks"]] == ["ready: GET /up", "healthy targets"]
    until(lambda: [state[:7] for state in another.outside(place).values()] == ["Success"] * 2)
    assert set(another.outside(place)) == {"/alive", "/greeting"}
    assert "no [token] table" in place.fail("make token ENV=local NAME=me")
    assert "RUNTIME=process is of no use" in place.fail("make change ENV=local NAME=x RUNTIME=process")

    place.edit(FILE, "good day", "good night")
    shown = json.loads(place.succeed("make -s change ENV=local NAME=night JSON=1"))
    (changed,) = [row for row in shown["changes"] if row["logical_id"] == "TaskDefinition"]
    assert "good day" in changed["before"]
    assert "good night" in changed["after"]
    assert "hush" not in json.dumps(shown["changes"])
    assert get(url)["GREETING"] == "good day", "make change may change nothing"
    place.succeed("make approve ENV=local NAME=night")
    assert get(url)["GREETING"] == "good night"

    place.succeed("make delete ENV=local")
    # The local cloud lets go of its state a moment before its process ends.
    until(lambda: place.processes() == [])
