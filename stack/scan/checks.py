"""Every check, in the order in which they are run and shown."""

from __future__ import annotations

from stack.scan import dependencies, image
from stack.scan.result import Check

CHECKS: tuple[Check, ...] = (dependencies.CHECK, image.CHECK)
