"""Sheets with errors: each is told at its place, and nothing is changed that could not be put right again."""

from __future__ import annotations

import csv

import pytest

from domain.mappings import (
    CarrierMapping,
    ImportMode,
    ImportPlan,
    MappingKind,
    MappingRow,
    SkuMapping,
    error_sheet,
    plan_import,
    read_sheet,
)

SKU, CARRIER = MappingKind.SKU, MappingKind.CARRIER
UPDATE, REPLACE = ImportMode.UPDATE, ImportMode.REPLACE
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
    assert plan_import([], read_sheet(SKU, text.replace("X,many", "X,9")), UPDATE).added == (SkuMapping("=B", "X", 9),)


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
    plan = plan_import(existing, read_sheet(CARRIER, CARRIER_HEADER + text), UPDATE)
    assert plan == ImportPlan(errors=plan.errors, refused=True)
    assert [error.line for error in plan.errors] == lines
    assert all(f"{named} Primary: which one goes back out?" in error.sentence for error in plan.errors)


def test_what_was_wrong_before_is_not_the_fault_of_the_file() -> None:
    saved = [CarrierMapping("Gnd", "", "UPS", ""), GROUND]
    plan = plan_import(saved, read_sheet(CARRIER, CARRIER_HEADER + "Air,,DHL,,\n"), UPDATE)
    assert (plan.errors, plan.added) == ((), (CarrierMapping("Air", "", "DHL", ""),))
