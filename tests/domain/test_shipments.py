"""Whether two parcels hold the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.shipments import ParcelLine, same_contents

lines = st.builds(ParcelLine, st.sampled_from("abc"), st.integers(1, 9))
parcels = st.lists(lines, max_size=6)


@given(parcel=parcels, data=st.data())
def test_the_order_of_lines_does_not_matter(parcel: list[ParcelLine], data: st.DataObject) -> None:
    assert same_contents(parcel, data.draw(st.permutations(parcel)))


@given(parcel=st.lists(lines, min_size=1, max_size=6), data=st.data())
def test_a_line_may_be_split(parcel: list[ParcelLine], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parcel) - 1))
    line = parcel[at]
    first = data.draw(st.integers(0, line.quantity))
    halves = [
        ParcelLine(line.external_line_id, first),
        ParcelLine(line.external_line_id, line.quantity - first),
    ]
    assert same_contents(parcel, [*parcel[:at], *halves, *parcel[at + 1 :]])


@given(parcel=parcels, more=lines)
def test_one_item_more_is_another_parcel(parcel: list[ParcelLine], more: ParcelLine) -> None:
    assert not same_contents(parcel, [*parcel, more])
    assert not same_contents([*parcel, more], parcel)


@given(left=parcels, right=parcels)
def test_sameness_does_not_depend_on_the_side(left: list[ParcelLine], right: list[ParcelLine]) -> None:
    assert same_contents(left, right) == same_contents(right, left)


def test_the_same_quantity_of_another_line_is_another_parcel() -> None:
    assert not same_contents([ParcelLine("a", 1)], [ParcelLine("b", 1)])
    assert same_contents(iter([ParcelLine("a", 1)]), (ParcelLine("a", 1),))
