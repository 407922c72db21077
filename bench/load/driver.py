"""The load itself: `python -m bench.load.driver`, with Locust, started by `bench.load`.

Standard input has one line of JSON that says what to do (the token stays out of command lines), and stays
open for as long as it is to go on; standard output gets a line of JSON each second, at the end the result.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Before this, nothing that does input or output may be imported: Locust patches it.
import gevent
import gevent.event
import gevent.os
import gevent.socket
from locust import stats
from locust.env import Environment

from bench.load import report, users
from bench.load.objectives import judge
from bench.load.profiles import PROFILES, Schedule
from bench.load.recorder import Recorder

# Requests that may be under way at once: as many as fall due in two seconds.
_PATIENCE_SECONDS = 2.0
_FEWEST, _MOST = 8, 1000
# How long requests that are under way at the end have.
_LAST_SECONDS = users.SECONDS + 1
_POINTS = 600  # of the report's plots, about


def say(event: dict[str, Any]) -> None:
    """Tell the other side."""
    os.write(1, json.dumps(event).encode() + b"\n")


class Run:
    """One run of a profile."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._schedule = Schedule(PROFILES[config["profile"]], config["rate"], config["seconds"])
        self._recorder = Recorder(config["slow_ms"])
        self._numbers = itertools.count()
        self._stopped = gevent.event.Event()
        user = users.make(config, self._pause)
        self._environment = Environment(user_classes=[user], host=config["url"], stop_timeout=_LAST_SECONDS)
        self._environment.events.request.add_listener(self._record)
        self._begun = time.perf_counter()

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    def _pause(self) -> float:
        """Take the next request that is due. After the last one, wait to be stopped."""
        due = self._schedule.due(next(self._numbers))
        return max(0.0, min(due, self._schedule.seconds + 2 * _LAST_SECONDS) - self._now())

    def _record(
        self, request_type: str, name: str, response_time: float, exception: BaseException | None, **_: Any
    ) -> None:
        self._recorder.record(self._now(), f"{request_type} {name}", response_time, exception)

    def stop_when_told(self) -> None:
        """Wait for the end of standard input."""
        gevent.os.make_nonblocking(0)
        while gevent.os.nb_read(0, 4096):
            pass
        self._stopped.set()

    def run(self) -> dict[str, Any]:
        """Send everything, and return the result."""
        runner = self._environment.create_local_runner()
        stats.PERCENTILES_TO_CHART[:] = [0.5, 0.95, 0.99]
        count = max(_FEWEST, min(_MOST, round(self._config["rate"] * _PATIENCE_SECONDS)))
        self._begun = time.perf_counter()
        runner.start(min(count, self._schedule.requests), spawn_rate=count)
        every = max(1, round(self._schedule.seconds / _POINTS))
        for second in itertools.count(1):
            stopped = self._stopped.wait(1.0)
            view = self._recorder.view(self._now())
            if second % every == 0:
                runner.stats.history.append(report.point(view, runner.user_count))
            if stopped or self._now() >= self._schedule.seconds:
                break
            say(view)
        interrupted = self._now() < self._schedule.seconds
        runner.stop()
        result = self._result(runner, interrupted)
        report.write(Path(self._config["report"]), self._environment, self._config, result)
        return result

    def _result(self, runner: Any, interrupted: bool) -> dict[str, Any]:
        verdicts = judge(self._recorder.counts, self._config["availability_percent"], self._config["slow_ms"])
        return {
            **{
                key: self._config[key]
                for key in ("environment", "url", "profile", "rate", "seconds", "report")
            },
            "planned": self._schedule.requests,
            **self._recorder.counts,
            "latency_ms": _latency(runner.stats.total),
            "by_request": [
                {
                    "request": f"{one.method} {one.name}",
                    "requests": one.num_requests,
                    "failures": one.num_failures,
                    "latency_ms": _latency(one),
                }
                for one in stats.sort_stats(runner.stats.entries)
            ],
            "reasons": dict(self._recorder.reasons.most_common()),
            "objectives": [asdict(verdict) for verdict in verdicts],
            "interrupted": interrupted,
            "passed": all(verdict.kept for verdict in verdicts),
        }


def _latency(one: Any) -> dict[str, float]:
    found = {f"p{share * 100:g}": one.get_response_time_percentile(share) for share in (0.5, 0.95, 0.99)}
    return found | {"longest": round(one.max_response_time, 1)}


def resolve(host: str, at: str) -> None:
    """Let `host`, which is in no DNS, stand for `at`."""
    ask = gevent.socket.getaddrinfo

    def getaddrinfo(name: Any, *rest: Any, **more: Any) -> Any:
        return ask(at if name == host else name, *rest, **more)

    gevent.socket.getaddrinfo = getaddrinfo


def main() -> None:
    """Run what standard input says."""
    logging.basicConfig(level=logging.ERROR)
    config = json.loads(sys.stdin.readline())
    if config["at"]:
        resolve(config["host"], config["at"])
    run = Run(config)
    listening = gevent.spawn(run.stop_when_told)
    say({"result": run.run()})
    listening.kill()


if __name__ == "__main__":
    main()
