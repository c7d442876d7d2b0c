from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MalformedEvent
from producers.http.strict_json import read_batch, read_one

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
SPACE = st.text(" \t\r\n", max_size=3)


@given(st.lists(st.tuples(SPACE, VALUE, SPACE), max_size=8), st.booleans())
def test_a_batch_gives_every_value_back_byte_for_byte(parts: list[tuple[str, Any, str]], ascii_only: bool) -> None:
    written = [json.dumps(value, ensure_ascii=ascii_only) for _, value, _ in parts]
    body = ",".join(before + text + after for (before, _, after), text in zip(parts, written, strict=True))
    elements = read_batch(f" [{body}]\n".encode(), 32, 1000)
    assert [element.body.decode() for element in elements] == written
    assert all(element.error is None for element in elements)


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_as_json_says_or_refused(body: bytes) -> None:
    try:
        elements = read_batch(body, 32, 1000)
    except MalformedEvent:
        return
    assert len(elements) == len(json.loads(body))


@given(VALUE, st.data())
def test_half_a_batch_is_never_taken(value: Any, data: st.DataObject) -> None:
    body = json.dumps([value, value]).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(MalformedEvent):
        read_batch(body[:cut], 32, 1000)


@given(st.integers(1, 80), st.sampled_from(["[]", "{}"]))
def test_nesting_is_counted_exactly(depth: int, kind: str) -> None:
    start, end = ("[", "]") if kind == "[]" else ('{"a":', "}")
    body = start * (depth - 1) + kind + end * (depth - 1)
    error = read_one(body.encode(), 32).error
    assert (error is not None) == (depth > 32)


@given(st.lists(TEXT, min_size=1, max_size=6))
def test_members_that_stand_twice_are_found(names: list[str]) -> None:
    body = "{" + ",".join(f"{json.dumps(name)}: 1" for name in names) + "}"
    error = read_one(f'{{"data": {body}}}'.encode(), 32).error
    assert (error is not None and error.code == "duplicate_member") == (len(set(names)) < len(names))


def test_a_number_of_many_digits_does_no_harm() -> None:
    body = b'{"id": "a", "n": ' + b"9" * 100_000 + b"}"
    assert read_one(body, 32).event_id == "a"


def test_reading_a_batch_stops_behind_the_limit() -> None:
    assert len(read_batch(b"[1, 2, 3, 4, and no JSON any more", 32, 2)) == 3
