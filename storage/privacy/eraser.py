"""Erasing in bounded transactions: first recorded orders with all that belongs to them, then what no order leads to.

Each transaction leaves nothing half done, so a run that is killed is simply begun again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from broker.privacy import Erased
from domain.channels import Channel
from domain.moments import Clock, to_micros, utc_now
from domain.privacy import Threshold, personal_values, without_person
from storage.database import Database
from storage.privacy.places import PLACES, Due
from storage.privacy.strays import (
    Group,
    deleted_channels,
    erase_late,
    erase_old_captures,
    erase_rejections,
    erase_unrecorded,
    groups_of,
)
from storage.privacy.traces import wipe
from storage.sql import locking
from storage.tables import accounts, orders, shipments

ORDERS = 100
"""Orders of one transaction."""
_DAY = 86_400_000_000


class SqlEraser:
    """:class:`broker.privacy.Eraser` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def threshold(self, channel: Channel) -> Threshold:
        """What counts for a channel, and for its account."""
        query = select(accounts.c.pii_retention_days).where(accounts.c.id == channel.account_id)
        days = await self._database.aread(lambda connection: connection.scalar(query))
        return Threshold(channel.settings.pii_retention_days, days)

    async def erase(self, channel: Channel, threshold: Threshold) -> Erased:
        """Erase a bounded part of what is due, in one transaction."""
        now = to_micros(self._clock())
        return await self._database.awrite(lambda connection: erase(connection, channel, threshold, now))

    async def wipe(self) -> bool:
        """Overwrite what the database file still has of what was erased."""
        return await wipe(self._database)


def erase(connection: Connection, channel: Channel, threshold: Threshold, now: int) -> Erased:
    """One step of the erasing for a channel; nothing where no threshold counts for it."""
    if threshold.days is None:
        return Erased()
    gone = deleted_channels(connection, channel.account_id)
    others = [(replace(channel, id=made, code=code), days) for made, code, days in gone]
    for each, days in ((channel, threshold.days), *others):
        done = erase_orders(connection, each, days, now)
        if done != Erased():
            return replace(done, more=True)
    groups = groups_of(connection, channel, threshold, {days for *_, days in gone})
    done = erase_strays(connection, groups, now)
    if not done.more:
        done += erase_rejections(connection, channel.account, threshold.days, now)
    return done


def erase_strays(connection: Connection, groups: Sequence[Group], now: int) -> Erased:
    """Erase what no order leads to, group by group, until a page was full."""
    done = Erased()
    for group in groups:
        for part in (erase_unrecorded, erase_late, erase_old_captures):
            if not done.more:
                done += part(connection, group, now)
    return done


def erase_orders(connection: Connection, channel: Channel, days: int, now: int) -> Erased:
    """Erase up to :data:`ORDERS` orders that were shipped or cancelled, else placed, before the threshold."""
    before = now - days * _DAY
    query = select(orders.c.external_order_id, orders.c.document, orders.c.closed_at).where(
        orders.c.channel_id == channel.id,
        orders.c.erased_at.is_(None),
        orders.c.created_at < before,
        func.coalesce(orders.c.closed_at, orders.c.created_at) < before,
    )
    query = query.order_by(orders.c.created_at, orders.c.external_order_id).limit(ORDERS)
    found = connection.execute(locking(connection, query, skip_locked=True)).all()
    shipped = _shipped(connection, channel, [row.external_order_id for row in found if row.closed_at is None])
    for order, at in sorted(shipped.items()):
        connection.execute(update(orders).where(*_order(channel, order)).values(closed_at=at))
    due = [row for row in found if shipped.get(row.external_order_id, 0) < before]
    erased = _erase_all(connection, channel, due, now)
    return replace(erased, more=bool(found))


def _shipped(connection: Connection, channel: Channel, order_ids: Sequence[str]) -> dict[str, int]:
    """When we last shipped each of these orders, which the shop may not have told us since."""
    if not order_ids:
        return {}
    query = (
        select(shipments.c.external_order_id, func.max(shipments.c.recorded_at))
        .where(shipments.c.channel_id == channel.id, shipments.c.external_order_id.in_(order_ids))
        .group_by(shipments.c.external_order_id)
    )
    return {order: at for order, at in connection.execute(query)}


def _erase_all(connection: Connection, channel: Channel, rows: Sequence[Row[Any]], now: int) -> Erased:
    if not rows:
        return Erased()
    due = Due(channel, {row.external_order_id: personal_values(row.document) for row in rows}, now)
    done = Erased(orders=len(rows))
    for place in PLACES:
        done += place(connection, due)
    for row in rows:
        values = {"document": without_person(row.document), "erased_at": now}
        connection.execute(update(orders).where(*_order(channel, row.external_order_id)).values(**values))
    return done


def _order(channel: Channel, order_id: str) -> tuple[Any, ...]:
    return orders.c.channel_id == channel.id, orders.c.external_order_id == order_id
