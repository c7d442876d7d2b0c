"""Where the personal data of an order lie: one function for each place, all of them in :data:`PLACES`.

A place is asked in the transaction that erases the order itself. A new table that may hold personal data of an order
gets a function here; nothing else needs to know of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, exists, or_, select, update

from broker.privacy import Erased
from domain.channels import Channel
from domain.moments import from_micros
from domain.privacy import ERASED, erased_event, without_values
from storage.capture_tables import call_captures
from storage.sql import locking
from storage.tables import deliveries, messages, outbox, sync_log

EVENTS = ("order.created", "order.updated", "order.cancelled", "order.status_changed")
"""Types of events that may hold personal data; those of shipments, stock and products have no place for any."""
UNSENT = "Its personal data were erased before the OMS had taken it; it was not sent."
REASON = "Discarded. The reason was erased with the personal data of the order."


@dataclass(frozen=True, slots=True)
class Due:
    """Orders of a channel whose personal data are to be erased now, each with what its document tells of its buyer."""

    channel: Channel
    orders: Mapping[str, set[str]]
    now: int

    @property
    def keys(self) -> list[str]:
        """The order numbers."""
        return sorted(self.orders)


def in_messages(connection: Connection, due: Due) -> Erased:
    """Events as they came in. One that names no channel is this channel's where it has a delivery for it."""
    mine = exists().where(deliveries.c.message_id == messages.c.id, deliveries.c.channel_id == due.channel.id)
    query = select(messages.c.id, messages.c.body).where(
        messages.c.account_id == due.channel.account_id,
        messages.c.business_key.in_(due.keys),
        messages.c.type.in_(EVENTS),
        or_(messages.c.channel == due.channel.code, messages.c.channel.is_(None) & mine),
    )
    return Erased(messages=erase_messages(connection, query, due.now))


def erase_messages(connection: Connection, query: Select[Any], now: int) -> int:
    """Erase the personal data of messages, given their ids and bodies; of how many."""
    changed = 0
    for row in connection.execute(locking(connection, query.order_by(messages.c.id))).all():
        erased = erased_event(bytes(row.body), from_micros(now))
        if erased is not None:
            connection.execute(update(messages).where(messages.c.id == row.id).values(body=erased))
            changed += 1
    return changed


def in_announcements(connection: Connection, due: Due) -> Erased:
    """What the OMS was told. What it was not told yet stays untold: an empty name would overwrite the true one."""
    query = select(outbox.c.seq, outbox.c.body, outbox.c.sent_at).where(
        outbox.c.account_id == due.channel.account_id,
        outbox.c.order_key.in_(due.keys),
        outbox.c.channel == due.channel.code,
    )
    changed = 0
    for row in connection.execute(locking(connection, query.order_by(outbox.c.seq))).all():
        erased = erased_event(bytes(row.body), from_micros(due.now))
        if erased is None:
            continue
        untold = {"sent_at": due.now, "failure": UNSENT} if row.sent_at is None else {}
        connection.execute(update(outbox).where(outbox.c.seq == row.seq).values(body=erased, **untold))
        changed += 1
    return Erased(announcements=changed)


def in_sentences(connection: Connection, due: Due) -> Erased:
    """Sentences of deliveries and of the sync log, if one should quote the order; and what people gave as reasons."""
    reasons = (
        update(deliveries)
        .where(*_of(deliveries, due), deliveries.c.state == "discarded", deliveries.c.sentence != REASON)
        .values(sentence=REASON)
    )
    changed = connection.execute(reasons).rowcount
    for table in (deliveries, sync_log):
        query = select(table.c.id, table.c.business_key, table.c.sentence).where(*_of(table, due))
        changed += _clean(connection, table, connection.execute(query.order_by(table.c.id)).all(), due)
    return Erased(sentences=changed)


def _of(table: Table, due: Due) -> tuple[Any, ...]:
    return (
        table.c.account_id == due.channel.account_id,
        table.c.business_key.in_(due.keys),
        table.c.channel_id == due.channel.id,
    )


def _clean(connection: Connection, table: Table, rows: Sequence[Any], due: Due) -> int:
    changed = 0
    for row in rows:
        cleaned = without_values(row.sentence, due.orders[row.business_key])
        if cleaned != row.sentence:
            connection.execute(update(table).where(table.c.id == row.id).values(sentence=cleaned))
            changed += 1
    return changed


def in_captures(connection: Connection, due: Due) -> Erased:
    """Requests and responses that manual logging kept: those that name an order, those of a message about one, and
    those that name none, such as a page of a list, in which its number stands.
    """
    mine = call_captures.c.channel_id == due.channel.id
    about = messages.c.id == call_captures.c.message_id
    told = exists().where(about, messages.c.business_key.in_(due.keys), messages.c.type.in_(EVENTS))
    changed = erase_captures(connection, mine & (call_captures.c.business_key.in_(due.keys) | told))
    texts = (call_captures.c.request, call_captures.c.response)
    held = or_(*(text.contains(key, autoescape=True) for text in texts for key in due.keys))
    query = select(call_captures.c.id, *texts).where(mine, ~call_captures.c.about.startswith("order "), held)
    numbers = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, due.keys))})(?![\w-])", re.IGNORECASE)
    lists = [row.id for row in connection.execute(query) if numbers.search(f"{row.request} {row.response}")]
    return Erased(captures=changed + erase_captures(connection, call_captures.c.id.in_(lists)))


def erase_captures(connection: Connection, which: ColumnElement[bool]) -> int:
    """Erase what was asked and answered; how often. That a call was made, and what of, stays."""
    kept = or_(call_captures.c.request != ERASED, call_captures.c.response != ERASED)
    return connection.execute(update(call_captures).where(which, kept).values(request=ERASED, response=ERASED)).rowcount


PLACES: tuple[Callable[[Connection, Due], Erased], ...] = (in_messages, in_announcements, in_sentences, in_captures)
"""All places beside the order itself."""
