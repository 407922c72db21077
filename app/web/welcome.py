"""The greeting, and proof that a server is there."""

from __future__ import annotations

from flask import Blueprint

welcome = Blueprint("welcome", __name__)


@welcome.get("/")
@welcome.get("/hello")
def hello() -> dict[str, str]:
    """The welcome message."""
    return {"Hello": "Welcome to the Echo Room."}
