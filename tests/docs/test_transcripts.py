"""The transcripts of docs/operations.md: every command has one, and some still print just that."""

import os
import re
import subprocess

import pytest

from docs import transcripts
from docs.standins import Standins, shape

AGAIN = "the page is not what the command prints: run `make transcripts`"


@pytest.mark.parametrize("target", transcripts.targets())
def test_every_command_has_a_transcript(target: str) -> None:
    page = transcripts.PAGE.read_text(encoding="utf-8")
    shown = [step for step in transcripts.STEPS if step.target == target and step.shown]
    assert shown, f"docs/transcripts.py does not run make {target}"
    assert any(transcripts.kept(page, step) for step in shown), AGAIN


def test_the_page_has_no_transcript_that_nothing_writes() -> None:
    page = transcripts.PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^<details><summary><code>(.*?)</code>", page, re.M)
    assert found == [step.title for step in transcripts.STEPS if step.shown], AGAIN


@pytest.mark.parametrize("command", ["make cost ENV=local", "make exec ENV=local"])
def test_commands_print_what_the_page_says(command: str) -> None:
    (step,) = [one for one in transcripts.STEPS if one.command == command]
    # Not as a part of the `make check` that runs this: it would say so in what it prints.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["bash", "-c", f"{command} 2>&1"],
        cwd=transcripts.ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = transcripts.cut(Standins()(done.stdout), step.head)
    page = transcripts.PAGE.read_text(encoding="utf-8")
    assert shape(transcripts.block(step, said)) == shape(transcripts.kept(page, step)), AGAIN


def test_stand_ins_are_the_same_for_other_ids_and_times() -> None:
    runs = [
        "2026-11-21T07:02:14.481Z 4c6ff45ae0404291876f2fc885b03373\n07:02:14.481  4c6ff45a  200  5.01 ms",
        "2027-01-02T23:59:59.999Z aa731960b6414754991a7fa225865d67\n23:59:59.999  aa731960  200  17 ms",
    ]
    first, second = (Standins()(run) for run in runs)
    assert first == second
    assert "4c6f" not in first


def test_an_id_keeps_its_stand_in() -> None:
    normalised = Standins({"/tmp/x/checkout": "/home/me/echo-room", "23456": "4566"})
    digest = "sha256:" + "0f" * 32
    first = normalised(f"{digest} at /tmp/x/checkout:23456")
    again = normalised(f"also {digest}")
    assert first.endswith(" at /home/me/echo-room:4566")
    assert again.removeprefix("also ") in first
    assert normalised("also sha256:" + "1e" * 32) != again


def test_what_is_long_is_cut_in_its_middle() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    lines = transcripts.cut(text).splitlines()
    assert len(lines) == transcripts.LINES + 1
    assert (lines[0], lines[transcripts.LINES // 2], lines[-1]) == ("line 0", "…", "line 99")
    assert transcripts.cut("x" * 1000).endswith("x…")
