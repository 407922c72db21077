"""The examples of docs/clients.md, each run as it stands there, against a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.examples import EXAMPLES, PAGE
from tests.app.servers import Server, start, stop

PRINTED = {"curl": '{"str": "Is anybody there?"}', "HTTPie": '{"str": "Is anybody there?"}',
           "Python: httpx, many at once": "voice 0\nvoice 1\nvoice 2"}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("clients"))
    yield server
    stop(server)


def needed(program: str) -> str:
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing, and CI=true demands it")
        pytest.skip(f"{program} is missing")
    return program


def command(language: str, code: str) -> list[str]:
    if language == "bash":
        return ["bash", "-euc", code]
    if language == "python":
        return [sys.executable, "-c", code]
    node = needed("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.lstrip("v").partition(".")[0])
    if "WebSocket" in code and major < 20:
        pytest.skip(f"Node.js {version.strip()} has no WebSocket; the example runs in a browser as well")
    flags = ["--experimental-websocket", "--no-warnings"] if "WebSocket" in code and major < 22 else []
    return [node, *flags, "--input-type=module", "--eval", code]


def test_every_block_is_an_example_that_is_run() -> None:
    assert len(EXAMPLES) == PAGE.count("```") // 2 == 7
    assert set(PRINTED) < set(EXAMPLES)


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_does_what_it_says(running: Server, heading: str) -> None:
    language, code = EXAMPLES[heading]
    token, _ = running.new_token()
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # httpie's `http`
    environment = {**os.environ, "URL": running.url, "TOKEN": token, "PATH": tools}
    done = subprocess.run(
        command(language, code), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == PRINTED.get(heading, "Is anybody there?")


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_fails_when_it_is_refused(running: Server, heading: str) -> None:
    language, code = EXAMPLES[heading]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "URL": running.url, "TOKEN": "echo_wrong", "PATH": tools}
    done = subprocess.run(
        command(language, code), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0, done.stdout
    assert "Is anybody there?" not in done.stdout
