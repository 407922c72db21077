"""Takes the pictures of the console in docs/screens: `make screenshots`. A test checks they are current.

They show a real server on this machine in a real browser; only the task is made up, since this is not ECS.
"""

import hashlib
import http.server
import io
import json
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from diagram import KEYWORD, recorded  # noqa: F401 (a script beside this one)
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app.accounts import PASSWORD, sign_up
from tests.app.servers import Server, start, stop
from tests.browser.visits import ARGUMENTS, Visit, chromium

FOLDER = ROOT / "docs" / "screens"
SOURCES = [
    Path(__file__),
    ROOT / "app" / "web" / "page.py",
    *sorted((ROOT / "app" / "web" / "static").iterdir()),
]
SAID = ["Hello?", "Anybody home?", "The walls have ears.", "Good morning, Echo", "Is anybody there?"]


def digest() -> str:
    """SHA-256 over everything that the pictures show."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()


class _Metadata(http.server.BaseHTTPRequestHandler):
    """What ECS would tell the task about itself."""

    def do_GET(self) -> None:
        task = {
            "Family": "echo-room", "Revision": "7", "AvailabilityZone": "us-east-1b",
            "TaskARN": "arn:aws:ecs:us-east-1:123456789012:task/echo-room/0cf16b9f2d6e4a51b1f5a2c4a0e7d893",
        }  # fmt: skip
        body = json.dumps(task if self.path.endswith("/task") else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def at_work(console: Visit, account: str) -> None:
    """Logged in, with tokens, after some echoes in both ways."""
    page = console.page
    console.log_in(account)
    console.make_token("CI")
    console.use(console.make_token("laptop"))
    for number in range(24):
        console.say(SAID[number % len(SAID)], "socket" if number % 12 > 8 else "http")
        expect(page.locator("#chart circle")).to_have_count(number + 1)
    console.expect_back(SAID[23 % len(SAID)])
    expect(page.locator("#tasks-rows td").last).to_have_text("24")
    expect(page.locator("#health-text")).to_contain_text("median")


def a_new_token(console: Visit, account: str) -> None:
    """The dialog with the secret, which ends with the server."""
    console.log_in(account)
    console.page.fill("#token-name", "robot")
    console.page.click("#make-token .primary")
    expect(console.page.locator("#secret")).to_be_visible()


def first_sight(_: Visit, __: str) -> None:
    """Nothing was done yet."""


WIDE, SMALL, PHONE = (
    {"width": 1280, "height": 960},
    {"width": 860, "height": 620},
    {"width": 390, "height": 844},
)
SCREENS: dict[str, tuple[Callable[[Visit, str], None], dict[str, Any]]] = {
    "console-light": (at_work, {"viewport": WIDE, "color_scheme": "light"}),
    "console-dark": (at_work, {"viewport": WIDE, "color_scheme": "dark"}),
    "new-token": (a_new_token, {"viewport": SMALL, "color_scheme": "light"}),
    "phone-light": (first_sight, {"viewport": PHONE, "color_scheme": "light"}),
    "phone-dark": (at_work, {"viewport": PHONE, "color_scheme": "dark"}),
}
PEOPLE = dict(zip(SCREENS, ("ada", "grace", "edsger", "barbara", "donald"), strict=True))


def take(browser: Browser, server: Server, name: str) -> None:
    """Take one picture, in few colours, since it is kept with the sources."""
    prepare, options = SCREENS[name]
    context = browser.new_context(**options, reduced_motion="reduce")
    page: Page = context.new_page()
    page.goto(f"{server.url}/")
    page.wait_for_selector("#log-in:not([hidden])")
    prepare(Visit(page), sign_up(server, PEOPLE[name], PASSWORD))
    page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
    context.close()
    made_from = PngImagePlugin.PngInfo()
    made_from.add_text(KEYWORD.decode(), digest())
    path = FOLDER / f"{name}.png"
    picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
        path, optimize=True, pnginfo=made_from
    )
    print(f"Took {path.relative_to(ROOT)}, {path.stat().st_size} bytes")


def main() -> None:
    """Take them all."""
    program = chromium()
    if program is None:
        sys.exit("Chromium is needed: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    expect.set_options(timeout=30_000)
    metadata = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        server = start(
            Path(folder), ECHO_SIGN_UP="open", ECHO_ENV="prod", ECHO_VERSION="4be1f0c2a9d37e55",
            ECS_CONTAINER_METADATA_URI_V4=f"http://127.0.0.1:{metadata.server_address[1]}",
        )  # fmt: skip
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=program, args=[*ARGUMENTS, "--disable-lcd-text"]
                )
                for name in SCREENS:
                    take(browser, server, name)
                browser.close()
        finally:
            stop(server)
            metadata.shutdown()


if __name__ == "__main__":
    main()
