"""A server that leaves, a machine that is offline, something in front that refuses: said, and survived."""

from __future__ import annotations

import signal
from collections.abc import Callable

from playwright.sync_api import expect

from tests.app.servers import Server
from tests.browser.visits import Visit


def test_a_server_that_leaves(visit: Callable[..., Visit], start_server: Callable[..., Server]) -> None:
    server = start_server(ECHO_GRACE_SECONDS="60")
    console, page = (found := visit(server)), found.page
    console.expected = {"503", "away"}
    console.use(server.new_token()[0])
    console.say("before", "socket")
    console.expect_back("before")
    expect(page.locator("#health")).to_have_attribute("data-state", "ready")
    server.process.send_signal(signal.SIGTERM)
    # Asked every few seconds.
    expect(page.locator("#health")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#health-text")).to_have_text("This server is shutting down.")
    expect(page.locator("#service-state")).to_have_text("Not ready")
    console.say("by the way", "http")
    console.expect_back("by the way")
    server.process.send_signal(signal.SIGINT)
    server.process.wait(60)
    expect(page.locator("#health")).to_have_attribute("data-state", "away")
    console.say("after")
    expect(page.locator("#say-error")).to_have_text(
        "The service does not answer. What you typed is still here."
    )
    assert page.input_value("#text") == "after"


def test_offline_and_back(visit: Callable[..., Visit], open_server: Server) -> None:
    console, page = (found := visit(open_server)), found.page
    console.expected = {"away"}
    console.use(open_server.new_token()[0])
    page.check("#keep")
    expect(page.locator("#chart circle.http")).to_have_count(1)
    page.context.set_offline(True)
    expect(page.locator("#say-error")).to_have_text("This machine is offline. What you typed is still here.")
    expect(page.locator("#chart circle.failed").first).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#say-error")).to_have_text("")
    page.uncheck("#keep")


def test_what_stands_in_front_refuses(visit: Callable[..., Visit], open_server: Server) -> None:
    console, page = (found := visit(open_server)), found.page
    console.expected = {"403", "502"}
    console.use(open_server.new_token()[0])
    for status, said in ((403, "Something in front of the service refused this (403)."), (502, "(502)")):
        page.route(
            "**/echo", lambda route, _, status=status: route.fulfill(status=status, body="<html>no</html>")
        )
        console.say("<script>")
        expect(page.locator("#say-error")).to_contain_text(said)
        page.unroute("**/echo")


def test_an_echo_that_differs_is_not_passed_over(visit: Callable[..., Visit], open_server: Server) -> None:
    console, page = (found := visit(open_server)), found.page
    console.use(open_server.new_token()[0])
    page.route("**/echo", lambda route: route.fulfill(json={"str": "something else"}))
    console.say("this")
    console.expect_back("something else")
    expect(page.locator(".answer.wrong .hint")).to_contain_text("not what was sent")
