"""An environment on a local cloud of its own, its API, and a client of its service."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3

from bench.recovery import writer
from bench.recovery.writer import Writer
from stack.outside import web
from tests.e2e.checkout import ROOT, Checkout

FILE = "cloudformation/environments/{}.toml"
PYTHON = f"{ROOT}/.venv/bin/python"
#: Seconds that anything is waited for at most.
PATIENCE = 180.0
BODY = b'{"str": "x"}'


@dataclass
class Stopwatch:
    """Takes the time of steps, one after the other."""

    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, words: str) -> Iterator[None]:
        """Time what is done in the block."""
        began = time.monotonic()
        yield
        self.steps.append((words, time.monotonic() - began))


def start(place: Checkout) -> None:
    """Have the local cloud up, with nothing on it."""
    place.succeed(f"{PYTHON} -m localcloud up --endpoint http://127.0.0.1:{place.gateway_port}")


def create(place: Checkout, env: str = "local") -> None:
    """Have an environment, made now if it is not there."""
    # Unless all its stacks are complete.
    if place.run(f"make status ENV={env}").returncode:
        place.succeed(f"make create ENV={env}")


def api(place: Checkout, service: str, region: str = "us-east-1") -> Any:
    """A client of one of the local cloud's services."""
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{place.gateway_port}",
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - it has no accounts
    )


def output(place: Checkout, env: str, stack: str, name: str) -> str:
    """An output of one of an environment's stacks."""
    found = json.loads(place.succeed(f"make -s outputs ENV={env} JSON=1"))
    return str(found[stack][name])


def writes(place: Checkout, env: str = "local", region: str = "us-east-1") -> Writer:
    """Somebody who writes into an environment's table."""
    url = f"http://127.0.0.1:{place.gateway_port}"
    return Writer(writer.store(url, region, output(place, env, "data", "TableName")))


def put(place: Checkout, lines: str, env: str = "local") -> None:
    """Put lines below [parameters.data], in place of those of the same parameters."""
    file = FILE.format(env)
    head, section, tail = (place.root / file).read_text().partition("[parameters.data]\n")
    own, blank, rest = tail.partition("\n\n")
    names = {line.partition(" =")[0] for line in lines.splitlines()}
    kept = [line for line in own.splitlines() if line.partition(" =")[0] not in names]
    (place.root / file).write_text(head + section + "\n".join([lines, *kept]) + blank + rest)


def headers(token: str) -> dict[str, str]:
    """What an echo has to be sent with."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def echoes(place: Checkout, token: str) -> int:
    """The status of an echo, 0 where nothing answers."""
    url = f"http://127.0.0.1:{place.http_port}/echo"
    try:
        return web.request("POST", url, BODY, headers(token), seconds=5).status
    except (OSError, http.client.HTTPException):
        return 0


def until_taken(place: Checkout, token: str) -> None:
    """Wait until the service takes a token. Raises TimeoutError after three minutes."""
    deadline = time.monotonic() + PATIENCE
    while (status := echoes(place, token)) != 200:
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE:g} s an echo still gets {status}")
        time.sleep(0.1)
