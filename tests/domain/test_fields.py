"""Values as the published schemas name them: moments, whole numbers, yes and no, trace contexts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.fields import Moment, Traceparent, Whole, YesNo, has_nul

offsets = st.timezones()
plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
trees = st.recursive(
    plain | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=10,
)


def accepts(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@given(moment=st.datetimes(datetime(3, 1, 1), datetime(9997, 1, 1), timezones=offsets))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_moment_keeps_its_instant_and_is_in_utc(moment: datetime) -> None:
    read: datetime = TypeAdapter(Moment).validate_python(moment)
    assert (read, read.tzinfo) == (moment.astimezone(UTC), UTC)


@pytest.mark.parametrize("text", ["2026-03-01T10:00:00Z", "2026-03-01t10:00:00.123456z", "2026-03-01 10:00:00-05:30"])
def test_rfc_3339_text_is_a_moment(text: str) -> None:
    assert accepts(Moment, text)


@pytest.mark.parametrize(
    "value",
    [
        0,
        1.5,
        True,
        "0",
        "2026-03-01",
        "2026-03-01T10:00Z",
        "2026-03-01T10:00:00",
        "2026-13-01T10:00:00Z",
        None,
    ],
)
def test_anything_else_is_no_moment(value: Any) -> None:
    assert not accepts(Moment, value)


@given(year=st.sampled_from([1, 9999]))
def test_the_outermost_years_are_refused(year: int) -> None:
    assert not accepts(Moment, f"{year:04}-06-01T00:00:00Z")


@pytest.mark.parametrize(("value", "whole"), [(5, True), (5.0, True), (5.5, False), ("5", False), (True, False)])
def test_a_whole_number_is_neither_text_nor_true(value: Any, whole: bool) -> None:
    assert accepts(Whole, value) is whole


@pytest.mark.parametrize(("value", "yes_or_no"), [(True, True), (False, True), (1, False), ("yes", False)])
def test_yes_and_no_are_true_and_false(value: Any, yes_or_no: bool) -> None:
    assert accepts(YesNo, value) is yes_or_no


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("00-1-2-01", False),
        ("", False),
    ],
)
def test_a_trace_context_is_kept_where_it_can_be_read(text: str, kept: bool) -> None:
    assert TypeAdapter(Traceparent).validate_python(text) == (text if kept else None)


@given(tree=trees, path=st.lists(st.sampled_from(["value", "name", "list"]), max_size=5))
def test_nul_is_found_wherever_it_stands_and_only_there(tree: Any, path: list[str]) -> None:
    assert not has_nul(tree)
    hidden: Any = "a\0b"
    for step in path:
        if step == "value":
            hidden = {"x": hidden, "tree": tree}
        elif step == "name" and isinstance(hidden, str):
            hidden = {hidden: tree}
        else:
            hidden = [tree, hidden]
    assert has_nul(hidden)
