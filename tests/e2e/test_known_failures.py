"""Services that cannot come to be, side by side: each verdict names the cause, and says what to do."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import another
from tests.e2e.checkout import Checkout
from tests.ports import free_port

pytestmark = pytest.mark.serial

FILES = "cloudformation/environments"
CONTAINER = """
[container]
image = "{image}"
environment = {{ MODE = "{mode}" }}

[parameters.service]
ContainerPort = {port}
HealthCheckPath = "{path}"
HealthCommand = "NONE"
StartSeconds = 0
"""
# It knows one path only, and does not start when it is told not to.
PROGRAM = """
import http.server, os, signal, sys

if os.environ["MODE"] == "crash":
    print("looking for its data")
    sys.exit("fatal: there is no data")
signal.signal(signal.SIGTERM, lambda *_: sys.exit())

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Fault:
    """What is wrong, the first cause as the verdict tells it, and what it says to do."""

    change: dict[str, object]
    cause: str
    hint: str
    stopped: str
    exit_code: int = 0
    target: str = ""
    log: str = ""
    unhealthy: bool = False


FAULTS = {
    "crash": Fault(
        {"mode": "crash"},
        "its container service ended by itself with exit code 1: fatal: there is no data",
        "The container ends by itself",
        stopped="Essential container in task exited",
        exit_code=1,
        log="fatal: there is no data",
    ),
    "path": Fault(
        {"path": "/nowhere"},
        r"its tasks never passed the load balancer's health check: Health checks failed .* codes: \[404\]",
        "Correct HealthCheckPath",
        stopped="Task failed ELB health checks in",
        target="codes: [404]",
        unhealthy=True,
    ),
    "port": Fault(
        {"port": another.PORT + 1},
        "its tasks never passed the load balancer's health check: (Health checks failed|Request timed out)",
        "ContainerPort in [parameters.service] has to be",
        stopped="Task failed ELB health checks in",
        unhealthy=True,
    ),
}


def test_the_verdict_of_a_failed_creation_names_the_true_cause(
    place: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(another, "PROGRAM", PROGRAM)
    text = another.for_another((place.root / FILES / "local.toml").read_text())
    image = another.push(place, "process", tmp_path)
    good: dict[str, object] = {"image": image, "mode": "serve", "port": another.PORT, "path": "/up"}

    def describe(name: str, container: dict[str, object]) -> None:
        """Write an environment of that name, with a listener of its own."""
        entries = CONTAINER.format(**container).strip()
        described = text.replace("[parameters.service]", entries).replace('"local"', f'"{name}"')
        described = described.replace(f"HttpPort = {place.http_port}", f"HttpPort = {free_port()}")
        (place.root / FILES / f"{name}.toml").write_text(described)

    for name, fault in FAULTS.items():
        describe(name, {**good, **fault.change})
    # Most of the time is health checks' intervals.
    with ThreadPoolExecutor() as pool:
        said = dict(
            zip(FAULTS, pool.map(lambda name: place.fail(f"make create ENV={name}"), FAULTS), strict=True)
        )
    for name, fault in FAULTS.items():
        check(place, name, fault, said[name])
    # A second creation has other tasks than the first, whose cluster had the same name; a third goes on.
    describe("crash", {**good, **FAULTS["path"].change, "mode": "crash"})
    check(place, "crash", FAULTS["crash"], place.fail("make create ENV=crash"))
    describe("crash", good)
    assert "export URL=" in place.succeed("make create ENV=crash")
    assert FAULTS["crash"].hint in place.succeed("make last-create-failure ENV=crash")


def check(place: Checkout, name: str, fault: Fault, said: str) -> None:
    verdict = json.loads((place.root / f".state/{name}/last-create-failure.json").read_text())
    cause = rf"Service \(.*\) of echo-room-{name}-service failed: {fault.cause}.*"
    assert re.fullmatch(cause, verdict["cause"]), said
    (told,) = re.findall(r"^What to do: (.+)$", said, re.M)
    assert fault.hint in told, said

    stopped, *_, service, stack = verdict["chain"]
    assert fault.stopped in stopped
    assert service.startswith("Service became CREATE_FAILED: ")
    assert stack.endswith(" became ROLLBACK_COMPLETE")

    tasks = [task for task in verdict["stopped_tasks"] if task["reason"].startswith(fault.stopped)]
    assert 0 < len(tasks) <= 3, "the circuit breaker's three tasks, and none of an earlier creation"
    assert any(one["exit_code"] == fault.exit_code for task in tasks for one in task["containers"]), tasks
    assert any(fault.log in line for task in tasks for line in [*task["log"], ""]), tasks
    assert all(fault.target in words for words in verdict["unhealthy_targets"].values())
    assert bool(verdict["unhealthy_targets"]) is fault.unhealthy
    assert verdict["gaps"] == []
