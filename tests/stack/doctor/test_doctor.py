"""The command as a whole: on an endpoint, without credentials, as JSON; and who points to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ProfileNotFound

from stack.aws.clients import Cloud
from stack.doctor import machine
from stack.doctor.finding import Subject
from stack.errors import explain
from stack.files import environment
from stack.image import engine
from stack.image.engine import Engine
from tests.stack.doctor.conftest import one


def by_name(done: Any) -> dict[str, dict[str, str]]:
    return {found["check"]: found for found in json.loads(done.stdout)["checks"]}


def test_an_endpoint_of_its_own_needs_no_account(project):
    done = project.do("doctor", "--json")
    assert done.exit_code == 0, done.output
    found = by_name(done)
    assert found["endpoint"]["saw"] == f"{project.url} answers"
    assert found["clock"]["state"] == "ok"
    assert found["Python"]["state"] == "ok"
    for check in ("credentials", "region", "quotas", "permissions", "certificate"):
        assert found[check]["state"] == "not needed", check
    plain = project.do("doctor")
    assert plain.exit_code == 0
    assert len(plain.stdout.splitlines()) == len(found), "one line each"
    assert f"No problem was found. Go on with: make create ENV={project.env}" in plain.stderr


def test_an_endpoint_that_can_be_started_may_be_down(make_project, unused_port):
    project = make_project(f"http://127.0.0.1:{unused_port}")
    down = project.do("doctor")
    assert down.exit_code == 1
    assert "problem     endpoint: Nothing answers" in down.stdout
    text = project.file.read_text()
    project.file.write_text(text.replace("process_images", 'start = ["true"]\nprocess_images'))
    done = project.do("doctor")
    assert done.exit_code == 0, done.output
    assert f"make create ENV={project.env} starts it" in done.stdout


def test_without_credentials_nothing_more_is_known(real, monkeypatch, endpoint_url):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    # What answers there does not matter: nobody gets as far as asking it.
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    done = real.do("doctor", "--json")
    assert done.exit_code == 1, done.output
    found = by_name(done)
    assert found["credentials"]["state"] == "problem"
    assert "aws sso login" in found["credentials"]["next"]
    for check in ("region", "quotas", "permissions", "service-linked roles", "domain and certificate"):
        assert found[check]["state"] == "not known", check
    assert json.loads(done.stdout)["problems"] == sum(one["state"] == "problem" for one in found.values())


def test_what_the_rules_of_a_template_refuse_is_said_first(project):
    project.edit(
        "data",
        "Resources:",
        'Rules:\n  Two:\n    Assertions: [{Assert: !Equals [!Ref Mode, two], AssertDescription: "two!"}]\n'
        "Resources:",
    )
    done = project.do("doctor")
    assert done.exit_code == 2, "the templates mean nothing then"
    assert "two!" in done.output


@pytest.mark.parametrize(
    ("found", "processes", "state", "said"),
    [
        (Engine("works", architecture="amd64"), False, "ok", "images are built for amd64"),
        (Engine("works", architecture="riscv64"), False, "problem", "not for riscv64"),
        (Engine("broken", "`docker images` gave no answer"), False, "problem", "gave no answer"),
        (Engine("absent", "there is no `docker` command"), True, "not needed", "tasks run as processes"),
    ],
)
def test_the_docker_engine(project, real, monkeypatch, found, processes, state, said):
    monkeypatch.setattr(engine, "detect", lambda: found)
    if processes:
        real.append(f'[endpoint]\nurl = "{project.url}"\nprocess_images = true\n')
    loaded = environment.load(real.root, real.env)
    (seen,) = machine.docker(Subject(Cloud(loaded), {}, {}))
    assert seen.state == state
    assert said in seen.saw


def test_an_image_that_is_not_built_needs_no_engine(real):
    text = real.file.read_text().replace('["registry", "data", "service"]', '["registry", "data"]')
    real.file.write_text(text)
    (seen,) = machine.docker(Subject(Cloud(environment.load(real.root, real.env)), {}, {}))
    assert seen.state == "not needed"


def test_the_plugin_is_needed_where_commands_are_run_in_tasks(
    subject: Callable[..., Subject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one(machine.plugin(subject()), "session manager plugin").state == "not needed"
    monkeypatch.setenv("PATH", str(tmp_path))
    found = subject(ExecuteCommand="on")
    assert one(machine.plugin(found), "session manager plugin").state == "problem"
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text("#!/bin/sh\necho 1.2.700.0\n")
    plugin.chmod(0o755)
    assert one(machine.plugin(found), "session manager plugin").saw == "1.2.700.0"


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        ProfileNotFound(profile="nobody"),
        EndpointConnectionError(endpoint_url="x"),
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "m"}}, "X"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "m"}}, "X"),
        ClientError({"Error": {"Code": "VpcLimitExceeded", "Message": "m"}}, "X"),
        ClientError(
            {"Error": {"Code": "E", "Message": "Verify that the ECS service linked role exists"}}, "X"
        ),
    ],
    ids=lambda error: (
        type(error).__name__ + str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    ),
)
def test_what_the_doctor_knows_more_about(error):
    assert explain(error, "AWS").doctor


@pytest.mark.parametrize("code", ["ValidationError", "Throttling", "RequestLimitExceeded"])
def test_what_the_doctor_knows_nothing_about(code):
    assert not explain(ClientError({"Error": {"Code": code, "Message": "m"}}, "X"), "AWS").doctor


def test_a_command_that_fails_for_want_of_credentials_points_to_the_doctor(real, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    done = real.do("status")
    assert done.exit_code == 1
    assert f"make doctor ENV={real.env}" in done.stderr


def test_every_check_is_documented(project, real):
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    section = page.split("## Before the first run")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| ([\w -]+) \|", section, re.M)) - {"check"}
    real.append(f'[endpoint]\nurl = "{project.url}"\n')
    # On AWS each quota has a line of its own.
    assert documented == set(by_name(real.do("doctor", "--json"))) - {"quota: Fargate vCPUs"}
