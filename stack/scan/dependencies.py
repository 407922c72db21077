"""Known vulnerabilities of every locked package, as pip-audit finds them in the OSV database."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.errors import ToolError
from stack.scan.result import Check, Finding, Target, tool

_NAME = "requirements.txt"
_OSV = "https://api.osv.dev/v1/query"
# pip-audit ends with the exception of its HTTP library.
_UNREACHABLE = re.compile(r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Could not connect")
_OPTIONS = (
    "--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--format", "json",
    "--aliases", "on", "--desc", "on", "--progress-spinner", "off", "--timeout", "15",
)  # fmt: skip


@dataclass
class _Known:
    """One vulnerability of one version, and the locks that have it."""

    vulnerability: dict[str, Any]
    locks: list[str] = field(default_factory=list)


def locks(root: Path) -> list[Path]:
    """Every lock of the checkout, none of a virtual environment."""
    found = [*root.glob(f"*/{_NAME}"), *root.glob(f"*/*/{_NAME}")]
    return sorted(path for path in found if not path.relative_to(root).parts[0].startswith("."))


def run(target: Target) -> list[Finding]:
    """Ask for each lock. Raises a ToolError where the database does not answer."""
    audited = locks(target.root)
    known: dict[tuple[str, str], _Known] = {}
    skipped: dict[tuple[str, str], list[str]] = defaultdict(list)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(_audit, audited))
    for lock, answer in zip(audited, answers, strict=True):
        name = lock.relative_to(target.root).as_posix()
        for package in answer["dependencies"]:
            if "skip_reason" in package:
                skipped[package["name"], package["skip_reason"]].append(name)
                continue
            where = f"{package['name']}=={package['version']}"
            for one in package["vulns"]:
                known.setdefault((where, one["id"]), _Known(one)).locks.append(name)
    return [
        *(_finding(where, one) for (where, _), one in sorted(known.items())),
        *(_not_audited(name, why, names) for (name, why), names in sorted(skipped.items())),
    ]


def _audit(lock: Path) -> dict[str, Any]:
    done = subprocess.run(
        [tool("pip-audit"), "--requirement", str(lock), *_OPTIONS],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        if _UNREACHABLE.search(said):
            raise ToolError(
                f"The vulnerability database {os.environ.get('PIP_AUDIT_OSV_URL', _OSV)} cannot be reached.",
                "Scan where it can be, or leave this check out by name: make scan OFFLINE=1",
            ) from None
        raise ToolError(f"pip-audit could not audit {lock.parent.name}/{lock.name}: {said}") from None
    return answer


def _finding(where: str, known: _Known) -> Finding:
    one = known.vulnerability
    names = ", ".join([one["id"], *one.get("aliases", [])])
    description = (one.get("description") or "no description").strip().splitlines()[0]
    fixed = ", ".join(one["fix_versions"])
    return Finding(
        one["id"],
        where,
        f"{names} (locked in {', '.join(sorted(known.locks))})",
        description,
        f"update to {fixed}: make lock" if fixed else "no fixed version is known: replace it, or accept it",
    )


def _not_audited(name: str, why: str, names: list[str]) -> Finding:
    return Finding(
        "not-audited",
        name,
        f"could not be audited (locked in {', '.join(names)})",
        why,
        "correct the lock: make lock",
    )


CHECK = Check("dependencies", "locked dependencies for known vulnerabilities", True, run)
