"""`python -m app probe`."""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.commands.output import CommandError, say, say_json, tell
from app.probe import measure, refusals
from app.probe.client import Client
from app.probe.result import MOST_VALUES, Result, document
from app.probe.texts import texts
from app.probe.visitor import VisitorError, visitor
from app.settings import Settings, SettingsError
from app.store import Store, StoreError
from app.values import service_url

# Beyond what the longest run takes: time to send the strings when every request is slow.
_SPARE_SECONDS = 900
_MOST_STRINGS = MOST_VALUES // 2  # each is sent twice over HTTP
_REVOCATIONS = 3


def _within(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _url(text: str) -> str:
    try:
        return service_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def add_options(probe: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    probe.description = (
        "Makes an account and a token straight in the store that the settings name, echoes strings through "
        "the service's address and compares them, sends what has to be refused, revokes the token, and "
        "measures until nothing accepts it any more. Removes what it made, also on SIGTERM and Ctrl-C. "
        "Writes a line of metrics to standard output as soon as each of the three is measured, and what it "
        "does to standard error."
    )
    probe.epilog = "Exit codes: 0 all as it should be, 1 not, or not measured, 2 wrong use, 130 interrupted."
    probe.add_argument("--url", type=_url, help="the service's address; default: ECHO_PROBE_URL")
    probe.add_argument(
        "--strings",
        type=_within(1, _MOST_STRINGS),
        default=24,
        metavar="COUNT",
        help="how many strings, hard ones first; default: %(default)s",
    )
    probe.add_argument(
        "--refusals",
        type=_within(1, 1000),
        default=30,
        metavar="COUNT",
        help="refusals in a row, of all tasks together, that end the measurement; default: %(default)s",
    )
    probe.add_argument(
        "--limit",
        type=_within(1, 3600),
        default=int(measure.LIMIT_SECONDS),
        metavar="SECONDS",
        help="how soon a revocation must be in effect; default: %(default)s",
    )
    probe.add_argument(
        "--scripts-stopped",
        action="store_true",
        help="a web ACL before the service has to stop scripts; without it they may come back as well",
    )
    probe.add_argument("--json", action="store_true", help="print the result as JSON, not as metrics")


def run(options: argparse.Namespace, store: Store, settings: Settings) -> int:
    """Probe, print what was found, return the exit code. Raises CommandError, SettingsError, StoreError."""
    url = options.url or settings.probe_url
    if not url:
        raise SettingsError("ECHO_PROBE_URL is not set; set it to the service's address, or give --url")
    result = Result()

    told = 0

    def report(values: dict[str, Any]) -> None:
        nonlocal told
        if values and not options.json:
            line = document(values, settings.env, int(time.time() * 1000))
            say(json.dumps(line, separators=(",", ":")))
        for wrong in result.wrong[told:]:
            tell(f"error: {wrong}")
        told = len(result.wrong)

    try:
        with _interruptible():
            _measure(options, store, url, result, report)
    except VisitorError as error:
        if not result.echoes:
            raise CommandError(str(error)) from error
        result.complain(str(error))
    if options.json:
        say_json(result.public(url))
    report({})
    tell("passed" if result.passed else "failed")
    return 0 if result.passed else 1


def _measure(
    options: argparse.Namespace,
    store: Store,
    url: str,
    result: Result,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Measure, and report what each part found at once: a revocation takes minutes, a page should not."""
    with visitor(store, options.limit + _SPARE_SECONDS) as (token, record):
        client = Client(url, token)
        tell(f"probing {url} with token {record.id}")
        socket = measure.echoes(client, texts(options.strings), result)
        stopped = f", {result.stopped} scripts stopped before the service" if result.stopped else ""
        tell(
            f"{result.echoes} echoes, {result.mismatches} different, {result.failures} not answered{stopped}"
        )
        report(result.of_echoes())
        if result.failures == result.echoes:
            result.complain("refusals and revocation: not measured, because nothing was echoed before")
            return
        refusals.bodies(client, result)
        if options.scripts_stopped:
            refusals.scripts(client, result)
        tell(f"{result.refusals} to be refused, {result.missed} let through, {result.unclear} neither")
        report(result.of_refusals())
        if _revoked(store, record.owner, record.id, result):
            tell("revoked")
            measure.revocation(client, socket, result, options.refusals, options.limit, tell)
            if result.delay is not None:
                tell(f"refused everywhere after {result.delay:.1f} s")
            report(result.of_revocation())


def _revoked(store: Store, owner: str, token_id: str, result: Result) -> bool:
    for attempt in range(_REVOCATIONS):
        try:
            store.revoke(owner, token_id, int(time.time()))
        except StoreError as error:
            if attempt == _REVOCATIONS - 1:
                result.complain(f"revocation: not measured, because the store failed: {error}")
                return False
            time.sleep(1)
        else:
            return True
    return False


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end what is inside as Ctrl-C does; neither then cuts the clearing up short."""

    def interrupt(*_: object) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield
    except KeyboardInterrupt:
        tell("interrupted; what the probe made is removed")
        raise
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)
