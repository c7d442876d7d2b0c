"""A furnished database with an injected clock, and the short words the tests of the storage speak in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, Table, select

from broker.ledger import Admission, Claim, Delivery, Incoming, Settled, Settlement, Verdict
from broker.operations.values import NewChannel
from domain.envelope import read_back
from domain.events import payload_of
from domain.jobs import JOB_TYPES
from domain.outcomes import Effects
from domain.states import DeliveryState
from domain.synclog import ApiCall, Level, Trigger
from storage.database import Database
from storage.desk.setup import create_account, create_channel, create_organization
from storage.desk.sql_desk import SqlDesk
from storage.directory import Directory
from storage.ledger import SqlLedger
from storage.ledger.memory import SqlMemory
from storage.people.sql_people import SqlPeople
from storage.vault import Vault

ALL_JOBS = tuple(JOB_TYPES)
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY = b"k" * 32
TOKEN = "shop-token-9876"
AFTER_A_CRASH = 2.5
"""Seconds after which a lane is due again whose worker died with it for the first time in a row."""
CALL = ApiCall("PUT", "/orders/{id}", 200, 12, 340)
_numbers = count(1)


class TestClock:
    """A clock that stands still until it is told to go on."""

    __test__ = False

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Site:
    """A database with the accounts acme (channels main and outlet) and globex (channel shop) in it."""

    database: Database
    clock: TestClock = field(default_factory=TestClock)
    vault: Vault = field(default_factory=lambda: Vault([KEY]))
    channels: dict[str, str] = field(default_factory=dict)
    directory: Directory = field(init=False)
    ledger: SqlLedger = field(init=False)
    desk: SqlDesk = field(init=False)
    memory: SqlMemory = field(init=False)
    people: SqlPeople = field(init=False)

    def __post_init__(self) -> None:
        self.directory = Directory(self.vault, clock=self.clock)
        self.ledger = SqlLedger(self.database, self.directory, self.clock)
        self.desk = SqlDesk(self.database, self.directory, self.vault, lambda platform: "stable", self.clock)
        self.memory = SqlMemory(self.database)
        self.people = SqlPeople(self.database, self.clock)

    def furnish(self) -> None:
        self.channels = self.database.write(lambda connection: _furnish(connection, self.vault))

    @property
    def main(self) -> str:
        """The id of channel main of account acme."""
        return self.channels["main"]

    async def admit(self, *events: Incoming) -> list[Admission]:
        return await self.ledger.admit(events)

    async def claim(self, worker: str = "w1", most: int = 100, **rest: Any) -> list[Claim]:
        return await self.ledger.claim(worker, ALL_JOBS, most, **rest)

    async def take(self, worker: str = "w1", **rest: Any) -> Claim:
        """The only lane that can be claimed."""
        (claim,) = await self.claim(worker, **rest)
        return claim

    async def settle(
        self,
        claim: Claim,
        judge: Callable[[Delivery], Verdict],
        worker: str = "w1",
        *,
        go_on: Sequence[str] = (),
    ) -> Settled:
        verdicts = tuple(judge(delivery) for delivery in claim.deliveries)
        channel = await self.ledger.channel(claim.channel_id)
        (settled,) = await self.ledger.settle(worker, [Settlement(claim, verdicts, frozenset(go_on), channel)])
        return settled

    async def beat(self, worker: str = "w1", seconds: float = 30) -> None:
        await self.ledger.beat(worker, "consume", seconds)

    def rows(self, table: Table, *conditions: Any) -> list[Any]:
        """Rows of a table by their primary key."""
        query = select(table).where(*conditions).order_by(*table.primary_key.columns)
        return self.database.read(lambda connection: list(connection.execute(query).all()))

    def run(self, statement: Any) -> None:
        """Execute one writing statement."""
        self.database.write(lambda connection: connection.execute(statement).close())


def _furnish(connection: Connection, vault: Vault) -> dict[str, str]:
    organization = create_organization(connection, "Org", 0)
    for code in ("acme", "globex"):
        create_account(connection, organization, code, code.title(), "UTC", 0)
    made = {}
    for account, code in (("acme", "main"), ("acme", "outlet"), ("globex", "shop")):
        new = NewChannel(account, code, code.title(), "bright_sites", f"{code}.example.com", TOKEN)
        made[code] = create_channel(connection, vault, new, 0)
    return made


def incoming(
    type: str,
    data: dict[str, Any],
    *,
    id: str | None = None,
    trigger: Trigger = Trigger.EVENT,
    indent: int | None = None,
    **attributes: Any,
) -> Incoming:
    """A decoded event of account acme and channel main unless ``attributes`` say otherwise (``None`` leaves out)."""
    event = {
        "specversion": "1.0",
        "id": id or f"e-{next(_numbers)}",
        "source": "oms",
        "type": type,
        "account": "acme",
        "channel": "main",
        **attributes,
        "data": data,
    }
    body = json.dumps({name: value for name, value in event.items() if value is not None}, indent=indent).encode()
    envelope = read_back(body)
    return Incoming(envelope, payload_of(envelope), body, trigger)


def order(number: str = "4711", type: str = "order.updated", **rest: Any) -> Incoming:
    """Something happened to an order."""
    data = {"external_order_id": number}
    if type == "order.status_changed":
        data["status"] = "paid"
    return incoming(type, data, **rest)


def stock(sku: str = "MUG", version: int | None = None, total: int = 9, **rest: Any) -> Incoming:
    """A stock level."""
    data = {"sku": sku, "warehouse": rest.pop("warehouse", "w1"), "total": total, "allocated": 2, "version": version}
    return incoming("stock.changed", {name: value for name, value in data.items() if value is not None}, **rest)


def shipment(number: str = "4711", **rest: Any) -> Incoming:
    """A parcel ``S-<number>`` of the order ``number`` leaves."""
    lines = [{"sku": "MUG", "quantity": 1}]
    parcel: dict[str, Any] = {
        "shipment_id": f"S-{number}",
        "external_order_id": number,
        "carrier": "ups",
        "lines": lines,
    }
    parcel |= {"shipped_at": "2026-03-02T10:00:00Z", "notify_customer": True}
    return incoming("shipment.created", parcel, **rest)


def tick(job: str = "order_import", **rest: Any) -> Incoming:
    """A tick of a schedule."""
    rest = {"source": "towpath/timer", "subject": job, "trigger": Trigger.SCHEDULE, **rest}
    return incoming(f"tick.{job}", {"schedule": "s-1", "due": "2026-03-02T12:00:00Z"}, **rest)


def done(delivery: Delivery, effects: Effects = Effects(), calls: tuple[ApiCall, ...] = ()) -> Verdict:
    """It went well."""
    return Verdict(
        delivery, DeliveryState.DONE, "Done", Level.INFO, "ok", "Done.", START, START + timedelta(seconds=1),
        counts=effects.counts, calls=calls, effects=effects,
    )  # fmt: skip


def ended(state: DeliveryState) -> Callable[[Delivery], Verdict]:
    """It ended in a final state."""
    return lambda delivery: replace(
        done(delivery), state=state, outcome=state.capitalize(), code="ended", sentence=f"Now {state}."
    )


def retry(seconds: float = 5.0, *, unsure: bool = False) -> Callable[[Delivery], Verdict]:
    """It failed and is tried again after ``seconds``."""
    return lambda delivery: replace(
        done(delivery), state=DeliveryState.OPEN, outcome="Retry", level=Level.ERROR, code="shop_down",
        sentence="The shop fails.", cause="retry", due_in=seconds, spends_attempt=True, unsure=unsure,
    )  # fmt: skip


def park(cause: str = "mapping", seconds: float | None = None, *, logged: bool = True) -> Callable[[Delivery], Verdict]:
    """It waits for ``cause``; without ``seconds`` until somebody acts."""
    return lambda delivery: replace(
        done(delivery), state=DeliveryState.OPEN, outcome="Park", level=Level.WARNING, code="parked",
        sentence="It waits.", cause=cause, due_in=seconds, logged=logged,
    )  # fmt: skip


def keys(claims: Sequence[Claim]) -> list[list[str]]:
    """The business keys of the deliveries of each claim."""
    return [[delivery.business_key for delivery in claim.deliveries] for claim in claims]
