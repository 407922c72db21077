"""The end of a command by whoever does not press Ctrl-C: a CI job that is cancelled, systemd."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Have SIGTERM raise KeyboardInterrupt, so that what is inside cleans up for both."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
