"""For everybody: rules of accessibility (axe-core), the keyboard alone, narrow screens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.app.accounts import PASSWORD, sign_up
from tests.app.servers import Server
from tests.browser.visits import Visit

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}


def violations(page: Page) -> list[str]:
    # Where an animation is half done, colours are not what they will be.
    page.evaluate("Promise.allSettled(document.getAnimations().map((each) => each.finished))")
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize(("colours", "size"), [("light", PHONE), ("dark", DESKTOP)], ids=["phone", "desktop"])
def test_axe_finds_nothing(
    visit: Callable[..., Visit], open_server: Server, colours: str, size: dict[str, int]
) -> None:
    console, page = (found := visit(open_server, color_scheme=colours, viewport=size)), found.page
    assert violations(page) == []
    page.click("#to-sign-up")
    assert violations(page) == []
    page.click("#to-log-in")
    console.log_in(sign_up(open_server))
    page.fill("#token-name", "laptop")
    page.click("#make-token .primary")
    expect(page.locator("#secret")).to_be_visible()
    assert violations(page) == []
    page.click("#secret form button")
    page.click("summary")
    for text in ("one", "two"):
        console.say(text)
        console.expect_back(text)
    expect(page.locator("#tasks")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Revoke").click()
    assert violations(page) == []


def test_axe_would_find_something(visit: Callable[..., Visit], open_server: Server) -> None:
    page = visit(open_server).page
    page.evaluate("document.querySelector('label[for=text]').remove()")
    assert any(one.startswith("label: ") for one in violations(page))


def test_with_the_keyboard_alone(visit: Callable[..., Visit], open_server: Server) -> None:
    name = sign_up(open_server)
    page = visit(open_server, reduced_motion="reduce").page
    keyboard = page.keyboard
    keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(40):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "log-in-name":
            break
    keyboard.type(name)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(page.locator("#token-name")).to_be_focused()
    keyboard.type("keys")
    keyboard.press("Enter")
    expect(page.locator("#secret-copy")).to_be_focused()
    keyboard.press("Escape")
    expect(page.locator("#tokens li")).to_have_count(1)
    for _ in range(40):
        keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.id") == "text":
            break
    keyboard.press("Enter")
    expect(page.locator(".answer .back")).to_have_text("Is anybody there?")
    expect(page.locator("#text")).to_be_focused()


def test_at_the_narrowest_nothing_is_cut_off(visit: Callable[..., Visit], open_server: Server) -> None:
    page = visit(open_server, viewport={"width": 320, "height": 600}).page
    assert page.evaluate("document.documentElement.scrollWidth") == 320
