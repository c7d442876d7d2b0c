"""What handlers ask to be remembered, what the OMS must hear, and the count of calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, Table, case, delete, exists, func, null, select

from broker.ledger import Settlement, Verdict
from domain.budget import cause_of
from domain.channels import Channel
from domain.envelope import Envelope
from domain.events import TICK_PREFIX
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.orders import OrderRecord
from domain.outcomes import Announcement, CursorMoved, Record
from domain.privacy import CLOSED
from domain.shipments import SentShipment
from domain.stock import ConfirmedStock, StockLevel
from storage.bulk import BulkInsert
from storage.ledger.location_records import forget_locations
from storage.ledger.shop_records import OF_THE_SHOP, remember_shop
from storage.location_tables import location_stock
from storage.mapping_tables import mappings
from storage.sql import chunks
from storage.tables import (
    call_counts,
    channel_stock,
    cursors,
    deliveries,
    orders,
    outbox,
    shipments,
    stock_levels,
)
from storage.tally_rows import CALENDAR

_ANNOUNCING = 7_203_517_002
_Plain = OrderRecord | CursorMoved | SentShipment | ConfirmedStock


def remember(connection: Connection, told: Sequence[tuple[Channel, Sequence[Record]]], now: int) -> None:
    """Write the records of many outcomes; older states never overwrite newer ones."""
    found: dict[type, list[dict[str, Any]]] = defaultdict(list)
    each = [(channel, record) for channel, records in told for record in records]
    for channel, record in each:
        if not isinstance(record, OF_THE_SHOP):
            found[type(record)].append(_record_row(channel, record, now))
    if rows := found.get(OrderRecord):
        _ORDERS.run(connection, _last_of(rows, ("channel_id", "external_order_id"), newest="updated_at"))
    if rows := found.get(CursorMoved):
        _CURSORS.run(connection, _last_of(rows, ("channel_id", "job_type")))
    if rows := found.get(SentShipment):
        _SHIPMENTS.run(connection, _last_of(rows, ("channel_id", "shipment_id")))
    if rows := found.get(ConfirmedStock):
        _STOCK.run(connection, _last_of(rows, ("channel_id", "sku")))
    remember_shop(connection, each, now)


def _record_row(channel: Channel, record: _Plain, now: int) -> dict[str, Any]:
    if isinstance(record, OrderRecord):
        return {
            "channel_id": channel.id,
            "external_order_id": record.external_order_id,
            "account_id": channel.account_id,
            "updated_at": to_micros(record.updated_at),
            "status": record.status,
            "document": record.document,
            "recorded_at": now,
            "created_at": _created_at(record),
            "closed_at": to_micros(record.updated_at) if record.status in CLOSED else None,
            "erased_at": None,
        }
    if isinstance(record, CursorMoved):
        return {"channel_id": channel.id, "job_type": record.job_type, "until": to_micros(record.until)}
    if isinstance(record, SentShipment):
        return parcel_row(channel, record, now)
    return {"channel_id": channel.id, "sku": record.sku, "quantity": record.quantity, "confirmed_at": now}


def _created_at(record: OrderRecord) -> int:
    """When the order was placed, as its document says."""
    told = record.document.get("created_at")
    return to_micros(datetime.fromisoformat(told)) if isinstance(told, str) else to_micros(record.updated_at)


def parcel_row(channel: Channel, parcel: SentShipment, now: int) -> dict[str, Any]:
    """A row of the parcels that the shop has."""
    return {
        "channel_id": channel.id,
        "shipment_id": parcel.shipment_id,
        "external_order_id": parcel.external_order_id,
        "external_shipment_id": parcel.external_shipment_id,
        "recorded_at": now,
    }


def _last_of(rows: Sequence[dict[str, Any]], keys: Sequence[str], newest: str | None = None) -> list[dict[str, Any]]:
    """One row per key, in the order of the keys (so that transactions lock in one order): the last, or the newest."""
    kept: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        if newest is None or key not in kept or row[newest] >= kept[key][newest]:
            kept[key] = row
    return [kept[key] for key in sorted(kept)]


def _replacing(
    table: Table, keys: Sequence[str], *, newer: str | None = None, lasting: str | None = None
) -> BulkInsert:
    """Insert; the new values win over stored ones with the same key, where ``newer`` is not lower than what stands.

    Of ``lasting`` the stored value stays until the new one is empty.
    """
    names = [each.name for each in table.columns]

    def shape(statement: Any) -> Insert:
        new = statement.excluded
        changes = {name: new[name] for name in names if name not in keys}
        if lasting is not None:
            changes[lasting] = case(
                (new[lasting].is_(None), null()), else_=func.coalesce(table.c[lasting], new[lasting])
            )
        where = None if newer is None else table.c[newer] <= new[newer]
        shaped: Insert = statement.on_conflict_do_update(index_elements=list(keys), set_=changes, where=where)
        return shaped

    return BulkInsert(table, names, shape)


_ORDERS = _replacing(orders, ("channel_id", "external_order_id"), newer="updated_at", lasting="closed_at")
_CURSORS = _replacing(cursors, ("channel_id", "job_type"))
_SHIPMENTS = _replacing(shipments, ("channel_id", "shipment_id"))
_STOCK = _replacing(channel_stock, ("channel_id", "sku"))


def remember_levels(connection: Connection, levels: Sequence[tuple[str, StockLevel]]) -> None:
    """Store (account id, level) pairs behind their version fence: versions decide where both have one, else time does.

    This is done when the event is admitted, so that no failure of a later write to a shop makes a level forgotten.
    """
    if not levels:
        return
    rows = [
        {
            "account_id": account_id,
            "sku": level.sku,
            "warehouse": level.warehouse,
            "total": level.total,
            "allocated": level.allocated,
            "version": level.version,
            "time": to_micros(level.time),
            "message_id": level.message_id,
        }
        for account_id, level in levels
    ]
    rows.sort(key=lambda row: (row["account_id"], row["sku"], row["warehouse"]))
    _LEVELS.run(connection, rows)


def _if_newer(statement: Any) -> Insert:
    new = statement.excluded
    newer = (
        stock_levels.c.version.is_not(None) & new.version.is_not(None) & (new.version > stock_levels.c.version)
    ) | ((stock_levels.c.version.is_(None) | new.version.is_(None)) & (new.time > stock_levels.c.time))
    shaped: Insert = statement.on_conflict_do_update(
        index_elements=["account_id", "sku", "warehouse"],
        set_={name: new[name] for name in ("total", "allocated", "version", "time", "message_id")},
        where=newer,
    )
    return shaped


_LEVELS = BulkInsert(stock_levels, [each.name for each in stock_levels.columns], _if_newer)


def announce(connection: Connection, told: Sequence[tuple[Verdict, Channel]], now: int) -> None:
    """Put what the OMS must hear into the outbox, as complete events.

    Their positions must become visible in order, for readers go on after the last one they saw: on PostgreSQL one
    transaction at a time announces. It should be the last thing a transaction waits for.
    """
    rows = [
        _announcement(each, verdict, channel, now)
        for verdict, channel in told
        for each in verdict.effects.announcements
    ]
    if rows and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ANNOUNCING})")
    if rows:
        _OUTBOX.run(connection, rows)


_OUTBOX = BulkInsert(outbox, ("id", "account_id", "channel", "type", "routing_key", "body", "created_at", "order_key"))


def _announcement(told: Announcement, verdict: Verdict, channel: Channel, now: int) -> dict[str, Any]:
    event_id = new_id()
    envelope = Envelope(
        id=event_id,
        source=f"towpath/{channel.code}",
        type=told.type,
        subject=told.subject,
        time=from_micros(now),
        account=channel.account,
        channel=channel.code,
        correlationid=verdict.delivery.correlation_id or verdict.delivery.message_id,
        data=told.data,
    )
    return {
        "id": event_id,
        "account_id": channel.account_id,
        "channel": channel.code,
        "type": told.type,
        "routing_key": envelope.routing_key,
        "body": envelope.to_json(),
        "created_at": now,
        "order_key": told.subject if told.type == "order.imported" else None,
    }


def day_of(channel: Channel | None, now: int) -> int:
    """The day, in the channel's timezone, that calls are counted for."""
    timezone = channel.settings.timezone if channel is not None else "UTC"
    return CALENDAR.windows(from_micros(now), timezone).day.first


def count_calls(connection: Connection, settlements: Sequence[Settlement], now: int) -> None:
    """Add the calls that reached the shop to the channel's count of the day, by job type and cause."""
    made: Counter[tuple[str, int, str, str]] = Counter()
    for settlement in settlements:
        for verdict in settlement.verdicts:
            if verdict.calls:
                delivery = verdict.delivery
                day, cause = day_of(settlement.channel, now), cause_of(delivery.trigger, delivery.attempt)
                made[delivery.channel_id, day, delivery.job_type, cause] += sum(call.sent for call in verdict.calls)
    add_calls(connection, made)


def add_calls(connection: Connection, made: Mapping[tuple[str, int, str, str], int]) -> None:
    """Add to the counts of (channel id, day, job type, cause); negative counts are taken off."""
    names = ("channel_id", "day", "job_type", "cause")
    rows = [{**dict(zip(names, key, strict=True)), "calls": made[key]} for key in sorted(made) if made[key]]
    if rows:
        _CALLS.run(connection, rows)


def _adding(statement: Any) -> Insert:
    added: Insert = statement.on_conflict_do_update(
        index_elements=["channel_id", "day", "job_type", "cause"],
        set_={"calls": call_counts.c.calls + statement.excluded.calls},
    )
    return added


_CALLS = BulkInsert(call_counts, ("channel_id", "day", "job_type", "cause", "calls"), _adding)


def doubt(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """Forget what the shop confirmed of the stock that these deliveries may or may not have written.

    Otherwise a later level equal to the one confirmed before would be taken for needless and never sent.
    """
    for part in chunks(delivery_ids):
        kept = exists().where(location_stock.c.channel_id == deliveries.c.channel_id)
        query = select(
            deliveries.c.channel_id, deliveries.c.business_key, deliveries.c.coalesce_key, kept.label("at_locations")
        )
        doubted: dict[str, set[str]] = defaultdict(set)
        whole: set[str] = set()
        with_locations: set[str] = set()
        bulk = deliveries.c.id.in_(part), deliveries.c.coalesce_key.is_not(None)
        for channel_id, sku, key, at_locations in connection.execute(query.where(*bulk)):
            doubted[channel_id].add(sku)
            if at_locations:
                with_locations.add(channel_id)
            if key.startswith(TICK_PREFIX):
                whole.add(channel_id)
        for channel_id, skus in doubted.items():
            here = channel_stock.c.channel_id == channel_id
            named = select(mappings.c.channel_code).where(
                mappings.c.channel_id == channel_id, mappings.c.kind == "sku", mappings.c.oms_code.in_(skus)
            )
            touched = channel_stock.c.sku.in_(skus) | channel_stock.c.sku.in_(named)
            which = here if channel_id in whole else here & touched
            connection.execute(delete(channel_stock).where(which))
            if channel_id in with_locations:
                forget_locations(connection, channel_id, None if channel_id in whole else sorted(skus))
