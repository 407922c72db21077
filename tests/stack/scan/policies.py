"""Templates for the tests of policy checks, without files of their own."""

from pathlib import Path
from typing import Any

from stack.scan.templates import Resolved


def resolved(resources: dict[str, Any], environment: str = "test") -> Resolved:
    """A resolved template with these resources, in line 7 of its file and on."""
    lines = {name: 7 + number for number, name in enumerate(resources)}
    return Resolved(
        environment, "part", Path("cloudformation/part.yaml"), {"Resources": resources}, {}, lines
    )
