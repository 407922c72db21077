"""The command line: the group with every command. A module registers its commands when it is imported."""

from __future__ import annotations

from stack.commands import (
    completion,
    cost,
    doctor,
    exercise,
    image,
    now,
    operate,
    recover,
    running,
    see,
    tokens,
)
from stack.commands.base import tool

__all__ = [
    "completion",
    "cost",
    "doctor",
    "exercise",
    "image",
    "now",
    "operate",
    "recover",
    "running",
    "see",
    "tokens",
    "tool",
]
