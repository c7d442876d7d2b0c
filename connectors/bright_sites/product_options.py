"""Options of a product as the shop shows them, with their values (Bright Sites API facts, section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.bright_sites.reading import identity, money, rows, text

SEPARATOR = "-"
"""What stands between the parts of a SKU where the shop does not say."""


@dataclass(frozen=True, slots=True)
class ShopValue:
    """One value of an option. ``part`` is what it adds to the SKU, ``modifier`` what it adds to the price."""

    id: str
    name: str
    part: str
    modifier: Decimal


@dataclass(frozen=True, slots=True)
class ShopOption:
    """One option. ``percent`` says that the modifiers of its values are shares of the product's price."""

    id: str
    name: str
    percent: bool
    values: tuple[ShopValue, ...]

    def surcharge(self, value: ShopValue, base: Decimal) -> Decimal:
        """What a value adds to the price."""
        return base * value.modifier / 100 if self.percent else value.modifier


def options_of(document: Mapping[str, Any]) -> tuple[ShopOption, ...]:
    """The options in the shop's order. Of several with the same name, the second is called ``name (2)``."""
    values: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows(document, "sub_options"):
        values.setdefault(text(row, "product_option_id"), []).append(row)
    options = rows(document, "options")
    names = _distinct([text(row, "name") for row in options])
    return tuple(
        ShopOption(
            identity(row, "id"),
            name,
            text(row, "price_modifier_type") == "%",
            _values(values.get(identity(row, "id"), [])),
        )
        for row, name in zip(options, names, strict=True)
    )


def separator_of(document: Mapping[str, Any]) -> str:
    """What stands between the parts of a SKU."""
    return SEPARATOR if document.get("sku_separator") is None else text(document, "sku_separator")


def _values(found: Sequence[Mapping[str, Any]]) -> tuple[ShopValue, ...]:
    names = _distinct([text(row, "name") for row in found])
    return tuple(
        ShopValue(identity(row, "id"), name, text(row, "sub_sku"), money(row, "price_modifier"))
        for row, name in zip(found, names, strict=True)
    )


def _distinct(names: Sequence[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        short = name.replace("\0", "").strip()
        taken.append(short if short not in taken else f"{short} ({taken.count(short) + 1})")
    return taken
