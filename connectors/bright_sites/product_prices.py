"""The prices of a product's variants as Bright Sites keeps them: one price, and what each option value adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from domain.errors import ShopRejected
from domain.products import Product


@dataclass(frozen=True, slots=True)
class Prices:
    """``base`` is the product's price, ``None`` where nobody said; ``extras`` are by (option, value)."""

    base: Decimal | None = None
    extras: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)


def prices_of(product: Product) -> Prices:
    """The lowest price of all, and for each value how much its cheapest variant costs more.

    Raises:
        ShopRejected: code ``product_not_composable``: the prices are not such a sum, or some variants have none.
    """
    known = [variant for variant in product.variants if variant.price is not None]
    if not known:
        return Prices()
    prices = {variant.sku: variant.price or Decimal(0) for variant in known}
    base = min(prices.values())
    extras: dict[tuple[str, str], Decimal] = {}
    for variant in known:
        for key in variant.options.items():
            extra = prices[variant.sku] - base
            extras[key] = min(extras.get(key, extra), extra)
    for variant in known:
        if base + sum(extras[key] for key in variant.options.items()) != prices[variant.sku]:
            raise _not_a_sum(product, f"the price of variant {variant.sku!r} is no such sum")
    if len(known) < len(product.variants):
        raise _not_a_sum(product, "some of its variants have a price and some have none")
    return Prices(base, extras)


def _not_a_sum(product: Product, why: str) -> ShopRejected:
    return ShopRejected(
        f"Product {product.sku!r} cannot be written to Bright Sites, where a variant costs the product's price and "
        f"what each option value adds: {why}. Correct the prices in the OMS.",
        code="product_not_composable",
    )
