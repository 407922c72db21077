"""What is collected to be saved: everything after a change, after traffic only what grows with it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import persistence
from localcloud.persistence import Saver


def test_traffic_alone_has_only_its_own_files_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    told: list[None] = []

    def state(name: str) -> Any:
        return lambda: asked.append(name) or {"of": name, "time": len(asked)}

    modules = {
        "app": SimpleNamespace(
            _build_persistence_save_dict=lambda: {n: state(n) for n in ("ecs", "cloudwatch_logs")}
        ),
        "core.persistence": SimpleNamespace(_state_format_version=lambda _: 1, _json_default=str),
    }
    monkeypatch.setattr(persistence.emulator, "module", modules.__getitem__)

    async def case() -> None:
        saver = Saver(tmp_path)
        saver.observe(lambda: told.append(None))
        saving = asyncio.create_task(saver.run())
        saver.changed(slow=True)
        async with asyncio.timeout(30):
            while not (tmp_path / "cloudwatch_logs.json").exists():
                await asyncio.sleep(0.01)
            assert (asked, told) == (["cloudwatch_logs"], [])
            await saver.flush()
        assert "ecs" in asked
        assert told == [None]
        assert json.loads((tmp_path / "ecs.json").read_text())["payload"]["of"] == "ecs"
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)

    asyncio.run(case())
