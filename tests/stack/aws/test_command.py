"""Commands that an environment file names: what is filled in, and how their failures are told."""

from __future__ import annotations

import sys

import pytest

from stack.aws import command
from stack.aws.clients import Cloud
from stack.errors import ToolError

SAY = ("{python}", "-c", "import os, sys; print(sys.argv[1:], os.environ.get('SAID'))", "{url}", "{name}")


def test_words_are_filled_in_once(cloud: Cloud) -> None:
    said = command.run(cloud, SAY, "Saying", words={"name": "a {url} $HOME"}, variables={"SAID": "yes"})
    assert said == f"['{cloud.url}', 'a {{url}} $HOME'] yes\n"


@pytest.mark.parametrize(
    ("code", "seconds", "said"),
    [
        ("import sys; print('a secret'); sys.exit('port taken')", 60, "Starting failed: port taken"),
        ("print('a secret'); raise SystemExit(4)", 60, "Starting failed: exit code 4"),
        ("import time; time.sleep(60)", 0.1, "timed out after 0.1 seconds"),
    ],
)
def test_a_failure_is_told_without_what_was_printed(
    cloud: Cloud, code: str, seconds: float, said: str
) -> None:
    with pytest.raises(ToolError) as caught:
        command.run(cloud, ("{python}", "-c", code), "Starting", seconds=seconds)
    assert said in caught.value.message
    assert "a secret" not in caught.value.message.replace(code, "")
    assert caught.value.hint.startswith(f"Try it by hand: {sys.executable} -c '")


def test_a_command_that_is_not_there_is_told(cloud: Cloud) -> None:
    with pytest.raises(ToolError, match=r"Starting failed: .*no-such-program"):
        command.run(cloud, ("no-such-program",), "Starting", variables={})
