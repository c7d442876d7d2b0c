"""Suggestions: the nearest codes first, nothing when nothing is near, soon enough among very many."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mappings import nearest

LETTERS = "ABCXYZ0123456789-"
codes = st.text(LETTERS, min_size=1, max_size=14)
words = st.text("ABCDEFGHIJ", min_size=2, max_size=14)
others = st.lists(codes, max_size=2)


@st.composite
def misspellings(draw: st.DrawFn) -> tuple[str, str]:
    """A code, and the same with one letter wrong, left out, added, or swapped with the next."""
    code = draw(words)
    at = draw(st.integers(0, len(code) - 1))
    letter = draw(st.sampled_from("KLMNOP057"))
    how = draw(st.sampled_from(["wrong", "left out", "added", "swapped"]))
    begin, end = code[:at], code[at + 1 :]
    written = {
        "wrong": begin + letter + end,
        "left out": begin + end,
        "added": begin + letter + code[at:],
        "swapped": begin + end[:1] + code[at] + end[1:],
    }
    return code, written[how]


@given(pair=misspellings(), known=others)
def test_a_code_is_suggested_for_its_misspelling(pair: tuple[str, str], known: list[str]) -> None:
    code, written = pair
    assert code in nearest(written, [*known, code])


@pytest.mark.parametrize("code", ["UP", "UPS", "USPS", "FEDEX"])
def test_letters_of_a_short_code_may_be_swapped_anywhere(code: str) -> None:
    for at in range(len(code) - 1):
        assert nearest(code[:at] + code[at + 1] + code[at] + code[at + 2 :], [code]) == (code,)


def within_one(code: str, written: str) -> bool:
    """Whether one change makes one text of the other, found by trying all."""
    changes = {code[:at] + letter + code[at + 1 :] for at in range(len(code)) for letter in LETTERS}
    changes |= {code[:at] + code[at + 1 :] for at in range(len(code))}
    changes |= {code[:at] + letter + code[at:] for at in range(len(code) + 1) for letter in LETTERS}
    changes |= {code[:at] + code[at + 1] + code[at] + code[at + 2 :] for at in range(len(code) - 1)}
    return written in changes


@given(code=st.text("ABCX", min_size=3, max_size=6), known=st.lists(st.text("ABCX", min_size=2, max_size=7)))
def test_no_code_one_letter_away_is_left_out_for_one_further_away(code: str, known: list[str]) -> None:
    found = nearest(code, known, most=2)
    near = {each for each in known if each == code or within_one(code, each)}
    assert near.issuperset(found) if len(near) >= 2 else near.issubset(found)


@given(code=codes, known=st.lists(codes), most=st.integers(0, 4))
def test_only_known_codes_are_suggested_in_the_same_order_whatever_the_order_of_the_known(
    code: str, known: list[str], most: int
) -> None:
    found = nearest(code, known, most)
    assert set(found) <= set(known)
    assert len(found) == len(set(found)) <= most
    assert found == nearest(code, reversed(known), most)


@given(code=words.filter(lambda text: len(text) > 2), known=others)
def test_the_code_itself_comes_first(code: str, known: list[str]) -> None:
    assert nearest(code, [*known, code])[0] == code


@pytest.mark.parametrize("written", ["ab 123", "AB123", "ab-0123", "Ab_00123", "00AB.123", "AB/123"])
def test_letter_case_spaces_dashes_and_leading_zeros_hardly_count(written: str) -> None:
    assert nearest(written, ["XY-900", "AB-123", "AB-77"]) == ("AB-123",)


def test_they_decide_between_codes_that_are_equally_near() -> None:
    assert nearest("AB-1234", ["ab1234", "AB-1234", "AB-01234"])[0] == "AB-1234"


@pytest.mark.parametrize("known", [[], [""], ["ZZ"], ["UPS Ground", "FedEx"], ["---"]])
def test_nothing_is_suggested_when_nothing_is_near(known: list[str]) -> None:
    assert nearest("QW-17", known) == ()


@pytest.mark.parametrize("code", ["", " ", "-", "0"])
def test_a_code_of_nothing_has_no_neighbours(code: str) -> None:
    assert nearest(code, ["A", "B1", "XYZ"]) == ()


def test_nearer_codes_come_before_those_further_away() -> None:
    assert nearest("ABCDEF", ["ABXXEF", "ABCDEX", "QQQQQQ", "ABCDFE"]) == ("ABCDEX", "ABCDFE", "ABXXEF")


@pytest.mark.parametrize("form", ["SKU-{:06d}", "A-VERY-LONG-PREFIX-{:05d}", "{:05d}"])
def test_fifty_thousand_known_codes_are_no_long_wait(form: str) -> None:
    known = [form.format(number) for number in range(50_000)]
    wrong = form.format(12_345).replace("3", "#")
    began = time.process_time()
    assert form.format(12_345) in nearest(wrong, known, most=10)
    assert time.process_time() - began < 2.0


def test_only_the_most_alike_of_very_many_are_compared_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def far(left: str, right: str, most: int) -> int:
        compared.append(right)
        return most + 1

    monkeypatch.setattr("domain.mappings.suggest._distance", far)
    assert nearest("A-VERY-LONG-PREFIX-#####", [f"A-VERY-LONG-PREFIX-{number:05d}" for number in range(20_000)]) == ()
    # Two letters away and three, with zeros and without.
    assert 0 < len(compared) <= 4 * 2_000
