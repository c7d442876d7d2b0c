"""Masking: the people of an order are hidden, its facts stay."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.masking import MASK, masked
from domain.orders import Address, Contact, Order, OrderLine, OrderStatus

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
secrets = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=8)
LINE = OrderLine(external_line_id="1", sku="MUG", name="Mug", quantity=2, unit_price=Decimal(3), total=Decimal(6))


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


@given(secret=secrets)
def test_names_addresses_and_notes_are_hidden_wherever_the_order_stands(secret: str) -> None:
    person = Contact(first_name=secret, last_name=secret, email=secret, phone=secret)
    place = Address(company=secret, line1=secret, city=secret, postal_code=secret, country=secret)
    order = Order(
        external_order_id="4711", status=OrderStatus.PAID, external_status="Paid", created_at=MOMENT,
        updated_at=MOMENT, ship_to=place, bill_to=place, ship_to_contact=person, bill_to_contact=person,
        notes=(secret,), lines=(LINE,),
    )  # fmt: skip
    document = order.model_dump(mode="json")
    hidden = masked({"data": [document]})
    assert secret in texts(document)
    assert secret not in texts(hidden)
    (shown,) = hidden["data"]
    assert shown["ship_to"]["region"] == ""
    assert shown["ship_to_contact"]["email"] == MASK
    facts = document.keys() - {"ship_to", "bill_to", "ship_to_contact", "bill_to_contact", "notes"}
    assert {name: shown[name] for name in facts} == {name: document[name] for name in facts}
    assert Order.model_validate(shown).lines == order.lines
