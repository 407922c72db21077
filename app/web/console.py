"""What only the console page needs: its session in a cookie, and how the service is doing."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from app.lifecycle import Lifecycle
from app.problems import Problem
from app.store import Session
from app.telemetry.recent import Recent
from app.web import cookies, guard
from app.web.accounts import LOG_IN, log_in_with
from app.web.bodies import members

console = Blueprint("console", __name__, url_prefix="/console")


def _shown(session: Session) -> dict[str, Any]:
    return {
        "account": session.account_name,
        "expires_at": guard.iso(session.expires_at),
        "ends_at": guard.iso(session.ends_at),
    }


@console.get("/session")
def session() -> Response:
    """Who is logged in; that nobody is, is no refusal but what a page wants to know first."""
    token = cookies.token()
    if token is None:
        return jsonify({"account": None})
    try:
        return jsonify(_shown(guard.session_of(token)))
    except Problem as problem:
        if problem.status != 401:
            raise
    response = jsonify({"account": None})
    cookies.take(response)
    return response


@console.post("/session")
def log_in() -> tuple[Response, int]:
    """Log in; the session's token goes into the cookie and nowhere else."""
    cookies.check_page()
    token, made = log_in_with(members(LOG_IN))
    response = jsonify(_shown(made))
    cookies.give(response, token)
    return response, 201


@console.delete("/session")
def log_out() -> Response:
    """End the session, if there is one."""
    token = cookies.token()
    if token is not None:
        try:
            guard.store().end_session(guard.session_of(token))
        except Problem as problem:
            if problem.status != 401:
                raise
    response = Response(status=204)
    cookies.take(response)
    return response


@console.get("/status")
def status() -> dict[str, Any]:
    """How the task that answers is doing; nothing that its answers would not show to who asks often."""
    lifecycle: Lifecycle = current_app.config["LIFECYCLE"]
    recent: Recent = current_app.config["RECENT"]
    settings = guard.settings()
    return {
        "ready": lifecycle.not_ready_because() is None,
        "detail": lifecycle.not_ready_because(),
        "environment": settings.env,
        "version": settings.version,
        "sign_up": settings.sign_up,
        "latency": recent.latest,
    }
