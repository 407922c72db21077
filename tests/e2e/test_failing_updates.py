"""Updates that cannot work, one after the other on one environment: each verdict names the true cause."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from docs import transcripts
from docs.standins import shape
from stack.files.processor import of_this_machine
from tests.e2e import another
from tests.e2e.checkout import Checkout

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
OTHER_PROCESSOR = {"X86_64": "ARM64", "ARM64": "X86_64"}[of_this_machine()]
STACK = "echo-room-local-service"


@dataclass(frozen=True)
class Fault:
    """What is planted, and what the verdict has to say of it."""

    cause: str
    hint: str
    container: str = ""
    variable: str = ""
    parameters: str = ""
    resource: str = "Service"
    exit_code: int | None = None
    log: str = ""


FAULTS = {
    "crash at start": Fault(
        variable='ECHO_WORKERS = "many"',
        cause="its container service ended by itself with exit code 2: error: ECHO_WORKERS='many': ",
        exit_code=2,
        log="ECHO_WORKERS='many'",
        hint="The container ends by itself",
    ),
    "missing image": Fault(
        container=f'image = "{{repository}}@sha256:{"0" * 64}"',
        cause="no task could start: CannotPullContainerError: failed to resolve ref",
        hint="The image cannot be pulled",
    ),
    "wrong processor": Fault(
        container='image = "{image}"',
        parameters=f'Architecture = "{OTHER_PROCESSOR}"',
        cause="no task could start: CannotPullContainerError: .* does not contain descriptor",
        hint="The image is for another processor",
    ),
    "missing secret": Fault(
        container='secrets = { PASSWORD = "arn:aws:secretsmanager:us-east-1:000000000000:secret:no-AbCdEf" }',
        cause="no task could start: ResourceInitializationError: unable to pull secrets or registry auth",
        hint="A secret cannot be read",
    ),
    "no free address": Fault(
        parameters='TaskSubnetIds = "{full_subnet}"',
        cause="no task could start: Unexpected EC2 error .* InsufficientFreeAddressesInSubnet",
        hint="A subnet has no free addresses left",
    ),
    "bad IAM reference": Fault(
        parameters='PermissionsBoundaryArn = "arn:aws:iam::000000000000:policy/nobody"',
        resource="ExecutionRole|TaskRole|TrafficRole",
        cause=r"arn:aws:iam::000000000000:policy/nobody does not exist or is not attachable",
        hint="A policy that a role is to have does not exist",
    ),
    "refused by the service": Fault(
        parameters="MaxTasks = 1",
        resource="ScalableTarget",
        cause="Maximum capacity cannot be less than minimum capacity",
        hint="MinTasks may not be above MaxTasks",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path_factory.mktemp("faults"), engine=False)
    try:
        checkout.succeed("make create ENV=local")
        yield checkout
    finally:
        checkout.run("make local-reset YES=1")


@pytest.fixture(scope="module")
def names(place: Checkout) -> dict[str, str]:
    """What the faults refer to: the repository, an image in it, and a subnet that is full."""
    outputs = json.loads(place.succeed("make -s outputs ENV=local JSON=1"))
    (image,) = json.loads(place.succeed("make -s releases ENV=local JSON=1"))["releases"]
    repository = outputs["registry"]["RepositoryUri"]
    ec2 = another.client(place, "ec2")
    subnet = ec2.create_subnet(VpcId=outputs["network"]["VpcId"], CidrBlock="10.42.255.0/28")["Subnet"][
        "SubnetId"
    ]
    # Sixteen addresses, of which AWS keeps five.
    for _ in range(11):
        ec2.create_network_interface(SubnetId=subnet)
    return {"repository": repository, "image": f"{repository}@{image['digest']}", "full_subnet": subnet}


@pytest.fixture(scope="module")
def text(place: Checkout) -> str:
    return (place.root / FILE).read_text()


def plant(place: Checkout, text: str, fault: Fault, names: dict[str, str]) -> None:
    for key, value in names.items():
        fault = Fault(
            **{
                field: said.replace(f"{{{key}}}", value) if isinstance(said, str) else said
                for field, said in vars(fault).items()
            }
        )
    described = text.replace("[parameters.service]", f"[parameters.service]\n{fault.parameters}")
    described = described.replace("[container.environment]", f"[container.environment]\n{fault.variable}")
    (place.root / FILE).write_text(
        described + (f"\n[container]\n{fault.container}\n" if fault.container else "")
    )


@pytest.mark.parametrize("command", ["make outputs ENV=local", "make drift ENV=local"])
def test_commands_print_what_the_page_says(place: Checkout, command: str) -> None:
    (step,) = [one for one in transcripts.STEPS if one.command == command]
    said = transcripts.cut(transcripts.standins(place)(transcripts.run(place, step)), step.head)
    page = transcripts.kept(transcripts.PAGE.read_text(encoding="utf-8"), step)
    assert shape(transcripts.block(step, said)) == shape(page), "run `make transcripts`"


@pytest.mark.parametrize("name", FAULTS)
def test_the_verdict_of_a_failed_update_names_the_true_cause(
    place: Checkout, names: dict[str, str], text: str, name: str
) -> None:
    fault, change = FAULTS[name], name.replace(" ", "-")
    plant(place, text, fault, names)
    place.succeed(f"make change ENV=local NAME={change}")
    said = place.fail(f"make approve ENV=local NAME={change}")
    verdict = json.loads((place.root / ".state/local/last-update-failure.json").read_text())

    assert re.fullmatch(
        rf"({fault.resource}) \(.*\) of {STACK} failed: .*{fault.cause}.*", verdict["cause"]
    ), said
    assert re.search(fault.hint, " ".join(verdict["hints"])), said
    assert len(verdict["hints"]) == 1
    check_chain(verdict, fault)
    check_tasks(verdict, fault)
    assert verdict["gaps"] == []
    assert said.count(verdict["cause"]) == 1
    assert f"What to do: {verdict['hints'][0]}" in said
    assert all(step in said for step in verdict["chain"])


def check_chain(verdict: dict[str, Any], fault: Fault) -> None:
    """From the tasks over ECS and the resource to the stack."""
    *_, resource, stack = verdict["chain"]
    assert re.match(rf"({fault.resource}) became UPDATE_FAILED: ", resource)
    assert stack == f"{STACK} became UPDATE_ROLLBACK_COMPLETE"
    if fault.resource == "Service":
        first, second = verdict["chain"][:2]
        assert re.match(r"(A task|\d+ tasks) of echo-room-local-service\S*:\d+ stopped: ", first)
        assert "deployment failed: tasks failed to start" in second


def check_tasks(verdict: dict[str, Any], fault: Fault) -> None:
    """What the verdict tells of stopped tasks is of this update alone."""
    telling = [task for task in verdict["stopped_tasks"] if not task["reason"].startswith("Scaling activity")]
    assert bool(telling) is (fault.resource == "Service")
    assert len({task["task_definition"] for task in telling}) <= 1, "tasks of earlier updates are none of it"
    assert len({task["reason"] for task in telling}) <= 1
    for task in telling:
        assert task["containers"][0]["exit_code"] == fault.exit_code
        assert fault.log in "\n".join(task["log"])


def test_what_cannot_be_is_refused_before_anything_is_made(place: Checkout, text: str) -> None:
    for parameters, says in (
        ('Cpu = "256"\nMemory = 8192', "Cpu 256 goes with Memory 512, 1024 or 2048"),
        ("MinTasks = 0", "MinTasks: 0 is too small; allowed: 1 to 100"),
    ):
        plant(place, text, Fault(cause="", hint="", parameters=parameters), {})
        said = place.fail("make change ENV=local NAME=impossible")
        assert says in said
        assert "nothing was changed" in said
    (place.root / FILE).write_text(text)
    assert "no change set impossible" in place.fail("make approve ENV=local NAME=impossible")


def test_the_last_verdict_is_shown_again_and_the_service_went_on(place: Checkout, text: str) -> None:
    (place.root / FILE).write_text(text)
    kept = json.loads((place.root / ".state/local/last-update-failure.json").read_text())
    assert kept["cause"] in place.succeed("make last-update-failure ENV=local")
    assert json.loads(place.succeed("make -s last-update-failure ENV=local JSON=1")) == kept
    assert "Nothing to change" in place.succeed("make change ENV=local NAME=again")
    with urllib.request.urlopen(f"http://127.0.0.1:{place.http_port}/readyz", timeout=30) as answer:
        assert answer.status == 200


def test_what_goes_wrong_after_an_update_that_succeeded_is_told(place: Checkout, text: str) -> None:
    """Only the target groups change: there is no deployment that could fail, and ECS ends task after task."""
    wrong = 'HealthCheckPath = "/nowhere"'
    plant(place, text, Fault(cause="", hint="", parameters=wrong), {})
    place.succeed("make change ENV=local NAME=nowhere")
    place.succeed("make approve ENV=local NAME=nowhere")
    deadline = time.monotonic() + 180
    while True:
        (service,) = json.loads(place.succeed("make -s status ENV=local JSON=1"))["services"]
        if any("Task failed ELB health checks" in line for line in service["trouble"]):
            break
        assert time.monotonic() < deadline, service
        time.sleep(1)
    for command in ("status", "tasks", "last-update-failure"):
        done = place.run(f"make {command} ENV=local")
        assert done.returncode == 0
        for words in (
            "of 2 tasks serve",
            "these codes: [404]",
            "The container answers the health check",
        ):
            assert words in done.stdout + done.stderr, command
