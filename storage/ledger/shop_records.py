"""What is remembered of a shop's products, and of the stock it showed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table, Text, bindparam, delete, select

from domain.channels import Channel
from domain.location_stock import LocationStock
from domain.moments import from_micros, to_micros
from domain.outcomes import Record
from domain.products import ProductLink, ProductRecord, ProductSeen
from domain.stock import SeenStock
from storage.bulk import BulkInsert, BulkUpdate, Fixed, Statement, as_json, looked_up, values_of
from storage.ledger.location_records import remember_locations
from storage.product_tables import product_skus, products
from storage.tables import channel_stock

OF_THE_SHOP = (ProductRecord, ProductLink, SeenStock, LocationStock)
"""The kinds of records that are written here."""

Row = dict[str, Any]


def remember_shop(connection: Connection, told: Iterable[tuple[Channel, Record]], now: int) -> None:
    """Write the records of the kinds in :data:`OF_THE_SHOP`; older states never overwrite newer ones."""
    documents: dict[tuple[str, str], Row] = {}
    skus: dict[tuple[str, str], Row] = {}
    stock: dict[tuple[str, str], Row] = {}
    at_locations: list[tuple[Channel, LocationStock]] = []
    for channel, record in told:
        if isinstance(record, SeenStock):
            stock[channel.id, record.sku] = _stock_row(channel, record)
            continue
        if isinstance(record, LocationStock):
            at_locations.append((channel, record))
            continue
        if isinstance(record, ProductRecord):
            documents[channel.id, record.external_id] = _product_row(channel, record)
        if isinstance(record, ProductRecord | ProductLink):
            skus |= _sku_rows(channel, record, now)
    if documents:
        _PRODUCTS.run(connection, _in_order(documents))
        _FORGET.run(connection, [{"b_channel": channel, "b_product": name} for channel, name in sorted(documents)])
    if skus:
        _SKUS.run(connection, _in_order(skus))
    if stock:
        _STOCK.run(connection, _in_order(stock))
    if at_locations:
        remember_locations(connection, at_locations, now)


def _in_order(rows: dict[tuple[str, str], Row]) -> list[Row]:
    """By key, so that transactions lock in one order."""
    return [rows[key] for key in sorted(rows)]


def _product_row(channel: Channel, record: ProductRecord) -> Row:
    return {
        "channel_id": channel.id,
        "external_id": record.external_id,
        "document": record.document,
        "updated_at": to_micros(record.updated_at),
        "recorded_at": to_micros(record.read_at),
    }


def _sku_rows(channel: Channel, record: ProductRecord | ProductLink, now: int) -> dict[tuple[str, str], Row]:
    row = {"channel_id": channel.id, "external_id": record.external_id, "seen_at": now}
    return {(channel.id, sku): {**row, "sku": sku} for sku in record.skus}


def _stock_row(channel: Channel, record: SeenStock) -> Row:
    return {
        "channel_id": channel.id,
        "sku": record.sku,
        "quantity": record.quantity,
        "confirmed_at": to_micros(record.seen_at),
    }


def _newer(table: Table, keys: Sequence[str], age: str | None) -> BulkInsert:
    """Insert; the new values win over stored ones with the same key, unless these are newer by ``age``."""
    names = [each.name for each in table.columns]

    def shape(statement: Any) -> Insert:
        new = statement.excluded
        changes = {name: new[name] for name in names if name not in keys}
        where = None if age is None else table.c[age] <= new[age]
        shaped: Insert = statement.on_conflict_do_update(index_elements=list(keys), set_=changes, where=where)
        return shaped

    return BulkInsert(table, names, shape)


_PRODUCTS = _newer(products, ("channel_id", "external_id"), "updated_at")
_SKUS = _newer(product_skus, ("channel_id", "sku"), None)
_STOCK = _newer(channel_stock, ("channel_id", "sku"), "confirmed_at")
_FORGET = BulkUpdate(
    {"b_channel": Text(), "b_product": Text()},
    lambda value: delete(product_skus).where(
        product_skus.c.channel_id == value("b_channel"), product_skus.c.external_id == value("b_product")
    ),
)


def seen_products(connection: Connection, channel_id: str, external_ids: Sequence[str]) -> dict[str, ProductSeen]:
    """Which state of each product is recorded; unknown ones are left out."""
    found = _SEEN.run(connection, values=as_json(external_ids), channel=channel_id)
    return {name: ProductSeen(from_micros(at), from_micros(read)) for name, at, read in found}


def product_documents(connection: Connection, channel_id: str, external_ids: Sequence[str]) -> dict[str, Any]:
    """The canonical document of each recorded product; those of which nothing could be imported are left out."""
    query = select(products.c.external_id, products.c.document)
    query = query.where(products.c.channel_id == channel_id, products.c.external_id.in_(external_ids))
    return {name: document for name, document in connection.execute(query) if document}


def sku_holders(connection: Connection, channel_id: str, skus: Sequence[str]) -> dict[str, str]:
    """SKU to the product that has it."""
    return {sku: name for sku, name, _ in _HOLDERS.run(connection, values=as_json(skus), channel=channel_id)}


def skus_seen(connection: Connection, channel_id: str, skus: Sequence[str], since: int) -> frozenset[str]:
    """Those of the SKUs that were seen in the shop since then."""
    found = _HOLDERS.run(connection, values=as_json(skus), channel=channel_id)
    return frozenset(sku for sku, _, at in found if at >= since)


def _seen(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (products.c.channel_id == bindparam("channel")) & (products.c.external_id == given.c.value)
    return looked_up(
        dialect, given, products, mine, (products.c.external_id, products.c.updated_at, products.c.recorded_at)
    )


def _holders(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (product_skus.c.channel_id == bindparam("channel")) & (product_skus.c.sku == given.c.value)
    columns = (product_skus.c.sku, product_skus.c.external_id, product_skus.c.seen_at)
    return looked_up(dialect, given, product_skus, mine, columns)


_SEEN, _HOLDERS = Fixed(_seen), Fixed(_holders)
