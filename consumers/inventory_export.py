"""Export inventory: set what may be sold, newest value only, in as few calls as the shop allows (sales channels,
section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.handling import Answer, Item, Run
from consumers.missing_skus import Doubts, look_into, not_in_shop, unmapped
from consumers.newest_levels import NewestLevels, by_hand, find_carriers, level_of, newest_levels
from domain.channels import ChannelSettings, StockMode
from domain.events import StockChanged
from domain.outcomes import Counts, Done, Effects, Skipped, Superseded
from domain.ports import StockResult
from domain.stock import ConfirmedStock, StockLevel, available


@dataclass(slots=True)
class _Plan:
    """What a run knows, and what the shop's quantity of each of its own SKUs must be."""

    known: NewestLevels
    wanted: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)


async def inventory_export(run: Run) -> Sequence[Answer]:
    """Bring the shop's stock to the newest known levels; one answer per delivery.

    Quantities are absolute and the lane of a channel's stock is exclusive, so repeating is safe and nothing older can
    be written after something newer. A tick compares with what the shop really has; an event trusts what the shop
    confirmed last.
    """
    plan = await _plan(run)
    changes = {sku: quantity for sku, quantity in plan.wanted.items() if plan.settled.get(sku) != quantity}
    result = await run.shop.set_stock(changes) if changes else StockResult()
    await find_carriers(run, plan.known)
    doubts = await look_into(run, plan.known.missing, result.unknown)
    return [_answer(run, item, plan, result, doubts) for item in run.items]


async def _plan(run: Run) -> _Plan:
    known = await newest_levels(run)
    plan, mode = _Plan(known), run.channel.settings.stock_mode
    if known.full and (mode is not StockMode.OFF or by_hand(run)):
        plan.settled = dict(await run.shop.read_stock())
        everything = _quantities(known, {sku for sku, _ in known.levels}, run.channel.settings)
        changed = {name for sku in known.skus for name in known.in_channel(sku)}
        plan.wanted = {sku: each for sku, each in everything.items() if sku in plan.settled or sku in changed}
    elif mode is StockMode.REAL_TIME:
        plan.wanted = _quantities(known, known.skus, run.channel.settings)
        plan.settled = dict(await run.memory.confirmed_stock(run.channel.id, list(plan.wanted)))
    return plan


def _quantities(known: NewestLevels, skus: Iterable[str], settings: ChannelSettings) -> dict[str, int]:
    of_sku = known.by_sku(settings.stock_warehouses)
    buffer, cap = settings.stock_buffer, settings.stock_cap
    wanted: dict[str, int] = {}
    for sku in skus:
        levels = of_sku.get(sku)
        if not levels or sku in known.missing:
            continue
        mapped = known.mapped.get(sku)
        if mapped is None:
            wanted[sku] = available(levels, buffer=buffer, cap=cap)
        else:
            for each in mapped:
                wanted[each.channel_sku] = available(levels, buffer=buffer, cap=cap, multiplier=each.multiplier)
    return wanted


def _answer(run: Run, item: Item, plan: _Plan, result: StockResult, doubts: Doubts) -> Answer:
    if not isinstance(item.payload, StockChanged):
        return _reconciled(plan, result)
    known, level, sku = plan.known, level_of(item), item.payload.sku
    if (newest := known.newer_than(level)) is not None:
        return Superseded(
            f"Stock of {sku}: a newer level (version {newest.version}) is already known.",
            known.carriers.get(newest.message_id or ""),
        )
    if sku in known.missing:
        return unmapped(run, sku, known.missing[sku], doubts)
    names = known.in_channel(sku)
    for name in names:
        if name in result.failed:
            return result.failed[name]
    if unknown := [name for name in names if name in doubts.unknown]:
        return not_in_shop(run, sku, unknown, doubts)
    return _stored(run, sku, level, plan, result)


def _stored(run: Run, sku: str, level: StockLevel, plan: _Plan, result: StockResult) -> Answer:
    """The level was remembered when its event came in; the shop has it, or needs nothing, or waits for the schedule."""
    names = plan.known.in_channel(sku)
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
