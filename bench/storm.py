"""A stock storm: very many changes of few SKUs, with copies and late arrivals, until the shop has the newest levels.

The changes lie in RabbitMQ while Towpath's processes are up, warm and stopped; then they are let go at once. The clock
runs from the first admission to the last settlement, as the ledger stamps them; CPU time is that of all processes. The
quantity of a SKU only grows with its version, so a stale write to the shop would show as a fall.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace

from bench.contenders import modules
from bench.measured import Row
from bench.processes import cpu_seconds, largest_mb, paused, wait_for
from bench.publishing import EXCHANGE, SHAPE, publish
from bench.services import Place, Services, query
from bench.towpath import ACCOUNT, CHANNEL, running, set_up
from broker.topology import EVENTS, topology
from broker.transports.seam import Outgoing
from domain.envelope import STRUCTURED, Envelope

COPIES = 0.1
LATE = 0.125
LATEST = 2000
PATIENCE = 900.0
FLOOR = "the floor: a bare loop that keeps the newest"
SHOWN = 100
"""No SKU is so near zero that its change would be sent at once."""
_CLOCK = """
    SELECT (SELECT max(settled_at) FROM deliveries)
         - (SELECT min(received_at) FROM messages WHERE event_id <> 'warm')"""
_SHARES = """
    SELECT count(*) FILTER (WHERE state = 'superseded' AND superseded_by IS NOT NULL),
           count(*) FILTER (WHERE state NOT IN ('done', 'superseded', 'skipped'))
    FROM deliveries"""


class WrongStockError(Exception):
    """The shop does not have the newest quantities, or had older ones after newer ones."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What is published, in this order, and what the shop must have at the end. ``distinct`` are the events without
    copies."""

    events: tuple[Outgoing, ...]
    final: dict[str, int]
    distinct: int


def measure(services: Services, *, changes: int = 0, products: int = 0, variants: int = 10) -> list[Row]:
    """Towpath and the floor; 0 takes the usual counts: 100,000 changes of 200 products with ten variants each.

    Raises:
        WrongStockError: the final stock in the shop is not exact, a write was stale, or a change was not settled.
        WaitedInVainError: the storm did not end.
    """
    products = products or services.count(200, 5)
    storm = make_storm(changes or services.count(100_000, 400), products, variants)
    return [_towpath(services, storm, products, variants), _floor(services, storm, products, variants)]


def _towpath(services: Services, storm: Storm, products: int, variants: int) -> Row:
    with services.place() as place:
        place.shop.set_up(products=products, skus=variants)
        settings = set_up(place)
        with running(place, settings) as towpath:
            publish(place.broker_url, topology(), [_outgoing("warm", "SKU-1-1", 0)])
            towpath.wait_settled(1, 120)
            with paused(towpath.processes):
                publish(place.broker_url, topology(), storm.events)
                before = cpu_seconds(towpath.pids)
            towpath.wait_settled(storm.distinct + 1, PATIENCE, pause=1.0)
            used = cpu_seconds(towpath.pids) - before
            memory = largest_mb(towpath.pids)
        calls, told = _check(place, storm)
        ((micros,),) = query(place, _CLOCK)
    count = len(storm.events)
    rate, cpu = count * 1e6 / micros, used / count * 1000
    return Row("Towpath, stock storm", rate, cpu, calls / count, memory_mb=memory, extra=told)


def _floor(services: Services, storm: Storm, products: int, variants: int) -> Row:
    """The bare loop on the same storm."""
    with services.place() as place:
        place.shop.set_up(products=products, skus=variants)
        with modules(place, [["bench.peers.bare_storm", str(variants)]]) as processes:
            processes[0].wait_for_text("ready")
            pids = [processes[0].pid]
            with paused(processes):
                publish(place.broker_url, SHAPE, [replace(event, exchange=EXCHANGE) for event in storm.events])
                cpu, began = cpu_seconds(pids), time.perf_counter()
            wait_for(lambda: place.shop.stock() == storm.final, PATIENCE, "the shop has the newest stock", pause=0.1)
            seconds = time.perf_counter() - began
            cpu, memory = cpu_seconds(pids) - cpu, largest_mb(pids)
        calls, count = place.shop.counters()["total_calls"], len(storm.events)
    return Row(FLOOR, count / seconds, cpu / count * 1000, calls / count, memory_mb=memory)


def make_storm(changes: int, products: int, variants: int, seed: int = 1) -> Storm:
    """``changes`` events over all SKUs; a tenth of them copies, one in eight late by up to :data:`LATEST` places."""
    rng = random.Random(seed)
    distinct = changes - int(changes * COPIES)
    versions: dict[str, int] = {}
    made: list[tuple[float, Outgoing]] = []
    for at in range(distinct):
        sku = f"SKU-{rng.randint(1, products)}-{rng.randint(1, variants)}"
        version = versions[sku] = versions.get(sku, 0) + 1
        place = at + (rng.uniform(0, LATEST) if rng.random() < LATE else 0.0)
        made.append((place, _outgoing(f"{sku}/{version}", sku, version)))
    copies = [(place + rng.uniform(0, LATEST), event) for place, event in rng.sample(made, changes - distinct)]
    ordered = sorted([*made, *copies], key=lambda pair: pair[0])
    return Storm(
        tuple(event for _, event in ordered), {sku: SHOWN + 10 * version for sku, version in versions.items()}, distinct
    )


def _outgoing(event_id: str, sku: str, version: int) -> Outgoing:
    data = {"sku": sku, "warehouse": "main", "total": SHOWN + 10 * version + 3, "allocated": 3, "version": version}
    event = Envelope(
        id=event_id, source="oms.example.com/stock", type="stock.changed", account=ACCOUNT, channel=CHANNEL, data=data
    )
    return Outgoing(EVENTS, event.routing_key, event.to_json(), event_id, STRUCTURED)


def _check(place: Place, storm: Storm) -> tuple[int, str]:
    """Calls the shop saw, and what else is worth telling; raises WrongStockError."""
    stock = place.shop.stock()
    if wrong := [sku for sku, quantity in storm.final.items() if stock.get(sku) != quantity]:
        first = wrong[0]
        raise WrongStockError(
            f"{len(wrong)} of {len(storm.final)} SKUs are wrong in the shop; {first} is {stock.get(first)} and should "
            f"be {storm.final[first]}."
        )
    counters = place.shop.counters()
    ((superseded, left),) = query(place, _SHARES)
    falls = counters.get("stock_falls")
    if falls or left:
        raise WrongStockError(f"{falls} writes to the shop were stale, {left} changes were not settled well.")
    stale = "not counted by this shop" if falls is None else falls
    return int(counters["total_calls"]), f"{len(storm.final)} SKUs exact, stale writes {stale}, {superseded:,} absorbed"
