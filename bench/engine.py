"""The engine: admission, then one call per event, then a stock storm, on whatever the settings name."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.demo.script import write_script
from app.demo.staff import Shop
from app.demo.talking import HttpTalker
from app.house import House, open_house
from app.roles import Cast, play
from app.settings import Settings
from broker.operations import NewChannel
from domain.channels import ChannelSettings
from domain.envelope import Envelope
from domain.ids import new_id
from storage.database import Database
from storage.ledger.outward import waiting_counts
from storage.schema import upgrade

SHARE = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """One row: ``events`` in ``seconds`` with ``calls`` to the shop."""

    what: str
    events: int
    seconds: float
    calls: int

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def calls_per_event(self) -> float:
        """The first figure of merit: calls cost money."""
        return self.calls / self.events

    def as_data(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "per_second": self.per_second, "calls_per_event": self.calls_per_event}


async def measure_engine(settings: Settings, events: int, changes: int) -> list[Measured]:
    """Admission, updates and a stock storm, one after another, with all roles in this process."""
    shop = await asyncio.to_thread(Shop, 1)
    settings = settings.model_copy(update={"allowed_hosts": shop.domain})
    name = "journal, SQLite" if settings.embedded else "RabbitMQ, PostgreSQL"
    try:
        _upgrade(settings)
        account = f"bench-{new_id()[-8:]}"
        async with open_house(settings, connect=not settings.embedded) as house:
            if not settings.embedded:
                await house.transport.declare()
            await _set_up(house, account, shop.domain)
            control = HttpTalker(shop.url)
            _, answer = await asyncio.to_thread(control.ask, "POST", "/_sandbox/buy", {"count": events})
            updates = [_update(account, str(order)) for order in answer["order_ids"]]
            admitted = await _admit(house, updates)
            run = await _drain(house, settings, control)
            storm = await _admit(house, await _storm(account, control, changes))
            stock = await _drain(house, settings, control)
    finally:
        await asyncio.to_thread(shop.stop)
    return [
        Measured(f"{name}: admitted, 500 a transaction", events, admitted, 0),
        Measured(f"{name}: order updates run and settled", events, *run),
        Measured(f"{name}: stock changes admitted and sent", changes, storm + stock[0], stock[1]),
    ]


def _upgrade(settings: Settings) -> None:
    database = Database(settings.database, exclusive=False)
    try:
        database.write(upgrade)
    finally:
        database.close()


async def _set_up(house: House, account: str, domain: str) -> None:
    organization = await house.operations.desk.create_organization("Bench")
    await house.operations.desk.create_account(organization, account, "Bench", "UTC")
    options = ChannelSettings(calls_per_second=10_000, burst=5000)
    new = NewChannel(account, "shop", "Shop", "bright_sites", domain, "sandbox-read-write", options)
    await house.operations.create_channel(new)


def _update(account: str, order_id: str) -> bytes:
    data = {"external_order_id": order_id, "status": "in_progress"}
    return Envelope(
        id=new_id(), source="bench", type="order.status_changed", account=account, channel="shop", data=data
    ).to_json()


async def _storm(account: str, control: HttpTalker, changes: int) -> list[bytes]:
    _, stock = await asyncio.to_thread(control.ask, "GET", "/_sandbox/stock")
    return [
        Envelope(
            id=new_id(),
            source="bench",
            type="stock.changed",
            account=account,
            data={
                "sku": change.sku,
                "warehouse": "main",
                "total": change.quantity,
                "allocated": 0,
                "version": change.version,
            },
        ).to_json()
        for change in write_script(1, sorted(stock), changes).stock[:changes]
    ]


async def _admit(house: House, bodies: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for start in range(0, len(bodies), SHARE):
        answers = await house.operations.ingest(bodies[start : start + SHARE])
        refused = [answer.error for answer in answers if answer.error is not None]
        if refused:
            raise refused[0]
    return time.perf_counter() - started


async def _drain(house: House, settings: Settings, control: HttpTalker) -> tuple[float, int]:
    """Let all roles work until no lane is left; seconds, and calls the shop saw."""
    _, before = await asyncio.to_thread(control.ask, "GET", "/_sandbox/summary")
    stop = asyncio.Event()
    started = time.perf_counter()
    roles = asyncio.create_task(play(settings, Cast(relay=True, consume=True), stop))
    while await house.database.aread(waiting_counts):  # noqa: ASYNC110 - the end is a state of the database
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - started
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await roles
    _, after = await asyncio.to_thread(control.ask, "GET", "/_sandbox/summary")
    return seconds, after["calls"] - before["calls"]
