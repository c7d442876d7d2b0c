"""Sheets: an export is a valid import, every error has its place, and a refused file changes nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mappings import (
    CarrierMapping,
    Change,
    ImportMode,
    ImportPlan,
    MappingKind,
    MappingRow,
    SkuMapping,
    WarehouseMapping,
    check_rows,
    error_sheet,
    plan_import,
    read_sheet,
    write_sheet,
)

SKU, CARRIER, WAREHOUSE = MappingKind
ADD, UPDATE, REPLACE = ImportMode

characters = st.characters(codec="utf-8", exclude_characters="\0")
cells = st.text(characters | st.sampled_from("'=+-@\t\r\n,;\" A"), max_size=8)
codes = cells.filter(lambda text: bool(text.strip()))
oms_codes = codes.filter(lambda text: not text.rstrip().endswith("*"))
oms_services = cells.filter(lambda text: not text.rstrip().endswith("*"))


def sound(rows: Iterable[CarrierMapping]) -> list[MappingRow]:
    """The carrier rows that can stand together: of several ways out, one is left."""
    kept: list[MappingRow] = []
    for row in rows:
        if not check_rows(CARRIER, [*kept, row]):
            kept.append(row)
    return kept


def distinct(rows: Iterable[MappingRow]) -> list[MappingRow]:
    return list({row.key: row for row in rows}.values())


RowSet = tuple[MappingKind, list[MappingRow]]
row_lists: dict[MappingKind, st.SearchStrategy[list[MappingRow]]] = {
    SKU: st.lists(st.builds(SkuMapping, codes, codes, st.integers(1, 1_000_000)), max_size=4).map(distinct),
    CARRIER: st.lists(
        st.builds(CarrierMapping, codes, cells, oms_codes, oms_services, st.booleans()), max_size=4
    ).map(sound),
    WAREHOUSE: st.lists(st.builds(WarehouseMapping, codes, codes), max_size=4).map(distinct),
}  # fmt: skip
kinds = st.sampled_from(MappingKind)
row_sets = kinds.flatmap(lambda kind: st.tuples(st.just(kind), row_lists[kind]))
two_row_sets = kinds.flatmap(lambda kind: st.tuples(st.just(kind), row_lists[kind], row_lists[kind]))


def applied(existing: Sequence[MappingRow], plan: ImportPlan[MappingRow]) -> dict[tuple[str, ...], MappingRow]:
    after = {row.key: row for row in existing}
    for row in plan.removed:
        del after[row.key]
    for change in plan.changed:
        assert after[change.before.key] == change.before
        after[change.after.key] = change.after
    for row in plan.added:
        assert row.key not in after
        after[row.key] = row
    return after


def by_key(rows: Iterable[MappingRow]) -> dict[tuple[str, ...], MappingRow]:
    return {row.key: row for row in rows}


def plan_of(existing: Sequence[MappingRow], kind: MappingKind, text: str, mode: ImportMode) -> ImportPlan[MappingRow]:
    return plan_import(existing, read_sheet(kind, text), mode)


@given(case=row_sets, mode=st.sampled_from([UPDATE, REPLACE]), form=st.sampled_from(["utf-8", "utf-8-sig", "text"]))
def test_an_export_is_a_valid_import_that_changes_nothing(case: RowSet, mode: ImportMode, form: str) -> None:
    kind, rows = case
    text = write_sheet(kind, rows)
    read = read_sheet(kind, text if form == "text" else text.encode(form))
    assert [found.row for found in read.rows] == rows
    assert plan_import(rows, read, mode) == ImportPlan(unchanged=tuple(rows))


@given(case=two_row_sets)
def test_replacing_by_an_export_makes_the_exported_set_whatever_was_there(
    case: tuple[MappingKind, list[MappingRow], list[MappingRow]],
) -> None:
    kind, rows, others = case
    plan = plan_of(others, kind, write_sheet(kind, rows), REPLACE)
    assert applied(others, plan) == by_key(rows)


@given(case=two_row_sets)
def test_what_was_added_can_be_updated(case: tuple[MappingKind, list[MappingRow], list[MappingRow]]) -> None:
    kind, rows, others = case
    added = plan_of([], kind, write_sheet(kind, rows), ADD)
    assert (added.added, added.errors) == (tuple(rows), ())
    after = by_key(rows) | by_key(others)
    plan = plan_of(rows, kind, write_sheet(kind, others), UPDATE)
    assert plan.removed == ()
    if check_rows(kind, list(after.values())):
        assert (plan.refused, applied(rows, plan)) == (True, by_key(rows))
    else:
        assert (plan.errors, applied(rows, plan)) == ((), after)


@given(case=row_sets)
def test_no_exported_cell_is_a_formula_to_a_spreadsheet(case: RowSet) -> None:
    kind, rows = case
    for record in csv.reader(io.StringIO(write_sheet(kind, rows), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in record)


@pytest.mark.parametrize(
    ("code", "written"),
    [("=1+1", "'=1+1"), ("'=1+1", "''=1+1"), ("'A", "'A"), ("''A", "''A"), ("A=1", "A=1"), ("-7", "'-7")],
)
def test_only_what_looks_like_a_formula_is_guarded(code: str, written: str) -> None:
    assert write_sheet(WAREHOUSE, [WarehouseMapping(code, "L")]) == f"oms_warehouse,external_id\r\n{written},L\r\n"


def test_a_formula_that_nobody_guarded_is_a_code_as_well() -> None:
    (found,) = read_sheet(WAREHOUSE, "oms_warehouse,external_id\n-7,=L\n").rows
    assert found.row == WarehouseMapping("-7", "=L")


@pytest.mark.parametrize(
    "text",
    [
        "channel_sku,oms_sku,multiplier\r\nA,B,6\r\n",
        "\n\nMULTIPLIER;Oms_Sku;channel_sku\n6;B;A",
        '"Channel SKU";"OMS SKU";"Multiplier"\r"A";"B";" 6 "\r',
        "line,channel_sku,error,oms_sku,multiplier,,\n9,A,Wrong.,B,6,,\n,,,,\n4,,was empty,,\n",
        "channel_sku,oms_sku,multiplier\nA,B,6,,,\n,,\n",
    ],
)
def test_a_sheet_is_read_as_spreadsheets_write_it(text: str) -> None:
    for source in (text, text.encode(), text.encode("utf-8-sig"), "\ufeff" + text):
        read = read_sheet(SKU, source)
        assert (read.errors, [found.row for found in read.rows]) == ((), [SkuMapping("A", "B", 6)])


@pytest.mark.parametrize("answer", ["yes", "No", " TRUE", "false", "1", "0", ""])
def test_optional_columns_may_be_empty_or_absent(answer: str) -> None:
    (found,) = read_sheet(CARRIER, f"primary,channel_carrier,oms_carrier\n{answer},UPS,UPS\n").rows
    primary = answer.strip().lower() in {"yes", "true", "1"}
    assert found.row == CarrierMapping("UPS", "", "UPS", "", primary)
    assert read_sheet(SKU, "channel_sku,oms_sku\nA,B\n").rows[0].row == SkuMapping("A", "B", 1)


@given(kind=kinds, source=st.binary(max_size=60) | st.text(max_size=60) | st.lists(cells).map("oms_sku,".join))
def test_no_file_is_so_broken_that_reading_raises(kind: MappingKind, source: str | bytes) -> None:
    read = read_sheet(kind, source)
    assert read.errors or read.rows or read.header
    assert all(error.sentence.startswith("Line ") for error in read.errors)
    assert isinstance(error_sheet(read, plan_import([], read, REPLACE)), str)


def test_an_import_of_each_mode_does_what_its_name_says() -> None:
    existing = [SkuMapping("A", "X"), SkuMapping("B", "X"), SkuMapping("C", "X")]
    text = "channel_sku,oms_sku\nA,X\nB,Y\nD,Z\n"
    plans = {mode: plan_of(existing, SKU, text, mode) for mode in ImportMode}
    for mode in (UPDATE, REPLACE):
        plan = plans[mode]
        assert plan.changed == (Change(SkuMapping("B", "X"), SkuMapping("B", "Y")),)
        assert (plan.added, plan.unchanged, plan.errors) == ((SkuMapping("D", "Z"),), (SkuMapping("A", "X"),), ())
    assert [plans[mode].removed for mode in ImportMode] == [(), (), (SkuMapping("C", "X"),)]
    assert plans[ADD].added == (SkuMapping("D", "Z"),)
    assert [error.sentence for error in plans[ADD].errors] == [
        "Line 2: 'A' is mapped already. Import it in mode update, or leave the line out.",
        "Line 3: 'B' is mapped already. Import it in mode update, or leave the line out.",
    ]
    assert not plans[ADD].refused
