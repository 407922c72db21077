"""A real endpoint over HTTP (MiniStack, one per test worker) and small projects of templates for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.aws.clients import Cloud
from stack.files import environment
from stack.image import engine
from tests.ministack import ministack
from tests.ports import free_port
from tests.stack import small_project
from tests.stack.relay import Relay
from tests.stack.relay import make as make_relay
from tests.stack.small_project import Project


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    services = "cloudformation,ecr,dynamodb,sns,ssm,logs,sts,ecs,elbv2,iam,s3"
    with ministack(tmp_path_factory.mktemp("ministack"), services) as url:
        yield url


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may reach an account of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name == "NO_COLOR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[str], Project]:
    return lambda url: small_project.make(tmp_path, url)


@pytest.fixture
def project(make_project: Callable[[str], Project], endpoint_url: str) -> Project:
    return make_project(endpoint_url)


@pytest.fixture
def cloud(project: Project, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The clients of the project's environment, with credentials that are none: to be stubbed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Cloud(environment.load(project.root, project.env))


@pytest.fixture
def relay(tmp_path: Path, endpoint_url: str) -> Iterator[Relay]:
    one = make_relay(tmp_path, free_port(), endpoint_url)
    yield one
    one.stop()


@pytest.fixture
def created(project: Project) -> Project:
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    return project


@pytest.fixture(autouse=True)
def each_test_is_a_command_of_its_own() -> None:
    """Forget what an earlier test learnt of the Docker engine."""
    engine.detect.cache_clear()
