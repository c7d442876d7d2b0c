"""Export inventory: set what may be sold, newest value only, in as few calls as the shop allows (sales channels,
section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.handling import Answer, Item, Run
from consumers.missing_skus import Doubts, look_into, not_in_shop, unmapped
from domain.channels import ChannelSettings, StockMode
from domain.events import StockChanged
from domain.mappings import ChannelSku, Missing, Side
from domain.moments import to_micros
from domain.outcomes import Counts, Done, Effects, Skipped, Superseded
from domain.ports import StockResult
from domain.stock import ConfirmedStock, StockLevel, available, is_newer
from domain.synclog import Trigger


@dataclass(slots=True)
class _Plan:
    """What a run knows: the newest level per SKU and warehouse, and what the shop's quantity of each of its own SKUs
    must be.
    """

    levels: dict[tuple[str, str], StockLevel] = field(default_factory=dict)
    mapped: dict[str, tuple[ChannelSku, ...]] = field(default_factory=dict)
    """SKU of the OMS → those of the channel, of what is not simply the same."""
    missing: dict[str, Missing] = field(default_factory=dict)
    """SKUs of the OMS that lead nowhere in the channel."""
    wanted: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
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


async def inventory_export(run: Run) -> Sequence[Answer]:
    """Bring the shop's stock to the newest known levels; one answer per delivery.

    Quantities are absolute and the lane of a channel's stock is exclusive, so repeating is safe and nothing older can
    be written after something newer. A tick compares with what the shop really has; an event trusts what the shop
    confirmed last.
    """
    plan = await _plan(run)
    changes = {sku: quantity for sku, quantity in plan.wanted.items() if plan.settled.get(sku) != quantity}
    result = await run.shop.set_stock(changes) if changes else StockResult()
    plan.carriers = await _carriers(run, plan)
    doubts = await look_into(run, plan.missing, result.unknown)
    return [_answer(run, item, plan, result, doubts) for item in run.items]


async def _carriers(run: Run, plan: _Plan) -> Mapping[str, str]:
    levels = [_level(item) for item in run.items if isinstance(item.payload, StockChanged)]
    newer = {winner.message_id for level in levels if (winner := plan.newer_than(level)) and winner.message_id}
    if not newer:
        return {}
    return await run.memory.deliveries_of(run.channel.id, run.item.delivery.job_type, sorted(newer))


def _changes(items: Iterable[Item]) -> list[StockChanged]:
    return [item.payload for item in items if isinstance(item.payload, StockChanged)]


async def _plan(run: Run) -> _Plan:
    events = [item for item in run.items if isinstance(item.payload, StockChanged)]
    full = len(events) < len(run.items)
    skus = sorted({change.sku for change in _changes(events)})
    known = await run.memory.stock_levels(run.channel.account_id, None if full else skus)
    plan = _Plan({(level.sku, level.warehouse): level for level in known})
    for item in events:
        level = _level(item)
        older = plan.levels.get((level.sku, level.warehouse))
        if older is None or is_newer(_age(level), _age(older)):
            plan.levels[level.sku, level.warehouse] = level
    await _translate(run, plan, None if full else skus)
    mode = run.channel.settings.stock_mode
    if full and (mode is not StockMode.OFF or _by_hand(run)):
        plan.settled = dict(await run.shop.read_stock())
        everything = _quantities(plan, {sku for sku, _ in plan.levels}, run.channel.settings)
        changed = {name for sku in skus for name in plan.in_channel(sku)}
        plan.wanted = {sku: each for sku, each in everything.items() if sku in plan.settled or sku in changed}
    elif mode is StockMode.REAL_TIME:
        plan.wanted = _quantities(plan, skus, run.channel.settings)
        plan.settled = dict(await run.memory.confirmed_stock(run.channel.id, list(plan.wanted)))
    return plan


async def _translate(run: Run, plan: _Plan, skus: Sequence[str] | None) -> None:
    """Find what the channel calls these SKUs, or all of which a level is known."""
    known = await run.memory.skus(run.channel, Side.OMS, skus)
    if not known.mappings:
        return
    for sku in {sku for sku, _ in plan.levels} if skus is None else skus:
        found = known.to_channel(sku)
        if isinstance(found, Missing):
            plan.missing[sku] = found
        elif found != (ChannelSku(sku),):
            plan.mapped[sku] = found


def _by_hand(run: Run) -> bool:
    """Whether a person asked for this run: that sends also where nothing is synchronized by itself."""
    ticks = [item for item in run.items if not isinstance(item.payload, StockChanged)]
    return any(item.delivery.trigger in (Trigger.MANUAL, Trigger.REPLAY) for item in ticks)


def _quantities(plan: _Plan, skus: Iterable[str], settings: ChannelSettings) -> dict[str, int]:
    of_sku: dict[str, list[StockLevel]] = defaultdict(list)
    for (sku, warehouse), level in plan.levels.items():
        if not settings.stock_warehouses or warehouse in settings.stock_warehouses:
            of_sku[sku].append(level)
    buffer, cap = settings.stock_buffer, settings.stock_cap
    wanted: dict[str, int] = {}
    for sku in skus:
        levels = of_sku.get(sku)
        if not levels or sku in plan.missing:
            continue
        mapped = plan.mapped.get(sku)
        if mapped is None:
            wanted[sku] = available(levels, buffer=buffer, cap=cap)
        else:
            for each in mapped:
                wanted[each.channel_sku] = available(levels, buffer=buffer, cap=cap, multiplier=each.multiplier)
    return wanted


def _level(item: Item) -> StockLevel:
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


def _answer(run: Run, item: Item, plan: _Plan, result: StockResult, doubts: Doubts) -> Answer:
    if not isinstance(item.payload, StockChanged):
        return _reconciled(plan, result)
    level, sku = _level(item), item.payload.sku
    if (newest := plan.newer_than(level)) is not None:
        return Superseded(
            f"Stock of {sku}: a newer level (version {newest.version}) is already known.",
            plan.carriers.get(newest.message_id or ""),
        )
    if sku in plan.missing:
        return unmapped(run, sku, plan.missing[sku], doubts)
    names = plan.in_channel(sku)
    for name in names:
        if name in result.failed:
            return result.failed[name]
    if unknown := [name for name in names if name in doubts.unknown]:
        return not_in_shop(run, sku, unknown, doubts)
    return _stored(run, sku, level, plan, result)


def _stored(run: Run, sku: str, level: StockLevel, plan: _Plan, result: StockResult) -> Answer:
    """The level was remembered when its event came in; the shop has it, or needs nothing, or waits for the schedule."""
    names = plan.in_channel(sku)
    confirmed = {name: result.confirmed[name] for name in names if name in result.confirmed}
    if confirmed:
        effects = Effects(
            Counts(updated=len(confirmed)), tuple(ConfirmedStock(name, each) for name, each in confirmed.items())
        )
        return Done(f"Stock of {sku} is {_shown(sku, confirmed)} in the shop.", effects=effects)
    effects = Effects(Counts(skipped=1))
    mode = run.channel.settings.stock_mode
    wanted = {name: plan.wanted[name] for name in names if name in plan.wanted}
    if mode is StockMode.REAL_TIME and wanted:
        return Skipped(f"The shop has {_shown(sku, wanted)} of {sku} already.", "unchanged", effects)
    if mode is StockMode.SCHEDULE:
        return Skipped(f"The level of {sku} is stored; the schedule sends it.", "stock_on_schedule", effects)
    why = (
        "inventory synchronization is off"
        if mode is StockMode.OFF
        else f"warehouse {level.warehouse!r} does not feed this channel"
    )
    return Skipped(f"The level of {sku} is stored; {why}.", "stock_not_sent", effects)


def _shown(sku: str, quantities: Mapping[str, int]) -> str:
    """The quantity of a SKU, or that of each one it is in the channel."""
    if list(quantities) == [sku]:
        return str(quantities[sku])
    return ", ".join(f"{quantity} (as {name})" for name, quantity in quantities.items())


def _reconciled(plan: _Plan, result: StockResult) -> Answer:
    counts = Counts(
        read=len(plan.settled),
        updated=len(result.confirmed),
        skipped=len(plan.wanted) - len(result.confirmed),
        failed=len(result.failed),
    )
    records: Mapping[str, int] = {
        **{sku: plan.settled[sku] for sku in plan.wanted if sku in plan.settled},
        **result.confirmed,
    }
    effects = Effects(
        counts,
        tuple(ConfirmedStock(sku, quantity) for sku, quantity in records.items() if sku not in result.failed),
    )
    sentence = f"Stock compared: {len(result.confirmed)} of {len(plan.wanted)} SKUs corrected."
    if result.failed:
        return Done(
            f"{sentence} {len(result.failed)} failed: {', '.join(sorted(result.failed)[:10])}.",
            "partly_failed",
            True,
            effects,
        )
    return Done(sentence, effects=effects)
