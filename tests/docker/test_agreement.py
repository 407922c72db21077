"""Image, compose file, task definition and README say the same of port, user, paths and health check."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.image import dockerfile
from stack.image.dockerfile import Configuration
from stack.scan.templates import resolved
from tests.cloudformation.service import Served, load_environment, served

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def image(text: str) -> Configuration:
    return dockerfile.read(ROOT / "docker" / "Dockerfile", "v1")


@pytest.fixture(scope="module")
def port(image: Configuration) -> int:
    (exposed,) = image.ports
    return int(exposed.removesuffix("/tcp"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())[
        "services"
    ]
    (service,) = services.values()
    return service


@pytest.fixture(scope="module", params=["dev", "prod", "local"])
def deployed(request: pytest.FixtureRequest) -> Served:
    """The one service of an environment, with parameters and conditions put in."""
    (found,) = served(resolved(load_environment(request.param)))
    return found


@pytest.fixture(scope="module")
def container(deployed: Served) -> Mapping[str, Any]:
    return deployed.container


def test_the_image_listens_where_it_says(image: Configuration, port: int) -> None:
    assert image.env["ECHO_PORT"] == str(port)
    assert image.env["ECHO_HOST"] == "0.0.0.0"


def test_the_task_definition_uses_the_images_port(deployed: Served, port: int) -> None:
    assert [one["ContainerPort"] for one in deployed.container["PortMappings"]] == [port] == [deployed.port]
    assert {group["Port"] for group in deployed.target_groups.values()} == {port}


def test_the_task_definition_leaves_user_and_command_to_the_image(
    container: Mapping[str, Any], image: Configuration
) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.user)
    assert not {"User", "EntryPoint", "Command", "WorkingDirectory"} & set(container)


def test_health_is_asked_for_in_the_same_way(
    container: Mapping[str, Any], compose: dict[str, Any], text: str, image: Configuration
) -> None:
    check = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.+\])$", text, re.M)[1])
    assert check == [*image.entrypoint, "healthcheck"]
    assert container["HealthCheck"]["Command"] == ["CMD", *check]
    assert "healthcheck" not in compose, "the image's own"
    options = dict(re.findall(r"--(interval|timeout|retries|start-period)=(\d+)", text))
    keys = {"interval": "Interval", "timeout": "Timeout", "retries": "Retries", "start-period": "StartPeriod"}
    in_the_task = {name: str(container["HealthCheck"][key]) for name, key in keys.items()}
    assert options == in_the_task


def test_compose_is_hardened_as_the_task_is(
    compose: dict[str, Any], deployed: Served, text: str, port: int
) -> None:
    container = deployed.container
    assert compose["ports"] == [f"127.0.0.1:${{PORT:-8088}}:{port}"], "loopback only"
    assert compose["read_only"] is container["ReadonlyRootFilesystem"] is True
    assert compose["cap_drop"] == ["ALL"]
    assert compose["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in compose
    assert compose["environment"]["ECHO_TLS"] == "throwaway"
    (task,) = deployed.template.of_type("AWS::ECS::TaskDefinition").values()
    assert compose["mem_limit"] == f"{task['Memory']}m"
    assert compose["cpus"] == int(task["Cpu"]) / 1024
    assert compose["stop_grace_period"] == f"{container['StopTimeout']}s"
    assert re.search(r"^STOPSIGNAL SIGTERM$", text, re.M)
    folder = compose["volumes"][0].split(":")[1]
    assert compose["environment"]["ECHO_SQLITE_PATH"].startswith(f"{folder}/")
    assert re.search(rf"^COPY --from=build --chown=10001:10001 /out{folder} /$", text, re.M)


def test_the_readme_says_what_another_image_must_do(deployed: Served, port: int) -> None:
    readme = (ROOT / "README.md").read_text()
    paths = {group["HealthCheckPath"] for group in deployed.target_groups.values()}
    assert f"listens on port {port}" in readme
    assert [f"`GET {path}`" in readme for path in paths] == [True]
