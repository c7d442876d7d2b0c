"""The newest levels that a run of inventory export concerns, and what the channel calls their SKUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from broker.handling import Item, Run
from domain.events import StockChanged
from domain.mappings import ChannelSku, Missing, Side
from domain.moments import to_micros
from domain.stock import StockLevel, is_newer
from domain.synclog import Trigger


@dataclass(slots=True)
class NewestLevels:
    """What a run knows of levels: the newest per SKU and warehouse."""

    skus: Sequence[str]
    """Those of the OMS whose levels came in, each once, sorted."""
    full: bool
    """Whether it concerns all SKUs of which a level is known: a tick, or a run that a person asked for."""
    levels: dict[tuple[str, str], StockLevel] = field(default_factory=dict)
    mapped: dict[str, tuple[ChannelSku, ...]] = field(default_factory=dict)
    """SKU of the OMS → those of the channel, of what is not simply the same."""
    missing: dict[str, Missing] = field(default_factory=dict)
    """SKUs of the OMS that lead nowhere in the channel."""
    carriers: Mapping[str, str] = field(default_factory=dict)
    """Message id of a newest level → its delivery, where it took the place of one of this run."""

    def in_channel(self, sku: str) -> tuple[str, ...]:
        """What the channel calls a SKU of the OMS."""
        mapped = self.mapped.get(sku)
        return (sku,) if mapped is None else tuple(each.channel_sku for each in mapped)

    def newer_than(self, level: StockLevel) -> StockLevel | None:
        """The level that took the place of this one, if there is one."""
        newest = self.levels[level.sku, level.warehouse]
        return newest if is_newer(_age(newest), _age(level)) else None

    def by_sku(self, warehouses: Collection[str]) -> Mapping[str, list[StockLevel]]:
        """The levels of each SKU in these warehouses, in all where none is named."""
        found: defaultdict[str, list[StockLevel]] = defaultdict(list)
        for (sku, warehouse), level in self.levels.items():
            if not warehouses or warehouse in warehouses:
                found[sku].append(level)
        return found


async def newest_levels(run: Run) -> NewestLevels:
    """What is known, with the levels of this run among it."""
    events = [item for item in run.items if isinstance(item.payload, StockChanged)]
    skus = sorted({item.payload.sku for item in events if isinstance(item.payload, StockChanged)})
    found = NewestLevels(skus, full=len(events) < len(run.items))
    asked = None if found.full else skus
    known = await run.memory.stock_levels(run.channel.account_id, asked)
    found.levels = {(level.sku, level.warehouse): level for level in known}
    for item in events:
        level = level_of(item)
        older = found.levels.get((level.sku, level.warehouse))
        if older is None or is_newer(_age(level), _age(older)):
            found.levels[level.sku, level.warehouse] = level
    await _translate(run, found, asked)
    return found


async def _translate(run: Run, found: NewestLevels, skus: Sequence[str] | None) -> None:
    """Find what the channel calls these SKUs, or all of which a level is known."""
    known = await run.memory.skus(run.channel, Side.OMS, skus)
    if not known.mappings:
        return
    for sku in {sku for sku, _ in found.levels} if skus is None else skus:
        there = known.to_channel(sku)
        if isinstance(there, Missing):
            found.missing[sku] = there
        elif there != (ChannelSku(sku),):
            found.mapped[sku] = there


async def find_carriers(run: Run, found: NewestLevels) -> None:
    """Look up the deliveries of the levels that took the place of some of this run."""
    levels = [level_of(item) for item in run.items if isinstance(item.payload, StockChanged)]
    newer = {winner.message_id for level in levels if (winner := found.newer_than(level)) and winner.message_id}
    if newer:
        job = run.item.delivery.job_type
        found.carriers = await run.memory.deliveries_of(run.channel.id, job, sorted(newer))


def by_hand(run: Run) -> bool:
    """Whether a person asked for this run: that sends also where nothing is synchronized by itself."""
    ticks = [item for item in run.items if not isinstance(item.payload, StockChanged)]
    return any(item.delivery.trigger in (Trigger.MANUAL, Trigger.REPLAY) for item in ticks)


def level_of(item: Item) -> StockLevel:
    """The level that a delivery brings."""
    change = item.payload
    assert isinstance(change, StockChanged)
    return StockLevel(
        change.sku,
        change.warehouse,
        change.total,
        change.allocated,
        change.version,
        item.delivery.event_time,
        item.delivery.message_id,
    )


def _age(level: StockLevel) -> tuple[int | None, int]:
    return level.version, to_micros(level.time)
