"""AWS's Guard rule sets on resolved templates: Control Tower and Well-Architected security.

The program and Control Tower's rules come in one npm package, with an exact version and checksum. The
Well-Architected set of AWS's rules registry is in no package as a whole: its rules for S3, EC2 and IAM come
with a Python package; for the other types used here the same requirement is one of Control Tower's rules.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stack.errors import ToolError
from stack.scan.policy import Violation
from stack.scan.templates import Resolved

NPM_PACKAGE = "@cdklabs/cdk-validator-cfnguard@0.0.62"
NPM_SHA512 = (
    "4a0da4f34ebb07400827cd901522e11d3508ab13984ca001bd5ad31e2c9cea3d"
    "2b136347962d9d88862a7fec3e0e4b8328261880c20e81adcead830e1d4c3499"
)
RULES_LOCK = Path(__file__).with_name("guard_rules.txt")
_RULES_IN_WHEEL = "awslabs/aws_iac_mcp_server/data/default_guard_rules.guard"
# Exit codes of cfn-guard: every rule holds; some do not.
_OK, _BROKEN = 0, 19
_SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
_PROCESSORS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

# The registry's set wa-Security-Pillar, as far as it has rules for types that templates here may use. Where a
# value is given, the rule itself is in no package, and Control Tower's rule of that id demands the same.
WELL_ARCHITECTED = {
    "ALB_HTTP_DROP_INVALID_HEADER_ENABLED": "CT.ELASTICLOADBALANCING.PR.4",
    "CLOUDWATCH_LOG_GROUP_ENCRYPTED": "CT.CLOUDWATCH.PR.3",
    "DYNAMODB_TABLE_ENCRYPTED_KMS": "CT.DYNAMODB.PR.2",
    "EC2_INSTANCES_IN_VPC": "",
    "EC2_INSTANCE_NO_PUBLIC_IP": "",
    "EC2_INSTANCE_PROFILE_ATTACHED": "",
    "ECS_TASK_DEFINITION_USER_FOR_HOST_MODE_CHECK": "CT.ECS.PR.8",
    "ELBV2_ACM_CERTIFICATE_REQUIRED": "CT.ELASTICLOADBALANCING.PR.2",
    "ENCRYPTED_VOLUMES": "",
    "IAM_NO_INLINE_POLICY_CHECK": "",
    "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS": "",
    "IAM_POLICY_NO_STATEMENTS_WITH_FULL_ACCESS": "",
    "INCOMING_SSH_DISABLED": "",
    "NO_UNRESTRICTED_ROUTE_TO_IGW": "",
    "RESTRICTED_INCOMING_TRAFFIC": "",
    "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED": "",
    "S3_BUCKET_LOGGING_ENABLED": "",
    "S3_BUCKET_PUBLIC_READ_PROHIBITED": "",
    "S3_BUCKET_PUBLIC_WRITE_PROHIBITED": "",
    "S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED": "",
    "S3_BUCKET_SSL_REQUESTS_ONLY": "",
    "S3_BUCKET_VERSIONING_ENABLED": "",
    "S3_DEFAULT_ENCRYPTION_KMS": "",
    "SUBNET_AUTO_ASSIGN_PUBLIC_IP_DISABLED": "",
}
_CONTROL = re.compile(r"\[(CT\.[A-Z0-9.]+)\]:\s*(\S.*)")
_FIX = re.compile(r"(?:\[FIX\]|Fix):\s*(\S.*)")
_VIOLATION = re.compile(r"Violation:\s*(\S.*)")
_RESOURCE = re.compile(r"^/Resources/([A-Za-z0-9]+)")


def install(folder: Path) -> None:
    """Fetch program and rules into `folder`, unless they are there. Raises a ToolError on what is missing."""
    marker = folder / "installed"
    wanted = f"{NPM_PACKAGE} {NPM_SHA512}\n{RULES_LOCK.read_text(encoding='utf-8')}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Parallel tests all want it at once; one fetches it, the others find it.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _fetch_program(folder)
        _fetch_rules(folder)
        marker.write_text(wanted, encoding="utf-8")


def violations(found: Mapping[Path, Resolved], folder: Path) -> list[Violation]:
    """Run both rule sets over template files (with the template each was written from).

    A rule that a resource breaks is one violation. Raises a ToolError when cfn-guard could not judge.
    """
    program = _program(folder)
    command = [str(program), "validate", "--structured", "--output-format", "json", "--show-summary", "none"]
    for rules in (folder / "package" / "rules" / "control-tower" / "cfn-guard", folder / "registry.guard"):
        command += ["--rules", str(rules)]
    for file in found:
        command += ["--data", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (_OK, _BROKEN):
        raise ToolError(f"cfn-guard failed ({done.returncode}): {done.stderr.strip()[-500:]}")
    results = {}
    for report in json.loads(done.stdout):
        template = found[Path(report["name"])]
        for broken in report["not_compliant"]:
            for violation in _violations(broken["Rule"], template):
                results[violation.rule, violation.environment, violation.stack, violation.resource] = (
                    violation
                )
    return list(results.values())


def is_control_tower(rule: str) -> bool:
    """Tell Control Tower's rules by their id."""
    return rule.startswith("CT.")


def is_well_architected(rule: str) -> bool:
    """Tell whether a rule, or the one that demands the same, is in the Well-Architected security set."""
    return rule in WELL_ARCHITECTED or rule in WELL_ARCHITECTED.values()


def _violations(rule: Mapping[str, Any], template: Resolved) -> Iterator[Violation]:
    texts = "\n".join(_texts(rule))
    control = _CONTROL.search(texts)
    name = control[1] if control else str(rule["name"])
    if not control and name not in WELL_ARCHITECTED:
        return  # the registry has more rules than the set
    said = control[2] if control else (match[1] if (match := _VIOLATION.search(texts)) else name)
    fix = match[1] if (match := _FIX.search(texts)) else ""
    # A rule that complains of what is not there at all names no resource.
    for resource in sorted({match[1] for path in _paths(rule) if (match := _RESOURCE.match(path))}) or [""]:
        yield Violation(
            tool="guard",
            rule=name,
            environment=template.environment,
            stack=template.stack,
            resource=resource,
            where=template.where(resource),
            what=said.strip(),
            next=fix.strip(),
        )


def _texts(value: Any) -> Iterator[str]:
    """Every message in a result."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "custom_message" and item:
                yield item
            else:
                yield from _texts(item)


def _paths(value: Any) -> Iterator[str]:
    """Every path in the template that a result is about."""
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("from", "traversed_to", "value") and isinstance(item, dict) and "path" in item:
                yield str(item["path"])
            elif key != "to":
                yield from _paths(item)


def _program(folder: Path) -> Path:
    system, processor = _SYSTEMS.get(platform.system()), _PROCESSORS.get(platform.machine().lower())
    if system is None or processor is None:
        raise ToolError(f"cfn-guard is not made for {platform.system()} on {platform.machine()}.")
    return folder / "package" / "bin" / system / processor / "cfn-guard"


def _fetch_program(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise ToolError(
            "npm is missing; cfn-guard and its rules come as an npm package.", "Debian: apt-get install npm"
        )
    done = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(folder), NPM_PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise ToolError(f"npm could not fetch {NPM_PACKAGE}: {done.stderr.strip()[-500:]}")
    if (digest := hashlib.sha512(archives[0].read_bytes()).hexdigest()) != NPM_SHA512:
        raise ToolError(f"{NPM_PACKAGE} is not what was reviewed: its SHA-512 is {digest}, not {NPM_SHA512}.")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    archives[0].unlink()


def _fetch_rules(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--requirement", str(RULES_LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ToolError(f"pip could not fetch what {RULES_LOCK.name} names: {done.stderr.strip()[-500:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        (folder / "registry.guard").write_bytes(wheel.read(_RULES_IN_WHEEL))
    wheels[0].unlink()
