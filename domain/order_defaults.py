"""Warehouse and carrier of an imported order: what the OMS is told beyond what the shop says (section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.channels import Channel
from domain.mappings import CarrierCode
from domain.orders import Order

DERIVED = ("warehouse", "carrier", "carrier_service")
"""Members of an order's document that mappings and the account's settings fill."""


def with_carrier(order: Order, channel: Channel, mapped: CarrierCode | None) -> Order:
    """The order with the warehouse and carrier the OMS is told (sales channels, section 4).

    A warehouse that the connector filled in stays. ``mapped`` is what the shipping method stands for, ``None`` where it
    stands for nothing: then the account's default carrier, with no service.
    """
    carrier = mapped or CarrierCode(channel.default_carrier or "")
    told = {
        "warehouse": order.warehouse or channel.default_warehouse,
        "carrier": carrier.carrier or None,
        "carrier_service": carrier.service or None,
    }
    return order.model_copy(update=told)


def same_in_shop(recorded: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a recorded order is what the shop now says. ``document`` has no carrier yet: what it leaves empty was
    derived in the recorded one, from what holds now or held then, or was not told at all.
    """
    derived = {name for name in DERIVED if document.get(name) is None}
    return _without(recorded, derived) == _without(document, derived)


def _without(document: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
