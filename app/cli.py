"""The command line: `python -m app serve|healthcheck|account|token|settings`.

Exit codes: 0 done, 1 it could not be done, 2 wrong use (arguments or settings).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from app import settings as settings_module
from app.commands import accounts as account_commands
from app.commands import tokens as token_commands
from app.commands.output import CommandError, fail, say
from app.settings import Settings, SettingsError
from app.store import StoreError, open_store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="The echo service.",
        epilog="Everything else is set by ECHO_* environment variables: see `python -m app settings`.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("healthcheck", help="exit 0 if the server on this machine is alive, 1 if not")

    account_commands.add_parser(commands)
    token_commands.add_parser(commands)

    listing = commands.add_parser("settings", help="list every setting with its value in this environment")
    shape = listing.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON")
    shape.add_argument("--markdown", action="store_true", help="print the table of docs/settings.md")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "settings" and options.markdown:
            sys.stdout.write(settings_module.markdown())
            return 0
        return _run(options, settings_module.load())
    except SettingsError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except (CommandError, StoreError) as error:
        return fail(str(error))
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.command == "serve":
        from app.server import ServeError, serve

        try:
            serve(settings)
        except ServeError as error:
            return fail(str(error))
        return 0
    if options.command == "healthcheck":
        from app.healthcheck import check

        reason = check(settings)
        return 0 if reason is None else fail(reason)
    if options.command == "settings":
        return _list_settings(settings, as_json=options.json)
    store = open_store(settings)
    try:
        run = account_commands.run if options.command == "account" else token_commands.run
        return run(options, store)
    finally:
        store.close()


def _list_settings(settings: Settings, *, as_json: bool) -> int:
    rows = settings_module.rows(settings)
    if as_json:
        say(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        mark = "" if row["value"] == row["default"] else f"   (default {row['default']})"
        say(f"{row['name']}={_shown(row['value'])}{mark}\n    {row['description']} [{row['constraint']}]")
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
