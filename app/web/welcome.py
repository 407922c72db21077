"""The greeting, and proof that a server is there; for browsers, the console."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.web import guard, page

welcome = Blueprint("welcome", __name__)


@welcome.get("/hello")
def hello() -> dict[str, str]:
    """The welcome message."""
    return {"Hello": "Welcome to the Echo Room."}


@welcome.get("/")
def root() -> Any:
    """The welcome message, or the console for who would rather have a page."""
    if not guard.settings().console:
        return hello()
    accepted = request.accept_mimetypes
    if accepted.best_match(("application/json", "text/html")) == "text/html":
        return page.response()
    response = jsonify(hello())
    response.vary.add("Accept")
    return response
