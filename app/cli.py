"""The command line: `python -m app serve|healthcheck|token|settings`.

Exit codes: 0 done, 1 it could not be done, 2 wrong use (arguments or settings).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from app import settings as settings_module
from app import tokens
from app.settings import Settings, SettingsError
from app.store import OPERATOR, Store, StoreError, TokenRecord, new_record, open_store


def _expiry(text: str) -> int:
    """Epoch seconds of `--expires`: days from now, or an ISO 8601 date or time (UTC unless it says)."""
    try:
        if text.isdigit():
            days = int(text)
            if not 1 <= days <= 36500:
                raise argparse.ArgumentTypeError(f"{days} days: must be 1 to 36500")
            return int(time.time()) + days * 86400
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of days nor a time like 2030-01-31 or 2030-01-31T12:00:00Z"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.timestamp() <= time.time():
        raise argparse.ArgumentTypeError(f"{text} is past")
    return int(moment.timestamp())


def _token_name(text: str) -> str:
    if not text.strip() or len(text) > 64 or not text.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 64 printable characters")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="The echo service.",
        epilog="Everything else is set by ECHO_* environment variables: see `python -m app settings`.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("healthcheck", help="exit 0 if the server on this machine is alive, 1 if not")

    token = commands.add_parser("token", help="make, list and revoke API tokens in the store")
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a token; it is shown this once")
    create.add_argument("--name", required=True, type=_token_name, help="what it is for")
    create.add_argument(
        "--expires",
        type=_expiry,
        metavar="DAYS|TIME",
        help="days from now, or an ISO 8601 time; default: never",
    )
    create.add_argument("--json", action="store_true", help="print JSON")
    listing = actions.add_parser("list", help="list tokens, without their secrets")
    listing.add_argument("--json", action="store_true", help="print JSON")
    revoke = actions.add_parser("revoke", help="revoke a token by its id")
    revoke.add_argument("id", help="the id that `token list` shows")
    revoke.add_argument("--json", action="store_true", help="print JSON")

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
            print(f"error: {line}", file=sys.stderr)  # noqa: T201
        return 2
    except StoreError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    return 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.command == "serve":
        from app.server import ServeError, serve

        try:
            serve(settings)
        except ServeError as error:
            return _fail(str(error))
        return 0
    if options.command == "healthcheck":
        from app.healthcheck import check

        reason = check(settings)
        return 0 if reason is None else _fail(reason)
    if options.command == "settings":
        return _list_settings(settings, as_json=options.json)
    store = open_store(settings)
    try:
        return _token(options, store)
    finally:
        store.close()


def _list_settings(settings: Settings, *, as_json: bool) -> int:
    rows = settings_module.rows(settings)
    if as_json:
        _say(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        mark = "" if row["value"] == row["default"] else f"   (default {row['default']})"
        _say(f"{row['name']}={_shown(row['value'])}{mark}\n    {row['description']} [{row['constraint']}]")
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _token(options: argparse.Namespace, store: Store) -> int:
    if options.action == "create":
        token = tokens.make()
        record = new_record(tokens.digest(token), options.name, options.expires)
        store.add(record)
        if options.json:
            shown = {
                "id": record.id,
                "name": record.name,
                "token": token,
                "expires_at": _iso(record.expires_at),
            }
            _say(json.dumps(shown))
        else:
            until = _iso(record.expires_at)
            _say(f"{token}\n")
            _say(f"Token {record.id} ({record.name}), {'expires ' + until if until else 'without expiry'}.")
            _say("It is not shown again; the store keeps only its hash.")
        return 0
    if options.action == "list":
        return _list_tokens(store.list(OPERATOR), as_json=options.json)
    revoked = store.revoke(OPERATOR, options.id, int(time.time()))
    if revoked is None:
        return _fail(f"no token has the id {options.id!r}; `python -m app token list` shows them")
    if options.json:
        _say(json.dumps(_public(revoked)))
    else:
        _say(f"Token {revoked.id} ({revoked.name}) is revoked. Servers notice within a minute.")
    return 0


def _list_tokens(records: list[TokenRecord], *, as_json: bool) -> int:
    if as_json:
        _say(json.dumps([_public(record) for record in records], indent=2))
        return 0
    if not records:
        _say("No tokens. Make one with `python -m app token create --name NAME`.")
        return 0
    now = time.time()
    _say(f"{'ID':16}  {'STATE':8}  {'CREATED':20}  {'EXPIRES':20}  NAME")
    for record in records:
        state = "revoked" if record.revoked_at else "valid" if record.valid_at(now) else "expired"
        _say(
            f"{record.id:16}  {state:8}  {_iso(record.created_at)}  {_iso(record.expires_at) or 'never':20}  "
            f"{record.name}"
        )
    return 0


def _public(record: TokenRecord) -> dict[str, str | None]:
    return {
        "id": record.id,
        "name": record.name,
        "created_at": _iso(record.created_at),
        "expires_at": _iso(record.expires_at),
        "revoked_at": _iso(record.revoked_at),
    }


def _iso(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
