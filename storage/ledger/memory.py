"""What handlers look up about the past (see :class:`broker.ledger.Memory`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from broker.ledger import ParcelPast
from domain.channels import Channel
from domain.location_stock import LocationSku
from domain.mappings import SAME_SKUS, KnownCarriers, KnownSkus, Side, WarehouseMappings
from domain.moments import from_micros, to_micros
from domain.products import ProductSeen
from domain.stock import StockLevel
from storage.bulk import Fixed, Statement, as_json, looked_up, values_of
from storage.database import Database
from storage.gather import Gathered
from storage.ledger.location_records import known_at_locations
from storage.ledger.parcels import parcel_pasts
from storage.ledger.shop_records import product_documents, seen_products, sku_holders, skus_seen
from storage.mappings.carriers import known_carriers
from storage.mappings.sku_rows import known_skus, question_of
from storage.mappings.warehouse_rows import known_warehouses
from storage.sql import chunks
from storage.tables import channel_stock, cursors, deliveries, orders, shipments, stock_levels


class SqlMemory:
    """:class:`broker.ledger.Memory` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parcels = Gathered(database, parcel_pasts)
        self._skus = Gathered(database, known_skus)
        self._carriers: dict[str, tuple[int, KnownCarriers]] = {}
        self._warehouses: dict[str, tuple[int, WarehouseMappings]] = {}

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
            if skus is None:
                rows = connection.execute(select(*_LEVEL).where(stock_levels.c.account_id == account_id)).all()
            else:
                rows = list(_LEVELS.run(connection, values=as_json(skus), account=account_id))
            return [StockLevel(*row[:5], from_micros(row[5]), row[6]) for row in rows]

        return await self._database.aread(work)

    async def deliveries_of(self, channel_id: str, job_type: str, message_ids: Sequence[str]) -> Mapping[str, str]:
        """Message id to the id of its delivery for a job and a channel."""

        def work(connection: Connection) -> dict[str, str]:
            given = {"values": as_json(message_ids), "job": job_type, "channel": channel_id}
            return {message: delivery for message, delivery in _DELIVERIES.run(connection, **given)}

        return await self._database.aread(work)

    async def confirmed_stock(self, channel_id: str, skus: Sequence[str] | None) -> Mapping[str, int]:
        """SKU to the quantity the shop last confirmed."""

        def work(connection: Connection) -> dict[str, int]:
            if skus is None:
                query = select(*_QUANTITY).where(channel_stock.c.channel_id == channel_id)
                return {sku: quantity for sku, quantity in connection.execute(query)}
            return {sku: quantity for sku, quantity in _STOCK.run(connection, values=as_json(skus), channel=channel_id)}

        return await self._database.aread(work)

    async def location_stock(self, channel_id: str, skus: Sequence[str] | None) -> Mapping[LocationSku, int]:
        """Location and SKU to the quantity the shop last confirmed or showed there."""
        return await self._database.aread(lambda connection: known_at_locations(connection, channel_id, skus))

    async def products_seen(self, channel_id: str, external_ids: Sequence[str]) -> Mapping[str, ProductSeen]:
        """Which state of each product is recorded; unknown ones are left out."""
        return await self._database.aread(lambda connection: seen_products(connection, channel_id, external_ids))

    async def product_documents(self, channel_id: str, external_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The canonical document of each recorded product."""

        def work(connection: Connection) -> dict[str, Any]:
            parts = (product_documents(connection, channel_id, part) for part in chunks(external_ids))
            return {name: document for part in parts for name, document in part.items()}

        return await self._database.aread(work)

    async def sku_holders(self, channel_id: str, skus: Sequence[str]) -> Mapping[str, str]:
        """SKU to the shop's id of the product that has it."""
        return await self._database.aread(lambda connection: sku_holders(connection, channel_id, skus))

    async def skus_seen(self, channel_id: str, skus: Sequence[str], since: datetime) -> frozenset[str]:
        """Those of the SKUs that were seen in the shop, or written there as products, since then."""
        at = to_micros(since)
        return await self._database.aread(lambda connection: skus_seen(connection, channel_id, skus, at))

    async def cursor(self, channel_id: str, job_type: str) -> datetime | None:
        """Up to where the last successful import read."""
        query = select(cursors.c.until).where(cursors.c.channel_id == channel_id, cursors.c.job_type == job_type)
        found = await self._database.aread(lambda connection: connection.scalar(query))
        return from_micros(found) if found is not None else None

    async def carriers(self, channel: Channel) -> KnownCarriers:
        """The channel's carrier mappings, kept while nobody changes them."""
        known = self._carriers.get(channel.id)
        if known is not None and known[0] == channel.mapped_at:
            return known[1]
        found = await self._database.aread(lambda connection: known_carriers(connection, channel.id))
        self._carriers[channel.id] = channel.mapped_at, found
        return found

    async def warehouses(self, channel: Channel) -> WarehouseMappings:
        """The channel's warehouse mappings, kept while nobody changes them."""
        known = self._warehouses.get(channel.id)
        if known is not None and known[0] == channel.mapped_at:
            return known[1]
        found = await self._database.aread(lambda connection: known_warehouses(connection, channel.id))
        self._warehouses[channel.id] = channel.mapped_at, found
        return found

    async def skus(self, channel: Channel, side: Side, skus: Sequence[str] | None) -> KnownSkus:
        """What there is to know of SKUs of a side. Nothing is asked where all are the same on both sides."""
        if not (channel.sku_mapped or channel.catalogued):
            return SAME_SKUS
        return await self._skus(question_of(channel, side, skus))


def _levels(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (stock_levels.c.account_id == bindparam("account")) & (stock_levels.c.sku == given.c.value)
    return looked_up(dialect, given, stock_levels, mine, _LEVEL)


def _confirmed(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (channel_stock.c.channel_id == bindparam("channel")) & (channel_stock.c.sku == given.c.value)
    return looked_up(dialect, given, channel_stock, mine, _QUANTITY)


def _deliveries(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (deliveries.c.message_id == given.c.value) & (deliveries.c.job_type == bindparam("job"))
    mine &= deliveries.c.channel_id == bindparam("channel")
    return looked_up(dialect, given, deliveries, mine, (deliveries.c.message_id, deliveries.c.id))


_LEVEL = (
    stock_levels.c.sku, stock_levels.c.warehouse, stock_levels.c.total, stock_levels.c.allocated,
    stock_levels.c.version, stock_levels.c.time, stock_levels.c.message_id,
)  # fmt: skip
_QUANTITY = (channel_stock.c.sku, channel_stock.c.quantity)
_LEVELS, _STOCK, _DELIVERIES = Fixed(_levels), Fixed(_confirmed), Fixed(_deliveries)
