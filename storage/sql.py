"""Small SQL pieces that read the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

T = TypeVar("T")
CHUNK = 400
"""Rows per statement: below the parameter limits of both databases for every table we have."""


def upsert(connection: Connection, table: Table) -> PostgresInsert | SqliteInsert:
    """An INSERT that knows ON CONFLICT, for the database at hand."""
    return postgres_insert(table) if connection.dialect.name == "postgresql" else sqlite_insert(table)


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """``items`` in pieces of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def locking(connection: Connection, query: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
    """Lock the rows of a query where the database has row locks; SQLite's one writer needs none."""
    return query.with_for_update(skip_locked=skip_locked) if connection.dialect.name == "postgresql" else query


def replace_all(connection: Connection, table: Table, rows: Iterable[dict[str, Any]], keys: Sequence[str]) -> None:
    """Insert rows, the new values winning over stored ones with the same key; all rows have the same columns."""
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    if ordered:
        statement = upsert(connection, table)
        changes = {column: statement.excluded[column] for column in ordered[0] if column not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changes), ordered)
