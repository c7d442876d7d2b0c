"""Mappings as CSV: export, import with its plan, and the rows that failed (sales channels, section 4)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from domain.errors import InputError
from domain.mappings.carrier import CarrierMapping, same_oms_code
from domain.mappings.carrier import check as check_carriers
from domain.mappings.kinds import (
    Change,
    Conflict,
    ImportMode,
    ImportPlan,
    MappingKind,
    Sheet,
    SheetError,
    SheetRow,
    duplicates,
    header_problems,
    shown,
)
from domain.mappings.sku import SkuMapping
from domain.mappings.warehouse import WarehouseMapping

MappingRow = SkuMapping | CarrierMapping | WarehouseMapping
MOST_ROWS = 200_000
"""The most rows a sheet may have, its header not counted."""

ROW_TYPES: dict[MappingKind, type[MappingRow]] = {
    MappingKind.SKU: SkuMapping,
    MappingKind.CARRIER: CarrierMapping,
    MappingKind.WAREHOUSE: WarehouseMapping,
}
_REMARKS = ("line", "error")
# What a spreadsheet takes for a formula (OWASP, CSV Injection). Apostrophes that are there already count as guards, so
# that taking one away always gives the cell back.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r'[",\r\n]')


def row_of(kind: MappingKind, members: Mapping[str, str]) -> MappingRow:
    """A row of a kind from the texts of its members.

    Raises:
        InputError: a member is unknown, missing or cannot be.
    """
    columns = {column.name: column for column in ROW_TYPES[kind].columns}
    if unknown := [name for name in members if name not in columns]:
        raise InputError(
            f"A {kind.title} mapping has no {shown(unknown[0])}. It has {', '.join(columns)}.", code="invalid_mapping"
        )
    if missing := [name for name, column in columns.items() if column.required and not members.get(name)]:
        raise InputError(f"A {kind.title} mapping needs {missing[0]}. Give it.", code="invalid_mapping")
    made = ROW_TYPES[kind]
    return made(**{name: column.read(members.get(name, "")) for name, column in columns.items()})


def write_sheet(kind: MappingKind, rows: Iterable[MappingRow]) -> str:
    """The rows as CSV (RFC 4180, commas, CRLF) that :func:`read_sheet` reads back exactly.

    A cell that a spreadsheet would take for a formula is guarded by an apostrophe.
    """
    columns = ROW_TYPES[kind].columns
    lines = ([column.write(getattr(row, column.name)) for column in columns] for row in rows)
    return _csv([column.name for column in columns], lines)


def _csv(header: Sequence[str], lines: Iterable[Iterable[str]]) -> str:
    return "".join(f"{','.join(map(_written, cells))}\r\n" for cells in (header, *lines))


def _written(cell: str) -> str:
    guarded = f"'{cell}" if _FORMULA.match(cell) else cell
    return '"{}"'.format(guarded.replace('"', '""')) if _QUOTED.search(guarded) else guarded


def read_sheet(kind: MappingKind, source: str | bytes) -> Sheet[MappingRow]:
    """Read a CSV file: UTF-8, comma or semicolon, header names in any order and letter case.

    Never raises for what is in the file: all that is wrong stands in ``errors``, each with its line. Columns ``line``
    and ``error`` and empty lines are passed over. A file whose header is wrong, that cannot be decoded or has more
    than 200,000 rows has no rows.
    """
    reading = _Reading(ROW_TYPES[kind])
    try:
        reading.read(_decoded(source))
    except _Unreadable as stop:
        return Sheet(kind, errors=stop.errors, header=reading.header)
    return Sheet(kind, tuple(reading.rows), tuple(reading.errors), reading.header, reading.cells)


class _Unreadable(Exception):
    """Nothing of the file can be used."""

    def __init__(self, line: int, *problems: str) -> None:
        super().__init__(*problems)
        self.errors = tuple(SheetError(line, problem) for problem in problems)


def _decoded(source: str | bytes) -> str:
    try:
        text = source if isinstance(source, str) else source.decode()
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b"x").splitlines())
        wrong = f"The byte 0x{error.object[error.start]:02X} is no UTF-8. Save the file as CSV in UTF-8."
        raise _Unreadable(line, wrong) from None
    return text.removeprefix("\ufeff")


def _separator(text: str, columns: Container[str]) -> str:
    """The separator that finds more of the columns in the first line; a comma if in doubt."""
    header = text.lstrip("\r\n").partition("\n")[0].partition("\r")[0]
    return max(",;", key=lambda separator: sum(_name(cell) in columns for cell in header.split(separator)))


def _name(cell: str) -> str:
    return "_".join(cell.strip('"').lower().split())


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line it begins at."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cells):
                yield line, [cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        wrong = f"The row cannot be read ({error}). Is a quote not closed? A quote inside a cell is written twice."
        raise _Unreadable(line, wrong) from None


class _Reading:
    """What has been read of a file so far."""

    def __init__(self, row_class: type[MappingRow]) -> None:
        self.row_class = row_class
        self.columns = {column.name: column for column in row_class.columns}
        self.header: tuple[str, ...] = ()
        self.rows: list[SheetRow[MappingRow]] = []
        self.errors: list[SheetError] = []
        self.cells: dict[int, tuple[str, ...]] = {}
        self.lines: dict[tuple[str, ...], int] = {}

    def read(self, text: str) -> None:
        records = _records(text, _separator(text, self.columns))
        line, names = next(records, (1, []))
        columns = [_name(cell) for cell in names]
        # Spreadsheets like to add empty cells at the end, here and in the rows.
        while columns and not columns[-1]:
            columns.pop()
        self.header = tuple(name for name in columns if name not in _REMARKS)
        if problems := header_problems(self.columns.values(), self.header):
            raise _Unreadable(line, *problems)
        for line, cells in records:
            if len(self.cells) == MOST_ROWS:
                raise _Unreadable(line, f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
            whole = cells if any(cells[len(columns) :]) else cells[: len(columns)]
            ours = [cell for at, cell in enumerate(whole) if at >= len(columns) or columns[at] not in _REMARKS]
            if any(ours):
                self.cells[line] = tuple(ours)
                self._read_row(line, ours)

    def _read_row(self, line: int, cells: Sequence[str]) -> None:
        if len(cells) != len(self.header):
            wrong = f"The row has {len(cells)} cells where the header has {len(self.header)}. Is a quote missing?"
            self.errors.append(SheetError(line, wrong))
            return
        written = dict(zip(self.header, cells, strict=True))
        read: dict[str, Any] = {}
        for name, column in self.columns.items():
            try:
                read[name] = column.read(written.get(name, ""))
            except InputError as error:
                self.errors.append(SheetError(line, error.sentence, name))
        if len(read) == len(self.columns):
            self._keep(SheetRow(line, self.row_class(**read)))

    def _keep(self, found: SheetRow[MappingRow]) -> None:
        first = self.lines.setdefault(found.row.key, found.line)
        if first == found.line:
            self.rows.append(found)
        else:
            wrong = f"{shown(found.row.code)} is mapped in line {first} already. Keep one of the two lines."
            self.errors.append(SheetError(found.line, wrong))


def check_rows(
    kind: MappingKind, rows: Sequence[MappingRow], names: Sequence[str] | None = None
) -> tuple[Conflict, ...]:
    """All that keeps rows from being a channel's whole set of a kind; empty where they may be saved.

    ``names`` says what sentences call each row; ``row 1``, ``row 2`` and so on where it is left out.
    """
    if kind is MappingKind.CARRIER:
        return check_carriers([row for row in rows if isinstance(row, CarrierMapping)], names)
    return duplicates(rows, names)


def plan_import(existing: Iterable[MappingRow], sheet: Sheet[MappingRow], mode: ImportMode) -> ImportPlan[MappingRow]:
    """What importing ``sheet`` into the ``existing`` mappings of the channel and kind would do.

    A row that cannot be imported is an error and the others go on, except that the whole plan is refused when the
    rows could not stand together afterwards, and in mode replace at any error.
    """
    before = {row.key: row for row in existing}
    errors, wanted = list(sheet.errors), {found.row.key: found for found in sheet.rows}
    if mode is ImportMode.ADD:
        for key in before.keys() & wanted.keys():
            found = wanted.pop(key)
            wrong = f"{shown(found.row.code)} is mapped already. Import it in mode update, or leave the line out."
            errors.append(SheetError(found.line, wrong))
    left_out = [row for key, row in before.items() if key not in wanted]
    removed = left_out if mode is ImportMode.REPLACE else []
    conflicts = list(_conflicts(sheet.kind, before, [] if removed else left_out, list(wanted.values())))
    errors = sorted(errors + conflicts, key=lambda error: error.line)
    if conflicts or (errors and mode is ImportMode.REPLACE):
        return ImportPlan(errors=tuple(errors), refused=True)
    after = [(before.get(key), found.row) for key, found in wanted.items()]
    return ImportPlan(
        added=tuple(new for old, new in after if old is None),
        changed=tuple(Change(old, new) for old, new in after if old is not None and old != new),
        removed=tuple(removed),
        unchanged=tuple(new for old, new in after if old == new),
        errors=tuple(errors),
    )


def _conflicts(
    kind: MappingKind,
    before: Mapping[tuple[str, ...], MappingRow],
    kept: Sequence[MappingRow],
    found: Sequence[SheetRow[MappingRow]],
) -> Iterator[SheetError]:
    """What the file brings about, at its lines; what was wrong without it is not its fault."""
    rows = [*kept, *(each.row for each in found)]
    names = [f"the saved row {shown(row.code)}" for row in kept] + [f"line {each.line}" for each in found]
    for conflict in check_rows(kind, rows, names):
        lines = [found[at - len(kept)].line for at in conflict.positions if at >= len(kept)]
        if not lines and len(conflict.positions) > 1:
            # Saved rows alone: a line that took the Primary one away from among them has brought it about.
            beside = rows[conflict.positions[0]]
            lines = [each.line for each in found if same_oms_code(before.get(each.row.key), beside)]
        yield from (SheetError(line, conflict.sentence) for line in lines)


def error_sheet(sheet: Sheet[MappingRow], plan: ImportPlan[MappingRow]) -> str:
    """The rows that were not imported as CSV, with their line and what is wrong; to correct and import again.

    These are all rows of the file where the plan is refused, so that importing them again in mode replace removes
    nothing that was only waiting.
    """
    problems: dict[int, list[str]] = {}
    for error in plan.errors:
        problems.setdefault(error.line, []).append(error.sentence)
    lines = sorted({*problems, *(sheet.cells if plan.refused else ())})
    rows = ((str(line), " ".join(problems.get(line, ())), *sheet.cells.get(line, ())) for line in lines)
    return _csv((*_REMARKS, *sheet.header), rows)
