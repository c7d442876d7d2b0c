"""Products in Towpath's own form, whatever shop they come from: weights in grams, lengths in millimetres.

A product is what a shop shows on one page; a variant is what is sold and has the SKU. A product without options has
one variant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

LONGEST_SKU = 120
"""Characters of a SKU; the columns that hold one are as wide."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Variant(_Document):
    """What is sold: one value of each option, with a SKU of its own. The price is in the shop's currency if none is
    named; ``None`` is what nobody said.

    Where a channel calls it otherwise than the OMS, ``channel_sku`` is its name there: one unit of it is ``multiplier``
    units of ``sku``. Price and measures are of one unit of the channel.
    """

    sku: str
    options: dict[str, str] = {}
    price: Decimal | None = None
    currency: str | None = None
    weight_g: Decimal | None = None
    length_mm: Decimal | None = None
    width_mm: Decimal | None = None
    height_mm: Decimal | None = None
    channel_sku: str | None = None
    multiplier: int = 1


class Product(_Document):
    """One product in canonical form. ``sku`` is the product's own; ``options`` are names with their values; times are
    in UTC.
    """

    external_id: str = ""
    sku: str
    name: str
    description: str | None = None
    active: bool = True
    options: dict[str, tuple[str, ...]] = {}
    variants: tuple[Variant, ...] = ()
    images: tuple[str, ...] = ()
    updated_at: datetime

    @property
    def skus(self) -> tuple[str, ...]:
        """The SKUs of its variants."""
        return tuple(variant.sku for variant in self.variants)


@dataclass(frozen=True, slots=True)
class ProductSummary:
    """One row of a shop's product list: enough to decide whether the detail is worth a call."""

    external_id: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProductSeen:
    """Which state of a product is recorded, and when the run that read it began."""

    updated_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """What Towpath remembers of an imported product: the newest document by ``updated_at`` wins. ``read_at`` is when
    the run that read it began. The document is empty where nothing could be imported of that state.
    """

    external_id: str
    updated_at: datetime
    read_at: datetime
    document: dict[str, Any]
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProductLink:
    """The shop's product that has these SKUs, as an export found or made it."""

    external_id: str
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedProduct:
    """What became of a product that was written: its id in the shop, whether it is new, whether anything changed."""

    external_id: str
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class SkuProblem:
    """A SKU that cannot be taken, and the products in which it stands (their ids in the shop, else their own SKUs)."""

    sku: str
    reason: Literal["empty", "too long", "duplicate"]
    products: tuple[str, ...]

    def __str__(self) -> str:
        shown = repr(self.sku if len(self.sku) <= LONGEST_SKU else f"{self.sku[:40]}…")
        places = ", ".join(dict.fromkeys(self.products))
        return f"{shown} ({self.reason}, in product {places})"


Split = tuple[list[Product], list[SkuProblem]]
"""The products that are kept, and what was left out of them."""


def split_unusable(products: Iterable[Product]) -> Split:
    """Leave out variants whose SKU is empty or longer than :data:`LONGEST_SKU`; a product without any other goes."""
    kept: list[Product] = []
    places: dict[tuple[str, Literal["empty", "too long"]], list[str]] = defaultdict(list)
    for product in products:
        good = []
        for variant in product.variants:
            if not variant.sku.strip():
                places["", "empty"].append(_name(product))
            elif len(variant.sku) > LONGEST_SKU:
                places[variant.sku, "too long"].append(_name(product))
            else:
                good.append(variant)
        _keep(kept, product, good)
    return kept, [SkuProblem(sku, reason, tuple(names)) for (sku, reason), names in places.items()]


def split_duplicates(products: Sequence[Product], held: Mapping[str, str] | None = None) -> Split:
    """Let each SKU stand once: in the product that held it so far (``held``, SKU → product id), else in the first.

    Every other variant with it is left out, and a product without any other variant goes. Each such SKU is listed
    once, with all places where it stands (sales channels, section 3).
    """
    stands: dict[str, list[int]] = defaultdict(list)
    for at, product in enumerate(products):
        for sku in product.skus:
            stands[sku].append(at)
    keeper = {sku: _keeper(products, places, (held or {}).get(sku)) for sku, places in stands.items()}
    kept: list[Product] = []
    for at, product in enumerate(products):
        good = {variant.sku: variant for variant in reversed(product.variants) if keeper[variant.sku] == at}
        _keep(kept, product, list(reversed(good.values())))
    return kept, [
        SkuProblem(sku, "duplicate", tuple(_name(products[at]) for at in places))
        for sku, places in stands.items()
        if len(places) > 1
    ]


def is_usable(sku: str) -> bool:
    """Whether a SKU of an event can be kept: neither empty nor too long."""
    return bool(sku.strip()) and len(sku) <= LONGEST_SKU


def is_same(document: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Whether two documents say the same of a product; when it was last touched does not count."""
    if other is None:
        return False
    return {**document, "updated_at": None} == {**other, "updated_at": None}


def _keeper(products: Sequence[Product], places: Sequence[int], holder: str | None) -> int:
    return next((at for at in places if holder and products[at].external_id == holder), places[0])


def _keep(kept: list[Product], product: Product, variants: list[Variant]) -> None:
    if len(variants) == len(product.variants):
        kept.append(product)
    elif variants:
        kept.append(product.model_copy(update={"variants": tuple(variants)}))


def _name(product: Product) -> str:
    return product.external_id or product.sku
