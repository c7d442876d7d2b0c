from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bright_sites.translate import order_from, personal_values, summary_from
from domain.errors import ShopRejected
from domain.orders import Address, Adjustment, Contact, OrderStatus

LINE: dict[str, Any] = {
    "id": 88001,
    "name": "Mug",
    "final_sku": "MUG-RED",
    "final_internal_id": None,
    "tax_code": "",
    "quantity": 2,
    "product_price": "10.0",
    "options_price": "1.25",
    "unit_price": "11.25",
    "total_price": "22.5",
    "tax_price": None,
    "product_id": 71,
    "product_options": [],
    "gift_certificate": None,
    "note": None,
}
DOCUMENT: dict[str, Any] = {
    "order_id": 4711,
    "created_at": "2026-03-02T09:15:00-07:00",
    "updated_at": "2026-03-02T09:20:11.250-07:00",
    "status": "paid",
    "site_id": 3,
    "customer_email": "ann@example.com",
    "customer_id": None,
    "username": "Guest",
    "item_total": "22.5",
    "grand_total": "30.5",
    "shipping_contact": {
        "first_name": "Ann",
        "last_name": "Example",
        "email": "ann@example.com",
        "phone": "555-0142",
    },
    "billing_contact": {"first_name": "Bo", "last_name": "Sample", "email": "", "phone": None},
    "shipping_address": {
        "company": "",
        "first_address": "1 Sample Street",
        "second_address": "",
        "city": "Denver",
        "state": "Colorado",
        "country": "United States",
        "zip": "80202",
    },
    "billing_address": None,
    "payment": {"id": 1, "amount": "30.5", "details": {}},
    "shipment": {"tracking_number": None, "cost": "7.5", "shipping_method": "UPS Ground", "ship_date": None},
    "shipments": [],
    "line_items": [LINE, {**LINE, "id": "88002", "gift_certificate": {"code": "X"}}],
    "coupons_adjustments": [],
    "balance_adjustments": [],
    "custom_adjustments": [{"note": None, "amount": "-1", "modifier_type": "$"}],
    "required_adjustments": [{"note": "Tax", "amount": 1.5, "modifier_type": "$"}],
    "custom_data_collections": [],
    "notes": [{"username": "API", "created_at": "2026-03-02T09:16:00-07:00", "note": "gift wrap"}],
}


def test_a_full_document_becomes_an_order() -> None:
    order = order_from(DOCUMENT)
    assert order.external_order_id == "4711"
    assert (order.status, order.external_status) == (OrderStatus.PAID, "paid")
    assert order.created_at == datetime(2026, 3, 2, 16, 15, tzinfo=UTC)
    assert order.updated_at == datetime(2026, 3, 2, 16, 20, 11, 250_000, tzinfo=UTC)
    assert (order.grand_total, order.item_total) == (Decimal("30.5"), Decimal("22.5"))
    assert order.shipping_method == "UPS Ground"
    assert [(line.external_line_id, line.shippable) for line in order.lines] == [
        ("88001", True),
        ("88002", False),
    ]
    assert (order.lines[0].sku, order.lines[0].quantity) == ("MUG-RED", 2)
    assert (order.lines[0].unit_price, order.lines[0].total) == (Decimal("11.25"), Decimal("22.5"))
    assert set(order.adjustments) == {
        Adjustment(note="Tax", amount=Decimal("1.5")),
        Adjustment(note="", amount=Decimal(-1)),
    }
    assert order.ship_to.region == "Colorado"
    assert order.ship_to_contact == Contact(
        first_name="Ann", last_name="Example", email="ann@example.com", phone="555-0142"
    )
    assert order.bill_to == Address()
    assert order.notes == ("gift wrap",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-02T09:15:00-07:00", datetime(2026, 3, 2, 16, 15, tzinfo=UTC)),
        ("2026-03-02T09:15:00.123+05:30", datetime(2026, 3, 2, 3, 45, 0, 123_000, tzinfo=UTC)),
        ("2026-03-02T09:15:00Z", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02T09:15:00+0000", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02 09:15:00", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_any_offset(written: str, meant: datetime) -> None:
    assert order_from({**DOCUMENT, "updated_at": written}).updated_at == meant


@pytest.mark.parametrize(("written", "meant"), [("12.5", "12.5"), ("10", "10"), (12.5, "12.5"), (7, "7"), (None, "0")])
def test_money_is_read_from_text_and_number(written: object, meant: str) -> None:
    assert order_from({**DOCUMENT, "grand_total": written}).grand_total == Decimal(meant)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("order_id", None),
        ("order_id", True),
        ("order_id", " "),
        ("status", None),
        ("status", ["paid"]),
        ("updated_at", "yesterday"),
        ("updated_at", 5),
        ("updated_at", "0001-01-01T00:00:00+14:00"),
        ("grand_total", "12,50 Ann"),
        ("grand_total", "NaN"),
        ("grand_total", "1e99"),
        ("grand_total", float("inf")),
        ("grand_total", True),
        ("line_items", {}),
        ("line_items", ["x"]),
        ("line_items", [{**LINE, "id": None}]),
        ("line_items", [{**LINE, "quantity": None}]),
        ("line_items", [{**LINE, "quantity": 1.5}]),
        ("line_items", [{**LINE, "quantity": "two"}]),
        ("shipping_address", "1 Sample Street"),
        ("shipping_contact", {"first_name": ["Ann"]}),
        ("notes", "text"),
    ],
)
def test_what_makes_no_sense_is_unreadable_and_never_quoted(member: str, value: object) -> None:
    with pytest.raises(ShopRejected) as caught:
        order_from({**DOCUMENT, member: value})
    assert caught.value.code == "unreadable_answer"
    assert "Ann" not in str(caught.value) and "Sample" not in str(caught.value)


def test_a_document_without_any_time_is_unreadable() -> None:
    with pytest.raises(ShopRejected):
        order_from({**DOCUMENT, "created_at": None, "updated_at": None})


def test_one_of_the_two_times_is_enough() -> None:
    order = order_from({**DOCUMENT, "updated_at": None})
    assert order.updated_at == order.created_at


def test_a_missing_unit_price_and_total_are_worked_out() -> None:
    line = {**LINE, "unit_price": None, "total_price": None}
    assert order_from({**DOCUMENT, "line_items": [line]}).lines[0].total == Decimal("22.50")


def test_a_quantity_may_be_a_text() -> None:
    assert order_from({**DOCUMENT, "line_items": [{**LINE, "quantity": "2"}]}).lines[0].quantity == 2


def test_a_summary_without_times_takes_the_end_of_the_window() -> None:
    until = datetime(2026, 4, 1, tzinfo=UTC)
    assert summary_from({"order_id": 1}, until).updated_at == until
    assert summary_from(DOCUMENT, until).updated_at.minute == 20


def test_personal_values_are_all_found() -> None:
    values = set(personal_values(DOCUMENT))
    assert {"Ann", "Example", "ann@example.com", "555-0142", "1 Sample Street", "Denver", "Guest"} <= values


NEEDED = {("order_id",), ("status",)}


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


PLACES = sorted(places(DOCUMENT), key=str)
OPTIONAL = [
    place
    for place in PLACES
    if place not in NEEDED and not (place[0] == "line_items" and place[-1] in ("id", "quantity"))
]


def damaged(cuts: list[tuple[tuple[Any, ...], bool]]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    for place, null in cuts:
        inner: Any = document
        for step in place[:-1]:
            inner = inner.get(step) if isinstance(inner, dict) else inner[step] if inner else None
            if inner is None:
                break
        if inner is None:
            continue
        if null:
            inner[place[-1]] = None
        elif isinstance(inner, dict):
            inner.pop(place[-1], None)
    return document


@given(st.lists(st.tuples(st.sampled_from(OPTIONAL), st.booleans()), max_size=12))
def test_any_optional_members_may_be_missing_or_null(cuts: list[tuple[tuple[Any, ...], bool]]) -> None:
    document = damaged(cuts)
    if document.get("created_at") is None and document.get("updated_at") is None:
        document["updated_at"] = DOCUMENT["updated_at"]
    order = order_from(document)
    assert order.external_order_id == "4711"
    assert len(order.lines) == len(document.get("line_items") or [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(PLACES), JSON)
def test_any_value_anywhere_gives_an_order_or_says_that_it_is_unreadable(place: tuple[Any, ...], value: object) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    try:
        order_from(document)
    except ShopRejected as error:
        assert error.code == "unreadable_answer"
