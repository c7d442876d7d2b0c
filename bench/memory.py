"""Memory of the largest process while events pass through (nine stock levels, then one order update).

Flat, or growing with every event? Intake, coalescing, lanes, calls and the log all take part.
"""

from __future__ import annotations

import json
import time
from typing import Any

from bench import publishing, towpath
from bench.measured import Row
from bench.processes import largest_mb
from bench.services import Place, Services
from broker.topology import EVENTS, topology
from broker.transports.seam import Outgoing

PRODUCTS, SKUS, ORDERS = 100, 10, 1000
STOCK_IN = 10
PORTION = 50_000
"""So many are published at a time: a longer queue would tell of the queue, not of the events that passed before."""
PATIENCE = 900.0


def measure(services: Services) -> list[Row]:
    """One row per mark: 50,000, 100,000 and 200,000 events; ``extra`` compares it with the first."""
    marks = [services.count(50_000, 200), services.count(100_000, 400), services.count(200_000, 800)]
    rows: list[Row] = []
    with services.place() as place:
        place.shop.set_up(orders=ORDERS, products=PRODUCTS, skus=SKUS)
        with towpath.running(place, towpath.set_up(place)) as running:
            done = 0
            for mark in marks:
                seconds = _play(place, running, done, mark)
                memory = largest_mb(running.pids)
                first = rows[0].memory_mb if rows else None
                extra = "" if first is None else f"{memory - first:+.1f} MB since the first mark"
                rows.append(Row(f"{mark:,} events", (mark - done) / seconds, memory_mb=memory, extra=extra))
                done = mark
    return rows


def _play(place: Place, running: towpath.Towpath, first: int, last: int) -> float:
    """Publish events ``first`` to ``last`` and wait until all are settled; the seconds it took."""
    began = time.perf_counter()
    for start in range(first, last, PORTION):
        end = min(start + PORTION, last)
        publishing.publish(place.broker_url, topology(), [_message(at) for at in range(start, end)])
        running.wait_settled(end, PATIENCE, pause=0.5)
    return time.perf_counter() - began


def _message(at: int) -> Outgoing:
    if at % STOCK_IN == 0:
        kind, data = "order.status_changed", _update(at)
    else:
        kind, data = "stock.changed", _level(at)
    event = {
        "specversion": "1.0",
        "id": f"event-{at}",
        "source": "bench",
        "type": kind,
        "account": towpath.ACCOUNT,
        "channel": towpath.CHANNEL if kind == "order.status_changed" else None,
        "data": data,
    }
    key = f"{kind}.{towpath.ACCOUNT}.{event['channel'] or 'all'}"
    return Outgoing(EVENTS, key, json.dumps(event).encode(), f"event-{at}")


def _update(at: int) -> dict[str, Any]:
    return {"external_order_id": str(at // STOCK_IN % ORDERS + 1), "status": "in_progress"}


def _level(at: int) -> dict[str, Any]:
    product, sku = at % PRODUCTS + 1, at // PRODUCTS % SKUS + 1
    level = {"sku": f"SKU-{product}-{sku}", "warehouse": "main", "total": at % 997, "allocated": 0}
    return {**level, "version": at + 1}
