"""Mappings on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import Connection

from broker.operations.mappings import Imported, MappingTask, Released
from domain.mappings import ImportMode, MappingKind, MappingRow, write_sheet
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.desk.codes import channel_id, place_of
from storage.directory import Directory
from storage.mappings import book, ignoring, overview
from storage.people.audit import Change, append

T = TypeVar("T")


class SqlMappings:
    """:class:`broker.operations.mappings.Mappings` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, directory: Directory, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock

    async def _change(self, work: Callable[[Connection, int], T]) -> T:
        now = to_micros(self._clock())
        try:
            return await self._database.awrite(lambda connection: work(connection, now))
        finally:
            self._directory.forget()

    async def rows(self, account: str, channel: str, kind: MappingKind) -> Sequence[MappingRow]:
        """All mappings of a kind."""
        return await self._database.aanswer(
            lambda connection: book.rows_of(connection, channel_id(connection, account, channel), kind)
        )

    async def search(
        self, account: str, channel: str, kind: MappingKind, words: str = "", limit: int = 50
    ) -> tuple[Sequence[MappingRow], int]:
        """Mappings in which either code has these words, and how many there are."""
        return await self._database.aanswer(
            lambda connection: book.search(connection, channel_id(connection, account, channel), kind, words, limit)
        )

    async def save(self, account: str, channel: str, row: MappingRow, actor: str) -> Released:
        """Save a mapping."""

        def work(connection: Connection, now: int) -> Released:
            released = book.save(connection, channel_id(connection, account, channel), row, actor, now)
            _note(connection, "mapping.saved", (account, channel), actor, asdict(row), now)
            return Released(released)

        return await self._change(work)

    async def remove(self, account: str, channel: str, kind: MappingKind, code: str, actor: str) -> None:
        """Take a mapping away."""

        def work(connection: Connection, now: int) -> None:
            book.remove(connection, channel_id(connection, account, channel), kind, code, actor, now)
            _note(connection, "mapping.removed", (account, channel), actor, {"kind": str(kind), "code": code}, now)

        await self._change(work)

    async def export_sheet(self, account: str, channel: str, kind: MappingKind) -> str:
        """All mappings of a kind as CSV."""
        return write_sheet(kind, await self.rows(account, channel, kind))

    async def import_sheet(
        self, account: str, channel: str, kind: MappingKind, text: bytes, mode: ImportMode, actor: str, *, dry: bool
    ) -> Imported:
        """Import a CSV file."""

        def work(connection: Connection, now: int) -> Imported:
            where = channel_id(connection, account, channel)
            plan, sheet, released = book.apply_sheet(connection, where, kind, text, (mode, dry), actor, now)
            if not (dry or plan.refused):
                counts = {name: len(getattr(plan, name)) for name in ("added", "changed", "removed")}
                detail = {"kind": str(kind), "mode": str(mode), **counts}
                _note(connection, "mapping.imported", (account, channel), actor, detail, now)
            return Imported(plan, sheet, released)

        return await self._change(work)

    async def tasks(self, account: str | None, channel: str | None = None) -> Sequence[MappingTask]:
        """The open tasks."""
        return await self._database.aanswer(lambda connection: overview.task_rows(connection, account, channel))

    async def suggestions(self, task_id: str) -> Sequence[str]:
        """Known codes near the missing one."""
        return await self._database.aanswer(lambda connection: overview.suggestions(connection, task_id))

    async def ignore(self, task_id: str, actor: str) -> Released:
        """Close a task with "ignore"."""
        return await self._change(lambda connection, now: Released(ignoring.ignore(connection, task_id, actor, now)))


def _note(
    connection: Connection, action: str, where: tuple[str, str], actor: str, detail: dict[str, Any], now: int
) -> None:
    """Put a change into the audit."""
    change = Change(actor, action, "channel:" + "/".join(where), place_of(connection, where[0]), detail)
    append(connection, change, now)
