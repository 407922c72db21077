"""The examples of docs/clients.md: by heading, the language and the code of the block below it."""

from __future__ import annotations

import re

from tests.app.servers import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text()
EXAMPLES: dict[str, tuple[str, str]] = {
    section.partition("\n")[0]: (language, code)
    for section in PAGE.split("\n## ")
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
}
