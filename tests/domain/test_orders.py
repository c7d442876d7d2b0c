"""Orders in canonical form survive their way through JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.orders import Order, OrderLine, OrderStatus

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
money = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)


@given(total=money, price=money, status=st.sampled_from(OrderStatus), name=st.text(max_size=20))
def test_money_keeps_every_digit_through_json(total: Decimal, price: Decimal, status: OrderStatus, name: str) -> None:
    line = OrderLine(external_line_id="1", sku="MUG", name=name, quantity=2, unit_price=price, total=total)
    order = Order(
        external_order_id="4711",
        status=status,
        external_status="new",
        created_at=AT,
        updated_at=AT,
        grand_total=total,
        lines=(line,),
    )
    document = order.model_dump(mode="json")
    assert isinstance(document["grand_total"], str)
    assert Order.model_validate(json.loads(json.dumps(document))) == order


def test_an_order_cannot_be_changed_afterwards() -> None:
    order = Order(external_order_id="1", status=OrderStatus.NEW, external_status="new", created_at=AT, updated_at=AT)
    with pytest.raises(ValidationError):
        order.status = OrderStatus.PAID  # type: ignore[misc]
