"""The balancer of this process: installed, started and stopped with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.balancer import records, requests, weights
from localcloud.balancer.api import replace_handlers
from localcloud.balancer.control import Balancer
from localcloud.balancer.webacl import api as web_acls

_current: Balancer | None = None


def current() -> Balancer:
    """The installed balancer. Raises RuntimeError before `install`."""
    if _current is None:
        raise RuntimeError("the balancer is not installed")
    return _current


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[..., None]) -> None:
    """Take MiniStack's load balancers over; on the event loop, before the saved state is loaded.

    `changed` is called whenever the records changed by themselves.
    """
    del state_dir, gateway_url, cloud_id
    global _current
    alb = records.alb()
    responses = emulator.module("core.responses")
    base = responses.AccountRegionScopedDict
    balancer = _current = Balancer(lambda: changed(slow=True))

    class Listeners(base):  # type: ignore[misc, valid-type]  # found at run time
        __slots__ = ()

        def __setitem__(self, key: str, value: dict[str, Any]) -> None:
            if _current is balancer and not balancer.closing:
                balancer.listener_stored(key, value)
            super().__setitem__(key, value)

    listeners = Listeners()
    listeners.update(alb._listeners)
    alb._listeners = listeners
    # `describe` and the balancer's own listings must name the address that answers.
    replace_handlers(alb, balancer)
    web_acls.install()
    weights.install()
    requests.install(alb)


async def start() -> None:
    """Open the listeners there are records of, and check their targets."""
    current().start()


async def stop() -> None:
    """Close what `install` opened."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None
