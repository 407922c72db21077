"""`python -m bench.load`: the operator's side of `make load`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from bench.load import goals, show
from bench.load.profiles import LONGEST_SECONDS, PROFILES, SHORTEST_SECONDS
from stack.aws.clients import Cloud
from stack.errors import FAILED, INTERRUPTED, OK, ToolError, explain, refused, usage
from stack.files import environment
from stack.files.environment import Environment
from stack.files.keys import MOST_LOAD
from stack.interrupts import sigterm_is_ctrl_c
from stack.outside import access
from stack.outside import run as outside
from stack.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = ROOT / ".venv-load" / "bin" / "python"
_EXITS = """exit codes: 0 every objective was kept, 1 one was broken or it could not be measured, 2 wrong use,
3 refused by the environment's file, 130 interrupted (the report is about the time until then)"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    options = argparse.ArgumentParser(
        prog="python -m bench.load",
        description="Drives a load profile against an environment's service, with a token of its own, and "
        "judges it by the service level objectives.",
        epilog=_EXITS,
    )
    shapes = "; ".join(f"{name}: {one.description} ({one.seconds} s)" for name, one in PROFILES.items())
    options.add_argument("--env", metavar="ENV", help="a file of cloudformation/environments/")
    options.add_argument("--profile", default="steady", metavar="NAME", help=f"{shapes}; default: steady")
    options.add_argument("--rate", metavar="NUMBER", help="requests a second, at the profile's highest")
    options.add_argument("--seconds", metavar="NUMBER", help="how long")
    options.add_argument("--report", metavar="FILE", type=Path, help="default: .state/ENV/load-PROFILE.html")
    options.add_argument(
        "--fault", metavar="SPEC", default="", help="an X-Echo-Fault for some echoes, such as delay=0.8"
    )
    options.add_argument(
        "--fault-share", metavar="PERCENT", type=float, default=5.0, help="of how many; default: %(default)g"
    )
    options.add_argument("--json", action="store_true", help="print the result as JSON")
    options.add_argument("--project", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options.add_argument("--locust", type=Path, default=_PYTHON, help=argparse.SUPPRESS)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and return the exit code."""
    given = parser().parse_args(arguments)
    terminal = Terminal()
    where = "AWS"
    try:
        with sigterm_is_ctrl_c():
            file = _environment(given)
            config = _config(given, file)
            cloud = Cloud(file)
            where = cloud.where
            result = _drive(given, cloud, terminal, config)
    except ToolError as error:
        terminal.error(error.message, error.hint)
        return error.code
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        found = explain(error, where)
        terminal.error(found.message, found.hint)
        return found.code
    except KeyboardInterrupt:
        terminal.error("Interrupted.")
        return INTERRUPTED
    if given.json:
        terminal.json(result)
    else:
        show.result(terminal, result)
    if result["interrupted"]:
        return INTERRUPTED
    return OK if result["passed"] else FAILED


def _environment(given: argparse.Namespace) -> Environment:
    root = given.project.resolve()
    if not given.env:
        known = ", ".join(environment.available(root)) or "none"
        raise usage("No environment is given.", f"Give one with ENV= (or --env): {known}")
    return environment.load(root, given.env)


def _config(given: argparse.Namespace, file: Environment) -> dict[str, Any]:
    """What the driver needs to know, as far as file and options say it. Raises ToolError."""
    if given.profile not in PROFILES:
        raise usage(
            f'There is no load profile "{given.profile}".', f"Give one with PROFILE=: {', '.join(PROFILES)}"
        )
    profile = PROFILES[given.profile]
    if not file.load_rate:
        raise refused(
            f"{file.name} does not allow load: {file.file} has no load_rate.",
            "If it may have load, say in the file how many requests a second at most, for instance "
            "load_rate = 50; or load another environment.",
        )
    rate = _number("RATE", given.rate, file.load_rate * profile.share, 0.1, MOST_LOAD)
    if rate > file.load_rate:
        raise refused(
            f"{file.name} allows {file.load_rate} requests a second, not {rate:g}.",
            f"Give a lower RATE, or raise load_rate in {file.file}.",
        )
    seconds = _number("SECONDS", given.seconds, profile.seconds, SHORTEST_SECONDS, LONGEST_SECONDS)
    if rate * seconds < 1:
        raise usage(f"{rate:g} requests a second for {seconds:g} s is not even one.", "Give more SECONDS.")
    if not 0 < given.fault_share <= 100:
        raise usage(f"--fault-share has to be a percentage, not {given.fault_share:g}.")
    return {
        "environment": file.name,
        "profile": given.profile,
        "rate": rate,
        "seconds": seconds,
        "report": str(_report(given, file)),
        "fault": given.fault,
        "fault_share": given.fault_share / 100,
    }


def _number(name: str, text: str | None, default: float, low: float, high: float) -> float:
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = -1
    if not low <= value <= high:  # false for NaN too
        raise usage(f"{name} has to be a number from {low:g} to {high:g}, not {text!r}.")
    return value


def _report(given: argparse.Namespace, file: Environment) -> Path:
    if given.report is None:
        file.state.mkdir(parents=True, exist_ok=True)
        return file.state / f"load-{given.profile}.html"
    path: Path = given.report.resolve()
    if path.is_dir() or not path.parent.is_dir():
        raise usage(
            f"{given.report} cannot be written.", "REPORT= has to name a file in a folder that exists."
        )
    return path


def _drive(
    given: argparse.Namespace, cloud: Cloud, terminal: Terminal, config: dict[str, Any]
) -> dict[str, Any]:
    """Run the driver with a token that is revoked at the end, show how it goes, and return its result."""
    if not given.locust.exists():
        raise ToolError(
            f"There is no {given.locust}.", "Run it by make, which installs Locust: make load ENV="
        )
    service, _ = outside.service_of(cloud, terminal)
    ca = str(service.ca) if service.ca and service.is_https else None
    wanted = goals.of(cloud)
    config |= {"availability_percent": wanted.availability_percent, "slow_ms": wanted.latency_ms}
    config |= {"url": service.url, "host": urlsplit(service.url).hostname, "at": service.at, "ca": ca}
    with access.own_token(cloud, terminal, "load") as token:
        terminal.say(
            f"Load on {service.url}: {config['profile']}, up to {config['rate']:g} requests a second, "
            f"{config['seconds']:g} s. Ctrl-C ends it with a report."
        )
        driver = subprocess.Popen(
            [given.locust, "-m", "bench.load.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            # It has many packages and no business with AWS. And Ctrl-C is for this side, which tells it.
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            start_new_session=True,
        )
        try:
            return _follow(driver, terminal, config | {"token": token.token})
        finally:
            driver.kill()
            driver.wait()


def _follow(driver: subprocess.Popen[str], terminal: Terminal, config: dict[str, Any]) -> dict[str, Any]:
    if driver.stdin is None or driver.stdout is None:
        raise ValueError("it needs pipes")
    with show.Live(terminal, config["seconds"]) as live:
        try:
            driver.stdin.write(json.dumps(config) + "\n")
            driver.stdin.flush()
            found = live.follow(driver.stdout)
        except BrokenPipeError:
            found = None
        except KeyboardInterrupt:
            terminal.say("Ending: requests under way are waited for, then the report is written.")
            driver.stdin.close()
            found = live.follow(driver.stdout)
    if found is None:
        code = driver.wait()
        raise ToolError(f"The load's process ended without a result (exit code {code}); it said why above.")
    return found


if __name__ == "__main__":
    sys.exit(main())
