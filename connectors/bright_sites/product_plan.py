"""What has to be written so that a Bright Sites product is what the OMS says: compared first, no call made here.

Bright Sites composes: a variant's SKU is the product's SKU and one part for each option value, its price the product's
price and what each value adds. A product that does not come apart like that is refused whole, before any write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.bright_sites.product_options import SEPARATOR, ShopOption, ShopValue, options_of, separator_of
from connectors.bright_sites.product_prices import Prices, prices_of
from connectors.bright_sites.reading import money, rows, text
from connectors.bright_sites.translate_products import LENGTH_UNIT, WEIGHT_UNIT, chosen_ids
from domain.errors import ShopRejected
from domain.products import Product, Variant
from domain.units import PLACES, from_grams, from_millimetres

_SIZES = {"length": "length_mm", "width": "width_mm", "height": "height_mm"}
_KINDS = {"size": "size", "color": "color", "colour": "color"}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ValuePlan:
    """A value of an option: ``body`` is what to create where it has no ``id``, else what to change (may be empty)."""

    name: str
    id: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OptionPlan:
    """As :class:`ValuePlan`, for an option and its values."""

    name: str
    id: str | None
    body: dict[str, Any]
    values: tuple[ValuePlan, ...]


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """``fields`` of the product to write, its options, and the variants that need a stock row."""

    fields: dict[str, Any]
    options: tuple[OptionPlan, ...]
    rows: tuple[Variant, ...]


def plan_product(product: Product, shown: Mapping[str, Any] | None) -> ProductPlan:
    """The difference between a product and what the shop shows of it, ``None`` for nothing yet.

    Raises:
        ShopRejected: code ``product_incomplete`` (a new product without a price), ``sku_of_another_product`` or
            ``product_not_composable``.
    """
    if shown is not None and text(shown, "sku") != product.sku:
        raise ShopRejected(
            f"Product {product.sku!r} cannot be written: its SKU {product.skus[0]!r} belongs to the shop's product "
            f"{text(shown, 'id')}, which is {text(shown, 'sku')!r}. Send it as a variant of that, or give it a SKU of "
            "its own.",
            code="sku_of_another_product",
        )
    there = {option.name: option for option in options_of(shown)} if shown else {}
    parts = _parts(product, shown, there)
    prices = prices_of(product)
    fields = _fields(product, prices, shown)
    if shown is None:
        if prices.base is None:
            raise ShopRejected(
                f"Product {product.sku!r} is new to the shop and has no price. Send it with a price for each variant.",
                code="product_incomplete",
            )
        fields |= {"sku": product.sku, "sku_separator": _new_separator(product)}
    options = tuple(_option(name, there.get(name), product, prices, parts) for name in product.options)
    return ProductPlan(fields, options, _rows(product, shown, there))


def _fields(product: Product, prices: Prices, shown: Mapping[str, Any] | None) -> dict[str, Any]:
    said = product.model_fields_set
    words: dict[str, Any] = {"name": product.name}
    if "description" in said:
        words["description"] = product.description or ""
    numbers = {"base_price": prices.base, **_measures(product)}
    wanted = {name: value for name, value in numbers.items() if value is not None}
    if shown is None:
        flags = {"active": product.active}
        return {**words, **flags, **{name: float(value) for name, value in wanted.items()}}
    changed: dict[str, Any] = {name: value for name, value in words.items() if text(shown, name).strip() != value}
    changed |= {
        name: float(value)
        for name, value in wanted.items()
        if shown.get(name) in (None, "") or round(money(shown, name), PLACES) != value
    }
    if "active" in said and (shown.get("active") is not False) is not product.active:
        changed["active"] = product.active
    return changed


def _measures(product: Product) -> dict[str, Decimal | None]:
    """The shop knows one weight and one size of a product: those of its heaviest and largest variant."""
    weights = [variant.weight_g for variant in product.variants if variant.weight_g is not None]
    found: dict[str, Decimal | None] = {"weight": from_grams(max(weights), WEIGHT_UNIT) if weights else None}
    for name, member in _SIZES.items():
        sizes = [size for variant in product.variants if (size := getattr(variant, member)) is not None]
        found[name] = from_millimetres(max(sizes), LENGTH_UNIT) if sizes else None
    return found


def _option(
    name: str, there: ShopOption | None, product: Product, prices: Prices, parts: Mapping[Key, str]
) -> OptionPlan:
    extras = {value: prices.extras.get((name, value)) for value in product.options[name]}
    if there is None:
        body: dict[str, Any] = {"name": name, "option_type": _KINDS.get(name.strip().lower(), "general")}
    else:
        body = {"price_modifier_type": "$"} if there.percent and any(extras.values()) else {}
    known = {value.name: value for value in there.values} if there else {}
    values = tuple(
        _value(value, known.get(value), parts.get((name, value), value), extras[value], bool(body))
        for value in product.options[name]
    )
    return OptionPlan(name, there.id if there else None, body, values)


def _value(name: str, there: ShopValue | None, part: str, extra: Decimal | None, changed: bool) -> ValuePlan:
    if there is None:
        return ValuePlan(name, None, {"name": name, "sub_sku": part or None, "price_modifier": float(extra or 0)})
    same = extra is None or (there.modifier == extra and not changed)
    return ValuePlan(name, there.id, {} if same or extra is None else {"price_modifier": float(extra)})


def _parts(product: Product, shown: Mapping[str, Any] | None, there: Mapping[str, ShopOption]) -> dict[Key, str]:
    """What each option value adds to the SKU: as in the shop, else as the variants' SKUs show."""
    if product.options and (others := there.keys() - product.options.keys()):
        raise _not_composable(product, f"the shop's product has the option {', '.join(sorted(others))} as well")
    separator = separator_of(shown) if shown else _new_separator(product)
    parts = {(option.name, value.name): value.part for option in there.values() for value in option.values}
    for variant in product.variants if product.options else ():
        keys = [(name, variant.options[name]) for name in product.options]
        if any(key not in parts for key in keys):
            found = _split(product, variant, separator)
            parts.update({key: part for key, part in zip(keys, found, strict=True) if key not in parts})
        composed = separator.join([product.sku, *(parts[key] for key in keys if parts[key])])
        if composed != variant.sku:
            raise _not_composable(product, f"its variant {variant.sku!r} would become {composed!r}")
    if not product.options and shown is None and any(sku != product.sku for sku in product.skus):
        raise _not_composable(product, f"it has no options, so its variant {product.skus[0]!r} must have its own SKU")
    return parts


def _split(product: Product, variant: Variant, separator: str) -> list[str]:
    count = len(product.options)
    if variant.sku == product.sku:
        return [""] * count
    rest = variant.sku.removeprefix(product.sku + separator)
    found = rest.split(separator) if count > 1 and separator else [rest]
    if rest == variant.sku or len(found) != count:
        raise _not_composable(product, f"its variant {variant.sku!r} does not come apart like that")
    return found


def _new_separator(product: Product) -> str:
    """What follows the product's SKU in its variants', where that is a sign."""
    for variant in product.variants:
        sign = variant.sku.removeprefix(product.sku)[:1] if variant.sku.startswith(product.sku) else ""
        if sign and not sign.isalnum():
            return sign
    return SEPARATOR


def _rows(product: Product, shown: Mapping[str, Any] | None, there: Mapping[str, ShopOption]) -> tuple[Variant, ...]:
    if shown is None:
        return product.variants
    if shown.get("vendor_inventory_enabled") is True or (there and not product.options):
        return ()
    names = {value.id: (option.name, value.name) for option in there.values() for value in option.values}
    stocked = [frozenset(names.get(each, ("", each)) for each in chosen_ids(row)) for row in rows(shown, "inventories")]
    return tuple(variant for variant in product.variants if frozenset(variant.options.items()) not in stocked)


def _not_composable(product: Product, why: str) -> ShopRejected:
    return ShopRejected(
        f"Product {product.sku!r} cannot be written to Bright Sites, which makes the SKU of a variant out of the "
        f"product's SKU and one part for each option: {why}. Correct the product in the OMS or in the shop.",
        code="product_not_composable",
    )
