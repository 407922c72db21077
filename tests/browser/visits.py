"""One visit to the console: what a person does there, and what the browser complains about."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, expect

from tests.app.accounts import PASSWORD

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """The program, by whatever name this system has it; a snap would not see the tests' folders."""
    names = ("google-chrome", "chromium", "chromium-browser")
    found = filter(None, map(shutil.which, names))
    return next((program for program in found if Path(program).resolve().name != "snap"), None)


# A refused request is an error to the browser's console, whatever the page makes of it.
_LOADING = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


class Visit:
    """A page, and all that its console said. `expected`: statuses of refusals, "away" for no answer."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.expected: set[str] = set()
        self._said: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self._said.append(f"fault: {error}"))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._said.append(message.text)

    def wrong(self) -> list[str]:
        """What nobody foretold: faults, violations of the policy (they are said as errors), refusals."""
        return [text for text in self._said if not self._was_expected(text)]

    def _was_expected(self, text: str) -> bool:
        status = _LOADING.match(text)
        if status:
            return status[1] in self.expected
        return "away" in self.expected and ("net::ERR_" in text or "WebSocket" in text)

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        self.page.fill("#log-in-name", name)
        self.page.fill("#log-in-password", password)
        self.page.click("#log-in .primary")
        expect(self.page.locator("#who")).to_have_text(f"Logged in as {name}")

    def make_token(self, name: str = "laptop") -> str:
        """A token made by the form; its dialog is closed again."""
        self.page.fill("#token-name", name)
        self.page.click("#make-token .primary")
        expect(self.page.locator("#secret")).to_be_visible()
        secret = self.page.input_value("#secret-token")
        self.page.click("#secret form button")
        return secret

    def use(self, token: str) -> None:
        self.page.fill("#token", token)

    def say(self, text: str, way: str = "http") -> None:
        self.page.check(f"input[name=way][value={way}]")
        self.page.fill("#text", text)
        self.page.click("#send")

    def expect_back(self, text: str) -> None:
        expect(self.page.locator(".answer .back").first).to_have_text(text)
