"""Warehouse and carrier of an imported order, and when an order counts as unchanged."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.channels import Channel, ChannelSettings
from domain.mappings import CarrierCode
from domain.order_defaults import DERIVED, same_in_shop, with_carrier
from domain.orders import Order, OrderStatus

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
codes = st.none() | st.sampled_from(["main", "ups", "dhl"])
mapped = st.none() | st.builds(CarrierCode, st.sampled_from(["ups", "dhl"]), st.sampled_from(["", "03"]))


def order(warehouse: str | None = None, method: str = "UPS Ground") -> Order:
    return Order(
        external_order_id="1", status=OrderStatus.NEW, external_status="new", created_at=AT, updated_at=AT,
        shipping_method=method, warehouse=warehouse,
    )  # fmt: skip


def channel(warehouse: str | None = None, carrier: str | None = None) -> Channel:
    return Channel(
        "c", "a", "acme", "main", "Main", "bright_sites", "shop.example.com", SecretStr(""), True, ChannelSettings(),
        default_warehouse=warehouse, default_carrier=carrier,
    )  # fmt: skip


@given(own=codes, warehouse=codes, carrier=codes, found=mapped)
def test_what_the_shop_and_the_mappings_say_comes_before_the_defaults_of_the_account(
    own: str | None, warehouse: str | None, carrier: str | None, found: CarrierCode | None
) -> None:
    told = with_carrier(order(own), channel(warehouse, carrier), found)
    assert told.warehouse == (warehouse if own is None else own)
    if found is not None:
        assert (told.carrier, told.carrier_service) == (found.carrier, found.service or None)
    else:
        assert (told.carrier, told.carrier_service) == (carrier, None)
    assert told.model_copy(update=dict.fromkeys(DERIVED)) == order()


@given(own=codes, warehouse=codes, carrier=codes, found=mapped, old=st.booleans())
def test_an_order_is_the_same_whatever_was_derived_when_it_was_recorded(
    own: str | None, warehouse: str | None, carrier: str | None, found: CarrierCode | None, old: bool
) -> None:
    now = order(own).model_dump(mode="json")
    recorded = with_carrier(order(own), channel(warehouse, carrier), found).model_dump(mode="json")
    if old and own is None:
        recorded = {member: value for member, value in recorded.items() if member not in DERIVED}
    assert same_in_shop(recorded, now)
    assert not same_in_shop({**recorded, "shipping_method": "Pigeon"}, now)
    assert not same_in_shop({}, now)


def test_a_warehouse_that_the_shop_itself_changed_makes_another_state() -> None:
    recorded = with_carrier(order("east"), channel("main"), None).model_dump(mode="json")
    assert not same_in_shop(recorded, order("west").model_dump(mode="json"))
