"""Personal data that no recorded order leads to: events of orders that were never recorded or were erased before the
event came, and what could not become a message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from broker.privacy import Erased
from domain.channels import Channel
from domain.privacy import Threshold
from storage.capture_tables import call_captures
from storage.privacy.cursors import FIRST
from storage.privacy.places import EVENTS, erase_captures, erase_messages
from storage.sql import upsert
from storage.tables import accounts, channels, cursors, messages, orders, rejections

PAGE = 500
_NOTHING_LEFT = b"[erased]"
_DAY = 86_400_000_000
RETENTION = "pii_retention_days"
_LATE = f"{FIRST}late"
_COMMITTING = 60_000_000
"""Longer than it takes, in microseconds, until an event that was received can be seen by others."""


@dataclass(frozen=True, slots=True)
class Group:
    """The channels of an account that share a threshold of ``days``, by code; with ``others`` also what names no
    channel, or one that is gone.
    """

    account_id: str
    days: int
    codes: tuple[str, ...]
    others: bool


def groups_of(connection: Connection, channel: Channel, threshold: Threshold, gone: set[int]) -> list[Group]:
    """The group of a channel: what is looked through for it need not be looked through again for its neighbours.

    And one for each threshold that counts for ``gone`` channels alone, for which nothing runs.
    """
    query = select(channels.c.code, channels.c.settings, channels.c.deleted_at)
    codes, living = defaultdict(set), {threshold.days}
    for row in connection.execute(query.where(channels.c.account_id == channel.account_id)):
        days = row.settings.get(RETENTION)
        codes[days].add(row.code)
        if row.deleted_at is None:
            living.add(days)
    codes[threshold.days].add(channel.code)
    return [
        Group(channel.account_id, days, tuple(sorted(codes[days])), days == threshold.account_days)
        for days in (threshold.days, *sorted(gone - living))
        if days is not None
    ]


def deleted_channels(connection: Connection, account_id: str) -> list[tuple[str, str, int]]:
    """Id and code of channels that were deleted, each with the days of the threshold that counted then, if any."""
    query = select(channels.c.id, channels.c.code, channels.c.settings).where(
        channels.c.account_id == account_id, channels.c.deleted_at.is_not(None)
    )
    rows = connection.execute(query.order_by(channels.c.id)).all()
    return [(row.id, row.code, row.settings[RETENTION]) for row in rows if row.settings.get(RETENTION) is not None]


def erase_unrecorded(connection: Connection, group: Group, now: int) -> Erased:
    """Events older than the threshold whose order is not recorded, or is erased already."""
    name = f"{FIRST}{group.days}{'+' if group.others else ''}"
    rows = _page(connection, group, name, now - group.days * _DAY)
    known = _recorded(connection, group, rows, erased=False)
    strays = [row.id for row in rows if not _is_of(row, known)]
    return Erased(messages=_erase(connection, strays, now), more=len(rows) >= PAGE)


def erase_late(connection: Connection, group: Group, now: int) -> Erased:
    """Events that came in after the personal data of their order were erased."""
    name = f"{_LATE}/{group.days}"
    rows = _page(connection, group, name, now - _COMMITTING)
    known = _recorded(connection, group, rows, erased=True)
    late = [row.id for row in rows if _is_of(row, known)]
    return Erased(messages=_erase(connection, late, now), more=len(rows) >= PAGE)


def _page(connection: Connection, group: Group, name: str, before: int) -> Sequence[Any]:
    """The next events of the group that were received before an instant; the cursor goes on behind them.

    A batch is received in one instant: it is taken whole.
    """
    here = (cursors.c.channel_id == group.account_id) & (cursors.c.job_type == name)
    after = connection.scalar(select(cursors.c.until).where(here)) or 0
    mine: ColumnElement[bool] = messages.c.channel.in_(group.codes)
    if group.others:
        known = select(channels.c.code).where(channels.c.account_id == group.account_id)
        mine = or_(mine, messages.c.channel.is_(None), messages.c.channel.not_in(known))
    at = messages.c.received_at
    query = select(messages.c.id, messages.c.channel, messages.c.business_key, at).where(
        messages.c.account_id == group.account_id, messages.c.type.in_(EVENTS), mine
    )
    first = query.where(at >= after, at < before).order_by(at).limit(PAGE)
    rows = list(connection.execute(first))
    reached = before
    if len(rows) == PAGE:
        last = rows[-1].received_at
        rows = [row for row in rows if row.received_at < last] + list(connection.execute(query.where(at == last)))
        reached = last + 1
    statement = upsert(connection, cursors).values(channel_id=group.account_id, job_type=name, until=reached)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["channel_id", "job_type"], set_={"until": reached})
    )
    return rows


def _recorded(
    connection: Connection, group: Group, rows: Sequence[Any], *, erased: bool
) -> set[tuple[str | None, str]]:
    """(channel code, order number) of the orders these events are about that are recorded: those whose personal data
    are erased, or those of which they are not. With ``None`` for a channel, of any.
    """
    if not rows:
        return set()
    query = (
        select(channels.c.code, orders.c.external_order_id)
        .select_from(orders.outerjoin(channels, channels.c.id == orders.c.channel_id))
        .where(
            orders.c.account_id == group.account_id,
            orders.c.external_order_id.in_({row.business_key for row in rows}),
            orders.c.erased_at.is_not(None) if erased else orders.c.erased_at.is_(None),
        )
    )
    found = [(code, key) for code, key in connection.execute(query)]
    return {*found, *((None, key) for _, key in found)}


def _is_of(row: Any, known: set[tuple[str | None, str]]) -> bool:
    return (row.channel, row.business_key) in known


def _erase(connection: Connection, ids: Sequence[str], now: int) -> int:
    if not ids:
        return 0
    erase_captures(connection, call_captures.c.message_id.in_(ids))
    return erase_messages(connection, select(messages.c.id, messages.c.body).where(messages.c.id.in_(ids)), now)


def erase_old_captures(connection: Connection, group: Group, now: int) -> Erased:
    """What manual logging kept of the group's channels and is older than the threshold, whatever it is about."""
    query = select(channels.c.id).where(channels.c.account_id == group.account_id, channels.c.code.in_(group.codes))
    old = call_captures.c.channel_id.in_(query) & (call_captures.c.at < now - group.days * _DAY)
    return Erased(captures=erase_captures(connection, old))


def erase_rejections(connection: Connection, account: str, days: int, now: int) -> Erased:
    """Bodies and headers of what could not become a message and was last seen before the threshold.

    What it was about is not known. Where its routing key names another account, that one's threshold counts.
    """
    query = select(rejections.c.id, rejections.c.routing_key).where(
        rejections.c.last_seen_at < now - days * _DAY, rejections.c.body != _NOTHING_LEFT
    )
    others = set(connection.scalars(select(accounts.c.code).where(accounts.c.code != account)))
    found = [row.id for row in connection.execute(query) if _account_in(row.routing_key) not in others][:PAGE]
    if found:
        emptied = update(rejections).where(rejections.c.id.in_(found)).values(body=_NOTHING_LEFT, headers={})
        connection.execute(emptied)
    return Erased(rejections=len(found), more=len(found) == PAGE)


def _account_in(routing_key: str) -> str:
    """The account in ``<type>.<account>.<channel or all>``."""
    return routing_key.split(".")[-2] if routing_key.count(".") else ""
