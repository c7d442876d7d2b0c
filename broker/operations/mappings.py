"""The seam between the operator surface and the mappings: what the storage must answer and change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.mappings import ImportMode, ImportPlan, MappingKind, MappingRow, Sheet


@dataclass(frozen=True, slots=True)
class MappingTask:
    """A missing mapping: whose ``code`` it is (``side``), and what waits for it.

    ``blocks`` deliveries wait; ``oldest`` is when the first of them came; ``business_keys`` are up to ten orders or
    SKUs, oldest first.
    """

    id: str
    account: str
    channel: str
    kind: str
    side: str
    code: str
    blocks: int
    oldest: datetime | None
    business_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """How many deliveries a change let go."""

    deliveries: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do: its plan, the file as it was read, and how many deliveries it let go."""

    plan: ImportPlan[Any]
    sheet: Sheet[Any]
    released: int


class Mappings(Protocol):
    """Mappings of a channel and the tasks for those that are missing (sales channels, section 4).

    Every method may raise StorageUnavailable; those that name something raise UnknownName when it does not exist, and
    InputError when it cannot be. ``actor`` is who does it.
    """

    async def rows(self, account: str, channel: str, kind: MappingKind) -> Sequence[MappingRow]:
        """All mappings of a kind, by their key."""

    async def search(
        self, account: str, channel: str, kind: MappingKind, words: str = "", limit: int = 50
    ) -> tuple[Sequence[MappingRow], int]:
        """Up to ``limit`` mappings in which either code has these words, and how many there are."""

    async def save(self, account: str, channel: str, row: MappingRow, actor: str) -> Released:
        """Save a mapping, in the place of the one of its key; what waited for it alone goes on, in order."""

    async def remove(self, account: str, channel: str, kind: MappingKind, code: str, actor: str) -> None:
        """Take the mapping of this channel code away."""

    async def export_sheet(self, account: str, channel: str, kind: MappingKind) -> str:
        """All mappings of a kind as CSV, which is a valid import."""

    async def import_sheet(
        self, account: str, channel: str, kind: MappingKind, text: bytes, mode: ImportMode, actor: str, *, dry: bool
    ) -> Imported:
        """Import a CSV file; ``dry`` only says what it would do."""

    async def tasks(self, account: str | None, channel: str | None = None) -> Sequence[MappingTask]:
        """The open tasks that something waits for, what blocks most first."""

    async def suggestions(self, task_id: str) -> Sequence[str]:
        """Known codes of the other side that are near the missing one."""

    async def ignore(self, task_id: str, actor: str) -> Released:
        """Answer a code with "ignore": what waits for it, now and later, ends with that reason."""
