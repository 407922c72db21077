"""How much processor and memory containers use, whatever runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

#: Seconds of processor time so far, and bytes of memory now.
Usage = tuple[float, float]

_UNITS = (1, 60, 3600, 86400)


def of_containers(records: Path, runtime_ids: list[str], engine: Any) -> dict[str, Usage]:
    """Usage by runtime id; those that are gone are missing. Blocks.

    `records` has a file for each container that is a process; `engine` is a Docker client, or None.
    """
    groups = {}
    others = []
    for identity in runtime_ids:
        try:
            # The supervisor's process, and the container's, which leads a process group.
            groups[int(list(json.loads((records / f"{identity}.json").read_text()))[1])] = identity
        except (OSError, ValueError, IndexError):
            others.append(identity)
    by_group = (_of_groups_linux if sys.platform == "linux" else _of_groups_elsewhere)(set(groups))
    found = {groups[group]: usage for group, usage in by_group.items()}
    for identity in others if engine else ():
        if usage := _of_container(engine, identity):
            found[identity] = usage
    return found


def _of_groups_linux(groups: set[int]) -> dict[int, Usage]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found: dict[int, Usage] = defaultdict(lambda: (0.0, 0.0))
    for entry in os.scandir("/proc") if groups else ():
        if not entry.name.isdigit():
            continue
        try:
            fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended meanwhile.
        group = int(fields[2])
        if group in groups:
            # Its own time, and that of its children that have ended.
            seconds = sum(int(field) for field in fields[11:15]) / ticks
            before = found[group]
            found[group] = (before[0] + seconds, before[1] + int(fields[21]) * page)
    return dict(found)


def _of_groups_elsewhere(groups: set[int]) -> dict[int, Usage]:
    if not groups:
        return {}
    told = subprocess.run(
        ["ps", "-A", "-o", "pgid=,time=,rss="], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    found: dict[int, Usage] = defaultdict(lambda: (0.0, 0.0))
    for line in told.splitlines():
        group, time, kilobytes = line.split()
        if int(group) in groups:
            parts = reversed(re.split("[-:]", time))
            seconds = sum(float(part) * unit for part, unit in zip(parts, _UNITS, strict=False))
            before = found[int(group)]
            found[int(group)] = (before[0] + seconds, before[1] + int(kilobytes) * 1024)
    return dict(found)


def _of_container(engine: Any, identity: str) -> Usage | None:
    from docker.errors import DockerException

    try:
        stats = engine.api.stats(identity, stream=False, one_shot=True)
        memory = stats["memory_stats"]
        cache = (memory.get("stats") or {}).get("inactive_file", 0)
        return stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, float(memory["usage"] - cache)
    except (DockerException, OSError, KeyError):
        return None  # It has ended, or the engine does not answer; there is no datapoint then.
