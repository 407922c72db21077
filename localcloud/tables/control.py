"""The start and the end of what works beside the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localcloud.state import StateDir
from localcloud.tables.backups import Backups
from localcloud.tables.replication import REPLICATION
from localcloud.tables.restores import Restores

_backups: Backups | None = None
_restores: Restores | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Answer for backups and restores, and replicate; before the saved state is loaded."""
    del gateway_url, cloud_id
    global _backups, _restores
    _backups = Backups(StateDir(state_dir).journals)
    _restores = Restores(_backups, changed)
    _backups.install()
    _restores.install()
    REPLICATION.install(changed)


async def start() -> None:
    """Go on with the tables that were saved."""
    if _backups is not None and _restores is not None:
        _backups.open()
        _restores.finish()
    REPLICATION.start()


async def stop() -> None:
    """End; the journals stay."""
    await REPLICATION.stop()
    if _backups is not None and _restores is not None:
        _restores.stop()
        _backups.close()
