"""Account names: ASCII, so that no two look alike; unique without regard to case."""

from __future__ import annotations

import re

# Written so that JSON Schema understands it too.
PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,30}[A-Za-z0-9]$"
RULE = "3 to 32 letters (A to Z), digits, `.`, `_` or `-`, with a letter or digit first and last"
_SHAPE = re.compile(PATTERN.removeprefix("^").removesuffix("$"))


def valid(name: str) -> bool:
    """Whether an account may be called `name`."""
    return _SHAPE.fullmatch(name) is not None
