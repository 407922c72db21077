"""Writes what every command prints into docs/operations.md: `make transcripts`.

Runs them in order in a copy of this checkout, with a local cloud of its own, and takes what they print, with
stand-ins for what differs from run to run. A test compares the page with the Makefile and with some commands:
run this again when it fails.
"""

from __future__ import annotations

import argparse
import html
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docs.standins import Standins
from tests.e2e.checkout import INSTALLED, Checkout

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operations.md"
HEADING = "## What each command prints"
END = "<!-- end of what each command prints -->"
ABOUT = f"""{HEADING}

Made by `make transcripts`, which runs these commands in this order on a local cloud. Times, ids, digests and
the token are stand-ins; `…` stands for lines and ends of lines that are left out.
"""
#: Longer output is cut in its middle, and longer lines at their end.
LINES, WIDTH = 28, 150
#: Left out: they need the Compose plugin, which not every machine that makes this page can install.
NOT_SHOWN = {"compose-up", "compose-down"}
SECTIONS = ("Operate", "See", "The local cloud", "The image")
FILE = "cloudformation/environments/local.toml"

VARIABLES = "[container.environment]\n"
WRONG = 'ECHO_WORKERS = "many"\n'

Prepare = Callable[[Checkout], None]


@dataclass(frozen=True)
class Step:
    """A command, with what somebody did to the files before; `note` says so on the page.

    The part is "cloud", or "engine" for what needs a Docker engine.
    """

    command: str
    note: str = ""
    before: Prepare | None = None
    shown: bool = True
    part: str = "cloud"
    words: str = ""
    head: int = LINES // 2

    @property
    def title(self) -> str:
        """The command as the page shows it."""
        return html.escape(self.words or self.command, quote=False)

    @property
    def target(self) -> str:
        """The make target."""
        return self.command.split()[1]


def _new_welcome(place: Checkout) -> None:
    place.edit("app/web/welcome.py", "Welcome to the Echo Room.", "Welcome to the new Echo Room.")


def _internal(place: Checkout) -> None:
    place.edit("cloudformation/service.yaml", "Scheme: internet-facing", "Scheme: internal")


def _broken(place: Checkout) -> None:
    place.edit("cloudformation/service.yaml", "Scheme: internal", "Scheme: internet-facing")
    place.edit(FILE, VARIABLES, f"{VARIABLES}{WRONG}")


def _mended(place: Checkout) -> None:
    place.edit(FILE, WRONG, "")


def _remember_now(place: Checkout) -> None:
    # Told to the second, so what comes before and after is in others.
    place.succeed("sleep 1 && date -u +%FT%TZ > .state/then && sleep 1")


FIRST_ID = (
    "make -s tokens ENV=local JSON=1 | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][\"id\"])'"
)
STEPS = [
    Step("make doctor ENV=local"),
    Step("make create ENV=local", head=18),
    Step("make test ENV=local", head=12),
    Step("make token ENV=local NAME=me"),
    Step("make tokens ENV=local"),
    Step(
        f"make revoke-token ENV=local ID=$({FIRST_ID})",
        "",
        _remember_now,
        words="make revoke-token ENV=local ID=<its id>",
    ),
    Step(
        "make restore ENV=local TO=$(cat .state/then)",
        "of a moment before that",
        words="make restore ENV=local TO=2026-11-21T10:00:00Z",
    ),
    Step("make status ENV=local"),
    Step("make tasks ENV=local"),
    Step("make outputs ENV=local"),
    Step("make events ENV=local", head=4),
    Step("make logs ENV=local FILTER=gunicorn"),
    Step("make drift ENV=local"),
    Step("make cost ENV=local", head=18),
    Step("make releases ENV=local"),
    Step("make load ENV=local SECONDS=10 RATE=20"),
    Step("make drill ENV=local DRILL=oversized,killed-task"),
    Step("make dashboard ENV=local PNG=dashboard.png"),
    Step("make change ENV=local NAME=greeting", "after an edit of `app/web/welcome.py`", _new_welcome),
    Step("make approve ENV=local NAME=greeting"),
    Step("make rollback ENV=local NAME=back"),
    Step("make reject ENV=local NAME=back"),
    Step(
        "make change ENV=local NAME=inside",
        "after `Scheme: internal` for the load balancer",
        _internal,
        head=20,
    ),
    Step("make approve ENV=local NAME=inside", "the gate, as `REPLACE=` names nothing"),
    Step("make reject ENV=local NAME=inside", shown=False),
    Step("make change ENV=local NAME=broken", "", _broken, shown=False),
    Step("make approve ENV=local NAME=broken", 'with `ECHO_WORKERS = "many"` for the container', head=20),
    Step("make last-update-failure ENV=local", head=20),
    Step("make last-create-failure ENV=local"),
    Step("make cancel ENV=local", "", _mended),
    Step("make watch ENV=local"),
    Step("make exec ENV=local"),
    Step("make push ENV=local"),
    Step("make local-status"),
    Step("make local-logs"),
    Step("make alerts"),
    Step("make delete ENV=local YES=1", head=12),
    Step("make local-up"),
    Step("make local-down"),
    Step("make local-reset YES=1"),
    Step("make image", part="engine"),
    Step("make base-image", part="engine"),
    Step("make scan OFFLINE=1", part="engine"),
]


def targets() -> list[str]:
    """The make targets that have to be on the page: those of four sections of the Makefile."""
    found: list[str] = []
    section = ""
    for line in (ROOT / "Makefile").read_text().splitlines():
        if line.startswith("##@ "):
            section = line.removeprefix("##@ ")
        elif (target := re.match(r"([a-z-]+):.*## ", line)) and section.startswith(SECTIONS):
            found.append(target[1])
    return [target for target in found if target not in NOT_SHOWN]


def standins(place: Checkout) -> Standins:
    """Stand-ins that know where a checkout is and which ports it has."""
    return Standins(
        {
            str(place.root): "/home/me/echo-room",
            str(ROOT): "/home/me/echo-room",
            str(place.gateway_port): "4566",
            str(place.http_port): "8080",
        }
    )


def cut(text: str, head: int = LINES // 2) -> str:
    """Leave out the middle of what is long, and the ends of long lines."""
    lines = [
        line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in text.strip("\n").splitlines()
    ]
    tail = LINES - head
    return "\n".join(lines if len(lines) <= LINES else [*lines[:head], "…", *lines[-tail:]])


def run(place: Checkout, step: Step) -> str:
    """What a command prints, standard output and standard error as a terminal would have them together."""
    command = step.command.replace("make ", f"make {INSTALLED} ")
    return place.run(f"{{ {command}; }} 2>&1").stdout


def block(step: Step, said: str) -> str:
    """A command's folded block."""
    note = f", {step.note}" if step.note else ""
    summary = f"<summary><code>{step.title}</code>{note}</summary>"
    return f"<details>{summary}\n\n```text\n{said}\n```\n\n</details>\n"


def kept(page: str, step: Step) -> str:
    """The block that the page has for a command, "" where it has none."""
    start = f"<details><summary><code>{step.title}</code>"
    _, found, rest = page.partition(start)
    return start + rest[: rest.index("</details>\n") + len("</details>\n")] if found else ""


def blocks(page: str, part: str) -> list[str]:
    """Run the commands of a part; the blocks of those that are shown. The others are kept as they are."""
    engine = subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    made: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Checkout(Path(folder), engine=False)
        normalised = standins(place)
        try:
            for step in STEPS:
                if part not in ("all", step.part, step.target) or (step.part != "cloud" and not engine):
                    made.append(kept(page, step))
                    continue
                if step.part != "cloud":
                    place.environment.pop("DOCKER_HOST", None)
                if step.before:
                    step.before(place)
                print(step.command, file=sys.stderr)
                normalised.begin(step.command)
                said = cut(normalised(run(place, step)), step.head)
                if step.shown:
                    made.append(block(step, said))
        finally:
            place.run("make local-reset YES=1")
    return [one for one in made if one]


def main() -> None:
    """Write the section, in its place or at the page's end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    choices = ["all", "cloud", "engine", *dict.fromkeys(step.target for step in STEPS)]
    parser.add_argument("part", nargs="?", choices=choices, default="all", metavar="PART")
    part = parser.parse_args().part
    made = blocks(PAGE.read_text(encoding="utf-8"), part)
    # Read only now, as somebody may have written into it meanwhile.
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(HEADING)
    after = rest.partition(END)[2].lstrip() if found else ""
    section = "\n".join([ABOUT, *made, END])
    PAGE.write_text(f"{before.rstrip()}\n\n{section}\n" + (after and f"\n{after}"), encoding="utf-8")


if __name__ == "__main__":
    main()
