"""The templates and environment files, parsed and resolved once."""

import functools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from stack.scan.templates import Resolved, resolved
from tests.cloudformation.service import load_environment

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "cloudformation").glob("*.yaml"))
ENVIRONMENTS = sorted((ROOT / "cloudformation" / "environments").glob("*.toml"))


@functools.cache
def parse_template(path: Path) -> dict[str, Any]:
    import cfnlint.decode  # takes more than a second, of every worker

    template, problems = cfnlint.decode.decode(str(path))
    assert not problems, problems
    return template


@functools.cache
def resolve_environment(name: str) -> dict[str, Resolved]:
    return resolved(load_environment(name))


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def template_path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def template(template_path: Path) -> dict[str, Any]:
    return parse_template(template_path)


@pytest.fixture(params=ENVIRONMENTS, ids=lambda path: path.stem)
def environment(request: pytest.FixtureRequest) -> dict[str, Any]:
    return tomllib.loads(request.param.read_text())


@pytest.fixture(params=ENVIRONMENTS, ids=lambda path: path.stem)
def deployed(request: pytest.FixtureRequest) -> dict[str, Resolved]:
    """An environment's templates with its parameters and conditions put in, by stack."""
    return resolve_environment(request.param.stem)


@pytest.fixture(scope="session")
def local() -> dict[str, Resolved]:
    return resolve_environment("local")


@pytest.fixture(scope="session")
def templates() -> dict[str, dict[str, Any]]:
    return {path.stem: parse_template(path) for path in TEMPLATES}
