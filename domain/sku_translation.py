"""Orders, products and parcels from the SKUs of one side to those of the other (sales channels, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.errors import InputError
from domain.mappings import MOST_CHARACTERS, KnownSkus, Missing, ResolvedSku
from domain.orders import Order, OrderLine
from domain.products import Product, Variant

_PRICE_PLACES = Decimal("0.000001")


def order_to_oms(order: Order, skus: KnownSkus) -> tuple[Order, tuple[Missing, ...]]:
    """The order in SKUs and quantities of the OMS, and the SKUs that lead nowhere, whose lines are left as they are.

    A line without a SKU has nothing to translate.

    Raises:
        InputError: code ``sku_unusable``: an unmapped SKU is too long, or no text, to be mapped by anybody.
    """
    lines: list[OrderLine] = []
    missing: dict[str, Missing] = {}
    for line in order.lines:
        found = skus.to_oms(line.sku, line.quantity) if line.sku.strip() else None
        if isinstance(found, Missing):
            _ensure_mappable(found, order, line)
            missing[line.sku] = found
        lines.append(_line_to_oms(line, found) if isinstance(found, ResolvedSku) else line)
    return order.model_copy(update={"lines": tuple(lines)}), tuple(missing.values())


def _ensure_mappable(missing: Missing, order: Order, line: OrderLine) -> None:
    if len(missing.code) > MOST_CHARACTERS or "\0" in missing.code:
        raise InputError(
            f"Line {line.external_line_id} of order {order.external_order_id} has a SKU that nobody can map: it has "
            f"{len(missing.code)} characters, or a character NUL. Change it in the shop to at most {MOST_CHARACTERS}.",
            code="sku_unusable",
        )


def _line_to_oms(line: OrderLine, found: ResolvedSku) -> OrderLine:
    if found.how == "identity":
        return line
    multiplier = found.quantity // line.quantity if line.quantity else 1
    price = line.unit_price if multiplier == 1 else (line.unit_price / multiplier).quantize(_PRICE_PLACES)
    told: dict[str, Any] = {"sku": found.oms_sku, "quantity": found.quantity, "unit_price": price}
    return line.model_copy(update={**told, "channel_sku": line.sku, "multiplier": multiplier})


def product_to_oms(product: Product, skus: KnownSkus) -> Product:
    """The product in SKUs of the OMS. A SKU that is not mapped is told as it is: so the OMS comes to know of it."""
    variants = tuple(_variant_to_oms(variant, skus) for variant in product.variants)
    own = skus.mappings.to_oms(product.sku, 1)
    return product.model_copy(update={"variants": variants, **({"sku": own[0]} if own else {})})


def _variant_to_oms(variant: Variant, skus: KnownSkus) -> Variant:
    mapped = skus.mappings.to_oms(variant.sku, 1)
    if mapped is None:
        return variant
    return variant.model_copy(update={"sku": mapped[0], "multiplier": mapped[1], "channel_sku": variant.sku})


def product_to_channel(product: Product, skus: KnownSkus) -> tuple[Product, tuple[Missing, ...]]:
    """The product in SKUs of the channel, and the SKUs that lead nowhere.

    Raises:
        InputError: code ``sku_ambiguous``: a SKU stands for several of the channel, or only for a multiple of itself,
            so that it is not said which one the product describes.
    """
    names: dict[str, str] = {}
    missing: dict[str, Missing] = {}
    for sku in dict.fromkeys((*product.skus, product.sku)):
        found = skus.to_channel(sku)
        if not isinstance(found, Missing):
            names[sku] = _only(sku, [each.channel_sku for each in found if each.multiplier == 1])
        elif sku in product.skus:
            missing[sku] = found
    variants = tuple(each.model_copy(update={"sku": names.get(each.sku, each.sku)}) for each in product.variants)
    own = names.get(product.sku, product.sku)
    return product.model_copy(update={"sku": own, "variants": variants}), tuple(missing.values())


def _only(sku: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    found = f"stands for {', '.join(map(repr, names))}" if names else "stands only for multiples of itself"
    raise InputError(
        f"SKU {sku!r} {found} in this channel: it is not said which one the product describes, and nothing was sent. "
        "Map it to exactly one SKU of the channel with multiplier 1.",
        code="sku_ambiguous",
    )


@dataclass(frozen=True, slots=True)
class LineOfOrder:
    """A line of an order as a parcel needs it: ``sku`` is the OMS's; ``quantity`` is in units of the channel, each of
    which is ``multiplier`` of the OMS.
    """

    external_line_id: str
    sku: str
    channel_sku: str
    quantity: int
    multiplier: int


def lines_of(document: Mapping[str, Any]) -> tuple[LineOfOrder, ...]:
    """The lines of an order's canonical document, also of one recorded before SKUs could be mapped."""
    found = document.get("lines")
    return tuple(map(_line_of, found)) if isinstance(found, list) else ()


def _line_of(line: Mapping[str, Any]) -> LineOfOrder:
    multiplier = int(line.get("multiplier") or 1)
    channel_sku = str(line.get("channel_sku") or line["sku"])
    quantity = int(line["quantity"]) // multiplier
    return LineOfOrder(str(line["external_line_id"]), str(line["sku"]), channel_sku, quantity, multiplier)


def shared_out(lines: Iterable[LineOfOrder], quantity: int) -> list[tuple[str, int]]:
    """A quantity of one OMS SKU as quantities of the channel, by line id: large packs first, none beyond what was
    ordered; what is left over goes to the smallest, for the shop to judge.

    Raises:
        InputError: code ``quantity_not_divisible``: it is no number of whole units of the channel.
    """
    parts: list[tuple[str, int]] = []
    left = quantity
    ordered = sorted(lines, key=lambda line: -line.multiplier)
    for line in ordered:
        units = min(left // line.multiplier, line.quantity)
        if line is ordered[-1] and left % line.multiplier == 0:
            units = left // line.multiplier
        if units:
            parts.append((line.external_line_id, units))
            left -= units * line.multiplier
    if left:
        raise _indivisible(ordered[-1], quantity)
    return parts


def _indivisible(line: LineOfOrder, quantity: int) -> InputError:
    return InputError(
        f"{quantity} of SKU {line.sku!r} cannot be shipped in this channel: one {line.channel_sku!r} is "
        f"{line.multiplier} of it, so that {quantity} is no number of whole ones. Correct the quantity in the OMS to a "
        f"multiple of {line.multiplier} and send the shipment again.",
        code="quantity_not_divisible",
    )
