"""The command line: the group with every command. A module registers its commands when it is imported."""

from __future__ import annotations

from stack.commands import image, now, operate, see
from stack.commands.base import tool

__all__ = ["image", "now", "operate", "see", "tool"]
