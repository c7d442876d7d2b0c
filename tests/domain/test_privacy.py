"""What is personal in an order, and what is a fact."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.authorization import renew_at, wait_after_failure
from domain.envelope import read_back
from domain.privacy import ERASED, erased_at, erased_event, facts_of, without_values

AT = datetime(2026, 3, 2, tzinfo=UTC)
words = st.text(alphabet=st.characters(categories=["L"]), min_size=12, max_size=30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("order_id", 4711), ("id", "A-77"), ("final_sku", "MUG-L"), ("status", "new"), ("quantity", 3),
        ("grand_total", "19.90"), ("unit_price", 4.5), ("created_at", "2026-03-01T09:30:00-07:00"),
        ("ship_date", "2026-03-04"), ("position", 12), ("guest", True), ("customer_id", 501), ("note", None),
    ],
)  # fmt: skip
def test_facts_stay(name: str, value: Any) -> None:
    assert facts_of({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("first_name", "Kim"), ("email", "kim@example.com"), ("phone", "555-0101"), ("phone", 5550101),
        ("zip", 60601), ("code", 60601), ("gift_message", "For Kim"), ("customer_id", "kim.smith"),
        ("user_id", "kim@example.com"), ("birth_date", "1990-01-01"), ("dob", "1990-01-01"), ("unknown", "Kim"),
        ("grand_total", "ask Kim"), ("created_at", "by Kim"), ("contact_number", 49151173918),
    ],
)  # fmt: skip
def test_all_else_is_erased(name: str, value: Any) -> None:
    assert facts_of({"a": [{name: value}]}) == {"a": [{name: ERASED}]}


@given(st.recursive(words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)))
def test_no_word_of_a_buyer_survives_wherever_it_stands(document: Any) -> None:
    event = {
        "specversion": "1.0", "id": "1", "source": "s", "type": "order.created",
        "data": {"external_order_id": "4711", "order": {"custom": document}},
    }  # fmt: skip
    erased = erased_event(json.dumps(event, ensure_ascii=False).encode(), AT)
    if erased is not None:
        assert not [each for each in _values(document) if each in json.dumps(_leaves(json.loads(erased)))]
        assert erased_at(read_back(erased)) == "2026-03-02T00:00:00Z"
        assert erased_event(erased, AT) is None


def _values(document: Any) -> list[str]:
    if isinstance(document, str):
        return [document]
    return [text for each in (document.values() if isinstance(document, dict) else document) for text in _values(each)]


def _leaves(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [leaf for each in document.values() for leaf in _leaves(each)]
    return [leaf for each in document for leaf in _leaves(each)] if isinstance(document, list) else [document]


def test_an_event_without_personal_data_is_left_as_it_came() -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "order.created",
        "data": {"external_order_id": "1"},
    }
    assert erased_event(json.dumps(event).encode(), AT) is None


def test_values_are_taken_out_of_sentences_but_common_words_stay() -> None:
    said = "It will be tried for Will Smithson; WILL SMITHSON waits."
    assert without_values(said, {"Will", "Will Smithson"}) == f"It will be tried for {ERASED}; {ERASED} waits."


def test_a_token_is_renewed_before_it_expires_and_failures_are_tried_ever_more_seldom() -> None:
    assert renew_at(datetime(2026, 3, 2, 1, tzinfo=UTC), AT) == datetime(2026, 3, 2, 0, 55, tzinfo=UTC)
    assert renew_at(datetime(2026, 3, 2, 0, 2, tzinfo=UTC), AT) == datetime(2026, 3, 2, 0, 1, tzinfo=UTC)
    assert [wait_after_failure(n) for n in (1, 2, 3, 50)] == [30.0, 60.0, 120.0, 3600.0]
