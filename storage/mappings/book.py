"""The mappings of a channel as rows: reading, saving, removing, importing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, func, or_, select, update

from domain.errors import InputError, UnknownName
from domain.mappings import (
    ROW_TYPES,
    CarrierCode,
    CarrierMapping,
    Change,
    ImportMode,
    ImportPlan,
    MappingKind,
    MappingRow,
    SkuMapping,
    WarehouseMapping,
    WarehouseMappings,
    check_rows,
    plan_import,
    read_sheet,
)
from storage.location_tables import location_stock
from storage.mapping_tables import mappings
from storage.mappings.tasks import answer, hold
from storage.sql import chunks, replace_all
from storage.tables import channel_stock, channels

_ESCAPE = "\\"


def rows_of(connection: Connection, channel_id: str, kind: MappingKind) -> list[MappingRow]:
    """All mappings of a kind, by their key."""
    query = select(mappings.c.row).where(mappings.c.channel_id == channel_id, mappings.c.kind == kind)
    return [_read(kind, row) for row in connection.scalars(query.order_by(mappings.c.key))]


def search(
    connection: Connection, channel_id: str, kind: MappingKind, words: str, limit: int
) -> tuple[list[MappingRow], int]:
    """Mappings in which either code has these words, by key; up to ``limit`` of them, and how many there are."""
    wanted = (mappings.c.channel_id == channel_id) & (mappings.c.kind == kind)
    if words:
        pattern = f"%{_escaped(words.casefold())}%"
        codes = (mappings.c.channel_code, mappings.c.oms_code)
        wanted &= or_(*(func.lower(code).like(pattern, escape=_ESCAPE) for code in codes))
    found = connection.scalars(select(mappings.c.row).where(wanted).order_by(mappings.c.key).limit(limit))
    rows = [_read(kind, row) for row in found]
    return rows, connection.scalar(select(func.count()).select_from(mappings).where(wanted)) or 0


def _escaped(words: str) -> str:
    return words.replace(_ESCAPE, _ESCAPE * 2).replace("%", rf"{_ESCAPE}%").replace("_", rf"{_ESCAPE}_")


def save(connection: Connection, channel_id: str, row: MappingRow, actor: str, now: int) -> int:
    """Insert a mapping, or replace the one of its key; how many deliveries that released.

    Raises:
        InputError: it cannot stand beside the others.
    """
    kind = kind_of(row)
    hold(connection, channel_id, now)
    before = rows_of(connection, channel_id, kind)
    others = [each for each in before if each.key != row.key]
    _ensure_sound([*others, row], kind, others)
    _write(connection, channel_id, kind, [row], actor, now)
    return _answer(connection, channel_id, kind, (before, [*others, row]), actor, now)


def remove(connection: Connection, channel_id: str, kind: MappingKind, code: str, actor: str, now: int) -> None:
    """Take a mapping away. A SKU that it kept from being the same on both sides may so go on.

    Raises:
        UnknownName: no mapping has this channel code.
    """
    hold(connection, channel_id, now)
    before = rows_of(connection, channel_id, kind)
    found = [each for each in before if _is_called(each, code)]
    if not found:
        raise UnknownName(f"There is no {kind.title} mapping of {code!r}.", code="unknown_mapping")
    _drop(connection, channel_id, kind, found[:1])
    _answer(connection, channel_id, kind, (before, [each for each in before if each is not found[0]]), actor, now)


def _is_called(row: MappingRow, code: str) -> bool:
    """Whether a person who writes this code means the row."""
    return CarrierCode.of(code).folded == row.key if isinstance(row, CarrierMapping) else code == row.code


def apply_sheet(
    connection: Connection,
    channel_id: str,
    kind: MappingKind,
    text: bytes,
    how: tuple[ImportMode, bool],
    actor: str,
    now: int,
) -> tuple[ImportPlan[Any], Any, int]:
    """Import a CSV file: its plan, the file as it was read, and how many deliveries that released.

    ``how`` is the mode, and whether it is a dry run, which changes nothing.
    """
    mode, dry = how
    sheet = read_sheet(kind, text)
    hold(connection, channel_id, now if not dry else None)
    before = rows_of(connection, channel_id, kind)
    plan = plan_import(before, sheet, mode)
    if dry or plan.refused:
        return plan, sheet, 0
    _drop(connection, channel_id, kind, plan.removed)
    changed = [each.after if isinstance(each, Change) else each for each in (*plan.added, *plan.changed)]
    _write(connection, channel_id, kind, changed, actor, now)
    after = rows_of(connection, channel_id, kind)
    return plan, sheet, _answer(connection, channel_id, kind, (before, after), actor, now)


def _answer(
    connection: Connection,
    channel_id: str,
    kind: MappingKind,
    rows: tuple[Sequence[MappingRow], Sequence[MappingRow]],
    actor: str,
    now: int,
) -> int:
    """What follows from a change of mappings (before, after); how many deliveries it released."""
    if kind is MappingKind.WAREHOUSE:
        before, after = (_locations(each) for each in rows)
        moved = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        _forget(connection, location_stock, location_stock.c.location, channel_id, moved)
    return answer(connection, channel_id, kind, rows, actor, now)


def _locations(rows: Sequence[MappingRow]) -> dict[str, tuple[str, ...]]:
    return WarehouseMappings(row for row in rows if isinstance(row, WarehouseMapping)).locations()


def kind_of(row: MappingRow) -> MappingKind:
    """The kind of a row."""
    return next(kind for kind, made in ROW_TYPES.items() if isinstance(row, made))


def _read(kind: MappingKind, row: dict[str, Any]) -> MappingRow:
    return ROW_TYPES[kind](**row)


def _ensure_sound(rows: Sequence[MappingRow], kind: MappingKind, before: Sequence[MappingRow]) -> None:
    names = [each.code for each in rows]
    known = {conflict.sentence for conflict in check_rows(kind, before, names[: len(before)])}
    for conflict in check_rows(kind, rows, names):
        if conflict.sentence not in known:
            raise InputError(conflict.sentence, code="invalid_mapping")


def _write(
    connection: Connection, channel_id: str, kind: MappingKind, rows: Iterable[MappingRow], actor: str, now: int
) -> None:
    given = list(rows)
    made = [
        {
            "channel_id": channel_id,
            "kind": str(kind),
            "key": json.dumps(row.key, ensure_ascii=False),
            "channel_code": row.code,
            "oms_code": _oms_code(row),
            "row": asdict(row),
            "changed_at": now,
            "actor": actor,
        }
        for row in given
    ]
    replace_all(connection, mappings, made, ("channel_id", "kind", "key"))
    if made and kind is MappingKind.SKU:
        connection.execute(update(channels).where(channels.c.id == channel_id).values(sku_mapped=True))
        _forget_stock(connection, channel_id, [row.code for row in given])


def _forget_stock(connection: Connection, channel_id: str, channel_skus: Sequence[str]) -> None:
    """What stands for another SKU now is sent anew, though the quantity be the one that the shop confirmed last."""
    for table in (channel_stock, location_stock):
        _forget(connection, table, table.c.sku, channel_id, channel_skus)


def _forget(connection: Connection, table: Table, column: Column[Any], channel_id: str, values: Sequence[str]) -> None:
    for part in chunks(values):
        connection.execute(delete(table).where(table.c.channel_id == channel_id, column.in_(part)))


def _oms_code(row: MappingRow) -> str:
    match row:
        case SkuMapping():
            return row.oms_sku
        case CarrierMapping():
            return row.oms.text
        case WarehouseMapping():
            return row.oms_warehouse


def _drop(connection: Connection, channel_id: str, kind: MappingKind, rows: Sequence[MappingRow]) -> None:
    keys = [json.dumps(row.key, ensure_ascii=False) for row in rows]
    for part in chunks(keys):
        mine = (mappings.c.channel_id == channel_id) & (mappings.c.kind == kind) & mappings.c.key.in_(part)
        connection.execute(delete(mappings).where(mine))
    if kind is MappingKind.SKU:
        _forget_stock(connection, channel_id, [row.code for row in rows])
