"""How often something came within a window of time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

_SLICE_SECONDS = 10
#: As many keys of one rule are watched, as on AWS.
_MOST_KEYS = 10_000


@dataclass
class Rate:
    """How often each key came, by slices of time."""

    slices: dict[int, Counter[str]] = field(default_factory=dict)

    def count(self, key: str, window: float) -> int:
        """Note one more; how many that makes within the window (seconds)."""
        now = int(time.monotonic() // _SLICE_SECONDS)
        oldest = now - int(window // _SLICE_SECONDS)
        for past in [past for past in self.slices if past <= oldest]:
            del self.slices[past]
        current = self.slices.setdefault(now, Counter())
        if key in current or len(current) < _MOST_KEYS:
            current[key] += 1
        return sum(counts[key] for counts in self.slices.values())
