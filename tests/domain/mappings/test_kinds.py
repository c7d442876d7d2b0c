"""The words of mappings: kinds as people read them, codes that fit, conflicts that name their rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import MOST_CHARACTERS, MappingKind, SheetError, Side, WarehouseMapping
from domain.mappings.kinds import duplicates, listed, optional_code, required_code, shown, unique

codes = st.sampled_from(["A", "B", "C"])


def test_each_kind_has_a_title_for_people_and_a_word_for_machines() -> None:
    assert [(kind.value, kind.title) for kind in MappingKind] == [
        ("sku", "SKU"),
        ("carrier", "Carrier"),
        ("warehouse", "Warehouse"),
    ]
    assert [str(side) for side in Side] == ["channel", "oms"]


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=MOST_CHARACTERS))
def test_any_text_is_a_code_and_kept_as_it_is(text: str) -> None:
    assert optional_code(text) == text
    if text.strip():
        assert required_code(text) == text


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * (MOST_CHARACTERS + 1)], ids=ascii)
def test_what_no_column_can_hold_is_no_code(text: str) -> None:
    for check in (required_code, optional_code):
        with pytest.raises(InputError) as refusal:
            check(text)
        assert refusal.value.code == "invalid_mapping"


def test_only_an_optional_code_may_be_empty() -> None:
    assert optional_code("") == ""
    with pytest.raises(InputError, match="Write one"):
        required_code(" \t")


def test_a_long_code_is_shortened_in_a_sentence_and_hidden_characters_are_spelled_out() -> None:
    assert shown("x" * 61) == "'" + "x" * 60 + "…'"
    assert shown("a\tb") == r"'a\tb'"


@pytest.mark.parametrize(
    ("count", "phrase"),
    [(1, "0"), (2, "0 and 1"), (5, "0, 1, 2, 3 and 4"), (6, "0, 1, 2, 3, 4 and 1 more")],
)
def test_many_names_become_one_phrase_of_bounded_length(count: int, phrase: str) -> None:
    assert listed([str(at) for at in range(count)]) == phrase


@given(warehouses=st.lists(codes, max_size=6))
def test_every_row_after_the_first_of_a_key_is_a_duplicate(warehouses: list[str]) -> None:
    rows = [WarehouseMapping(each, "L") for each in warehouses]
    found = duplicates(rows)
    assert [conflict.positions[0] for conflict in found] == [
        at for at, each in enumerate(warehouses) if each in warehouses[:at]
    ]
    for conflict in found:
        code = warehouses[conflict.positions[0]]
        assert f"'{code}' is mapped by row {warehouses.index(code) + 1} already" in conflict.sentence
    if found:
        with pytest.raises(InputError, match="already"):
            unique(rows)
    else:
        unique(rows)


def test_the_rows_of_a_conflict_are_called_as_the_caller_calls_them() -> None:
    rows = [WarehouseMapping("A", "1"), WarehouseMapping("A", "2")]
    (conflict,) = duplicates(rows, ["line 7", "line 9"])
    assert conflict.sentence == "'A' is mapped by line 7 already. Keep one of the two."


def test_an_error_says_its_line_and_its_column_where_it_has_one() -> None:
    assert SheetError(3, "Wrong.").sentence == "Line 3: Wrong."
    assert SheetError(3, "Wrong.", "primary").sentence == "Line 3, column primary: Wrong."
