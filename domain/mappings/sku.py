"""SKU mappings: used both ways, with a quantity multiplier (sales channels, section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from domain.errors import InputError
from domain.mappings.kinds import Column, MappingKind, Missing, Side, required_code, shown, unique

MOST_MULTIPLIER = 1_000_000
_WHOLE = re.compile(r"[0-9]{1,9}")


def _multiplier(cell: str) -> int:
    digits = cell.strip()
    if not digits:
        return 1
    return _checked(int(digits) if _WHOLE.fullmatch(digits) else 0, cell)


def _checked(multiplier: int, written: object) -> int:
    if not 1 <= multiplier <= MOST_MULTIPLIER:
        raise InputError(
            f"{shown(str(written))} is no multiplier. Expected is a whole number from 1 to {MOST_MULTIPLIER:,}.",
            code="invalid_mapping",
        )
    return multiplier


@dataclass(frozen=True, slots=True)
class SkuMapping:
    """One unit of ``channel_sku`` is ``multiplier`` units of ``oms_sku``.

    SKUs are compared exactly, spaces and letter case included. Raises InputError for an empty or overlong SKU and
    for a multiplier that is not from 1 to 1,000,000.
    """

    channel_sku: str
    oms_sku: str
    multiplier: int = 1

    columns: ClassVar[tuple[Column, ...]] = (
        Column("channel_sku", required_code),
        Column("oms_sku", required_code),
        Column("multiplier", _multiplier, required=False),
    )

    def __post_init__(self) -> None:
        required_code(self.channel_sku)
        required_code(self.oms_sku)
        _checked(self.multiplier, self.multiplier)

    @property
    def key(self) -> tuple[str, ...]:
        """The channel SKU: it has exactly one OMS SKU."""
        return (self.channel_sku,)

    @property
    def code(self) -> str:
        """The channel SKU."""
        return self.channel_sku


@dataclass(frozen=True, slots=True)
class ChannelSku:
    """A SKU of the channel; one unit of it is ``multiplier`` units of the OMS SKU it stands for."""

    channel_sku: str
    multiplier: int = 1

    def stock(self, oms_quantity: int) -> int:
        """How many units the channel can sell of so many OMS units: whole ones only, never below 0."""
        return max(oms_quantity // self.multiplier, 0)


@dataclass(frozen=True, slots=True)
class ResolvedSku:
    """The OMS SKU and quantity a channel SKU stands for, and how it was found."""

    oms_sku: str
    quantity: int
    how: Literal["mapped", "identity"]


class SkuMappings:
    """The SKU mappings of one channel, indexed once for both ways; false where there are none.

    Raises InputError where two rows map the same channel SKU.
    """

    def __init__(self, rows: Iterable[SkuMapping] = ()) -> None:
        kept = tuple(rows)
        unique(kept)
        self._by_channel_sku = {row.channel_sku: row for row in kept}
        outward: dict[str, list[ChannelSku]] = {}
        for row in sorted(kept, key=lambda row: row.channel_sku):
            outward.setdefault(row.oms_sku, []).append(ChannelSku(row.channel_sku, row.multiplier))
        self._by_oms_sku = {oms_sku: tuple(skus) for oms_sku, skus in outward.items()}

    def __bool__(self) -> bool:
        return bool(self._by_channel_sku)

    def to_oms(self, channel_sku: str, quantity: int) -> tuple[str, int] | None:
        """The mapped OMS SKU and the quantity in its units; ``None`` where no row maps the SKU."""
        row = self._by_channel_sku.get(channel_sku)
        return (row.oms_sku, quantity * row.multiplier) if row else None

    def to_channel(self, oms_sku: str) -> tuple[ChannelSku, ...]:
        """All channel SKUs mapped to the OMS SKU, sorted; empty where no row maps it."""
        return self._by_oms_sku.get(oms_sku, ())

    def resolve_to_oms(
        self, channel_sku: str, quantity: int, in_catalogue: Callable[[str], bool]
    ) -> ResolvedSku | Missing:
        """The OMS SKU by mapping; else the same SKU where ``in_catalogue`` says that the OMS has it; else missing."""
        if mapped := self.to_oms(channel_sku, quantity):
            return ResolvedSku(*mapped, how="mapped")
        if in_catalogue(channel_sku):
            return ResolvedSku(channel_sku, quantity, how="identity")
        return Missing(MappingKind.SKU, Side.CHANNEL, channel_sku)

    def resolve_to_channel(self, oms_sku: str, in_catalogue: Callable[[str], bool]) -> tuple[ChannelSku, ...] | Missing:
        """The channel SKUs by mapping; else the same SKU where ``in_catalogue`` says that the OMS has it; else missing.

        A channel SKU that is mapped to another OMS SKU never stands for this one, though it be spelled the same.
        """
        if mapped := self.to_channel(oms_sku):
            return mapped
        if oms_sku not in self._by_channel_sku and in_catalogue(oms_sku):
            return (ChannelSku(oms_sku),)
        return Missing(MappingKind.SKU, Side.OMS, oms_sku)
