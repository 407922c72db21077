"""`python -m localcloud alerts`: the record of deliveries as text or JSON, read from the saved state."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

Entry = dict[str, Any]

#: How often the state is looked at while following, in seconds.
_AGAIN_SECONDS = 0.5


def show(path: Path, follow: bool, as_json: bool) -> None:
    """Print every delivery, oldest first; with `follow`, what is new or changed until interrupted.

    Raises OSError and ValueError when the state cannot be read.
    """
    found = _read(path)
    if not follow:
        if as_json:
            click.echo(json.dumps([_public(entry) for entry in found]))
        elif found:
            click.echo("\n".join(_line(entry) for entry in found))
        else:
            click.echo("No topic has had a message yet")
        return
    shown: dict[tuple[str, str], Entry] = {}
    while True:
        for entry in _read(path):
            key = (entry["message_id"], entry["subscription"])
            if shown.get(key) != entry:
                shown[key] = entry
                click.echo(json.dumps(_public(entry)) if as_json else _line(entry))
        time.sleep(_AGAIN_SECONDS)


def _read(path: Path) -> list[Entry]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    entries: list[Entry] = json.loads(content)["payload"]
    return entries


def _public(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != "waiting"}


def _line(entry: Entry) -> str:
    """One delivery: when, from which topic, what about, to whom, with which result."""
    topic = entry["topic"].rpartition(":")[2]
    about = entry["subject"] or "(no subject)"
    if alarm := entry["alarm"]:
        about = f"{alarm['name']}: {alarm['old_state']} -> {alarm['new_state']} ({alarm['reason']})"
    to = f"{entry['protocol']} {entry['endpoint']}".strip() or "nobody"
    result = entry["result"] + "".join(f" ({more})" for more in (entry["because"], entry["file"]) if more)
    return " ".join(f"{entry['time']}  {topic}  {about}  to {to}: {result}".split("\n"))
