"""The room: echo by HTTP and WebSocket, drawn as it happens; what a program would write; refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app import tokens
from tests.app.servers import Server
from tests.browser.visits import Visit

AWKWARD = 'it\'s "quoted" \\ <b>bold</b> ${x} {y} äöü 🙂'


@pytest.mark.parametrize("way", ["http", "socket"])
def test_what_is_sent_comes_back(visit: Callable[..., Visit], open_server: Server, way: str) -> None:
    console = visit(open_server)
    token, _ = open_server.new_token()
    console.use(token)
    for number, text in enumerate(["one", AWKWARD, ""], 1):
        console.say(text, way)
        expect(console.page.locator("#chart circle")).to_have_count(number)
        console.expect_back(text or "(an empty string)")
    page = console.page
    shown = page.locator(".answer .hint").first.text_content() or ""
    label = {"http": "HTTP", "socket": "WebSocket"}[way]
    assert re.fullmatch(rf"{label} · [\d.]+ ms · exactly what was sent", shown)
    assert page.locator(f"#chart circle.{way}").count() == 3
    assert re.fullmatch(
        r"3 round trips, median .* ms, slowest .* ms", page.get_attribute("#chart", "aria-label") or ""
    )
    rows = page.locator("#tasks-rows tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("td").last).to_have_text("3")


def test_only_the_latest_answers_stay(visit: Callable[..., Visit], open_server: Server) -> None:
    console = visit(open_server)
    console.use(open_server.new_token()[0])
    for number in range(6):
        console.say(f"say {number}")
        console.expect_back(f"say {number}")
    expect(console.page.locator(".answer .back")).to_have_text(["say 5", "say 4", "say 3"])


def test_keep_sending_until_told_to_stop(visit: Callable[..., Visit], open_server: Server) -> None:
    console = visit(open_server)
    console.use(open_server.new_token()[0])
    console.page.check("#keep")
    expect(console.page.locator("#chart circle")).to_have_count(2)
    assert console.page.get_attribute("#answers", "aria-live") == "off", "a reader would never come to an end"
    console.page.uncheck("#keep")
    expect(console.page.locator("#answers")).to_have_attribute("aria-live", "polite")


def test_without_a_token_it_says_what_to_do(visit: Callable[..., Visit], open_server: Server) -> None:
    console = visit(open_server)
    console.say("hello")
    error = console.page.locator("#say-error")
    expect(error).to_contain_text("paste one, or log in and make one")
    console.use("secret")
    console.say("hello")
    expect(error).to_contain_text("not the form of an API token")
    expect(console.page.locator("#chart circle")).to_have_count(0)


@pytest.mark.parametrize("way", ["http", "socket"])
def test_a_revoked_token_is_refused_with_the_reason(
    visit: Callable[..., Visit], open_server: Server, way: str
) -> None:
    console = visit(open_server)
    console.expected = {"401", "away"}
    console.use(tokens.make())
    console.say("hello", way)
    expect(console.page.locator("#say-error")).to_have_text("The token is unknown, expired or revoked.")
    if way == "http":
        expect(console.page.locator("#chart circle.failed")).to_have_count(1)


def test_a_limit_is_waited_out_on_the_button(
    visit: Callable[..., Visit], start_server: Callable[..., Server]
) -> None:
    server = start_server(ECHO_TOKEN_RATE="0.5", ECHO_TOKEN_BURST="2")
    console = visit(server)
    console.expected = {"429"}
    console.use(server.new_token()[0])
    console.say("first")  # and who is there
    console.expect_back("first")
    console.say("second")
    expect(console.page.locator("#say-error")).to_contain_text("has sent too many requests")
    expect(console.page.locator("#send")).to_have_text(re.compile(r"Wait \d s"))
    expect(console.page.locator("#send")).to_have_attribute("aria-disabled", "true")
    expect(console.page.locator("#send")).to_have_text("Send")


def run(language: str, program: str, token: str) -> str:
    """What the program prints, run as its reader would."""
    commands = {
        "curl": ["bash", "-c"],
        "Python": [sys.executable, "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
    }
    command = commands[language]
    if shutil.which(command[0]) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{command[0]} is missing, and CI=true demands it")
        pytest.skip(f"{command[0]} is missing")
    done = subprocess.run(
        [*command, program],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_program_for_what_was_typed_runs(
    visit: Callable[..., Visit], open_server: Server, language: str
) -> None:
    console = visit(open_server)
    console.page.fill("#text", AWKWARD)
    console.page.click("summary")
    console.page.check(f"#program input[value={language}]")
    console.page.click("#program button")
    expect(console.page.locator("#program button")).to_have_text("Copied")
    program = console.page.evaluate("navigator.clipboard.readText()")
    assert program == console.page.text_content("#program code")
    assert "$TOKEN" in program
    token, _ = open_server.new_token()
    printed = run(language, program.replace("$TOKEN", token), token)
    assert (json.loads(printed)["str"] if language == "curl" else printed.rstrip("\n")) == AWKWARD
