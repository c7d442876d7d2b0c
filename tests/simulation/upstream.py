"""The upstreams: what they have to say about orders and stock, and how they say it until it is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from broker.decode import decode
from broker.ledger import Incoming
from broker.topology import EVENTS, INBOX
from broker.transports.seam import Outgoing, Receipt, Taken
from domain.envelope import STRUCTURED
from domain.errors import StorageUnavailable
from domain.moments import iso
from sandbox.bright_sites.buyers import Wish
from storage.directory import Directory
from storage.ledger import SqlLedger
from tests.simulation.database import InlineDatabase
from tests.simulation.site import Site
from tests.simulation.transport import StormyTransport

STATUSES = ("paid", "in_progress", "back_ordered", "shipped")


@dataclass(frozen=True, slots=True)
class Event:
    """Something an upstream says; what it says about one ``subject``, it says in this order."""

    id: str
    type: str
    subject: str
    data: dict[str, Any]

    def body(self, moment: str) -> bytes:
        about = {"specversion": "1.0", "id": self.id, "source": "upstream", "type": self.type, "time": moment}
        return json.dumps({**about, "account": "acme", "channel": "main", "data": self.data}).encode()


@dataclass(slots=True)
class Story:
    """All that will be said, by subject, and what of it was accepted."""

    subjects: list[list[Event]]
    accepted: list[Event] = field(default_factory=list)
    moments: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        return len(self.accepted) >= sum(len(events) for events in self.subjects)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.accepted if event.type == kind]


def invent(site: Site, chance: Random, *, orders: int = 2, skus: int = 2) -> Story:
    """A story for the shop's first orders and SKUs."""
    site.sandbox.buy(orders, Wish(lines=2, status="new"))
    subjects = [_about_order(site, number, chance) for number in sorted(site.sandbox.memory.orders)]
    subjects += [_about_stock(sku, chance) for sku in chance.sample(sorted(site.sandbox.stock()), skus)]
    subjects.append([_tick(site, number) for number in range(2)])
    return Story(subjects)


def _about_order(site: Site, number: int, chance: Random) -> list[Event]:
    order, subject = str(number), f"order {number}"
    events = [
        Event(f"{order}-status-{at}", "order.status_changed", subject,
              {"external_order_id": order, "status": chance.choice(STATUSES), "note": f"note {at} on {order}"})
        for at in range(3)
    ]  # fmt: skip
    lines = sorted(site.sandbox.memory.orders[number].lines)
    for line in lines[: chance.randint(1, 2)]:
        events.insert(chance.randint(0, len(events)), _parcel(site, order, line, subject))
    at = -1
    for event in list(events):
        if event.type == "order.status_changed":
            at += 1
            event.data["note"] = f"note {at} on {order}"
    news = Event(f"{order}-created", "order.created", subject, {"external_order_id": order})
    again = Event(f"{order}-updated", "order.updated", subject, {"external_order_id": order})
    return [news, *events, again]


def _parcel(site: Site, order: str, line: int, subject: str) -> Event:
    data = {
        "shipment_id": f"parcel {order}/{line}",
        "external_order_id": order,
        "carrier": "UPS",
        "tracking_number": f"1Z{line}",
        "shipped_at": iso(site.clock()),
        "notify_customer": False,
        "lines": [{"external_line_id": str(line), "quantity": 1}],
    }
    return Event(f"{order}-parcel-{line}", "shipment.created", subject, data)


def _about_stock(sku: str, chance: Random) -> list[Event]:
    """Levels in any order; the quantity tells the version it came with."""
    versions = chance.sample(range(1, 9), 4)
    return [
        Event(f"{sku}-{version}", "stock.changed", f"stock {sku}",
              {"sku": sku, "warehouse": "w1", "total": 1000 + version, "allocated": 0, "version": version})
        for version in versions
    ]  # fmt: skip


def _tick(site: Site, number: int) -> Event:
    data = {"schedule": "s-1", "due": iso(site.clock())}
    return Event(f"tick-{number}", "tick.order_import", "tick", data)


class Upstream:
    """Says one subject's events one after the other, each until it is accepted; some of them twice."""

    def __init__(self, site: Site, story: Story, chance: Random) -> None:
        self._site = site
        self._story = story
        self._chance = chance
        self._transport = StormyTransport(site.broker, site.weather)
        self._ledger = SqlLedger(InlineDatabase(site.engine, site.weather), Directory(site.vault), site.clock)

    async def speak(self, events: Sequence[Event], pause: float) -> None:
        """Through the inbox or the door of HTTP, one of the two for a whole subject."""
        await self._transport.start()
        by_inbox = self._chance.random() < 0.6 and events[0].type in _PUBLISHED
        say = self._publish if by_inbox else self._post
        for event in events:
            await asyncio.sleep(self._chance.uniform(0, pause))
            body = event.body(self._story.moments.setdefault(event.id, iso(self._site.clock())))
            await say(event, body)
            self._story.accepted.append(event)
            self._site.weather.note(f"upstream  {event.id} was accepted by {'inbox' if by_inbox else 'door'}")
            if self._chance.random() < 0.15:
                await say(event, body)

    async def _publish(self, event: Event, body: bytes) -> None:
        message = Outgoing(EVENTS, f"{event.type}.acme.main", body, event.id, STRUCTURED)
        while await self._transport.publish([message]) != [Receipt.CONFIRMED]:  # noqa: ASYNC110 - it asks anew
            await asyncio.sleep(1.0)

    async def _post(self, event: Event, body: bytes) -> None:
        while True:
            try:
                (answer,) = await self._ledger.admit([_incoming(body)])
            except StorageUnavailable:
                await asyncio.sleep(1.0)
                continue
            assert answer.error is None, answer.error
            return


_PUBLISHED = ("order.created", "order.status_changed", "shipment.created", "stock.changed")


def _incoming(body: bytes) -> Incoming:
    decoded = decode(Taken(INBOX, body, "", EVENTS, None, STRUCTURED, {}, False, 0))
    assert isinstance(decoded, Incoming), decoded
    return decoded
