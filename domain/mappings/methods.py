"""Shipping methods: carrier and service in one text, as a shop shows them on its orders (sales channels, section 4)."""

from __future__ import annotations

from collections.abc import Iterable

from domain.mappings.carrier import CarrierCode, CarrierMapping
from domain.mappings.kinds import MappingKind, Missing, Side, unique

_MOST_REMEMBERED = 1000

Reading = tuple[str, str]
"""A method taken for a carrier and a service."""


class ShippingMethods:
    """The carrier mappings of one channel, asked by the name of a shipping method; false where there are none.

    A row stands for the method that its carrier and service make with a blank between, which is how it goes out. It
    fits a method that can be read as its carrier and its service, at any blank or with no service at all; patterns,
    an empty service, blanks around and letter case as in :class:`domain.mappings.CarrierMappings`. Raises InputError
    where two rows map the same channel code.
    """

    def __init__(self, rows: Iterable[CarrierMapping] = ()) -> None:
        # Where two fit equally well, the order in which rows were read must not decide.
        self._rows = sorted(rows, key=lambda row: row.key)
        unique(self._rows)
        self._found: dict[str, CarrierCode | None] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def to_oms(self, method: str) -> CarrierCode | Missing:
        """The OMS code of a shipping method: of the row with exactly its name, else of the one that writes out most of
        it; where two write out as much, of the one whose carrier is no pattern.
        """
        if method not in self._found:
            # Shops have few methods, but nothing keeps a buyer's own words out of them.
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found[method] = self._look(method)
        found = self._found[method]
        return found or Missing(MappingKind.CARRIER, Side.CHANNEL, CarrierCode(method.strip()).text)

    def _look(self, method: str) -> CarrierCode | None:
        readings = _readings(CarrierCode(method).folded[0])
        fitting = [row for row in self._rows if any(_fits(row, reading) for reading in readings)]
        return min(fitting, key=lambda row: _order(row, readings)).oms if fitting else None


def _readings(method: str) -> list[Reading]:
    """The whole as a carrier, then ever more of its last words as the service."""
    blanks = (at for at in range(len(method) - 1, 0, -1) if method[at].isspace())
    return [(method, ""), *((method[:at].rstrip(), method[at:].lstrip()) for at in blanks)]


def _fits(row: CarrierMapping, reading: Reading) -> bool:
    carrier, service = row.key
    return _begins(carrier, reading[0]) and (not service or _begins(service, reading[1]))


def _begins(code: str, text: str) -> bool:
    return text.startswith(code[:-1]) if code.endswith("*") else text == code


def _order(row: CarrierMapping, readings: list[Reading]) -> tuple[bool, int, bool]:
    carrier, service = row.key
    written_out = len(carrier.removesuffix("*")) + len(service.removesuffix("*"))
    return row.key not in readings, -written_out, carrier.endswith("*")
