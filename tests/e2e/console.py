"""The console through a load balancer: `python -m tests.e2e.console URL AUTHORITY` exits with 0 if it works.

In a process of its own, because Playwright's browsers of one process share an event loop.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import sys
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect, sync_playwright

from tests.app.accounts import PASSWORD
from tests.browser.visits import ARGUMENTS, Visit, chromium


def pin(host: str, port: int, authority: str) -> str:
    """The public key of the certificate that the authority vouches for: the one that the browser trusts."""
    context = ssl.create_default_context(cafile=authority)
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with context.wrap_socket(plain, server_hostname=host) as tls:
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def main(url: str, authority: str) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    trusted = [
        f"--host-resolver-rules=MAP {host} 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={pin(host, port, authority)}",
    ]
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *trusted])
        page = browser.new_page()
        console = Visit(page)
        page.goto(url)
        page.wait_for_selector("#log-in:not([hidden])")
        page.click("#to-sign-up")
        page.fill("#sign-up-name", "through.the.balancer")
        page.fill("#sign-up-password", PASSWORD)
        page.click("#sign-up .primary")
        expect(page.locator("#who")).to_have_text("Logged in as through.the.balancer")
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["secure"]) == ("__Host-echo-session", True), cookie["name"]
        page.click("#quick-token")
        expect(page.locator("#tokens li")).to_have_count(1)
        for way in ("http", "socket"):
            console.say(f"by {way}", way)
            console.expect_back(f"by {way}")
        expect(page.locator("#tasks-rows tr").first.locator("td").first).to_contain_text("us-east-1")
        expect(page.locator("#insecure")).to_be_hidden()
        # The web ACL answers this one, and not with a problem.
        console.expected = {"403"}
        console.say("<script>alert(1)</script>", "http")
        expect(page.locator("#say-error")).to_contain_text("in front of the service refused this (403)")
        page.click("#log-out")
        expect(page.locator("#account-note")).to_have_text("You are logged out.")
        assert page.context.cookies() == []
        browser.close()
    assert console.wrong() == []


if __name__ == "__main__":
    main(*sys.argv[1:])
