"""Where the tool's words go: results to standard output, progress and notices to standard error.

Colour and live lines only on a terminal (rich honours NO_COLOR); otherwise plain lines that are never
wrapped, so that a log or a pipe gets whole lines.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wide enough that a change's before and after fit on a line of a log.
_PIPE_WIDTH = 200


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


@dataclass
class Terminal:
    """The two consoles of one run of the tool.

    With `as_json` standard output gets the result's data and nothing else, and no question is asked.
    """

    as_json: bool = False
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))
    _noticed: set[str] = field(default_factory=set)

    @property
    def live(self) -> bool:
        """True where progress may be redrawn in place."""
        return self.err.is_terminal

    @property
    def asks(self) -> bool:
        """True where a question can be answered."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.as_json

    def result(self, line: str = "", style: str = "") -> None:
        """Print a line of the result, exactly as given, to be copied or piped."""
        if not self.as_json:
            self.out.print(Text(line, style=style), soft_wrap=True)

    def raw(self, line: str) -> None:
        """Write a line without looking at it: tabs stay tabs."""
        self.out.file.write(line + "\n")
        self.out.file.flush()

    def say(self, line: str = "", style: str = "") -> None:
        """Tell the operator what happens."""
        self.err.print(Text(line, style=style), soft_wrap=True)

    def notice(self, line: str) -> None:
        """Tell the operator something that is unexpected but no failure; the same thing only once."""
        if line not in self._noticed:
            self._noticed.add(line)
            self.say(f"Note: {line}", "yellow")

    def error(self, message: str, hint: str = "") -> None:
        """Say what was wrong and what to do next."""
        self.say(f"Error: {message}", "bold red")
        if hint:
            self.say(f"  {hint}")

    def table(self, table: Table) -> None:
        """Print a table of the result."""
        if not self.as_json:
            self.out.print(table)

    def json(self, value: Any) -> None:
        """Print a result for scripts."""
        self.out.print(Text(json.dumps(value, indent=2, default=str)), soft_wrap=True)

    def data(self, value: Any) -> None:
        """Print the result as data, where that is what was asked for; `result` and `table` are its words."""
        if self.as_json:
            self.json(value)
