"""`python -m app account invite|create|list|disable|enable|delete`."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from app.accounts import names, passwords, service
from app.commands.output import CommandError, account_named, iso, say, say_json
from app.store import Account, Conflict, Store

_DAYS = 7


def _account_name(text: str) -> str:
    if not names.valid(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be {names.RULE}")
    return text


def _days(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 365:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of days from 1 to 365")
    return int(text)


def add_actions(account: argparse.ArgumentParser) -> None:
    """Add what can be done to the command's parser."""
    actions = account.add_subparsers(dest="action", required=True, metavar="ACTION")
    invite = actions.add_parser("invite", help="make a code with which one account can be made")
    invite.add_argument(
        "--expires",
        type=_days,
        default=_DAYS,
        metavar="DAYS",
        help="how long it is good; default: %(default)s",
    )
    create = actions.add_parser("create", help="make an account; its password is shown this once")
    create.add_argument("--name", required=True, type=_account_name, help=names.RULE)
    create.add_argument(
        "--password-stdin",
        action="store_true",
        help="do not make up a password; read it from standard input",
    )
    listing = actions.add_parser("list", help="list accounts")
    disable = actions.add_parser(
        "disable", help="end an account's tokens and sessions, and let nobody log in"
    )
    enable = actions.add_parser("enable", help="let an account log in again; what was ended stays ended")
    delete = actions.add_parser("delete", help="disable an account, then remove every trace of it")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for each in (disable, enable, delete):
        each.add_argument("name", metavar="NAME", help="the account's name")
    for each in (invite, create, listing, disable, enable, delete):
        each.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace, store: Store) -> int:
    """Run one of the actions and return the exit code. Raises CommandError and StoreError."""
    actions = {"invite": _invite, "create": _create, "list": _list, "delete": _delete}
    actions.get(options.action, _switch)(options, store)
    return 0


def _invite(options: argparse.Namespace, store: Store) -> None:
    code, invitation = service.invite(store, options.expires * 86400)
    if options.json:
        say_json({"invitation": code, "expires_at": iso(invitation.expires_at)})
        return
    say(f"{code}\n")
    say(f"Good for one account, until {iso(invitation.expires_at)}. It is not shown again.")


def _create(options: argparse.Namespace, store: Store) -> None:
    made_up = None
    if options.password_stdin:
        password = sys.stdin.readline().removesuffix("\n")
        if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
            raise CommandError(
                f"a password has {passwords.SHORTEST} to {passwords.LONGEST} characters, "
                f"the first line of standard input has {len(password)}"
            )
        try:
            passwords.check(password, options.name)
        except passwords.WeakPasswordError as error:
            raise CommandError(f"the password is too weak: {error}") from None
    else:
        password = made_up = secrets.token_urlsafe(18)
    try:
        account = service.sign_up(store, passwords.Passwords(1), options.name, password, None)
    except Conflict:
        raise CommandError(f"an account named {options.name!r} exists; choose another name") from None
    if options.json:
        say_json(_public(account) | ({"password": made_up} if made_up else {}))
        return
    if made_up:
        say(f"{made_up}\n")
    say(f"Account {account.name} ({account.id}) is made.")
    if made_up:
        say("Its password is not shown again; the store keeps only its hash.")


def _list(options: argparse.Namespace, store: Store) -> None:
    found = store.accounts()
    if options.json:
        say_json([_public(account) for account in found])
        return
    if not found:
        say("No accounts. Make one with `python -m app account create --name NAME`, or invite somebody.")
        return
    say(f"{'ID':16}  {'STATE':8}  {'CREATED':20}  NAME")
    for account in found:
        state = "disabled" if account.disabled_at is not None else "enabled"
        say(f"{account.id:16}  {state:8}  {iso(account.created_at)}  {account.name}")


def _switch(options: argparse.Namespace, store: Store) -> None:
    account: Account | None = account_named(store, options.name)
    assert account is not None  # noqa: S101 - for the type checker; account_named raised otherwise
    if options.action == "disable":
        account = store.disable_account(account.id, int(time.time()))
        text = "is disabled; its tokens and sessions have ended. Servers notice within a minute."
    else:
        account = store.enable_account(account.id)
        text = "may log in again. Its tokens stay revoked."
    if account is None:
        raise CommandError(f"the account {options.name!r} was deleted meanwhile")
    if options.json:
        say_json(_public(account))
    else:
        say(f"Account {account.name} {text}")


def _delete(options: argparse.Namespace, store: Store) -> None:
    account = account_named(store, options.name)
    if not options.yes:
        if not sys.stdin.isatty():
            raise CommandError("deleting cannot be undone; confirm it with --yes")
        say(f"Delete the account {account.name} with all its tokens? Type its name to confirm:")
        if sys.stdin.readline().strip() != account.name:
            raise CommandError("not confirmed; nothing was deleted")
    store.delete_account(account.id, int(time.time()))
    if options.json:
        say_json({"id": account.id, "name": account.name, "deleted": True})
    else:
        say(f"Account {account.name} is deleted. Servers notice within a minute.")


def _public(account: Account) -> dict[str, str | None]:
    return {
        "id": account.id,
        "name": account.name,
        "created_at": iso(account.created_at),
        "disabled_at": iso(account.disabled_at),
    }
