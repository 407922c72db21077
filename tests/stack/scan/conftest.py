"""The scanning tools, where they are installed."""

import os
from pathlib import Path

import pytest

from stack.errors import ToolError
from stack.scan import guard
from stack.scan.policies import GUARD
from stack.scan.result import tool


def missing(error: ToolError) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{error.message} CI=true demands it.")
    pytest.skip(f"{error.message} {error.hint}")


@pytest.fixture(scope="session")
def checkov_program() -> Path:
    try:
        return Path(tool("checkov"))
    except ToolError as error:
        missing(error)
        raise


@pytest.fixture(scope="session")
def guard_folder() -> Path:
    try:
        guard.install(GUARD)
    except ToolError as error:
        missing(error)
        raise
    return GUARD
