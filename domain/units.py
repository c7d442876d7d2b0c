"""Weights and lengths: grams and millimetres inside, any other unit at the edges (sales channels, section 8).

Into grams or millimetres a value converts exactly: every unit here is a finite decimal multiple of its base. Out of
them it is rounded half to even, to ``places`` decimal places, so that what a shop shows comes back as it was.
The units library is loaded when the first value is converted: most workers never need it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import Any

from domain.errors import InputError

PLACES = 4
"""Decimal places that a shop shows of a weight or a length."""

_NAMES = {
    "g": ("gram", "gram"),
    "kg": ("kilogram", "gram"),
    "lb": ("pound", "gram"),
    "oz": ("ounce", "gram"),
    "mm": ("millimeter", "millimeter"),
    "cm": ("centimeter", "millimeter"),
    "in": ("inch", "millimeter"),
}
"""Our word for a unit → the library's words for it and for its base."""

WEIGHTS = tuple(unit for unit, (_, base) in _NAMES.items() if base == "gram")
LENGTHS = tuple(unit for unit, (_, base) in _NAMES.items() if base == "millimeter")
_EXACT = Context(prec=100)


def to_grams(value: Decimal, unit: str) -> Decimal:
    """A weight in ``unit`` (g, kg, lb, oz) in grams, exactly.

    Raises:
        InputError: code ``unknown_unit`` or ``invalid_measure``.
    """
    return _into_base(value, _known(unit, WEIGHTS))


def from_grams(grams: Decimal, unit: str, places: int = PLACES) -> Decimal:
    """Grams as a weight in ``unit``, rounded half to even.

    Raises:
        InputError: as :func:`to_grams`.
    """
    return _out_of_base(grams, _known(unit, WEIGHTS), places)


def to_millimetres(value: Decimal, unit: str) -> Decimal:
    """A length in ``unit`` (mm, cm, in) in millimetres, exactly.

    Raises:
        InputError: code ``unknown_unit`` or ``invalid_measure``.
    """
    return _into_base(value, _known(unit, LENGTHS))


def from_millimetres(millimetres: Decimal, unit: str, places: int = PLACES) -> Decimal:
    """Millimetres as a length in ``unit``, rounded half to even.

    Raises:
        InputError: as :func:`to_millimetres`.
    """
    return _out_of_base(millimetres, _known(unit, LENGTHS), places)


def plain(value: Decimal) -> Decimal:
    """The same number without idle zeros and without an exponent: equal numbers then read equal."""
    short = _EXACT.normalize(value)
    exponent = short.as_tuple().exponent
    return _EXACT.quantize(short, Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def _known(unit: str, units: tuple[str, ...]) -> str:
    if unit not in units:
        raise InputError(f"{unit!r} is no unit here. Units: {', '.join(units)}.", code="unknown_unit")
    return unit


def _into_base(value: Decimal, unit: str) -> Decimal:
    return plain(_EXACT.multiply(_finite(value), _factors()[unit]))


def _out_of_base(value: Decimal, unit: str, places: int) -> Decimal:
    exact = _EXACT.divide(_finite(value), _factors()[unit])
    return plain(exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN, context=_EXACT))


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) >= Decimal(10) ** 30:
        raise InputError(
            "A weight or length must be a number below 10^30. Correct it, then send it again.", code="invalid_measure"
        )
    return value


@cache
def _factors() -> dict[str, Decimal]:
    """How many grams or millimetres each unit is. Only the numbers are kept: the library's registry is large."""
    import pint  # noqa: PLC0415 - see the module

    registry: Any = pint.UnitRegistry(non_int_type=Decimal)
    return {
        unit: plain(Decimal(registry.Quantity(Decimal(1), name).to(base).magnitude))
        for unit, (name, base) in _NAMES.items()
    }
