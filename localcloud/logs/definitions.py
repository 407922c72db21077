"""What is saved of the logs before a request is answered: all but the lines, which are saved at intervals."""

from __future__ import annotations

from typing import Any

from localcloud import emulator

#: MiniStack's stores that have no lines in them.
_WITHOUT_LINES = ("destinations", "log_group_policies", "metric_filters", "resource_policies")


def state() -> Any:
    """Groups with the names of their streams, and everything that belongs to them, as JSON can hold it."""
    logs = emulator.module("services.cloudwatch_logs")
    groups = [
        [*where, {name: value for name, value in group.items() if name != "streams"}, list(group["streams"])]
        for where, group in logs._log_groups.all_items()
    ]
    stores = {name: [[*where, value] for where, value in _store(name).all_items()] for name in _WITHOUT_LINES}
    return {"groups": groups, "stores": stores}


def restore(saved: Any) -> None:
    """Bring what was loaded, perhaps older than this, to what was saved; None when there is nothing.

    Streams that are missing come back empty, and groups that were deleted go.
    """
    if saved is None:
        return
    logs, responses = emulator.module("services.cloudwatch_logs"), emulator.module("core.responses")
    known = {tuple(where) for *where, _, _ in saved["groups"]}
    for where, _ in list(logs._log_groups.all_items()):
        if where not in known:
            logs._log_groups.pop_scoped(*where, None)
    for account, region, name, group, streams in saved["groups"]:
        loaded = logs._log_groups.get_scoped(account, region, name) or {}
        kept = {one: found for one, found in (loaded.get("streams") or {}).items() if one in streams}
        logs._log_groups.set_scoped(account, region, name, {**group, "streams": kept})
        with responses.request_scope(account, region):
            for missing in [one for one in streams if one not in kept]:
                logs._create_log_stream({"logGroupName": name, "logStreamName": missing})
    for name, entries in saved["stores"].items():
        store = _store(name)
        for where, _ in list(store.all_items()):
            store.pop_scoped(*where, None)
        for account, region, key, value in entries:
            store.set_scoped(account, region, tuple(key) if isinstance(key, list) else key, value)


def _store(name: str) -> Any:
    return getattr(emulator.module("services.cloudwatch_logs"), f"_{name}")
