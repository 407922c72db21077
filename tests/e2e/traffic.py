"""A bounded loop of echo requests beside an operation, and how many of them were lost."""

import http.client
import json
import threading
import time
from collections import Counter
from types import TracebackType
from urllib.parse import urlsplit


class Traffic:
    """Three clients, two of which keep their connections; up to 150 requests a second, for 5 minutes.

    `seen` has each request: when it began and ended (monotonic), and what came of it, "ok" if it was echoed.
    """

    def __init__(self, url: str, token: str) -> None:
        self.host = urlsplit(url).netloc
        self.token = token
        self.answers: Counter[str] = Counter()
        self.seen: list[tuple[float, float, str]] = []
        self._stop = threading.Event()
        self._until = time.monotonic() + 300
        self._threads = [
            threading.Thread(target=self._client, args=(number, number > 0), daemon=True)
            for number in range(3)
        ]

    def _client(self, number: int, keeps: bool) -> None:
        connection = http.client.HTTPConnection(self.host, timeout=15)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        count = 0
        while not self._stop.wait(0.02) and time.monotonic() < self._until:
            count += 1
            began = time.monotonic()
            sent = {"str": f"client {number}, request {count}"}
            try:
                connection.request("POST", "/echo", json.dumps(sent), headers)
                response = connection.getresponse()
                body = response.read()
                ok = response.status == 200 and json.loads(body) == sent
                answer = "ok" if ok else f"{response.status} {body[:300]!r}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                answer = repr(error)
                connection.close()
            self.answers[answer] += 1
            self.seen.append((began, time.monotonic(), answer))
            if not keeps:
                connection.close()
        connection.close()

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; wait for the answers that are still to come."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def lost(self) -> dict[str, int]:
        return {answer: count for answer, count in self.answers.items() if answer != "ok"}
