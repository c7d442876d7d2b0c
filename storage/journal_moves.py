"""Statements that move journal entries; each is part of a transaction of the caller."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from broker.transports.journal_store import Claimed, JournalEntry
from broker.transports.routing import Router, death_headers
from storage.journal_tables import journal_active, journal_entries, journal_takers

ENTRIES = journal_entries


def row_of(entry: JournalEntry) -> dict[str, Any]:
    """The column values of a new entry."""
    return {
        "queue": entry.queue,
        "exchange": entry.exchange,
        "routing_key": entry.routing_key,
        "message_id": entry.message_id,
        "content_type": entry.content_type,
        "headers": entry.headers,
        "body": entry.body,
    }


def claimed_of(row: Row[Any]) -> Claimed:
    """A claimed entry from its row as it was before the claim."""
    entry = JournalEntry(
        queue=row.queue,
        exchange=row.exchange,
        routing_key=row.routing_key,
        body=bytes(row.body),
        message_id=row.message_id,
        content_type=row.content_type,
        headers=row.headers,
    )
    return Claimed(entry, row.position, row.deliveries + 1)


def give_back(connection: Connection, *which: ColumnElement[bool]) -> set[str]:
    """Make entries ready again in their places; the queues they are in."""
    return set(connection.scalars(update(ENTRIES).where(*which).values(taker=None).returning(ENTRIES.c.queue)))


def bury(connection: Connection, router: Router, reason: str, *which: ColumnElement[bool]) -> set[str]:
    """Move entries to where the dead letter exchange of their queue leads; the queues they are in now."""
    rows = connection.execute(delete(ENTRIES).where(*which).returning(*ENTRIES.c)).all()
    dead: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row.position):
        entry = claimed_of(row).entry
        exchange = router.dead_letter(entry.queue)
        headers = death_headers(json.loads(entry.headers), entry.queue, entry.exchange, reason)
        for queue in router.targets(exchange, entry.routing_key):
            dead.append({**row_of(entry), "queue": queue, "exchange": exchange, "headers": json.dumps(headers)})
    if dead:
        connection.execute(insert(ENTRIES), dead)
    return {row["queue"] for row in dead}


def is_active(connection: Connection, queue: str, taker: str) -> bool:
    """Whether the taker is the active one of a single-active queue; it becomes that when the last one is
    forgotten.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    holder_lives = exists(select(journal_takers.c.id).where(journal_takers.c.id == journal_active.c.taker))
    statement = dialect.insert(journal_active).values(queue=queue, taker=taker)
    statement = statement.on_conflict_do_update(
        index_elements=[journal_active.c.queue],
        set_={"taker": taker},
        where=(journal_active.c.taker == taker) | ~holder_lives,
    )
    return connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1
