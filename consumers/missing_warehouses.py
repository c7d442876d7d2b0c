"""What becomes of a level in a warehouse that leads to no location of the shop (sales channels, section 4)."""

from __future__ import annotations

from broker.handling import Run
from consumers.missing_skus import Doubts
from domain.mappings import MappingKind, Missing, Side
from domain.outcomes import Park, Skipped


def no_location(run: Run, sku: str, missing: Missing, doubts: Doubts) -> Park | Skipped:
    """The warehouse has no mapping."""
    where = f"warehouse {missing.code!r}, which has no mapping in channel {run.channel.code}"
    return _answer(
        run,
        sku,
        missing,
        doubts,
        f"Stock of {sku} lies in {where}: map it to a location of the shop, and this goes on by itself.",
        "warehouse_unmapped",
    )


def not_a_location(run: Run, sku: str, warehouse: str, location: str, doubts: Doubts) -> Park | Skipped:
    """The shop does not have the location to which the warehouse is mapped."""
    return _answer(
        run,
        sku,
        Missing(MappingKind.WAREHOUSE, Side.OMS, warehouse),
        doubts,
        f"The shop of channel {run.channel.code} has no location {location!r}, to which warehouse {warehouse!r} is "
        f"mapped: map it to one that it has, and this goes on by itself.",
        "location_unknown",
    )


def _answer(run: Run, sku: str, missing: Missing, doubts: Doubts, sentence: str, code: str) -> Park | Skipped:
    if missing in doubts.ignored:
        return Skipped(
            f"Stock of {sku}: warehouse {missing.code!r} is to be ignored in channel {run.channel.code}.",
            "mapping_ignored",
        )
    return Park(sentence, code, "mapping", missing=(missing,))
