"""The product that an OMS sends with ``product.changed``, in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from domain.envelope import explain
from domain.errors import InputError
from domain.products import Product, Variant, is_usable, split_duplicates, split_unusable

_OF_ITS_VARIANT = frozenset(Variant.model_fields) - {"options", "channel_sku", "multiplier"}
_NOT_ITS_OWN = {"external_id"}
"""A shop's product id means nothing in another shop."""


def changed_product(document: Mapping[str, Any], at: datetime) -> Product:
    """The product of an event that was sent ``at``.

    Needed are ``sku`` and ``name``. Without ``variants`` the product is its only variant, and its price, weight and
    sizes stand beside its name. Without ``options`` these are what the variants name. What else the document holds is
    passed over.

    Raises:
        InputError: code ``invalid_product``; the sentence names the members or SKUs at fault.
    """
    given = {name: value for name, value in document.items() if name not in _NOT_ITS_OWN}
    given.setdefault("updated_at", at)
    if not given.get("variants"):
        given["variants"] = [{name: given[name] for name in _OF_ITS_VARIANT if name in given}]
    try:
        product = Product.model_validate(given)
    except ValidationError as error:
        raise _invalid(document, explain(error)) from None
    if not product.options:
        product = product.model_copy(update={"options": _named_by(product)})
    if (fault := _fault(product)) is not None:
        raise _invalid(document, fault)
    return product


def named_skus(document: Mapping[str, Any]) -> tuple[str, ...]:
    """All usable SKUs that a product of the OMS names, its own and those of its variants, each once; the rest of the
    document may be wrong.
    """
    variants = document.get("variants")
    parts = [document, *(variants if isinstance(variants, list) else ())]
    named = [part.get("sku") for part in parts if isinstance(part, Mapping)]
    return tuple(dict.fromkeys(sku for sku in named if isinstance(sku, str) and is_usable(sku)))


def _invalid(document: Mapping[str, Any], fault: str) -> InputError:
    name = document.get("sku")
    about = f"Product {name[:LONGEST_NAME]!r}" if isinstance(name, str) and name else "A product without a SKU"
    return InputError(
        f"{about} is not valid: {fault.rstrip('.')}. Correct it in the OMS and send it again.", code="invalid_product"
    )


LONGEST_NAME = 120
"""Characters of a wrong SKU that a sentence repeats."""


def _named_by(product: Product) -> dict[str, tuple[str, ...]]:
    """The options that its variants name, in the order they come."""
    found: dict[str, dict[str, None]] = {}
    for variant in product.variants:
        for name, value in variant.options.items():
            found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}


def _fault(product: Product) -> str | None:
    """What is wrong with it as a whole, if anything."""
    _, problems = split_unusable([product, product.model_copy(update={"variants": (Variant(sku=product.sku),)})])
    _, duplicates = split_duplicates([product])
    if problems or duplicates:
        return f"SKU {', '.join(map(str, [*problems, *duplicates]))}"
    seen: dict[tuple[str, ...], str] = {}
    for variant in product.variants:
        if set(variant.options) != set(product.options):
            names = ", ".join(product.options) or "no option"
            return f"variant {variant.sku!r} must have a value for each option and no other ({names})"
        chosen = tuple(variant.options[name] for name in product.options)
        if any(value not in product.options[name] for name, value in variant.options.items()):
            return f"variant {variant.sku!r} has a value that its option does not list"
        if (other := seen.setdefault(chosen, variant.sku)) != variant.sku:
            return f"variants {other!r} and {variant.sku!r} have the same values of all options"
    return None
