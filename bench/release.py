"""Missing mappings: messages that wait for many codes, and how soon each goes on once its own mapping is saved.

Parcels wait for carriers, orders for SKUs that are not in the catalogue. The mappings are saved one after the other by
another process, as a person or an import would; the clock of a message runs from the moment at which its own mapping
began to be saved to the settlement of the message, as the ledger stamps it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.house import open_house
from app.settings import Settings
from bench.measured import Row
from bench.processes import wait_for
from bench.publishing import publish
from bench.services import Place, Services, counting, query
from bench.towpath import ACCOUNT, CHANNEL, OPTIONS, running, set_up
from bench.work import shipment_event
from broker.topology import EVENTS, topology
from broker.transports.seam import Outgoing
from domain.mappings import CarrierMapping, MappingRow, SkuMapping

PATIENCE = 300.0
_PARKED = "SELECT count(*) FROM deliveries WHERE state = 'open' AND cause = 'mapping'"


class WrongReleaseError(Exception):
    """Something went on whose mapping was not saved, or did not go on though it was; the message has the counts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What waits: the event of a number, the mapping of a code, and the job that waits."""

    title: str
    job: str
    event: Callable[[int, str], dict[str, Any]]
    mapping: Callable[[str], MappingRow]


def measure(services: Services, *, messages: int = 0, codes: int = 40) -> list[Row]:
    """One row per kind of mapping; 0 takes the usual count: 5,000 messages.

    Raises:
        WrongReleaseError: not exactly the messages of the saved mappings went on.
        WaitedInVainError: something did not happen in :data:`PATIENCE` seconds.
    """
    return [_measure(services, kind, messages or services.count(5_000, 80), codes) for kind in KINDS]


def _measure(services: Services, kind: Kind, messages: int, codes: int) -> Row:
    names = [f"CODE-{at:03}" for at in range(codes)]
    with services.place() as place:
        place.shop.set_up(orders=messages)
        settings = set_up(place, OPTIONS.model_copy(update={"unmapped_carrier": "stop"}))
        with running(place, settings), counting(place, _PARKED) as parked:
            publish(place.broker_url, topology(), [_outgoing(_catalogue())])
            wait_for(
                lambda: query(place, "SELECT 1 FROM catalogue_skus LIMIT 1") != [], PATIENCE, "there is a catalogue"
            )
            time.sleep(1.5)  # a worker's memory of a channel is up to a second old
            events = [kind.event(number, names[number % codes]) for number in range(1, messages + 1)]
            publish(place.broker_url, topology(), [_outgoing(event) for event in events])
            wait_for(lambda: parked() == messages, PATIENCE, f"{messages} messages wait")
            half = codes // 2
            saved = asyncio.run(_save(settings, kind, names[:half]))
            own = sum(number % codes < half for number in range(1, messages + 1))
            wait_for(lambda: parked() <= messages - own, PATIENCE, f"{own} messages went on")
            if parked() != messages - own:
                raise WrongReleaseError(f"{messages - parked()} messages went on for {half} mappings of {own}")
            saved |= asyncio.run(_save(settings, kind, names[half:]))
            wait_for(lambda: parked() == 0, PATIENCE, "all messages went on")
        return _row(place, kind, saved, messages)


async def _save(settings: Settings, kind: Kind, names: list[str]) -> dict[str, int]:
    """Save a mapping for each name; when each began to be saved, in microseconds."""
    began: dict[str, int] = {}
    async with open_house(settings, connect=False) as house:
        for name in names:
            began[name] = time.time_ns() // 1000
            await house.operations.mappings.save(ACCOUNT, CHANNEL, kind.mapping(name), "bench")
    return began


def _row(place: Place, kind: Kind, saved: dict[str, int], messages: int) -> Row:
    settled = query(
        place,
        "SELECT m.body, d.settled_at FROM deliveries d JOIN messages m ON m.id = d.message_id"
        " WHERE d.job_type = %s AND d.state = 'done'",
        kind.job,
    )
    if len(settled) != messages:
        raise WrongReleaseError(f"{len(settled)} of {messages} messages ended well")
    waits = sorted((at - saved[_code(bytes(body))]) / 1000 for body, at in settled)
    p95, most = waits[int(len(waits) * 0.95)], waits[-1]
    extra = f"{len(saved)} codes, p95 {p95:,.0f} ms, longest {most:,.0f} ms"
    return Row(kind.title, p50_ms=waits[len(waits) // 2], p99_ms=waits[int(len(waits) * 0.99)], extra=extra)


def _code(body: bytes) -> str:
    found = body.partition(b"CODE-")[2][:3]
    return f"CODE-{found.decode()}"


def _outgoing(event: dict[str, Any]) -> Outgoing:
    key = f"{event['type']}.{event['account']}.{event['channel']}"
    return Outgoing(EVENTS, key, json.dumps(event).encode(), event["id"])


def _catalogue() -> dict[str, Any]:
    product = {"sku": "IN-THE-CATALOGUE", "name": "A thing"}
    return {**shipment_event(1), "id": "catalogue", "type": "product.changed", "data": {"product": product}}


def _parcel(number: int, code: str) -> dict[str, Any]:
    event = shipment_event(number)
    return {**event, "data": {**event["data"], "carrier": code, "service": None}}


def _order(number: int, code: str) -> dict[str, Any]:
    moment = "2026-01-05T08:00:00Z"
    line = {"id": number, "name": "Thing", "final_sku": code, "quantity": 2, "unit_price": "3.0", "total_price": "6.0"}
    document = {"order_id": number, "status": "new", "created_at": moment, "updated_at": moment, "line_items": [line]}
    data = {"external_order_id": str(number), "order": document}
    return {**shipment_event(number), "type": "order.created", "data": data}


KINDS = (
    Kind(
        "parcels that wait for carriers",
        "shipment_export",
        _parcel,
        lambda code: CarrierMapping("UPS Ground", code, code, ""),
    ),
    Kind("orders that wait for SKUs", "order_import", _order, lambda code: SkuMapping(code, "IN-THE-CATALOGUE", 2)),
)
