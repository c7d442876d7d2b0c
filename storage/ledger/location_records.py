"""What is remembered of stock at locations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, bindparam, delete, select

from domain.channels import Channel
from domain.location_stock import LocationSku, LocationStock
from domain.moments import to_micros
from storage.bulk import BulkInsert, Fixed, Statement, as_json, looked_up, values_of
from storage.location_tables import location_stock
from storage.mapping_tables import mappings
from storage.sql import chunks

Row = dict[str, Any]
_KEYS = ("channel_id", "sku", "location")


def remember_locations(connection: Connection, told: Iterable[tuple[Channel, LocationStock]], now: int) -> None:
    """Write what shops confirmed, and what they showed where nothing was confirmed since."""
    confirmed: dict[tuple[str, ...], Row] = {}
    seen: dict[tuple[str, ...], Row] = {}
    for channel, record in told:
        at = now if record.seen_at is None else to_micros(record.seen_at)
        row = {
            "channel_id": channel.id,
            "sku": record.sku,
            "location": record.location,
            "quantity": record.quantity,
            "confirmed_at": at,
        }
        (confirmed if record.seen_at is None else seen)[channel.id, record.sku, record.location] = row
    for statement, rows in ((_CONFIRMED, confirmed), (_SEEN, seen)):
        if rows:
            # By key, so that transactions lock in one order.
            statement.run(connection, [rows[key] for key in sorted(rows)])


def _replacing(*, fenced: bool) -> BulkInsert:
    def shape(statement: Any) -> Insert:
        new = statement.excluded
        changes = {name: new[name] for name in ("quantity", "confirmed_at")}
        where = location_stock.c.confirmed_at <= new.confirmed_at if fenced else None
        shaped: Insert = statement.on_conflict_do_update(index_elements=list(_KEYS), set_=changes, where=where)
        return shaped

    return BulkInsert(location_stock, [each.name for each in location_stock.columns], shape)


_CONFIRMED, _SEEN = _replacing(fenced=False), _replacing(fenced=True)


def known_at_locations(connection: Connection, channel_id: str, skus: Sequence[str] | None) -> dict[LocationSku, int]:
    """The quantity that a shop confirmed or showed last, by location and SKU."""
    if skus is None:
        found = connection.execute(select(*_QUANTITY).where(location_stock.c.channel_id == channel_id))
    else:
        found = _STOCK.run(connection, values=as_json(skus), channel=channel_id)
    return {LocationSku(location, sku): quantity for location, sku, quantity in found}


def _stock(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (location_stock.c.channel_id == bindparam("channel")) & (location_stock.c.sku == given.c.value)
    return looked_up(dialect, given, location_stock, mine, _QUANTITY)


_QUANTITY = (location_stock.c.location, location_stock.c.sku, location_stock.c.quantity)
_STOCK = Fixed(_stock)


def forget_locations(connection: Connection, channel_id: str, skus: Sequence[str] | None) -> None:
    """Forget what is known of these SKUs of the OMS, of all where ``skus`` is ``None``, at all locations."""
    mine = location_stock.c.channel_id == channel_id
    if skus is None:
        connection.execute(delete(location_stock).where(mine))
        return
    named = select(mappings.c.channel_code).where(mappings.c.channel_id == channel_id, mappings.c.kind == "sku")
    for part in chunks(skus):
        touched = location_stock.c.sku.in_(part) | location_stock.c.sku.in_(named.where(mappings.c.oms_code.in_(part)))
        connection.execute(delete(location_stock).where(mine & touched))
