"""What handlers ask to be remembered, what the OMS must hear, and the count of calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from broker.ledger import Verdict
from domain.channels import Channel
from domain.envelope import Envelope
from domain.events import TICK_PREFIX
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.orders import OrderRecord
from domain.outcomes import Announcement, CursorMoved, Record
from domain.shipments import SentShipment
from domain.stock import ConfirmedStock, StockLevel
from storage.sql import chunks, replace_all, upsert
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

_ANNOUNCING = 7_203_517_002


def remember(connection: Connection, channel: Channel, records: Sequence[Record], now: int) -> None:
    """Write the records of one outcome; older states never overwrite newer ones."""
    for record in records:
        if isinstance(record, OrderRecord):
            _order(connection, channel, record, now)
        elif isinstance(record, CursorMoved):
            row = {"channel_id": channel.id, "job_type": record.job_type, "until": to_micros(record.until)}
            replace_all(connection, cursors, [row], ("channel_id", "job_type"))
    sent = [record for record in records if isinstance(record, SentShipment)]
    replace_all(
        connection,
        shipments,
        [
            {
                "channel_id": channel.id,
                "shipment_id": record.shipment_id,
                "external_order_id": record.external_order_id,
                "external_shipment_id": record.external_shipment_id,
                "recorded_at": now,
            }
            for record in sent
        ],
        ("channel_id", "shipment_id"),
    )
    confirmed = {record.sku: record.quantity for record in records if isinstance(record, ConfirmedStock)}
    replace_all(
        connection,
        channel_stock,
        [
            {"channel_id": channel.id, "sku": sku, "quantity": quantity, "confirmed_at": now}
            for sku, quantity in confirmed.items()
        ],
        ("channel_id", "sku"),
    )


def _order(connection: Connection, channel: Channel, record: OrderRecord, now: int) -> None:
    statement = upsert(connection, orders).values(
        channel_id=channel.id,
        external_order_id=record.external_order_id,
        account_id=channel.account_id,
        updated_at=to_micros(record.updated_at),
        status=record.status,
        document=record.document,
        recorded_at=now,
    )
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["channel_id", "external_order_id"],
            set_={
                "updated_at": new.updated_at,
                "status": new.status,
                "document": new.document,
                "recorded_at": new.recorded_at,
            },
            where=orders.c.updated_at <= new.updated_at,
        )
    )


def remember_levels(connection: Connection, levels: Sequence[tuple[str, StockLevel]]) -> None:
    """Store (account id, level) pairs behind their version fence: versions decide where both have one, else time does.

    This is done when the event is admitted, so that no failure of a later write to a shop makes a level forgotten.
    """
    if not levels:
        return
    statement = upsert(connection, stock_levels)
    new = statement.excluded
    newer = (
        stock_levels.c.version.is_not(None) & new.version.is_not(None) & (new.version > stock_levels.c.version)
    ) | ((stock_levels.c.version.is_(None) | new.version.is_(None)) & (new.time > stock_levels.c.time))
    rows = [
        {
            "account_id": account_id,
            "sku": level.sku,
            "warehouse": level.warehouse,
            "total": level.total,
            "allocated": level.allocated,
            "version": level.version,
            "time": to_micros(level.time),
        }
        for account_id, level in levels
    ]
    rows.sort(key=lambda row: (row["account_id"], row["sku"], row["warehouse"]))
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "sku", "warehouse"],
            set_={name: new[name] for name in ("total", "allocated", "version", "time")},
            where=newer,
        ),
        rows,
    )


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
    for row in rows:
        connection.execute(insert(outbox).values(**row))


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
    }


def count_calls(connection: Connection, verdicts: Sequence[Verdict], now: int) -> None:
    """Add the calls made to the channel's count of the day (UTC), by job type."""
    made: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        made[verdict.delivery.channel_id, verdict.delivery.job_type] += len(verdict.calls)
    statement = upsert(connection, call_counts)
    rows = [
        {"channel_id": channel_id, "day": now // 86_400_000_000, "job_type": job, "calls": calls}
        for (channel_id, job), calls in sorted(made.items())
        if calls
    ]
    if rows:
        added = statement.on_conflict_do_update(
            index_elements=["channel_id", "day", "job_type"],
            set_={"calls": call_counts.c.calls + statement.excluded.calls},
        )
        connection.execute(added, rows)


def doubt(connection: Connection, delivery_ids: Sequence[str]) -> None:
    """Forget what the shop confirmed of the stock that these deliveries may or may not have written.

    Otherwise a later level equal to the one confirmed before would be taken for needless and never sent.
    """
    for part in chunks(delivery_ids):
        query = select(deliveries.c.channel_id, deliveries.c.business_key, deliveries.c.coalesce_key)
        doubted: dict[str, set[str]] = defaultdict(set)
        whole: set[str] = set()
        bulk = deliveries.c.id.in_(part), deliveries.c.coalesce_key.is_not(None)
        for channel_id, sku, key in connection.execute(query.where(*bulk)):
            doubted[channel_id].add(sku)
            if key.startswith(TICK_PREFIX):
                whole.add(channel_id)
        for channel_id, skus in doubted.items():
            here = channel_stock.c.channel_id == channel_id
            which = here if channel_id in whole else here & channel_stock.c.sku.in_(skus)
            connection.execute(delete(channel_stock).where(which))
