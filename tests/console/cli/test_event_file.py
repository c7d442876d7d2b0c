"""Events in a file are handed on as they were written."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from console.cli.event_file import split_events

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


@given(st.lists(EVENTS, max_size=5), st.integers(0, 2))
def test_an_array_gives_its_elements_in_order(events: list[dict[str, object]], indent: int) -> None:
    bodies = split_events(json.dumps(events, indent=indent or None, ensure_ascii=False).encode())
    assert [json.loads(body) for body in bodies] == events


@given(st.lists(EVENTS, min_size=2, max_size=5))
def test_json_lines_give_their_lines(events: list[dict[str, object]]) -> None:
    lines = [json.dumps(event).encode() for event in events]
    assert split_events(b"\n\n".join(lines) + b"\n") == lines


@given(EVENTS)
def test_one_document_over_many_lines_is_one_event(event: dict[str, object]) -> None:
    body = json.dumps(event, indent=2).encode()
    assert split_events(body + b"\n") == [body]


@given(st.binary(max_size=200))
def test_whatever_the_bytes_nothing_of_them_is_lost(content: bytes) -> None:
    try:
        whole = json.loads(content.decode())
    except ValueError:
        whole = None
    if not isinstance(whole, list):
        assert b"".join(b"".join(split_events(content)).split()) == b"".join(content.split())


def test_an_element_keeps_its_own_spelling() -> None:
    assert split_events(b'[ {"a": 1.0,  "b":1e2} ,{"c" :"\xc3\xbc"}\n]') == [
        b'{"a": 1.0,  "b":1e2}',
        b'{"c" :"\xc3\xbc"}',
    ]


def test_a_document_that_breaks_off_stays_one_body() -> None:
    broken = b'{\n  "id": "1",\n  "data": {\n'
    assert split_events(broken) == [broken]
