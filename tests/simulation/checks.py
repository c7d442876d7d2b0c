"""What must hold at the end, whatever went wrong on the way; each check answers with sentences about what does not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Table, select

from broker.topology import INBOX, UNROUTED
from storage.tables import deliveries, lanes, messages, orders, outbox, rejections, sync_log
from tests.simulation.site import Site
from tests.simulation.transport import OMS_QUEUE
from tests.simulation.upstream import Story

Rows = list[Row[Any]]


def rows(site: Site, table: Table) -> Rows:
    """All rows of a table by their primary key."""
    with site.engine.connect() as connection:
        found = list(connection.execute(select(table).order_by(*table.primary_key.columns)).all())
        connection.rollback()
    return found


def quiet(site: Site, story: Story) -> bool:
    """Whether everything was said and nothing is left to do."""
    return (
        story.told
        and not site.broker.depth(INBOX)
        and not rows(site, lanes)
        and all(row.sent_at is not None for row in rows(site, outbox))
    )


def unfinished(site: Site, story: Story) -> Iterator[str]:
    """Why it is not quiet."""
    if not story.told:
        yield "an upstream could not say everything"
    if left := site.broker.depth(INBOX):
        yield f"{left} messages lie in {INBOX}"
    for lane in rows(site, lanes):
        yield f"lane {lane.key} is {lane.state}, held by {lane.holder}"
    for row in rows(site, outbox):
        if row.sent_at is None:
            yield f"announcement {row.id} was never confirmed"


def violations(site: Site, story: Story) -> list[str]:
    """Everything that does not hold."""
    checks = (_accepted, _ended_well, _parcels, _notes, _stock, _announcements, _log, _line_order)
    return [sentence for check in checks for sentence in check(site, story)]


def _accepted(site: Site, story: Story) -> Iterator[str]:
    stored = Counter(row.event_id for row in rows(site, messages) if row.source == "upstream")
    for event in story.accepted:
        if stored[event.id] != 1:
            yield f"{event.id} was accepted and is stored {stored[event.id]} times"
    for rejection in rows(site, rejections):
        yield f"something was rejected: {rejection.sentence}"
    if site.broker.depth(UNROUTED):
        yield "something could not be routed"


def _ended_well(site: Site, story: Story) -> Iterator[str]:
    with_delivery = {row.message_id for row in rows(site, deliveries)}
    for message in rows(site, messages):
        if message.id not in with_delivery:
            yield f"{message.event_id} has no delivery"
    for row in rows(site, deliveries):
        if row.state not in ("done", "superseded", "skipped"):
            yield f"the delivery of {row.business_key} for {row.job_type} is {row.state}: {row.sentence}"


def _parcels(site: Site, story: Story) -> Iterator[str]:
    told = Counter(event.data["shipment_id"] for event in story.of("shipment.created"))
    there = Counter(effect.data["note"] for effect in site.sandbox.ledger.effects if effect.kind == "shipment_created")
    for parcel in told.keys() | there.keys():
        if there[parcel] != 1 or parcel not in told:
            yield f"{parcel} is {there[parcel]} times in the shop"


def _notes(site: Site, story: Story) -> Iterator[str]:
    """Each status once, in the order it was said."""
    said: dict[str, list[str]] = defaultdict(list)
    last: dict[str, str] = {}
    for event in story.of("order.status_changed"):
        said[event.data["external_order_id"]].append(event.data["note"])
        last[event.data["external_order_id"]] = event.data["status"]
    for number, order in site.sandbox.memory.orders.items():
        written = [note["note"] for note in order.notes]
        if written != said[str(number)]:
            yield f"order {number} was told {said[str(number)]} and shows {written}"
        elif str(number) in last and order.status != last[str(number)]:
            yield f"order {number} should be {last[str(number)]} and is {order.status}"


def _stock(site: Site, story: Story) -> Iterator[str]:
    """The newest level of each SKU is in the shop, and nothing older was ever written after something newer."""
    levels: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for event in story.of("stock.changed"):
        place, said = (event.data["sku"], event.data["warehouse"]), event.data
        levels[place] = max(levels[place], (said["version"], said["total"] - said["allocated"]))
    newest: dict[str, int] = defaultdict(int)
    for (sku, _), (_, quantity) in levels.items():
        newest[sku] += quantity
    written: dict[str, list[int]] = defaultdict(list)
    for effect in site.sandbox.ledger.effects:
        if effect.kind == "stock_set" and effect.call is not None and effect.sku:
            written[effect.sku].append(effect.data["new"])
    for sku, quantities in written.items():
        if quantities != sorted(quantities):
            yield f"a stale level was written: {sku} got {quantities}"
    for sku, quantity in newest.items():
        if (there := site.sandbox.stock()[sku]) != quantity:
            yield f"{sku} should be {quantity} and is {there}"


def _announcements(site: Site, story: Story) -> Iterator[str]:
    """The OMS heard once of each import, as it was stored, and of nothing else."""
    heard: dict[str, dict[str, Any]] = {}
    for stored in site.broker.pop(OMS_QUEUE, 10_000):
        event = json.loads(stored.body)
        heard[event["id"]] = event["data"]
        site.broker.give_back(stored)
    states = Counter(json.dumps(data, sort_keys=True) for data in heard.values())
    for state, times in states.items():
        if times > 1:
            yield f"the OMS heard {times} times of order {json.loads(state)['external_order_id']} in one state"
    told = Counter(data["external_order_id"] for data in heard.values())
    done = Counter(
        row.business_key
        for row in rows(site, deliveries)
        if row.job_type == "order_import" and "/order/" in row.lane and row.state == "done"
    )
    for order in done | told:
        if done[order] != told[order]:
            yield f"order {order} was imported {done[order]} times and the OMS heard of {told[order]}"
    for row in rows(site, orders):
        if json.dumps(row.document, sort_keys=True) not in states:
            yield f"the OMS never heard of the recorded state of order {row.external_order_id}"
    recorded = {row.external_order_id for row in rows(site, orders)}
    for event in story.of("order.created"):
        if event.data["external_order_id"] not in recorded:
            yield f"order {event.data['external_order_id']} was never imported"


def _log(site: Site, story: Story) -> Iterator[str]:
    """One row per attempt, the last of them with how it ended; what was superseded names what superseded it."""
    logged: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows(site, sync_log):
        logged[row.delivery_id].append(row)
    for row in rows(site, deliveries):
        mine = logged[row.id]
        about = f"the delivery of {row.business_key} for {row.job_type}"
        attempts = sorted(each.attempt for each in mine if each.attempt)
        if attempts != list(range(1, row.attempts + 1)):
            yield f"{about} has {row.attempts} attempts and log rows for {attempts}"
        ends = [each for each in mine if each.outcome in ("Done", "Superseded", "Skipped", "Dead", "Unknown")]
        if len(ends) != 1 or ends[0].outcome.lower() != row.state:
            yield f"{about} is {row.state} and the log says {[each.outcome for each in mine]}"


def _line_order(site: Site, story: Story) -> Iterator[str]:
    """Within a lane of orders nothing ends before what came before it."""
    ends: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows(site, deliveries):
        if "/order/" in row.lane:
            ends[row.lane].append(row)
    for lane, members in ends.items():
        # Ids grow in the order they are made, which is that of admission; places begin anew with each new lane.
        members.sort(key=lambda row: str(row.id))
        settled = [row.settled_at or 0 for row in members]
        if settled != sorted(settled):
            yield f"lane {lane} was not run in order"
