"""A real browser (Chromium) on a real server. One browser a file; each test has a context of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app.accounts import sign_up
from tests.app.servers import Server, StartServer, start, starting, stop
from tests.browser.visits import ARGUMENTS, Visit, chromium

# Argon2 on a busy machine; nothing here waits for as long unless it fails.
PATIENCE_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file: while Playwright runs, no other test of this worker could use asyncio."""
    program = chromium()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium, and CI=true demands one (apt-get install chromium)")
        pytest.skip("there is no Chromium (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where anybody may sign up, for every test that leaves it as it is."""
    running = start(
        tmp_path_factory.mktemp("browser"), ECHO_SIGN_UP="open", ECHO_SIGN_UP_TRIES="1000000",
        ECHO_CREDENTIAL_RATE="0", ECHO_METRICS_SECONDS="0",
    )  # fmt: skip
    yield running
    stop(running)


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """A function that starts servers with the given settings; they end with the test."""
    with starting(lambda: tmp_path_factory.mktemp("browser"), ECHO_METRICS_SECONDS="0") as starter:
        yield starter


@pytest.fixture
def visit(browser: Browser, start_server: StartServer) -> Iterator[Callable[..., Visit]]:
    """A function that opens a server's console; at the end nothing unforetold may have gone wrong.

    It ends before the servers that the test started: a page asks its server every few seconds.
    """
    visits: list[Visit] = []

    def open_page(server: Server, **options: Any) -> Visit:
        context = browser.new_context(**{"permissions": ["clipboard-read", "clipboard-write"], **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page: Page = context.new_page()
        visits.append(Visit(page))
        page.goto(f"{server.url}/")
        page.wait_for_selector("#log-in:not([hidden]), #logged-in:not([hidden])")
        return visits[-1]

    yield open_page
    for each in visits:
        each.page.context.close()
    for each in visits:
        assert each.wrong() == []


@pytest.fixture
def logged_in(visit: Callable[..., Visit], open_server: Server) -> Visit:
    """The console with a new account."""
    name = sign_up(open_server)
    found = visit(open_server)
    found.log_in(name)
    return found
