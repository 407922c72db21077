"""The whole way once, by the README's commands, with tasks as processes and as containers.

The tests of this module are one story and run in their order.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.readme import README, readme_command
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.serial


class Story:
    """What one chapter leaves for the next."""

    access: dict[str, str]


@pytest.fixture(scope="module")
def story(runtime: str) -> Story:
    return Story()


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def tasks(checkout: Checkout) -> set[str]:
    """The tasks that ECS reports, by id."""
    status = json.loads(checkout.succeed("make -s status ENV=local JSON=1"))
    return {task["id"] for task in status["services"][0]["tasks"] if task["status"] == "RUNNING"}


def test_create_ends_with_a_url_and_a_token(checkout: Checkout, story: Story) -> None:
    # Its tasks are counted here, and a busy machine would have it scale out.
    checkout.edit(
        "cloudformation/environments/local.toml", "GraceSeconds = 1", "GraceSeconds = 1\nMaxTasks = 2"
    )
    output = checkout.succeed(readme_command("make create ENV=local"))
    story.access = dict(re.findall(r"^\s*export (URL|TOKEN)=(\S+)$", output, re.M))
    assert story.access["URL"] == f"http://127.0.0.1:{checkout.http_port}"
    assert story.access["TOKEN"].startswith("echo_")


def test_the_readmes_curl_line_answers_as_printed(checkout: Checkout, story: Story) -> None:
    line = readme_command("curl ")
    printed = README.split(line)[1].splitlines()[1]
    assert checkout.succeed(line, **story.access).strip() == printed


def test_service_passes_its_test(checkout: Checkout, story: Story, runtime: str) -> None:
    checkout.succeed(readme_command("make test ENV=local"))
    engine = runtime == "container"
    assert any("-m app serve" in command for command in checkout.processes()) is not engine


def test_creating_what_exists_changes_nothing(checkout: Checkout, story: Story) -> None:
    before = tasks(checkout)
    assert "already" in checkout.fail("make create ENV=local")
    assert tasks(checkout) == before


def test_nothing_to_change_is_a_success(checkout: Checkout, story: Story) -> None:
    assert "Nothing to change" in checkout.succeed("make change ENV=local NAME=nothing")
    assert "nothing" in checkout.fail("make approve ENV=local NAME=nothing")


def test_a_new_version_loses_no_request(checkout: Checkout, story: Story) -> None:
    url = story.access["URL"]
    old = get(f"{url}/healthz")["version"]
    checkout.edit("app/web/welcome.py", "Welcome to the Echo Room.", "Welcome to the new Echo Room.")
    with Traffic(url, story.access["TOKEN"]) as traffic:
        shown = checkout.succeed(readme_command("make change ENV=local"))
        assert "Image" in shown
        assert "@sha256:" in shown
        assert get(f"{url}/healthz")["version"] == old, "make change may change nothing"
        checkout.succeed(readme_command("make approve ENV=local"))
    assert traffic.lost == {}
    assert traffic.answers["ok"] > 100
    assert get(f"{url}/healthz")["version"] != old
    assert get(f"{url}/hello") == {"Hello": "Welcome to the new Echo Room."}
    checkout.succeed("make test ENV=local")
    assert "UPDATE_COMPLETE" in checkout.succeed(readme_command("make status ENV=local"))


def test_an_approved_change_set_cannot_be_approved_again(checkout: Checkout, story: Story) -> None:
    assert "greeting" in checkout.fail("make approve ENV=local NAME=greeting")


def test_a_version_that_cannot_start_is_rolled_back_and_explained(checkout: Checkout, story: Story) -> None:
    url = story.access["URL"]
    good, running = get(f"{url}/healthz")["version"], len(tasks(checkout))
    module = checkout.root / "app" / "__main__.py"
    source = module.read_text()
    module.write_text(f'raise SystemExit("planted: this version cannot start")\n{source}')
    checkout.succeed("make change ENV=local NAME=broken")
    with Traffic(url, story.access["TOKEN"]) as traffic:
        output = checkout.fail("make approve ENV=local NAME=broken")
    module.write_text(source)
    assert traffic.lost == {}
    assert get(f"{url}/healthz")["version"] == good
    for verdict in (output, checkout.succeed("make last-update-failure ENV=local")):
        assert "planted: this version cannot start" in verdict, "the container's last lines"
        assert "exit code 1" in verdict
        assert "Service" in verdict
    assert "UPDATE_ROLLBACK_COMPLETE" in checkout.succeed("make status ENV=local")
    assert len(tasks(checkout)) == running


def test_a_killed_local_cloud_comes_back_as_it_was(checkout: Checkout, story: Story, runtime: str) -> None:
    running = len(tasks(checkout))
    processes = sum("-m app serve" in command for command in checkout.processes())
    engine_side = len(containers_of(checkout)) if runtime == "container" else 0
    cloud = json.loads(checkout.succeed("make -s local-status JSON=1"))["pid"]
    os.kill(cloud, signal.SIGKILL)
    output = checkout.succeed("make create ENV=local")
    assert story.access["URL"] in output
    # The token made before the kill still works: the table is as it was.
    line = readme_command("curl ")
    assert "Is anybody there?" in checkout.succeed(line, **story.access)
    deadline = time.monotonic() + 60
    while len(tasks(checkout)) != running and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(tasks(checkout)) == running
    if runtime == "process":
        servers = [command for command in checkout.processes() if "-m app serve" in command]
        assert len(servers) == processes, "nothing runs twice"
    else:
        assert len(containers_of(checkout)) == engine_side, "nothing runs twice"
    clouds = [command for command in checkout.processes() if "localcloud serve" in command]
    assert len(clouds) == 1
    checkout.succeed("make test ENV=local")


def test_delete_leaves_nothing_behind(checkout: Checkout, story: Story, runtime: str) -> None:
    assert runtime == "process" or containers_of(checkout)
    output = checkout.succeed(readme_command("make delete ENV=local"))
    assert "Kept" in output
    assert "AWS::DynamoDB::GlobalTable" in output, "the table is retained, and delete says so"
    assert checkout.processes() == []
    for port in (checkout.gateway_port, checkout.http_port):
        with socket.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", port)) != 0
    if runtime == "container":
        assert containers_of(checkout) == []
    assert "exit" not in checkout.succeed("make delete ENV=local"), "deleting twice is no mistake"


def containers_of(checkout: Checkout) -> list[str]:
    """Containers and networks that carry this local cloud's label."""
    cloud = json.loads((checkout.root / ".state" / "localcloud" / "cloud.json").read_text())
    label = f"label=io.echo-room.localcloud={cloud['id']}"
    found = []
    for kind in (["ps", "--all"], ["network", "ls"]):
        done = subprocess.run(
            ["docker", *kind, "--quiet", "--filter", label],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        found += done.stdout.split()
    return found
