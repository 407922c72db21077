"""Accounts and sessions on a running server, for tests."""

from __future__ import annotations

import itertools
from typing import Any

import requests

from app.store import open_store
from tests.app.answers import Answer
from tests.app.servers import Server

PASSWORD = "tangible-otter-ladder"
_numbers = itertools.count()


def call(
    server: Server, method: str, path: str, *, token: str | None = None, **options: Any
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, server.url + path, headers=headers, timeout=20, **options)


def answer_of(response: requests.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def sign_up(server: Server, name: str = "", password: str = PASSWORD) -> str:
    """The name of a new account; the server's sign-up policy must be `open`."""
    name = name or f"user-{next(_numbers)}"
    response = call(server, "POST", "/accounts", json={"name": name, "password": password})
    assert response.status_code == 201, response.text
    return name


def log_in(server: Server, name: str, password: str = PASSWORD) -> str:
    """A session's token."""
    response = call(server, "POST", "/sessions", json={"name": name, "password": password})
    assert response.status_code == 201, response.text
    return str(response.json()["token"])


def account_id(server: Server, name: str) -> str:
    store = open_store(server.settings)
    try:
        account = store.account_by_name(name)
    finally:
        store.close()
    assert account is not None
    return account.id
