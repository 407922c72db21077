"""Every check, in the order in which they are run and shown."""

from __future__ import annotations

from stack.scan import dependencies, image, policies
from stack.scan.result import Check

CHECKS: tuple[Check, ...] = (*policies.CHECKS, dependencies.CHECK, image.CHECK)
