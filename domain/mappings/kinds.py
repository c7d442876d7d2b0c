"""The words of all mappings: kinds, missing codes, columns, conflicts, what an import does (section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from domain.errors import InputError

MOST_CHARACTERS = 200
"""The longest code a mapping may hold, in characters."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_NAMED = 5
_SHOWN = 60


class MappingKind(StrEnum):
    """What is mapped (sales channels, section 4)."""

    SKU = "sku"
    CARRIER = "carrier"
    WAREHOUSE = "warehouse"

    @property
    def title(self) -> str:  # type: ignore[override] # a member is a word of ours, never text to be capitalised
        """The kind as people read it."""
        return "SKU" if self is MappingKind.SKU else self.value.capitalize()


class Side(StrEnum):
    """Whose code it is that has no partner: the channel's or the OMS's."""

    CHANNEL = "channel"
    OMS = "oms"


@dataclass(frozen=True, slots=True)
class Missing:
    """A code of ``side`` that no mapping leads on from: a task for a person, not a failure.

    The code of a carrier is the text of a ``CarrierCode``.
    """

    kind: MappingKind
    side: Side
    code: str


class Row(Protocol):
    """A row of any kind: ``key`` is unique within a channel and kind, ``code`` is the same for people."""

    @property
    def key(self) -> tuple[str, ...]:
        """What two rows of one channel must not share."""

    @property
    def code(self) -> str:
        """The key as one text."""


RowType = TypeVar("RowType", bound=Row)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a kind's sheet.

    ``read`` turns a cell into a value and raises InputError, saying what is expected, where it cannot; it knows what
    an empty cell means where the column is not required. ``write`` is its inverse.
    """

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rows that cannot stand together; ``positions`` count from 0, the sentence names the rows."""

    positions: tuple[int, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SheetError:
    """What is wrong at a line of a file (from 1, the header's); ``column`` where it is one cell."""

    line: int
    problem: str
    column: str | None = None

    @property
    def sentence(self) -> str:
        """The whole for a person: where it is, what it is, what to do."""
        place = f"Line {self.line}, column {self.column}" if self.column else f"Line {self.line}"
        return f"{place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class SheetRow(Generic[RowType]):
    """A row that could be read, and the line it begins at."""

    line: int
    row: RowType


@dataclass(frozen=True, slots=True)
class Sheet(Generic[RowType]):
    """A file as it was read: its rows, its errors, and the cells of each line under ``header``."""

    kind: MappingKind
    rows: tuple[SheetRow[RowType], ...] = ()
    errors: tuple[SheetError, ...] = ()
    header: tuple[str, ...] = ()
    cells: Mapping[int, tuple[str, ...]] = field(default_factory=dict, repr=False)


class ImportMode(StrEnum):
    """Only new rows; new and changed rows; or the file is the whole and what it leaves out is removed."""

    ADD = "add"
    UPDATE = "update"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Change(Generic[RowType]):
    """A row before and after."""

    before: RowType
    after: RowType


@dataclass(frozen=True, slots=True)
class ImportPlan(Generic[RowType]):
    """What an import does once it is applied; not applying it is the dry run.

    A refused plan does nothing at all. One that has errors and is not refused does the rest of the file.
    """

    added: tuple[RowType, ...] = ()
    changed: tuple[Change[RowType], ...] = ()
    removed: tuple[RowType, ...] = ()
    unchanged: tuple[RowType, ...] = ()
    errors: tuple[SheetError, ...] = ()
    refused: bool = False


def shown(text: str) -> str:
    """A text in quotes for a sentence, shortened where it is long, with what cannot be seen spelled out."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def optional_code(text: str) -> str:
    """The text unchanged, or InputError where it cannot be a code: too long, or not storable as text."""
    if len(text) > MOST_CHARACTERS:
        raise _unfit(f"{shown(text)} has {len(text):,} characters. At most {MOST_CHARACTERS} are allowed.")
    if _NO_TEXT.search(text):
        raise _unfit(f"{shown(text)} holds a character that is no text. Write the code again.")
    return text


def required_code(text: str) -> str:
    """As :func:`optional_code`, and a code that is empty or only spaces is refused too."""
    if not text.strip():
        raise _unfit("The code is empty. Write one.")
    return optional_code(text)


def _unfit(sentence: str) -> InputError:
    return InputError(sentence, code="invalid_mapping")


def header_problems(columns: Iterable[Column], header: Sequence[str]) -> list[str]:
    """What is wrong with the header of a sheet: names nobody knows, names given twice, columns that are missing."""
    known = {column.name: column for column in columns}
    allowed = ", ".join(name if column.required else f"{name} (optional)" for name, column in known.items())
    expected = f"Columns are {allowed}, with a comma or semicolon between them."
    unknown = [f"There is no column {shown(name)}. {expected}" for name in dict.fromkeys(header) if name not in known]
    twice = [f"Column {shown(name)} is there more than once. Keep one." for name in known if header.count(name) > 1]
    missing = [name for name, column in known.items() if column.required and name not in header]
    return unknown + twice + [f"Column {shown(name)} is missing. {expected}" for name in missing]


def row_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """``row 1``, ``row 2``, …: how sentences name rows that have no better names."""
    return tuple(f"row {number}" for number in range(1, len(rows) + 1))


def listed(names: Sequence[str]) -> str:
    """Names as one phrase, such as ``row 1, row 2 and 7 more``."""
    first = list(names[:_NAMED])
    last = f"{len(names) - _NAMED:,} more" if len(names) > _NAMED else first.pop()
    return f"{', '.join(first)} and {last}" if first else last


def duplicates(rows: Sequence[Row], names: Sequence[str] | None = None) -> tuple[Conflict, ...]:
    """Rows with the key of an earlier row, one conflict for each, at the later row."""
    names = names or row_names(rows)
    first: dict[tuple[str, ...], int] = {}
    found = []
    for position, row in enumerate(rows):
        earlier = first.setdefault(row.key, position)
        if earlier != position:
            sentence = f"{shown(row.code)} is mapped by {names[earlier]} already. Keep one of the two."
            found.append(Conflict((position,), sentence))
    return tuple(found)


def unique(rows: Iterable[Row]) -> None:
    """Raise InputError where two rows share a key."""
    if conflicts := duplicates(tuple(rows)):
        raise _unfit(conflicts[0].sentence)
