"""Identity: an event is stored once, its copies are counted, and another event under its name is refused."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, Text, and_, update

from broker.ledger import Admission, Incoming
from domain.channels import Channel
from domain.envelope import Envelope, read_back
from domain.errors import IdentityConflict
from storage.bulk import BulkInsert, BulkUpdate, Fixed, Statement, as_json, columns_of, looked_up, rows_of
from storage.tables import messages


@dataclass(slots=True)
class Event:
    """An incoming event that passed its checks, with the row it becomes."""

    incoming: Incoming
    channels: tuple[Channel, ...]
    row: dict[str, Any]
    admission: Admission | None = None


def digest_of(body: bytes) -> bytes:
    """What tells bodies apart, 16 bytes."""
    return hashlib.blake2b(body, digest_size=16).digest()


def _meaning(envelope: Envelope) -> dict[str, Any]:
    """What is equal for copies of an event, however their JSON is spaced or ordered, and whenever they were sent."""
    return envelope.model_dump(mode="json", exclude={"time", "traceparent"}, exclude_none=True)


def encoded(events: Sequence[Event]) -> dict[str, Any]:
    """The messages of events as parameters of :data:`STORED`."""
    rows, bodies, at = [], [event.row["body"] for event in events], 1
    for event in events:
        size = len(event.row["body"])
        rows.append({**event.row, "body": None, "body_at": at, "body_size": size})
        at += size
    return {"messages": as_json(rows), "bodies": b"".join(bodies)}


def store_messages(connection: Connection, events: Sequence[Event], values: Mapping[str, Any]) -> None:
    """Insert what is new; mark copies as duplicates and conflicting copies as refused. ``values`` are the events
    :func:`encoded`.
    """
    if not events:
        return
    if connection.dialect.name == "postgresql":
        stored = connection.exec_driver_sql(STORED, dict(values)).scalars()
    else:
        stored = _MESSAGES.run(connection, [event.row for event in events]).scalars()
    mark_copies(connection, events, set(stored))


def mark_copies(connection: Connection, events: Sequence[Event], stored: Collection[str]) -> None:
    """Mark what is not among the ``stored`` messages as duplicate or, with another body, as refused."""
    copies = [event for event in events if event.row["id"] not in stored]
    if not copies:
        return
    earlier = _earlier(connection, copies)
    for event in copies:
        message_id, digest, body = earlier[event.row["account_id"], event.row["source"], event.row["event_id"]]
        if digest == event.row["digest"] or _meaning(read_back(body)) == _meaning(event.incoming.envelope):
            event.admission = Admission(message_id, duplicate=True)
            continue
        event.admission = Admission(
            message_id,
            error=IdentityConflict(
                f"Event {event.row['event_id']!r} of {event.row['source']!r} came before with another body "
                f"(message {message_id}). A changed event needs a new id."
            ),
        )
    counted = Counter(event.admission.message_id for event in copies if event.admission and event.admission.duplicate)
    _COPIES.run(connection, [{"b_id": message_id, "b_more": more} for message_id, more in sorted(counted.items())])


_MESSAGES = BulkInsert(
    messages,
    [each.name for each in messages.columns if each.name != "copies"],
    lambda statement: statement.on_conflict_do_nothing(index_elements=["account_id", "source", "event_id"]).returning(
        messages.c.id
    ),
)

_TOLD = {each.name: each.type for each in messages.columns if each.name not in ("copies", "digest", "body")}
STORED = f"""
    INSERT INTO messages ({", ".join(_TOLD)}, digest, body)
    SELECT {", ".join(_TOLD)}, decode(digest, 'hex'), substring(%(bodies)b::bytea FROM body_at FOR body_size)
    FROM json_to_recordset(CAST(%(messages)s AS json))
        AS given({columns_of(_TOLD)}, digest text, body_at integer, body_size integer)
    ON CONFLICT (account_id, source, event_id) DO NOTHING RETURNING id
"""  # noqa: S608 - made of our own table's columns
"""Stores messages that are new (PostgreSQL). Their bodies travel as they are, one behind the other: hexadecimal text in
JSON would take as long as all the rest.
"""


def _earlier(connection: Connection, copies: Sequence[Event]) -> dict[tuple[str, str, str], tuple[str, bytes, bytes]]:
    asked = [{name: event.row[name] for name in _IDENTITY} for event in copies]
    found = _EARLIER.run(connection, rows=as_json(asked))
    return {(row[0], row[1], row[2]): (row[3], bytes(row[4]), bytes(row[5])) for row in found}


def _stored_before(dialect: str) -> Statement:
    given = rows_of(dialect, _IDENTITY)
    same = and_(*(messages.c[name] == given.c[name] for name in _IDENTITY))
    columns = [messages.c[name] for name in (*_IDENTITY, "id", "digest", "body")]
    return looked_up(dialect, given, messages, same, columns)


_IDENTITY = {"account_id": Text(), "source": Text(), "event_id": Text()}
"""What tells events apart (CloudEvents 1.0)."""
_EARLIER = Fixed(_stored_before)
_COPIES = BulkUpdate(
    {"b_id": Text(), "b_more": Integer()},
    lambda value: (
        update(messages).where(messages.c.id == value("b_id")).values(copies=messages.c.copies + value("b_more"))
    ),
)
