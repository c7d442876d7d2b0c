"""A Bright Sites product document as a :class:`domain.products.Product` (API facts, sections 6 and 7).

The shop's pounds and inches become grams and millimetres. Weight and sizes are the product's, so all variants have
the same. Images are another call each and are left out; so are prices by quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from itertools import product as combinations
from typing import Any

from connectors.bright_sites.product_options import ShopOption, ShopValue, options_of, separator_of
from connectors.bright_sites.reading import identity, moment, money, rows, text, unreadable
from domain.errors import ShopRejected
from domain.products import Product, ProductSummary, Variant
from domain.units import plain, to_grams, to_millimetres

WEIGHT_UNIT = "lb"
LENGTH_UNIT = "in"
MOST_VARIANTS = 2000
"""Combinations of options after which a product without stock rows is taken for unreadable."""

Chosen = tuple[tuple[ShopOption, ShopValue], ...]


def product_from(document: Mapping[str, Any]) -> Product:
    """The product in canonical form.

    Needed are ``id`` and one of ``updated_at`` and ``created_at``. The variants are those with a stock row; a product
    without any (its supplier keeps the stock) has one for each combination of its options.

    Raises:
        ShopRejected: code ``unreadable_answer``, or ``too_many_variants`` beyond :data:`MOST_VARIANTS`.
    """
    options = options_of(document)
    return Product(
        external_id=identity(document, "id"),
        sku=_sku(document),
        name=_words(document, "name"),
        description=_words(document, "description") or None,
        active=document.get("active") is not False,
        options={option.name: tuple(value.name for value in option.values) for option in options},
        variants=tuple(_variants(document, options)),
        updated_at=_updated(document),
    )


def product_summary(row: Mapping[str, Any], fallback: datetime) -> ProductSummary:
    """One row of the product list; ``fallback`` is its ``updated_at`` where the shop gives no time at all."""
    updated = moment(row, "updated_at") or moment(row, "created_at") or fallback
    return ProductSummary(identity(row, "id"), updated)


def _variants(document: Mapping[str, Any], options: Sequence[ShopOption]) -> Iterator[Variant]:
    base = None if document.get("base_price") in (None, "") else money(document, "base_price")
    sizes = _Sizes(document)
    separator, sku = separator_of(document), _sku(document)
    for chosen in _combinations(document, options):
        parts = [part for _, value in chosen if (part := value.part.replace("\0", ""))]
        price = None if base is None else base + sum(option.surcharge(value, base) for option, value in chosen)
        yield Variant(
            sku=separator.join([sku, *parts]),
            options={option.name: value.name for option, value in chosen},
            price=None if price is None else plain(price),
            weight_g=sizes.weight_g,
            length_mm=sizes.length_mm,
            width_mm=sizes.width_mm,
            height_mm=sizes.height_mm,
        )


def _combinations(document: Mapping[str, Any], options: Sequence[ShopOption]) -> list[Chosen]:
    stocked = rows(document, "inventories")
    if not stocked:
        pairs = [[(option, value) for value in option.values] for option in options if option.values]
        found = list(islice(combinations(*pairs), MOST_VARIANTS + 1))
        if len(found) > MOST_VARIANTS:
            raise ShopRejected(
                f"Product {identity(document, 'id')} has more than {MOST_VARIANTS} combinations of options. Give it "
                "stock rows for those that are sold, then import it again.",
                code="too_many_variants",
            )
        return found
    by_id = {value.id: (option, value) for option in options for value in option.values}
    return [tuple(by_id[each] for each in chosen_ids(row) if each in by_id) for row in stocked]


def chosen_ids(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the option values that a stock row stands for."""
    chosen = row.get("sub_option_ids")
    if chosen is None:
        return ()
    if not isinstance(chosen, list):
        raise unreadable("sub_option_ids")
    return tuple(str(each) for each in chosen)


class _Sizes:
    """Weight and sizes of a product."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.weight_g = _measure(document, "weight", to_grams, WEIGHT_UNIT)
        self.length_mm = _measure(document, "length", to_millimetres, LENGTH_UNIT)
        self.width_mm = _measure(document, "width", to_millimetres, LENGTH_UNIT)
        self.height_mm = _measure(document, "height", to_millimetres, LENGTH_UNIT)


def _measure(
    document: Mapping[str, Any], member: str, convert: Callable[[Decimal, str], Decimal], unit: str
) -> Decimal | None:
    return None if document.get(member) in (None, "") else convert(money(document, member), unit)


def _updated(document: Mapping[str, Any]) -> datetime:
    known = moment(document, "updated_at") or moment(document, "created_at")
    if known is None:
        raise unreadable("updated_at")
    return known


def _sku(document: Mapping[str, Any]) -> str:
    # As it stands, blanks included: stock and orders come under the same.
    return text(document, "sku").replace("\0", "")


def _words(document: Mapping[str, Any], member: str) -> str:
    # Text columns refuse the character NUL.
    return text(document, member).replace("\0", "").strip()
