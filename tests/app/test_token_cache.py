"""The token cache, with clocks in hand: what is trusted how long, what is shared, what is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app import tokens
from app.auth import BACK_OFF_SECONDS, MOST_LOOKUPS, Verifier
from app.lifecycle import Lifecycle
from app.problems import Problem
from app.settings import load
from app.store import StoreUnavailable, TokenRecord, new_record


class Store:
    """Counts look-ups; `gate` holds them up; `down` makes them fail."""

    def __init__(self) -> None:
        self.records: dict[str, TokenRecord] = {}
        self.finds: list[str] = []
        self.used: list[tuple[str, str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.down = False

    def find(self, digest: str) -> TokenRecord | None:
        self.finds.append(digest)
        assert self.gate.wait(60)
        if self.down:
            raise StoreUnavailable("down")
        return self.records.get(digest)

    def mark_used(self, owner: str, token_id: str, day: str) -> None:
        if self.down:
            raise StoreUnavailable("down")
        self.used.append((owner, token_id, day))

    def ping(self) -> None:
        self.find("-")

    def new(self, expires_at: int | None = None) -> str:
        token = tokens.make()
        self.records[tokens.digest(token)] = new_record(tokens.digest(token), "x", expires_at)
        return token


class Rig:
    """A verifier on a store and clocks that stand still until they are moved."""

    def __init__(self, **settings: str) -> None:
        self.time = 1000.0
        self.store = Store()
        self.lifecycle = Lifecycle()
        self.lifecycle.store_ready = True
        self.executor = ThreadPoolExecutor(4)
        self.verifier = Verifier(
            self.store, self.executor, load(settings), self.lifecycle,
            clock=lambda: self.time, now=lambda: self.time,
        )  # fmt: skip

    async def status(self, token: str) -> int:
        """200, or the status of the problem."""
        try:
            await self.verifier.verify(token)
        except Problem as problem:
            return problem.status
        return 200


def run(scenario: Callable[[Rig], Coroutine[Any, Any, None]], **settings: str) -> None:
    rig = Rig(**settings)
    try:
        asyncio.run(scenario(rig))
    finally:
        rig.store.gate.set()
        rig.executor.shutdown()


def test_a_verified_token_is_trusted_for_60_s_and_not_longer() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new()
        assert await rig.status(token) == 200
        rig.time += 59.9
        assert await rig.status(token) == 200
        assert len(rig.store.finds) == 1
        rig.store.records.clear()
        rig.time += 0.1
        assert await rig.status(token) == 401
        assert rig.verifier.cached(token) is None

    run(scenario)


def test_a_refusal_is_repeated_for_10_s_and_not_longer() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new()
        hidden = rig.store.records.copy()
        rig.store.records.clear()
        assert await rig.status(token) == 401
        rig.store.records.update(hidden)
        rig.time += 9.9
        assert await rig.status(token) == 401
        assert len(rig.store.finds) == 1
        rig.time += 0.1
        assert await rig.status(token) == 200

    run(scenario)


def test_a_mistyped_token_costs_no_look_up() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new()
        assert await rig.status(token.swapcase()) == 401
        assert await rig.status("\ud800") == 401
        assert rig.store.finds == []

    run(scenario)


def test_expiry_is_checked_on_every_use() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new(expires_at=1005)
        assert await rig.status(token) == 200
        rig.time = 1005.0
        assert rig.verifier.cached(token) is None
        assert await rig.status(token) == 401

    run(scenario)


def test_use_is_noted_once_a_day() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new()
        for _ in range(3):
            assert await rig.status(token) == 200
            rig.time += 100
        assert await rig.status(tokens.make()) == 401
        rig.time += 86400
        assert await rig.status(token) == 200
        rig.executor.shutdown(wait=True)
        (record,) = rig.store.records.values()
        assert rig.store.used == [
            ("operator", record.id, "1970-01-01"),
            ("operator", record.id, "1970-01-02"),
        ]

    run(scenario)


def test_one_look_up_is_shared_and_survives_a_client_that_leaves() -> None:
    async def scenario(rig: Rig) -> None:
        token = rig.store.new()
        rig.store.gate.clear()
        waiting = [asyncio.create_task(rig.status(token)) for _ in range(50)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        await asyncio.sleep(0)
        rig.store.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [200] * 49
        assert len(rig.store.finds) == 1

    run(scenario)


def test_an_outage_fails_closed_after_5_minutes_and_recovers() -> None:
    async def scenario(rig: Rig) -> None:
        token, other = rig.store.new(), rig.store.new()
        assert await rig.status(token) == 200
        rig.store.down = True
        for _ in range(4):
            rig.time += 70
            assert await rig.status(token) == 200
            assert await rig.status(other) == 503
        assert rig.lifecycle.store_ready
        rig.time += 21  # 301 s since it was verified
        assert await rig.status(token) == 503
        rig.time += 100
        assert await rig.status(token) == 503
        assert not rig.lifecycle.store_ready
        rig.store.down = False
        await rig.verifier.probe()
        assert rig.lifecycle.store_ready
        assert await rig.status(token) == await rig.status(other) == 200

    run(scenario)


def test_a_failing_store_is_left_alone_for_a_moment() -> None:
    async def scenario(rig: Rig) -> None:
        rig.store.down = True
        assert [await rig.status(rig.store.new()) for _ in range(5)] == [503] * 5
        assert len(rig.store.finds) == 1
        rig.time += BACK_OFF_SECONDS
        assert await rig.status(rig.store.new()) == 503
        assert len(rig.store.finds) == 2

    run(scenario)


def test_look_ups_under_way_are_bounded() -> None:
    async def scenario(rig: Rig) -> None:
        rig.store.gate.clear()
        waiting = [asyncio.create_task(rig.status(rig.store.new())) for _ in range(MOST_LOOKUPS)]
        await asyncio.sleep(0)
        assert await rig.status(rig.store.new()) == 503
        rig.store.gate.set()
        assert await asyncio.gather(*waiting) == [200] * MOST_LOOKUPS

    run(scenario)


@pytest.mark.parametrize("good", [True, False])
def test_both_caches_are_bounded_and_forget_the_oldest(good: bool) -> None:
    async def scenario(rig: Rig) -> None:
        made = [rig.store.new() if good else tokens.make() for _ in range(4)]
        for token in made:
            await rig.status(token)
        assert len(rig.verifier._verified) + len(rig.verifier._refused) == 3
        looked_up = len(rig.store.finds)
        await rig.status(made[3])
        assert len(rig.store.finds) == looked_up
        await rig.status(made[0])
        assert len(rig.store.finds) == looked_up + 1

    run(scenario, ECHO_TOKEN_CACHE_SIZE="3")
