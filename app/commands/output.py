"""What commands share: printing, times, and what to do about arguments that name nothing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from app.store import OPERATOR, Account, Store


class CommandError(Exception):
    """What was asked cannot be done; the message says why and what to do."""


def say(text: str) -> None:
    """Print a line of a command's result."""
    print(text, flush=True)


def tell(text: str) -> None:
    """Print a line about what a command does, beside its result."""
    print(text, file=sys.stderr, flush=True)


def say_json(value: object) -> None:
    """Print a command's result for scripts."""
    say(json.dumps(value, indent=2 if isinstance(value, list) else None))


def fail(message: str) -> int:
    """Print an error, and return the exit code for it."""
    print(f"error: {message}", file=sys.stderr)
    return 1


def iso(moment: int | None) -> str | None:
    """A time (seconds since 1970) as commands show it."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def expiry(text: str) -> int:
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


def account_named(store: Store, name: str) -> Account:
    """The account with that name. Raises CommandError."""
    account = store.account_by_name(name)
    if account is None:
        raise CommandError(f"no account has the name {name!r}; `python -m app account list` shows them")
    return account


def owner_named(store: Store, account: str | None) -> str:
    """Who owns the tokens a command is about: the account of that name, or operators. Raises CommandError."""
    return OPERATOR if account is None else account_named(store, account).id
