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


WHOLE = "Expected is a whole number from 1 to 1,000,000."
COLUMNS = "Columns are channel_sku, oms_sku, multiplier (optional), with a comma or semicolon between them."


@pytest.mark.parametrize(
    ("source", "sentences"),
    [
        (
            "",
            [f"Line 1: Column 'channel_sku' is missing. {COLUMNS}", f"Line 1: Column 'oms_sku' is missing. {COLUMNS}"],
        ),
        ("\nchannel_sku,oms_sku,foo\nA,,C\n", [f"Line 2: There is no column 'foo'. {COLUMNS}"]),
        ("channel_sku,OMS_SKU,oms_sku\nA,B,C\n", ["Line 1: Column 'oms_sku' is there more than once. Keep one."]),
        (
            'channel_sku,oms_sku,multiplier\n"A\nA",,\nB,X,1.5\nC,X,0\nD,,x\n',
            [
                "Line 2, column oms_sku: The code is empty. Write one.",
                f"Line 4, column multiplier: '1.5' is no multiplier. {WHOLE}",
                f"Line 5, column multiplier: '0' is no multiplier. {WHOLE}",
                "Line 6, column oms_sku: The code is empty. Write one.",
                f"Line 6, column multiplier: 'x' is no multiplier. {WHOLE}",
            ],
        ),
        (
            "channel_sku,oms_sku\nA,X\nB,X\nA,X\n",
            ["Line 4: 'A' is mapped in line 2 already. Keep one of the two lines."],
        ),
        (
            "channel_sku,oms_sku\nA\nB,C,D\n",
            [
                "Line 2: The row has 1 cells where the header has 2. Is a quote missing?",
                "Line 3: The row has 3 cells where the header has 2. Is a quote missing?",
            ],
        ),
        (
            f"channel_sku,oms_sku\n{'A' * 200},X\nX,{'A' * 201}\n",
            [f"Line 3, column oms_sku: '{'A' * 60}…' has 201 characters. At most 200 are allowed."],
        ),
        (
            'channel_sku,oms_sku\nA,B\nC,"D\nE,F\n',
            [
                "Line 3: The row cannot be read (unexpected end of data). Is a quote not closed? "
                "A quote inside a cell is written twice."
            ],
        ),
        (
            b"channel_sku,oms_sku\r\nA,B\r\n\xfc,B\r\n",
            ["Line 3: The byte 0xFC is no UTF-8. Save the file as CSV in UTF-8."],
        ),
    ],
)
def test_every_error_says_where_it_is_and_what_is_expected(source: str | bytes, sentences: list[str]) -> None:
    assert [error.sentence for error in read_sheet(SKU, source).errors] == sentences


def test_an_answer_that_is_neither_yes_nor_no_is_an_error() -> None:
    (error,) = read_sheet(CARRIER, "channel_carrier,oms_carrier,primary\nUPS,UPS,maybe\n").errors
    assert error.sentence == "Line 2, column primary: 'maybe' is no answer. Expected is yes or no."


def test_a_file_with_too_many_rows_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.mappings.sheet.MOST_ROWS", 2)
    assert len(read_sheet(SKU, "channel_sku,oms_sku\nA,X\n\nB,X\n\n").rows) == 2
    read = read_sheet(SKU, "channel_sku,oms_sku\nA,X\n\nB,X\nC,X\n")
    assert [error.sentence for error in read.errors] == [
        "Line 5: The file has more than 2 rows. Split it into several files."
    ]
    assert not read.rows


def test_the_rows_that_failed_come_back_with_their_errors_and_are_imported_once_corrected() -> None:
    read = read_sheet(SKU, "channel_sku;oms_sku;multiplier\nA;X;1\n=B;X;many\nC;Y;2\n")
    plan = plan_import([SkuMapping("C", "Z")], read, UPDATE)
    assert (plan.refused, plan.added, len(plan.changed)) == (False, (SkuMapping("A", "X"),), 1)
    text = error_sheet(read, plan)
    assert text == (
        "line,error,channel_sku,oms_sku,multiplier\r\n"
        f"3,\"Line 3, column multiplier: 'many' is no multiplier. {WHOLE}\",'=B,X,many\r\n"
    )
    assert len(read_sheet(SKU, text).errors) == 1
    assert plan_of([], SKU, text.replace("X,many", "X,9"), UPDATE).added == (SkuMapping("=B", "X", 9),)


@pytest.mark.parametrize("wrong", ["B,", "A,Y", "B,X,2"])
def test_a_replacement_with_any_error_is_refused_and_comes_back_whole(wrong: str) -> None:
    read = read_sheet(SKU, f"channel_sku,oms_sku\nA,X\n{wrong}\n")
    plan = plan_import([SkuMapping("C", "Z")], read, REPLACE)
    assert plan == ImportPlan(errors=read.errors, refused=True)
    assert [record[:1] + record[2:] for record in csv.reader(error_sheet(read, plan).splitlines())] == [
        ["line", "channel_sku", "oms_sku"],
        ["2", "A", "X"],
        ["3", *wrong.split(",")],
    ]


CARRIER_HEADER = "channel_carrier,channel_service,oms_carrier,oms_service,primary\n"
GND, GROUND = CarrierMapping("Gnd", "", "UPS", "", True), CarrierMapping("Ground", "", "UPS", "")


@pytest.mark.parametrize(
    ("existing", "text", "lines", "named"),
    [
        ([], "Gnd,,UPS,,\nAir,,DHL,,\nGround,,UPS,,\n", [2, 4], "(line 2 and line 4) and none of them is"),
        ([GND], "Ground,,UPS,,yes\n", [2], "(the saved row 'Gnd' and line 2) and 2 of them are"),
        ([GND, GROUND], "Gnd,,UPS,,no\n", [2], "(the saved row 'Ground' and line 2) and none of them is"),
        (
            [GND, GROUND, CarrierMapping("Saver", "", "UPS", "")],
            "Air,,DHL,,\nGnd,,DPD,,\n",
            [3],
            "(the saved row 'Ground' and the saved row 'Saver') and none of them is",
        ),
    ],
)
def test_a_file_after_which_nobody_knows_which_carrier_goes_back_out_is_refused(
    existing: list[MappingRow], text: str, lines: list[int], named: str
) -> None:
    plan = plan_of(existing, CARRIER, CARRIER_HEADER + text, UPDATE)
    assert plan == ImportPlan(errors=plan.errors, refused=True)
    assert [error.line for error in plan.errors] == lines
    assert all(f"{named} Primary: which one goes back out?" in error.sentence for error in plan.errors)


def test_what_was_wrong_before_is_not_the_fault_of_the_file() -> None:
    saved = [CarrierMapping("Gnd", "", "UPS", ""), GROUND]
    plan = plan_of(saved, CARRIER, CARRIER_HEADER + "Air,,DHL,,\n", UPDATE)
    assert (plan.errors, plan.added) == ((), (CarrierMapping("Air", "", "DHL", ""),))
