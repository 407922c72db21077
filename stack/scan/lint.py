"""cfn-lint at information level: on the templates as written, and on what each environment makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from stack.errors import ToolError
from stack.scan.policy import Violation
from stack.scan.templates import Resolved

# What only says that a value was put in: zones, an ARN's partition.
_RESOLVED_ON_PURPOSE = ("W3010", "I3042")
# cfn-lint's exit codes are a sum of 2 (errors), 4 (warnings) and 8 (information); 1 is a failure of its own.
_FAILED = 1


def violations(files: Collection[Path], resolved: Mapping[Path, Resolved]) -> list[Violation]:
    """Lint template `files` and `resolved` ones (with the template each was written from).

    Raises a ToolError when cfn-lint could not judge.
    """
    found = [
        Violation(
            tool="cfn-lint",
            rule=match["Rule"]["Id"],
            environment="",
            stack=Path(match["Filename"]).stem,
            resource=_resource(match),
            where=f"{match['Filename']}:{match['Location']['Start']['LineNumber']}",
            what=match["Message"],
            next=match["Rule"]["Source"],
        )
        for match in _run(files, ())
    ]
    for match in _run(resolved, _RESOLVED_ON_PURPOSE):
        template = resolved[Path(match["Filename"])]
        found.append(
            Violation(
                tool="cfn-lint",
                rule=match["Rule"]["Id"],
                environment=template.environment,
                stack=template.stack,
                resource=_resource(match),
                where=template.where(_resource(match)),
                what=match["Message"],
                next=match["Rule"]["Source"],
            )
        )
    return found


def _run(files: Collection[Path], ignored: tuple[str, ...]) -> list[dict[str, Any]]:
    if not files:
        return []  # cfn-lint would wait for a template on its standard input
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--format", "json"]
    if ignored:
        command += ["--ignore-checks", *ignored]
    done = subprocess.run([*command, "--", *map(str, files)], capture_output=True, text=True, check=False)
    try:
        matches: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except json.JSONDecodeError as error:
        raise ToolError(f"cfn-lint failed ({done.returncode}): {done.stderr.strip()[-500:]}") from error
    if done.returncode == _FAILED or bool(done.returncode) != bool(matches):
        raise ToolError(f"cfn-lint failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-500:]}")
    return matches


def _resource(match: Mapping[str, Any]) -> str:
    path = match["Location"]["Path"] or []
    return str(path[1]) if len(path) > 1 and path[0] == "Resources" else ""
