"""Requests in the background of a drill: a steady rate of echoes, some of which ask for a fault."""

from __future__ import annotations

import http.client
import json
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

from stack.outside.address import Address

# A thread sends so many a second also where each answer takes a fifth of a second.
_PER_THREAD = 5.0


def headers(token: str, fault: str = "") -> dict[str, str]:
    """Headers of an echo with this token, which may ask for a fault (X-Echo-Fault)."""
    found = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return {**found, "X-Echo-Fault": fault} if fault else found


@dataclass(frozen=True)
class Answered:
    """One request: when it ended (time.monotonic()), its status (0: none), and if it asked for a fault.

    `failed` is whether the answer was not the right one.
    """

    at: float
    status: int
    milliseconds: float
    faulty: bool
    failed: bool


class Traffic:
    """A context in which `rate` echoes of `text` a second are sent; `share` of them ask for `fault`.

    An answer with another status than `right` counts as failed. Each thread keeps one connection, as clients
    do, and makes another one when it breaks. A request that fails is counted and never repeated.
    """

    def __init__(
        self,
        address: Address,
        token: str,
        rate: float,
        *,
        fault: str = "",
        share: float = 1.0,
        text: str = "drill",
        right: int = 200,
    ) -> None:
        self.answered: list[Answered] = []
        self._address, self._token = address, token
        self._fault, self._share = fault, share
        self._body, self._right = json.dumps({"str": text}), right
        self._end = threading.Event()
        number = math.ceil(rate / _PER_THREAD)
        self._interval = number / rate
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(number)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def lost(self) -> list[Answered]:
        """Requests that failed and had not asked for it."""
        return [one for one in self.answered if one.failed and not one.faulty]

    @property
    def lost_share(self) -> float:
        """What part of all requests was lost, 0 to 1."""
        return len(self.lost) / max(1, len(self.answered))

    def summary(self) -> str:
        """How many answers of which kind, of the requests that asked for no fault."""
        found = Counter(str(one.status or "no answer") for one in self.answered if not one.faulty)
        return ", ".join(f"{number} x {status}" for status, number in sorted(found.items())) or "no requests"

    def _send(self) -> None:
        # Threads begin at different times, so that the rate is even from the first second.
        due = time.monotonic() + random.random() * self._interval  # noqa: S311 (no secret)
        connection: http.client.HTTPConnection | None = None
        while not self._end.wait(max(0.0, due - time.monotonic())):
            # What could not be sent in time is not made up for: no burst after a pause.
            due = max(due + self._interval, time.monotonic())
            faulty = bool(self._fault) and random.random() < self._share  # noqa: S311 (no secret)
            begun = time.monotonic()
            status = 0
            try:
                connection = connection or self._address.connection()
                status, goes_on = self._ask(connection, faulty)
            except (OSError, http.client.HTTPException):
                goes_on = False
            if connection and not goes_on:
                connection.close()
                connection = None
            now = time.monotonic()
            failed = status != self._right
            self.answered.append(Answered(now, status, (now - begun) * 1000, faulty, failed))

    def _ask(self, connection: http.client.HTTPConnection, faulty: bool) -> tuple[int, bool]:
        """The answer's status, and whether the connection goes on."""
        asked = headers(self._token, self._fault if faulty else "")
        connection.request("POST", "/echo", self._body, asked)
        answer = connection.getresponse()
        answer.read()
        return answer.status, not answer.will_close
