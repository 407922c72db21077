"""What a check is, what it gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stack.errors import ToolError
from stack.terminal import Terminal

# Other versions than the operator's tool needs, so an environment of its own.
TOOLS = Path(__file__).resolve().parents[2] / ".venv-scan" / "bin"

State = Literal["passed", "failed", "not-checked"]


@dataclass(frozen=True)
class Finding:
    """Something to correct or to accept: `rule` and `where` identify it in accepted.toml."""

    rule: str
    where: str
    what: str
    why: str
    next: str


@dataclass(frozen=True)
class Result:
    """How a check ended. `detail` says why it was not checked; `accepted` counts findings not shown."""

    name: str
    state: State
    findings: tuple[Finding, ...] = ()
    detail: str = ""
    accepted: int = 0


@dataclass(frozen=True)
class Target:
    """What is scanned: the checkout at `root`, and `image`, a local image (empty: the working tree's)."""

    root: Path
    image: str
    terminal: Terminal


@dataclass(frozen=True)
class Check:
    """`run` returns what it found, or raises a ToolError that says why it could not look."""

    name: str
    looks_at: str
    needs_network: bool
    run: Callable[[Target], list[Finding]]


def tool(name: str) -> str:
    """The path of a scanning tool. Raises a ToolError where it is not installed."""
    path = TOOLS / name
    if not path.exists():
        raise ToolError(f"{name} is not installed in {TOOLS.parent}.", "Install it and scan: make scan")
    return str(path)
