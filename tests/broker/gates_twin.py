"""The shared side of the gates in memory, on a clock that goes on only when somebody sleeps; and calls to make."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from broker import gates as module
from broker.breaker import PROBES, STRIKES_TO_CLOSE, WHOLE, Closure
from broker.gates import GateClosed, Gates, Reservation, Spending
from domain.channels import Channel
from domain.errors import ShopDown, ShopError, ShopThrottled
from tests.broker.samples import channel

DOWN = ShopDown("The shop answers 503.", status=503)
SLOW = ShopThrottled("Slow down.", retry_after=5.0)
SHOP = channel()
POST, READ, STOCK = "POST /orders/{order_id}/shipments", "GET /orders/{id}", "PUT /inventories/{product_id}"


@dataclass
class Clock:
    """A clock that goes on only when somebody sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def stop_time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The gates live by this clock from now on."""
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(Lock=asyncio.Lock, sleep=made.sleep))
    return made


@dataclass
class Store:
    """The generic cell rate algorithm, and a closure per channel and operation with the moment of its end."""

    clock: Clock
    arrival: dict[str, float] = field(default_factory=dict)
    closed: dict[tuple[str, str], tuple[float, Closure]] = field(default_factory=dict)
    closings: list[tuple[str, float, int]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    reserved: int = 0

    async def reserve(
        self, channel_id: str, count: int, per_second: float, burst: int, spending: Spending | None = None
    ) -> Reservation:
        await asyncio.sleep(0)
        self.reserved += 1
        now = self.clock.now
        told = [
            replace(closure, seconds=until - now)
            for (of, _), (until, closure) in sorted(self.closed.items())
            if of == channel_id and until > now
        ]
        if told and told[0].operation == WHOLE:
            return Reservation(0, closures=(told[0],))
        arrival, interval = max(self.arrival.get(channel_id, 0.0), now), 1 / per_second
        granted = max(0, min(count, int((now + burst * interval - arrival) / interval + 1e-9)))
        self.arrival[channel_id] = arrival + granted * interval
        wait = 0.0 if granted else max(arrival - now - (burst - 1) * interval, 0.001)
        return Reservation(granted, wait, tuple(told))

    async def give_back(self, unused: Sequence[tuple[str, int, int]]) -> None:
        await asyncio.sleep(0)

    async def close(self, channel_id: str, closure: Closure, token_version: int | None = None) -> None:
        await asyncio.sleep(0)
        until = self.clock.now + closure.seconds
        if until >= self.closed.get((channel_id, closure.operation), (0.0,))[0]:
            self.closed[channel_id, closure.operation] = (until, closure)
        self.closings.append((closure.operation or closure.cause, closure.seconds, closure.closings))

    async def open(self, channel_id: str, operation: str) -> None:
        await asyncio.sleep(0)
        self.closed.pop((channel_id, operation), None)
        self.opened.append(operation)

    def until(self, operation: str = WHOLE) -> float:
        """When a closure of the shop ends."""
        return self.closed[SHOP.id, operation][0]


async def refusal(gates: Gates, operation: str = WHOLE, of: Channel = SHOP) -> GateClosed:
    """What a call is told that may not be made."""
    with pytest.raises(GateClosed) as caught:
        await gates.enter(of, operation)
    return caught.value


async def call(gates: Gates, error: ShopError | None = None, operation: str = WHOLE, of: Channel = SHOP) -> None:
    """Make one call that ends so."""
    await gates.enter(of, operation)
    if not gates.went_well(of, error, operation):
        await gates.report(of, error, operation)


async def close(gates: Gates, operation: str = WHOLE) -> None:
    """Fail as often as it takes."""
    for _ in range(STRIKES_TO_CLOSE):
        await call(gates, DOWN, operation)


async def probe(gates: Gates, operation: str = WHOLE, count: int = PROBES) -> None:
    """Let calls through and leave them under way."""
    for _ in range(count):
        await gates.enter(SHOP, operation)
