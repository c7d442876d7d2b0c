"""Warehouse mappings: several OMS warehouses may sum into one external location (sales channels, section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from domain.mappings.kinds import Column, MappingKind, Missing, Side, required_code, unique


@dataclass(frozen=True, slots=True)
class WarehouseMapping:
    """Stock of ``oms_warehouse`` counts for the channel's location ``external_id``.

    Ids are compared exactly. Raises InputError for an empty or overlong one.
    """

    oms_warehouse: str
    external_id: str

    columns: ClassVar[tuple[Column, ...]] = (
        Column("oms_warehouse", required_code),
        Column("external_id", required_code),
    )

    def __post_init__(self) -> None:
        required_code(self.oms_warehouse)
        required_code(self.external_id)

    @property
    def key(self) -> tuple[str, ...]:
        """The OMS warehouse: it has exactly one external id per channel."""
        return (self.oms_warehouse,)

    @property
    def code(self) -> str:
        """The OMS warehouse."""
        return self.oms_warehouse


class WarehouseMappings:
    """The warehouse mappings of one channel, indexed once.

    Raises InputError where two rows map the same OMS warehouse.
    """

    def __init__(self, rows: Iterable[WarehouseMapping] = ()) -> None:
        kept = tuple(rows)
        unique(kept)
        self._external = {row.oms_warehouse: row.external_id for row in kept}

    def locations(self) -> dict[str, tuple[str, ...]]:
        """The OMS warehouses that sum into each external location, both sorted."""
        found: dict[str, list[str]] = {}
        for warehouse, external in sorted(self._external.items(), key=lambda pair: (pair[1], pair[0])):
            found.setdefault(external, []).append(warehouse)
        return {external: tuple(warehouses) for external, warehouses in found.items()}

    def to_external(self, oms_warehouse: str) -> str | Missing:
        """The external id of the location, or the missing code."""
        external = self._external.get(oms_warehouse)
        return Missing(MappingKind.WAREHOUSE, Side.OMS, oms_warehouse) if external is None else external
