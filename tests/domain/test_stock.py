"""Newest wins, and what a shop may sell."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.stock import StockLevel, available, is_newer

Age = tuple[int | None, int]

times = st.integers(-(2**40), 2**52)
small = st.integers(0, 4)
versioned = st.tuples(small, times)
unversioned = st.tuples(st.none(), small)
quantities = st.integers(0, 10**9)


def level(total: int, allocated: int) -> StockLevel:
    return StockLevel("MUG", "main", total, allocated, None, datetime(2026, 1, 1, tzinfo=UTC))


levels = st.lists(st.builds(level, quantities, quantities), max_size=5)


@given(age=versioned | unversioned)
def test_a_copy_is_not_newer_than_itself(age: Age) -> None:
    assert not is_newer(age, age)


@given(one=versioned | unversioned, other=versioned | unversioned)
def test_of_two_levels_at_most_one_is_newer(one: Age, other: Age) -> None:
    assert not (is_newer(one, other) and is_newer(other, one))


@given(ages=st.tuples(versioned, versioned, versioned) | st.tuples(unversioned, unversioned, unversioned))
def test_newer_than_the_newer_is_newer_still_where_all_have_a_version_or_none_has(
    ages: tuple[Age, Age, Age],
) -> None:
    oldest, middle, newest = sorted(ages, key=lambda age: (age[0] is not None, age))
    if is_newer(newest, middle) and is_newer(middle, oldest):
        assert is_newer(newest, oldest)
    if not is_newer(newest, middle) and not is_newer(middle, newest):
        assert is_newer(newest, oldest) == is_newer(middle, oldest)


@given(one=versioned, other=versioned)
def test_versions_decide_whatever_the_clocks_say(one: Age, other: Age) -> None:
    assert one[0] is not None
    assert other[0] is not None
    assert is_newer(one, other) == (one[0] > other[0])


@given(one=unversioned, other=versioned | unversioned)
def test_where_one_has_no_version_time_decides(one: Age, other: Age) -> None:
    assert is_newer(one, other) == (one[1] > other[1])
    assert is_newer(other, one) == (other[1] > one[1])


@given(ages=st.permutations([(version, 100 - version) for version in range(6)]))
def test_the_newest_survives_any_order_of_arrival(ages: list[Age]) -> None:
    kept = ages[0]
    for age in ages[1:]:
        kept = age if is_newer(age, kept) else kept
    assert kept == (5, 95)


@given(known=levels, buffer=quantities, cap=st.none() | quantities)
def test_what_may_be_sold_lies_between_nothing_and_the_cap(
    known: list[StockLevel], buffer: int, cap: int | None
) -> None:
    sold = available(known, buffer=buffer, cap=cap)
    free = sum(each.total - each.allocated for each in known) - buffer
    assert sold >= 0
    assert cap is None or sold <= cap
    assert sold == free or (sold == cap and free > sold) or (sold == 0 and free < 0)


@given(known=levels, buffer=quantities)
def test_a_larger_buffer_never_sells_more(known: list[StockLevel], buffer: int) -> None:
    assert available(known, buffer=buffer + 1) <= available(known, buffer=buffer)


def test_warehouses_add_up_and_an_oversold_one_counts_against_the_others() -> None:
    assert available([level(10, 2), level(5, 0)]) == 13
    assert available([level(10, 2), level(0, 3)]) == 5
    assert available([level(0, 3)]) == 0
    assert available([]) == 0
