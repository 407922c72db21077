"""The command line: `python -m app serve|healthcheck|account|token|probe|settings`.

Exit codes: 0 done, 1 it could not be done, 2 wrong use (arguments or settings).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence

from app import settings as settings_module
from app.commands.output import CommandError, fail, say
from app.settings import Settings, SettingsError
from app.store import StoreError, open_store

# Those that work on the store. Their modules are loaded only for them: a health check runs every few seconds.
_STORE_COMMANDS = {
    "account": ("app.commands.accounts", "invite people; make, list, disable and delete accounts"),
    "token": ("app.commands.tokens", "make, list, rotate and revoke API tokens in the store"),
}


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser; of the commands on the store only `command` has its actions."""
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="The echo service.",
        epilog="Everything else is set by ECHO_* environment variables: see `python -m app settings`.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("healthcheck", help="exit 0 if the server on this machine is alive, 1 if not")

    for name, (module, text) in _STORE_COMMANDS.items():
        parser_of_command = commands.add_parser(name, help=text)
        if name == command:
            importlib.import_module(module).add_actions(parser_of_command)

    probing = commands.add_parser("probe", help="echo, revoke, measure: does the service do what it should?")
    if command == "probe":
        importlib.import_module("app.commands.probe").add_options(probing)
    listing = commands.add_parser("settings", help="list every setting with its value in this environment")
    shape = listing.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON")
    shape.add_argument("--markdown", action="store_true", help="print the table of docs/settings.md")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    command = next((argument for argument in given if not argument.startswith("-")), "")
    options = _parser(command).parse_args(given)
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
        if options.command == "probe":
            from app.commands import probe

            return probe.run(options, store, settings)
        module, _ = _STORE_COMMANDS[options.command]
        code: int = importlib.import_module(module).run(options, store)
        return code
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
