"""Is there a Docker engine, and does it really work? A hung one never answers, so time-outs are short."""

from __future__ import annotations

import functools
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

_SECONDS = 5.0


@dataclass(frozen=True)
class Engine:
    """`state` is works, absent (none installed or started) or broken; `detail` says what it said."""

    state: Literal["works", "absent", "broken"]
    detail: str = ""
    architecture: str = ""  # what it runs: amd64, arm64, ...


@functools.cache
def detect() -> Engine:
    """Ask the engine what it runs, then for its images: one that only answers the first is broken.

    Asked once a command: an engine that hangs should cost its time-out once.
    """
    if shutil.which("docker") is None:
        return Engine("absent", "there is no `docker` command")
    answers: list[str] = []
    for words in (["docker", "version", "--format", "{{.Server.Arch}}"], ["docker", "images", "--quiet"]):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return Engine("broken", f"`{' '.join(words[:2])}` gave no answer in {_SECONDS:.0f} s")
        except OSError as error:
            return Engine("broken", str(error))
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            lowered = said.lower()
            gone = "cannot connect" in lowered or "is the docker daemon running" in lowered
            # Only the first question can find that nobody is there.
            if gone and words[1] == "version":
                return Engine("absent", said)
            return Engine("broken", f"`{' '.join(words[:2])}` says: {said}")
        answers.append(done.stdout.strip())
    return Engine("works", architecture=answers[0])
