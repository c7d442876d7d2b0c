"""What a run sends, and what must be true in the shop and in the ledger afterwards."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.publishing import publisher
from broker.transports.seam import Receipt
from domain.envelope import BATCH, Envelope
from tests.app.harness import ACCOUNT, CHANNEL, QUEUES, Office, Stack, eventually
from tests.app.web import Web

DAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
Step = tuple[str, str]


def event(source: str, event_id: str, kind: str, data: Mapping[str, Any], *, late: int = 0) -> Envelope:
    """An event of the account's channel; stock is for all channels."""
    channel = None if kind == "stock.changed" else CHANNEL
    time = DAY + timedelta(milliseconds=late)
    return Envelope(id=event_id, source=source, type=kind, time=time, account=ACCOUNT, channel=channel, data=dict(data))


def stock_event(sku: str, version: int, quantity: int) -> Envelope:
    """The ``version``-th level of a SKU, of which ``quantity`` may be sold."""
    data = {"sku": sku, "warehouse": "main", "total": quantity + 3, "allocated": 3, "version": version}
    return event("wms", f"stock/{sku}/{version}", "stock.changed", data, late=version)


def parcel_events(order: Mapping[str, Any]) -> list[Envelope]:
    """One parcel for each line of an order."""
    order_id = str(order["order_id"])
    return [
        event(
            "oms",
            f"parcel/{order_id}-{number}",
            "shipment.created",
            {
                "shipment_id": f"{order_id}-{number}",
                "external_order_id": order_id,
                "carrier": "UPS",
                "service": "Ground",
                "tracking_number": f"1Z{order_id}{number}",
                "shipped_at": DAY.isoformat(),
                "notify_customer": False,
                "lines": [{"external_line_id": str(line["id"]), "quantity": line["quantity"]}],
            },
        )
        for number, line in enumerate(order["line_items"], 1)
    ]


def order_events(order: Mapping[str, Any]) -> list[Envelope]:
    """The life of an order: created, in progress, its parcels, shipped."""
    order_id = str(order["order_id"])

    def status(value: str) -> Envelope:
        data = {"external_order_id": order_id, "status": value}
        return event("oms", f"status/{order_id}/{value}", "order.status_changed", data)

    created = event("shop", f"created/{order_id}", "order.created", {"external_order_id": order_id})
    return [created, status("in_progress"), *parcel_events(order), status("shipped")]


def step_of(each: Envelope) -> Step | None:
    """What the shop must see of an event of an order."""
    if each.type == "shipment.created":
        return "parcel", each.data["shipment_id"]
    return ("status", each.data["status"]) if each.type == "order.status_changed" else None


@dataclass
class Work:
    """Events of two senders, each in its own order, and what they must lead to."""

    over_http: list[Envelope] = field(default_factory=list)
    over_broker: list[Envelope] = field(default_factory=list)
    quantities: dict[str, dict[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, stack: Stack, orders: int, stock: int, seed: int = 1) -> Work:
        """Orders that buyers place now, and stock changes out of order and in copies."""
        rng = random.Random(seed)
        bought = [order_events(order) for order in stack.shop.buy(orders)]
        quantities: dict[str, dict[int, int]] = defaultdict(dict)
        changes: list[tuple[float, Envelope]] = []
        skus = stack.shop.skus()[:8]
        for at in range(stock):
            sku = rng.choice(skus)
            version = len(quantities[sku]) + 1
            quantities[sku][version] = 200 + at
            late = rng.choice((0, 0, 0, 7))
            changes.append((at + late, stock_event(sku, version, 200 + at)))
            if at % 10 == 0:
                changes.append((at + late + 3, stock_event(sku, version, 200 + at)))
        levels = [each for _, each in sorted(changes, key=lambda pair: pair[0])]
        half = len(bought) // 2
        return cls(_mixed(rng, bought[:half]), _mixed(rng, [*bought[half:], levels]), dict(quantities))

    def halves(self) -> tuple[Work, Work]:
        """What each sender sends first, and the rest."""
        http, broker = len(self.over_http) // 2, len(self.over_broker) // 2
        return (
            Work(self.over_http[:http], self.over_broker[:broker]),
            Work(self.over_http[http:], self.over_broker[broker:]),
        )

    @property
    def events(self) -> list[Envelope]:
        """All of them."""
        return [*self.over_http, *self.over_broker]

    def send_over_http(self, address: str, key: str, batch: int = 5) -> None:
        """``POST /v1/events`` until each is accepted; what got no answer is sent again, to wherever it listens."""
        web = Web(address, {"Authorization": f"Bearer {key}"}, patience=60)
        for start in range(0, len(self.over_http), batch):
            body = b"[" + b",".join(each.to_json() for each in self.over_http[start : start + batch]) + b"]"

            def accepted(body: bytes = body) -> bool:
                status, answer = web.ask("POST", "/v1/events", body, BATCH)
                assert status in (202, 429, 503), (status, answer)
                return status == 202

            eventually(accepted, 60, "a batch is accepted over HTTP")

    def send_over_broker(self, stack: Stack) -> None:
        """With the publisher of the SDK, each until it is confirmed."""
        with publisher(stack.settings) as upstream:
            for each in self.over_broker:
                eventually(
                    lambda each=each: upstream.publish(each).outcome is Receipt.CONFIRMED,  # type: ignore[misc]
                    60,
                    "an event is confirmed by the broker",
                )

    @contextlib.contextmanager
    def being_sent(self, stack: Stack, address: str, key: str) -> Iterator[None]:
        """Both senders at work; at the end all is accepted."""
        with ThreadPoolExecutor(2) as pool:
            senders = [
                pool.submit(self.send_over_http, address, key),
                pool.submit(self.send_over_broker, stack),
            ]
            yield
        for sender in senders:
            sender.result()


def _mixed(rng: random.Random, rows: Sequence[Sequence[Envelope]]) -> list[Envelope]:
    """All rows in one, each in its own order."""
    left = [list(row) for row in rows if row]
    result: list[Envelope] = []
    while left:
        row = rng.choices(left, [len(each) for each in left])[0]
        result.append(row.pop(0))
        left = [each for each in left if each]
    return result


def wait_settled(stack: Stack, office: Office, work: Work, seconds: float = 60.0) -> None:
    """Wait until every event is a message, no lane is left, the outbox is empty and no queue holds anything."""
    expected = len({(each.source, each.id) for each in work.events})
    last: list[str] = ["nothing was seen"]

    def settled() -> bool:
        numbers = office.numbers()
        last[0] = f"{numbers.messages} of {expected} messages, lanes {dict(numbers.lanes)}, unsent {numbers.unsent}"
        return numbers.messages >= expected and not sum(numbers.lanes.values()) and not numbers.unsent

    try:
        eventually(settled, seconds, "everything is settled")
    except AssertionError as error:
        logs = "\n".join(f"--- {child.name}\n{child.text()[-1500:]}" for child in stack.children[-4:])
        raise AssertionError(f"{error}: {last[0]}\n{logs}") from None
    eventually(lambda: not any(depths(stack, office).values()), 20, "the queues are empty")


def depths(stack: Stack, office: Office) -> dict[str, int]:
    """How many messages wait in each queue of the broker."""

    async def look() -> dict[str, int]:
        transport = office.house.transport
        await transport.start()
        try:
            return {queue: await transport.depth(queue) for queue in QUEUES}
        finally:
            await transport.close()

    return {} if stack.embedded else office.ask(look())


def check(stack: Stack, office: Office, work: Work) -> None:
    """Every accepted event had its effect exactly once, nothing was written stale, and each order kept its order."""
    numbers = office.numbers()
    assert set(numbers.deliveries) <= {"done", "skipped", "superseded"}, numbers.deliveries
    assert numbers.messages == len({(each.source, each.id) for each in work.events})
    effects = stack.shop.effects()
    check_orders(effects, work)
    check_stock(effects, stack.shop.stock(), work)
    check_announced(office, work)


def check_orders(effects: Sequence[Mapping[str, Any]], work: Work) -> None:
    """The steps of each order stand in the shop once and in the order they were sent.

    A status is absolute: writing the one that stands there already (a repetition after a crash) changes nothing.
    """
    sent: dict[str, list[Step]] = defaultdict(list)
    for each in work.events:
        if (step := step_of(each)) is not None and step not in sent[each.data["external_order_id"]]:
            sent[each.data["external_order_id"]].append(step)
    seen: dict[str, list[Step]] = defaultdict(list)
    for effect in effects:
        if effect["kind"] == "shipment_created":
            seen[str(effect["order_id"])].append(("parcel", effect["data"]["note"]))
        elif effect["kind"] == "order_updated" and effect["data"]["old_status"] != effect["data"]["new_status"]:
            seen[str(effect["order_id"])].append(("status", effect["data"]["new_status"]))
    wrong = {key: (steps, seen[key]) for key, steps in sent.items() if seen[key] != steps}
    assert not wrong, f"sent and seen: {wrong}"
    assert not seen.keys() - sent.keys()


def check_stock(effects: Sequence[Mapping[str, Any]], stock: Mapping[str, int], work: Work) -> None:
    """Versions never go back, and each SKU ends at its newest level."""
    newest: Counter[str] = Counter()
    for effect in effects:
        if effect["kind"] == "stock_set" and effect["data"]["new"] != effect["data"]["old"]:
            sku = effect["sku"]
            version = {level: number for number, level in work.quantities[sku].items()}[effect["data"]["new"]]
            assert version > newest[sku], f"{sku}: version {version} was written after {newest[sku]}"
            newest[sku] = version
    final = {sku: levels[max(levels)] for sku, levels in work.quantities.items()}
    assert {sku: stock[sku] for sku in final} == final


def check_announced(office: Office, work: Work) -> None:
    """The OMS is told once of each order that came in."""
    rows = office.ask(office.house.operations.desk.announcements(None, 0, 5000))
    told = Counter(json.loads(body)["data"]["external_order_id"] for _, body in rows)
    assert told == Counter(each.data["external_order_id"] for each in work.events if each.type == "order.created")
