"""Sign up, log in, make, rotate and revoke tokens; and what is refused on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.app.accounts import PASSWORD, log_in, sign_up
from tests.app.servers import Server, run_app
from tests.browser.visits import Visit


def test_from_signing_up_to_an_echo(visit: Callable[..., Visit], open_server: Server) -> None:
    console, page = (found := visit(open_server)), found.page
    page.click("#to-sign-up")
    expect(page.locator("#sign-up-name")).to_be_focused()
    expect(page.locator("#invitation-field")).to_be_hidden()
    page.fill("#sign-up-name", "new.comer")
    page.fill("#sign-up-password", PASSWORD)
    page.click("#sign-up .primary")
    expect(page.locator("#who")).to_have_text("Logged in as new.comer")
    expect(page.locator("#tokens-empty")).to_be_visible()
    assert page.context.cookies()[0]["httpOnly"]
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    page.click("#quick-token")
    expect(page.locator("#tokens li")).to_have_count(1)
    console.say("from nothing")
    console.expect_back("from nothing")
    page.reload()
    expect(page.locator("#who")).to_have_text("Logged in as new.comer")
    assert page.input_value("#token") == "", "tokens live as long as the page"


def test_a_token_is_shown_once_and_copied_with_one_click(logged_in: Visit, open_server: Server) -> None:
    page = logged_in.page
    page.fill("#token-name", "<b>CI</b>")
    page.select_option("#expiry", "30")
    page.click("#make-token .primary")
    expect(page.locator("#secret")).to_be_visible()
    expect(page.locator("#secret-copy")).to_be_focused()
    token = page.input_value("#secret-token")
    page.keyboard.press("Enter")
    expect(page.locator("#secret-copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == token
    for language in ("curl", "Python", "JavaScript"):
        page.check(f"#secret-program input[value={language}]")
        assert token in (page.text_content("#secret-program code") or "")
    page.keyboard.press("Escape")
    expect(page.locator("#secret-program code")).not_to_contain_text(token)
    assert token not in page.content()
    assert page.input_value("#secret-token") == ""
    assert page.input_value("#token") == token, "filled in, for this tab"
    assert open_server.echo(token).status_code == 200
    expect(page.locator(".token-name")).to_have_text("<b>CI</b> active")
    expect(page.locator("#tokens .hint")).to_have_text(re.compile(r"^ends \w+ \d+, \d+ · not used yet$"))


def test_rotate_and_revoke(logged_in: Visit, open_server: Server) -> None:
    page = logged_in.page
    old = logged_in.make_token("robot")
    page.get_by_role("button", name="Rotate the token robot").click()
    expect(page.locator("#confirm-no")).to_be_focused()
    page.click("#confirm-no")
    expect(page.locator("#tokens li")).to_have_count(1)
    page.get_by_role("button", name="Rotate the token robot").click()
    page.click("#confirm-yes")
    expect(page.locator("#secret")).to_be_visible()
    new = page.input_value("#secret-token")
    page.click("#secret form button")
    assert new != old
    assert [open_server.echo(token).status_code for token in (old, new)] == [200, 200]
    expect(page.locator(".chip")).to_have_text(["active", "rotated"])
    page.get_by_role("button", name="Revoke the token robot").first.click()
    page.click("#confirm-yes")
    expect(page.locator(".chip")).to_have_text(["rotated", "revoked"])
    expect(page.locator("#confirm")).to_be_hidden()


def test_a_wrong_password_says_so_and_keeps_the_name(
    visit: Callable[..., Visit], open_server: Server
) -> None:
    name = sign_up(open_server)
    console, page = (found := visit(open_server)), found.page
    console.expected = {"401"}
    page.fill("#log-in-name", name)
    page.fill("#log-in-password", "not the password")
    page.keyboard.press("Enter")
    expect(page.locator("#log-in .error")).to_have_text("There is no such account with that password.")
    assert page.input_value("#log-in-name") == name
    page.fill("#log-in-password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#who")).to_have_text(f"Logged in as {name}")
    assert page.input_value("#log-in-password") == ""


def test_invitations_and_guesses(visit: Callable[..., Visit], start_server: Callable[..., Server]) -> None:
    server = start_server(ECHO_LOG_IN_TRIES="1")
    invited = json.loads(run_app("account", "invite", "--json", **server.environment).stdout)
    console, page = (found := visit(server)), found.page
    console.expected = {"401", "403", "422", "429"}
    page.click("#to-sign-up")
    page.fill("#sign-up-name", "guest")
    page.fill("#sign-up-password", "password1234")
    error = page.locator("#sign-up .error")
    page.click("#sign-up .primary")
    expect(error).to_contain_text("The member `invitation` must be a code")
    page.fill("#invitation", invited.get("invitation") or invited["code"])
    page.click("#sign-up .primary")
    expect(error).not_to_contain_text("invitation")
    expect(error).to_have_text(re.compile("."))
    page.fill("#sign-up-password", PASSWORD)
    page.click("#sign-up .primary")
    expect(page.locator("#who")).to_have_text("Logged in as guest")
    page.click("#log-out")
    expect(page.locator("#account-note")).to_have_text("You are logged out.")
    page.fill("#log-in-name", "guest")
    page.fill("#log-in-password", "wrong")
    for _ in range(10):  # the waits get longer, however slow this machine is
        page.click("#log-in .primary")
        expect(page.locator("#log-in .error")).to_have_text(re.compile("."))
        if "Too many attempts" in (page.text_content("#log-in .error") or ""):
            break
    expect(page.locator("#log-in .primary")).to_have_text(re.compile(r"Wait \d+ s"))


def test_a_session_that_ended_leads_back_to_the_log_in(logged_in: Visit, open_server: Server) -> None:
    page = logged_in.page
    logged_in.expected = {"401"}
    (cookie,) = page.context.cookies()
    page.request.delete(
        f"{open_server.url}/sessions/current", headers={"Authorization": f"Bearer {cookie['value']}"}
    )
    page.fill("#token-name", "too late")
    page.click("#make-token .primary")
    expect(page.locator("#account-note")).to_have_text("Your session has ended. Log in again.")
    expect(page.locator("#log-in-name")).to_be_focused()


def test_no_more_tokens_than_an_account_may_have(visit: Callable[..., Visit], open_server: Server) -> None:
    name = sign_up(open_server)
    session = log_in(open_server, name)
    console, page = (found := visit(open_server)), found.page
    console.expected = {"409"}
    for _ in range(20):
        page.request.post(
            f"{open_server.url}/tokens", headers={"Authorization": f"Bearer {session}"}, data={"name": "x"}
        )
    console.log_in(name)
    expect(page.locator("#tokens li")).to_have_count(20)
    page.click("#quick-token")
    expect(page.locator("#say-error")).to_contain_text("may have 20 tokens")


def test_where_operators_make_the_accounts(
    visit: Callable[..., Visit], start_server: Callable[..., Server]
) -> None:
    page = visit(start_server(ECHO_SIGN_UP="closed")).page
    expect(page.locator("#account-note")).to_have_text("Operators make the accounts here.")
    expect(page.locator("#to-sign-up")).to_be_hidden()
