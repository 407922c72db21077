"""Alive, and ready for traffic."""

from __future__ import annotations

from flask import Blueprint, current_app

from app.lifecycle import Lifecycle
from app.problems import retry_later
from app.settings import Settings

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers: true while draining and without the store, since a restart would cure neither."""
    settings: Settings = current_app.config["SETTINGS"]
    return {"status": "ok", "version": settings.version}


@health.get("/readyz")
def readyz() -> dict[str, str]:
    """New traffic is welcome; 503 while draining, or when the store has been unreachable too long."""
    lifecycle: Lifecycle = current_app.config["LIFECYCLE"]
    reason = lifecycle.not_ready_because()
    if reason is not None:
        raise retry_later("not-ready", reason, 5)
    return {"status": "ready"}
