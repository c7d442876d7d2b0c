"""Event types, the shapes of their payloads, and the business key of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.envelope import Envelope
from domain.errors import MalformedEvent, UnknownName
from domain.events import (
    ANNOUNCED_TYPES,
    EVENT_TYPES,
    ChannelOrder,
    OrderStatusChanged,
    Payload,
    ProductChanged,
    ShipmentCreated,
    StockChanged,
    Tick,
    business_key,
    event_type,
    payload_of,
)
from tests.domain.events import SHIPMENT, STOCK, event

DUE = {"schedule": "s-1", "due": "2026-03-02T15:00:00Z"}
GOOD: dict[str, tuple[dict[str, Any], type[Payload], str]] = {
    "order.created": ({"external_order_id": "4711", "order": {"id": 1}}, ChannelOrder, "4711"),
    "order.updated": ({"external_order_id": "4711", "updated_at": "2026-03-02T15:04:01Z"}, ChannelOrder, "4711"),
    "order.cancelled": ({"external_order_id": "4711", "order": None}, ChannelOrder, "4711"),
    "order.status_changed": ({"external_order_id": "4711", "status": "paid"}, OrderStatusChanged, "4711"),
    "shipment.created": (SHIPMENT, ShipmentCreated, "4711"),
    "stock.changed": (STOCK, StockChanged, "MUG"),
    "product.changed": ({"product": {"sku": "MUG"}}, ProductChanged, "the subject"),
    "tick.order_import": (DUE, Tick, "s-1"),
}


def envelope(type: str, data: Any, **more: Any) -> Envelope:
    return Envelope.model_validate(event(type, data, **more))


def refusal(type: str, data: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        payload_of(envelope(type, data))
    return caught.value


def test_every_event_type_has_an_example_here() -> None:
    assert set(GOOD) - {"tick.order_import"} == set(EVENT_TYPES)


@pytest.mark.parametrize("type", GOOD)
def test_each_type_has_its_payload_and_business_key(type: str) -> None:
    data, model, key = GOOD[type]
    said = envelope(type, data, subject="the subject")
    payload = payload_of(said)
    assert payload.__class__ is model
    assert business_key(said, payload) == key


def test_without_a_subject_and_a_sku_a_product_has_no_business_key() -> None:
    said = envelope("product.changed", {"product": {}})
    assert business_key(said, payload_of(said)) == ""


def test_without_a_subject_the_business_key_of_a_product_is_its_sku() -> None:
    said = envelope("product.changed", {"product": {"sku": "MUG"}})
    assert business_key(said, payload_of(said)) == "MUG"


@pytest.mark.parametrize("type", GOOD)
def test_a_member_nobody_knows_is_refused_by_name(type: str) -> None:
    error = refusal(type, {**GOOD[type][0], "colour": "secret"})
    assert (error.code, "colour" in error.sentence, "secret" in error.sentence) == (
        "invalid_payload",
        True,
        False,
    )


def test_a_long_name_of_an_unknown_member_does_not_make_a_long_sentence() -> None:
    assert len(refusal("stock.changed", {**STOCK, "x" * 100_000: 1}).sentence) < 300


@pytest.mark.parametrize("type", GOOD)
def test_each_type_refuses_an_empty_payload_and_says_what_is_missing(type: str) -> None:
    error = refusal(type, {})
    assert error.sentence.startswith(f"data of {type} is not valid: ")
    assert "Field required" in error.sentence


@pytest.mark.parametrize(
    ("type", "wrong"),
    [
        ("order.created", {"external_order_id": ""}),
        ("order.created", {"external_order_id": 4711}),
        ("order.created", {"external_order_id": "x" * 101}),
        ("order.created", {"order": "text"}),
        ("order.created", {"updated_at": "yesterday"}),
        ("order.status_changed", {"status": ""}),
        ("order.status_changed", {"note": "x" * 2001}),
        ("shipment.created", {"lines": []}),
        ("shipment.created", {"lines": {}}),
        ("shipment.created", {"shipped_at": "2026-03-02"}),
        ("shipment.created", {"shipped_at": 1_772_000_000}),
        ("shipment.created", {"notify_customer": "yes"}),
        ("shipment.created", {"notify_customer": 1}),
        ("stock.changed", {"total": -1}),
        ("stock.changed", {"allocated": -1}),
        ("stock.changed", {"version": -1}),
        ("stock.changed", {"total": 1.5}),
        ("stock.changed", {"total": "40"}),
        ("stock.changed", {"total": True}),
        ("stock.changed", {"total": 10**9 + 1}),
        ("stock.changed", {"version": 2**63}),
        ("stock.changed", {"sku": None}),
        ("product.changed", {"product": []}),
        ("tick.order_import", {"due": 0}),
    ],
    ids=str,
)
def test_a_member_of_the_wrong_shape_is_refused_by_name(type: str, wrong: dict[str, Any]) -> None:
    error = refusal(type, {**GOOD[type][0], **wrong})
    ((name, _),) = wrong.items()
    assert (error.code, f"{name}: " in error.sentence) == ("invalid_payload", True)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ({"quantity": 1}, "lines.0: "),
        ({"sku": None, "external_line_id": None, "quantity": 1}, "lines.0: "),
        ({"sku": "MUG", "quantity": 0}, "lines.0.quantity: "),
        ({"sku": "MUG", "quantity": -2}, "lines.0.quantity: "),
        ({"sku": "MUG", "quantity": True}, "lines.0.quantity: "),
        ({"sku": "MUG"}, "lines.0.quantity: "),
        ({"sku": "", "quantity": 1}, "lines.0.sku: "),
    ],
    ids=str,
)
def test_a_wrong_line_of_a_parcel_is_refused_by_its_place(line: dict[str, Any], fault: str) -> None:
    assert fault in refusal("shipment.created", {**SHIPMENT, "lines": [line]}).sentence


@pytest.mark.parametrize("named", [{"sku": "MUG"}, {"external_line_id": "9"}, {"sku": "MUG", "external_line_id": "9"}])
def test_a_line_is_named_by_sku_or_by_the_shops_line(named: dict[str, str]) -> None:
    payload = payload_of(envelope("shipment.created", {**SHIPMENT, "lines": [{**named, "quantity": 2}]}))
    assert isinstance(payload, ShipmentCreated)
    assert payload.lines[0].model_dump(exclude_none=True) == {**named, "quantity": 2}


@given(total=st.integers(0, 10**9), allocated=st.integers(0, 10**9), version=st.none() | st.integers(0, 2**62))
def test_any_level_in_range_is_taken_as_it_is(total: int, allocated: int, version: int | None) -> None:
    data = {**STOCK, "total": total, "allocated": allocated, "version": version}
    assert payload_of(envelope("stock.changed", data)).model_dump() == data


def test_a_moment_of_a_payload_is_utc() -> None:
    payload = payload_of(envelope("shipment.created", {**SHIPMENT, "shipped_at": "2026-03-02T10:00:00-05:00"}))
    assert isinstance(payload, ShipmentCreated)
    assert payload.shipped_at == datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("name", ["order.eaten", "tick.", "tick", "Order.created", "", "order.imported"])
def test_an_unknown_type_is_refused_and_the_known_ones_are_told(name: str) -> None:
    with pytest.raises(UnknownName) as caught:
        event_type(name)
    assert caught.value.code == "unknown_type"
    assert repr(name) in caught.value.sentence
    assert all(known in caught.value.sentence for known in EVENT_TYPES)


@pytest.mark.parametrize("name", [*EVENT_TYPES, "tick.order_import"])
def test_a_type_is_found_by_its_name(name: str) -> None:
    assert event_type(name).name == name


def test_nothing_that_is_announced_may_also_come_in() -> None:
    assert not set(ANNOUNCED_TYPES) & set(EVENT_TYPES)
    assert not any(name.startswith("tick.") for name in ANNOUNCED_TYPES)
