"""Who acts in the demo: the stage they share, the OMS, and the warehouse that counts stock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app.demo.books import Sent
from app.demo.script import DAY, WAREHOUSE, Script, parcels_of
from app.demo.talking import HttpTalker
from app.demo.upstream import Upstream
from domain.envelope import Envelope

_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "throttle", "retry_after": 1, "times": 2},
    {"kind": "server_error", "status": 503, "method": "GET", "times": 3},
    {"kind": "server_error", "status": 500, "method": "PUT", "path": "/orders/", "times": 2},
    {"kind": "reset_after", "method": "POST", "path": "/shipments$", "times": 4},
    {"kind": "half_body", "method": "POST", "path": "/shipments$", "times": 2},
    {"kind": "wrong_json", "method": "GET", "path": "/orders/", "times": 2},
)


@dataclass(slots=True)
class Stage:
    """Where the day is played: one account, one channel, one shop, one script."""

    account: str
    channel: str
    key: str
    control: HttpTalker
    script: Script
    seed: int
    bought: list[str] = field(default_factory=list)

    def event(
        self,
        source: str,
        event_id: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        channel: bool = True,
        late: int = 0,
    ) -> Envelope:
        """An event of this account; ``late`` moves its time by milliseconds after the day's beginning."""
        return Envelope(
            id=f"{self.account}/{event_id}",
            source=source,
            type=kind,
            time=DAY + timedelta(milliseconds=late),
            account=self.account,
            channel=self.channel if channel else None,
            data=dict(data),
        )

    def buy(self, count: int, upstream: Upstream | None = None) -> None:
        """Let buyers place orders, and announce all but one in ten of them; none without ``upstream``."""
        _, answer = self.control.ask("POST", "/_sandbox/buy", {"count": count})
        ids = [str(order_id) for order_id in answer["order_ids"]]
        self.bought += ids
        if upstream is None:
            return
        told = [order_id for order_id in ids if int(order_id) % 10]
        upstream.send(
            [
                self.event("shop", f"created/{order_id}", "order.created", {"external_order_id": order_id})
                for order_id in told
            ]
        )

    def small_faults(self) -> None:
        """The everyday troubles of a shop's API."""
        for fault in _FAULTS:
            status, answer = self.control.ask("POST", "/_sandbox/faults", fault)
            if status >= 400:
                raise RuntimeError(f"The sandbox refused a fault: {answer}")

    def effects(self) -> list[dict[str, Any]]:
        """The shop's own book of effects, whole."""
        found: list[dict[str, Any]] = []
        while True:
            _, answer = self.control.ask("GET", f"/_sandbox/effects?after={len(found)}&limit=5000")
            page = answer["effects"]
            found += page
            if not page:
                return found


class Oms:
    """Hears of imported orders; tells the shop they are in progress, ships them in parcels, closes them."""

    def __init__(self, stage: Stage, api: HttpTalker, upstream: Upstream) -> None:
        self.api = api
        self.sent: dict[str, Sent] = {}
        self.idle = True
        self._stage = stage
        self._upstream = upstream
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop after the present answer."""
        self._stopping.set()

    async def work(self) -> None:
        """Read the feed of announcements until told to stop."""
        await asyncio.to_thread(self._work)

    def _work(self) -> None:
        after = 0
        while not self._stopping.is_set():
            status, answer = self.api.ask("GET", f"/v1/announcements?after={after}&limit=200&wait=1")
            if status != 200:
                self._stopping.wait(0.5)
                continue
            self.idle = not answer["events"]
            for event in answer["events"]:
                self._hear(event)
            after = answer["after"]
        self.idle = True

    def _hear(self, event: Mapping[str, Any]) -> None:
        order = event["data"]
        if event["type"] != "order.imported" or order["external_order_id"] in self.sent:
            return
        order_id = order["external_order_id"]
        parcels = parcels_of(self._stage.seed, order)
        events = [self._status(order_id, "in_progress")]
        events += [
            self._stage.event("oms", f"parcel/{parcel['shipment_id']}", "shipment.created", parcel)
            for parcel in parcels
        ]
        events.append(self._status(order_id, "shipped"))
        copies = events[1:2] if int(order_id) % 20 == 0 else []
        self._upstream.send([*events, *copies])
        steps = [
            ("status", "in_progress"),
            *(("parcel", parcel["shipment_id"]) for parcel in parcels),
            ("status", "shipped"),
        ]
        self.sent[order_id] = Sent(order_id, tuple(steps))

    def _status(self, order_id: str, status: str) -> Envelope:
        data = {"external_order_id": order_id, "status": status}
        return self._stage.event("oms", f"status/{order_id}/{status}", "order.status_changed", data)


class Warehouse:
    """Sends the scripted stock changes in bursts; copies carry the same event id."""

    def __init__(self, stage: Stage, upstream: Upstream) -> None:
        self._stage = stage
        self._upstream = upstream

    async def work(self, burst: int = 250, pause: float = 0.5) -> None:
        """Send the whole script."""
        changes = self._stage.script.stock
        for start in range(0, len(changes), burst):
            events = [
                self._stage.event(
                    "wms",
                    f"stock/{change.sku}/{change.version}",
                    "stock.changed",
                    {
                        "sku": self._stage.script.oms_sku(change.sku),
                        "warehouse": WAREHOUSE,
                        "total": change.quantity + 3,
                        "allocated": 3,
                        "version": change.version,
                    },
                    channel=False,
                    late=change.version,
                )
                for change in changes[start : start + burst]
            ]
            await asyncio.to_thread(self._upstream.send, events)
            await asyncio.sleep(pause)
