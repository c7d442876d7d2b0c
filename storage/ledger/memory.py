"""What handlers look up about the past (see :class:`broker.ledger.Memory`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, select

from broker.ledger import ParcelPast
from domain.channels import Channel
from domain.moments import from_micros
from domain.stock import StockLevel
from storage.bulk import Fixed, Statement, as_json, rows_of
from storage.database import Database
from storage.gather import Gathered
from storage.sql import chunks
from storage.tables import channel_stock, cursors, deliveries, orders, shipments, stock_levels


class SqlMemory:
    """:class:`broker.ledger.Memory` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parcels = Gathered(database, _parcels)

    async def order_seen(self, channel_id: str, external_order_id: str) -> datetime | None:
        """``updated_at`` of the newest recorded state of an order."""
        return (await self.orders_seen(channel_id, [external_order_id])).get(external_order_id)

    async def orders_seen(self, channel_id: str, external_order_ids: Sequence[str]) -> Mapping[str, datetime]:
        """``updated_at`` by order id; unknown orders are left out."""

        def work(connection: Connection) -> dict[str, datetime]:
            found: dict[str, datetime] = {}
            for part in chunks(external_order_ids):
                query = select(orders.c.external_order_id, orders.c.updated_at)
                query = query.where(orders.c.channel_id == channel_id, orders.c.external_order_id.in_(part))
                found.update({order: from_micros(at) for order, at in connection.execute(query)})
            return found

        return await self._database.aread(work)

    async def order_document(self, channel_id: str, external_order_id: str) -> Mapping[str, Any] | None:
        """The canonical document of a recorded order."""
        query = select(orders.c.document).where(
            orders.c.channel_id == channel_id, orders.c.external_order_id == external_order_id
        )
        return await self._database.aread(lambda connection: connection.scalar(query))

    async def parcel_past(self, channel: Channel, shipment_id: str, external_order_id: str) -> ParcelPast:
        """What is known of a parcel."""
        return await self._parcels((channel.account_id, channel.id, shipment_id, external_order_id))

    async def sent_shipments(self, channel_id: str, external_order_id: str) -> Mapping[str, str]:
        """Shop shipment id to our shipment id, of one order."""
        query = select(shipments.c.external_shipment_id, shipments.c.shipment_id).where(
            shipments.c.channel_id == channel_id, shipments.c.external_order_id == external_order_id
        )
        return await self._database.aread(
            lambda connection: {theirs: ours for theirs, ours in connection.execute(query)}
        )

    async def stock_levels(self, account_id: str, skus: Sequence[str] | None) -> Sequence[StockLevel]:
        """The last known levels in all warehouses."""

        def work(connection: Connection) -> list[StockLevel]:
            query = select(stock_levels).where(stock_levels.c.account_id == account_id)
            parts = [None] if skus is None else list(chunks(skus))
            found = []
            for part in parts:
                wanted = query if part is None else query.where(stock_levels.c.sku.in_(part))
                found += [
                    StockLevel(
                        row.sku,
                        row.warehouse,
                        row.total,
                        row.allocated,
                        row.version,
                        from_micros(row.time),
                        row.message_id,
                    )
                    for row in connection.execute(wanted)
                ]
            return found

        return await self._database.aread(work)

    async def deliveries_of(self, channel_id: str, job_type: str, message_ids: Sequence[str]) -> Mapping[str, str]:
        """Message id to the id of its delivery for a job and a channel."""

        def work(connection: Connection) -> dict[str, str]:
            found: dict[str, str] = {}
            for part in chunks(message_ids):
                query = select(deliveries.c.message_id, deliveries.c.id).where(
                    deliveries.c.message_id.in_(part),
                    deliveries.c.job_type == job_type,
                    deliveries.c.channel_id == channel_id,
                )
                found.update({message: delivery for message, delivery in connection.execute(query)})
            return found

        return await self._database.aread(work)

    async def confirmed_stock(self, channel_id: str, skus: Sequence[str] | None) -> Mapping[str, int]:
        """SKU to the quantity the shop last confirmed."""

        def work(connection: Connection) -> dict[str, int]:
            query = select(channel_stock.c.sku, channel_stock.c.quantity).where(
                channel_stock.c.channel_id == channel_id
            )
            found: dict[str, int] = {}
            for part in [None] if skus is None else list(chunks(skus)):
                wanted = query if part is None else query.where(channel_stock.c.sku.in_(part))
                found.update({sku: quantity for sku, quantity in connection.execute(wanted)})
            return found

        return await self._database.aread(work)

    async def cursor(self, channel_id: str, job_type: str) -> datetime | None:
        """Up to where the last successful import read."""
        query = select(cursors.c.until).where(cursors.c.channel_id == channel_id, cursors.c.job_type == job_type)
        found = await self._database.aread(lambda connection: connection.scalar(query))
        return from_micros(found) if found is not None else None


_Parcel = tuple[str, str, str, str]
_PARCEL = {"account_id": Text(), "channel_id": Text(), "shipment_id": Text(), "order_id": Text()}


def _parcels(connection: Connection, asked: Sequence[_Parcel]) -> dict[_Parcel, ParcelPast]:
    rows = as_json([dict(zip(_PARCEL, parcel, strict=True)) for parcel in asked])
    return {
        (row[0], row[1], row[2], row[3]): ParcelPast(row[4], bool(row[5]))
        for row in _PARCELS.run(connection, rows=rows)
    }


def _past(dialect: str) -> Statement:
    given = rows_of(dialect, _PARCEL)
    mine = (shipments.c.channel_id == given.c.channel_id) & (shipments.c.shipment_id == given.c.shipment_id)
    # Limits, so that PostgreSQL looks up row by row: while it knows little of a table, it would rather read all of it.
    sent_as = select(shipments.c.external_shipment_id).where(mine).limit(1).correlate(given).scalar_subquery()
    doubted = (
        select(deliveries.c.id)
        .where(
            deliveries.c.account_id == given.c.account_id,
            deliveries.c.business_key == given.c.order_id,
            deliveries.c.channel_id == given.c.channel_id,
            deliveries.c.job_type == "shipment_export",
            deliveries.c.state.in_(("unknown", "dead", "discarded")),
            deliveries.c.unsure,
        )
        .limit(1)
        .correlate(given)
        .scalar_subquery()
    )
    columns = [given.c[name] for name in _PARCEL]
    return select(*columns, sent_as, doubted.is_not(None)).select_from(given)


_PARCELS = Fixed(_past)
