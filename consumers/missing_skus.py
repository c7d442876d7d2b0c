"""What becomes of a delivery that names SKUs which lead nowhere (sales channels, section 4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from broker.handling import Run
from domain.mappings import MappingKind, Missing, Side
from domain.outcomes import Park, Skipped

MOST_NAMED = 10
JUST_MADE = timedelta(minutes=5)
AGAIN_SECONDS = 60.0
"""A connector may know a shop's stock as it was a minute ago: a SKU that was seen there lately is looked for again."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """SKUs of a run that lead nowhere: ``unknown`` to the shop, of which those ``just_made`` should be there; and codes
    that a person said to ignore.
    """

    unknown: frozenset[str] = frozenset()
    just_made: frozenset[str] = frozenset()
    ignored: frozenset[Missing] = frozenset()


_NONE = Doubts()


async def look_into(run: Run, missing: Collection[str], unknown: Sequence[str]) -> Doubts:
    """What is known of SKUs without a mapping, and of those unknown to the shop. Costs nothing where there are none."""
    if not missing and not unknown:
        return _NONE
    just_made: frozenset[str] = frozenset()
    if unknown:
        just_made = await run.memory.skus_seen(run.channel.id, unknown, run.clock() - JUST_MADE)
    return Doubts(frozenset(unknown), just_made, (await run.memory.carriers(run.channel)).ignored)


def not_in_shop(run: Run, sku: str, unknown: Sequence[str], doubts: Doubts) -> Park | Skipped:
    """The shop does not know what a SKU of the OMS is in its channel."""
    missing = Missing(MappingKind.SKU, Side.OMS, sku)
    if missing in doubts.ignored:
        return _ignored(run, f"Stock of {sku}", [missing])
    names = ", ".join(map(repr, unknown))
    just_made = not doubts.just_made.isdisjoint(unknown)
    return Park(
        f"The shop of channel {run.channel.code} has no SKU {names}: create it there, or map {sku!r} to one that it "
        f"has. What product export or import finds there, or a mapping, lets this go on.",
        "sku_unknown",
        "mapping",
        AGAIN_SECONDS if just_made else None,
        (missing,),
    )


def unmapped(run: Run, sku: str, missing: Missing, doubts: Doubts) -> Park | Skipped:
    """As :func:`held_up`, for the stock of a SKU of the OMS."""
    about = f"Stock of {sku}"
    return _ignored(run, about, [missing]) if missing in doubts.ignored else _waiting(run, about, [missing])


async def held_up(run: Run, about: str, missing: Sequence[Missing]) -> Park | Skipped:
    """Wait for the mappings of these SKUs; where a person said that one is to be ignored, end."""
    ignored = (await run.memory.carriers(run.channel)).ignored.intersection(missing)
    return _ignored(run, about, sorted(ignored, key=repr)) if ignored else _waiting(run, about, missing)


def _ignored(run: Run, about: str, missing: Sequence[Missing]) -> Skipped:
    return Skipped(f"{about}: SKU {_named(missing)} is to be ignored in channel {run.channel.code}.", "mapping_ignored")


def _waiting(run: Run, about: str, missing: Sequence[Missing]) -> Park:
    of_channel = missing[0].side is Side.CHANNEL
    where = "is not in the catalogue of the OMS" if of_channel else "is the name of another SKU in the channel"
    return Park(
        f"{about}: SKU {_named(missing)} {where} and has no mapping in channel {run.channel.code}: map it, and this "
        f"goes on by itself.",
        "sku_unmapped",
        "mapping",
        missing=tuple(missing),
    )


def _named(missing: Sequence[Missing]) -> str:
    more = len(missing) - MOST_NAMED
    names = ", ".join(repr(each.code) for each in missing[:MOST_NAMED])
    return f"{names} and {more} more" if more > 0 else names
