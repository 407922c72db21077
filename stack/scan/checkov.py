"""Checkov's policies for CloudFormation on resolved templates."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from stack.errors import ToolError
from stack.scan.policy import Violation
from stack.scan.templates import Resolved


def violations(found: Mapping[Path, Resolved], program: Path) -> tuple[list[Violation], Counter[str]]:
    """Run checkov once over template files (with the template each was written from).

    Returns what failed, and how many checks passed by environment. Raises a ToolError when checkov could not
    judge.
    """
    command = [str(program), "--framework", "cloudformation", "--output", "json", "--compact"]
    command += ["--skip-download", "--soft-fail"]
    for file in found:
        command += ["--file", str(file)]
    # Nothing is asked of its makers' servers: rules come with the program.
    quiet = {**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    try:
        results = json.loads(done.stdout)["results"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ToolError(f"checkov failed ({done.returncode}): {done.stderr.strip()[-500:]}") from error
    if results["parsing_errors"]:
        raise ToolError(f"checkov cannot read {', '.join(results['parsing_errors'])}")
    judged = {str(file.resolve()): template for file, template in found.items()}
    failed = {}
    for check in results["failed_checks"]:
        template = judged[str(Path(check["file_abs_path"]).resolve())]
        resource = check["resource"].rpartition(".")[2]
        failed[check["check_id"], template.environment, template.stack, resource] = Violation(
            tool="checkov",
            rule=check["check_id"],
            environment=template.environment,
            stack=template.stack,
            resource=resource,
            where=template.where(resource),
            what=check["check_name"],
        )
    passed = Counter(
        judged[str(Path(check["file_abs_path"]).resolve())].environment for check in results["passed_checks"]
    )
    return list(failed.values()), passed
