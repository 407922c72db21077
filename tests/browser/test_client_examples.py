"""The examples in JavaScript of docs/clients.md, in a page of the service's own origin."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.app.examples import EXAMPLES
from tests.app.servers import Server

IN_JAVASCRIPT = [heading for heading, (language, _) in EXAMPLES.items() if language == "javascript"]
# Node's `process` and the console are all that the examples expect around them.
RUN = """([code, env]) => new Promise((resolve, reject) => {
  const Program = (async () => {}).constructor;
  new Program("process", "console", code)({ env }, { log: resolve }).catch(reject);
})"""


@pytest.mark.parametrize("heading", IN_JAVASCRIPT)
def test_an_example_runs_in_a_browser(browser: Browser, open_server: Server, heading: str) -> None:
    token, _ = open_server.new_token()
    # The policy of the service's answers lets nothing run; somebody's own page has another one.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{open_server.url}/hello")
    printed = page.evaluate(RUN, [EXAMPLES[heading][1], {"URL": open_server.url, "TOKEN": token}])
    context.close()
    assert printed == "Is anybody there?"


def test_there_are_some() -> None:
    assert len(IN_JAVASCRIPT) == 2
