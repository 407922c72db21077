"""`python -m app token create|list|revoke|rotate`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from app.accounts import service
from app.commands.output import CommandError, expiry, iso, owner_named, say, say_json
from app.store import AlreadyRotated, NoSuchToken, Store, TokenRecord


def _token_name(text: str) -> str:
    if not text.strip() or len(text) > 64 or not text.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 64 printable characters")
    return text


def _overlap(text: str) -> int:
    if not text.isdigit() or int(text) > service.MOST_OVERLAP_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a whole number from 0 to {service.MOST_OVERLAP_SECONDS}"
        )
    return int(text)


def add_actions(token: argparse.ArgumentParser) -> None:
    """Add what can be done to the command's parser."""
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a token; it is shown this once")
    create.add_argument("--name", required=True, type=_token_name, help="what it is for")
    create.add_argument(
        "--expires",
        type=expiry,
        metavar="DAYS|TIME",
        help="days from now, or an ISO 8601 time; default: never",
    )
    listing = actions.add_parser("list", help="list tokens, without their secrets")
    rotate = actions.add_parser("rotate", help="make a token in place of another, which goes on for a while")
    rotate.add_argument("id", help="the id that `token list` shows")
    rotate.add_argument(
        "--overlap",
        type=_overlap,
        default=service.OVERLAP_SECONDS,
        metavar="SECONDS",
        help="how long the old one goes on; default: %(default)s",
    )
    revoke = actions.add_parser("revoke", help="revoke a token by its id")
    revoke.add_argument("id", help="the id that `token list` shows")
    for each in (create, listing, rotate, revoke):
        each.add_argument("--account", metavar="NAME", help="whose; default: the operators'")
        each.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace, store: Store) -> int:
    """Run one of the actions and return the exit code. Raises CommandError and StoreError."""
    owner = owner_named(store, options.account)
    if options.action == "create":
        token, record = service.create_token(store, owner, options.name, options.expires)
        _made(token, record, {}, as_json=options.json)
    elif options.action == "list":
        _list(store.list(owner), as_json=options.json)
    elif options.action == "rotate":
        _rotate(options, store, owner)
    else:
        _revoke(options, store, owner)
    return 0


def _made(token: str, record: TokenRecord, more: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(
            {"id": record.id, "name": record.name, "token": token, "expires_at": iso(record.expires_at)}
            | more
        )
        return
    until = iso(record.expires_at)
    say(f"{token}\n")
    say(f"Token {record.id} ({record.name}), {'expires ' + until if until else 'without expiry'}.")
    say("It is not shown again; the store keeps only its hash.")


def _rotate(options: argparse.Namespace, store: Store, owner: str) -> None:
    try:
        token, old, new = service.rotate_token(store, owner, options.id, options.overlap)
    except NoSuchToken:
        raise CommandError(
            f"no usable token has the id {options.id!r}; `python -m app token list` shows them"
        ) from None
    except AlreadyRotated as error:
        raise CommandError(f"{error}; rotate that one") from None
    _made(token, new, {"replaces": {"id": old.id, "expires_at": iso(old.expires_at)}}, as_json=options.json)
    if not options.json:
        say(f"Token {old.id} goes on until {iso(old.expires_at)}.")


def _revoke(options: argparse.Namespace, store: Store, owner: str) -> None:
    revoked = store.revoke(owner, options.id, int(time.time()))
    if revoked is None:
        raise CommandError(f"no token has the id {options.id!r}; `python -m app token list` shows them")
    if options.json:
        say_json(_public(revoked))
    else:
        say(f"Token {revoked.id} ({revoked.name}) is revoked. Servers notice within a minute.")


def _list(records: list[TokenRecord], *, as_json: bool) -> None:
    if as_json:
        say_json([_public(record) for record in records])
        return
    if not records:
        say("No tokens. Make one with `python -m app token create --name NAME`.")
        return
    now = time.time()
    say(f"{'ID':16}  {'STATE':8}  {'CREATED':20}  {'EXPIRES':20}  {'LAST USED':10}  NAME")
    for record in records:
        state = "revoked" if record.revoked_at else "expired" if not record.valid_at(now) else "valid"
        if state == "valid" and record.rotated_to:
            state = "rotated"
        say(
            f"{record.id:16}  {state:8}  {iso(record.created_at)}  {iso(record.expires_at) or 'never':20}  "
            f"{record.last_used_on or 'never':10}  {record.name}"
        )


def _public(record: TokenRecord) -> dict[str, str | None]:
    return {
        "id": record.id,
        "name": record.name,
        "created_at": iso(record.created_at),
        "expires_at": iso(record.expires_at),
        "revoked_at": iso(record.revoked_at),
        "rotated_to": record.rotated_to,
        "last_used_on": record.last_used_on,
    }
