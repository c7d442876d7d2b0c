"""Export inventory to a shop with locations: at each of them what its warehouses have, newest value only (sales
channels, sections 4 and 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.handling import Answer, Item, Run
from consumers.missing_skus import Doubts, look_into, not_in_shop, unmapped
from consumers.missing_warehouses import no_location, not_a_location
from consumers.newest_levels import NewestLevels, by_hand, find_carriers, level_of, newest_levels
from domain.channels import ChannelSettings, StockMode
from domain.events import StockChanged
from domain.location_stock import LocationSku, LocationStock, available_at
from domain.mappings import ChannelSku, Missing, WarehouseMappings
from domain.outcomes import Counts, Done, Effects, Skipped, Superseded
from domain.ports import LocationResult, StockLocations
from domain.stock import StockLevel

MOST_NAMED = 10


@dataclass(slots=True)
class _Plan:
    """What a run knows, and what the quantity of each of the shop's SKUs must be at each of its locations."""

    known: NewestLevels
    warehouses: WarehouseMappings
    unmapped: Mapping[str, Missing]
    """Warehouses that feed the channel and lead to none of its locations."""
    wanted: dict[LocationSku, int] = field(default_factory=dict)
    settled: dict[LocationSku, int] = field(default_factory=dict)

    def places(self, level: StockLevel) -> tuple[LocationSku, ...]:
        """Where the shop keeps what lies in the warehouse of a level."""
        location = self.warehouses.to_external(level.warehouse)
        if isinstance(location, Missing):
            return ()
        return tuple(LocationSku(location, name) for name in self.known.in_channel(level.sku))


async def export_to_locations(run: Run, locations: StockLocations) -> Sequence[Answer]:
    """Bring the shop's locations to the newest known levels; one answer per delivery.

    As :func:`consumers.inventory_export.inventory_export`, for each location on its own.
    """
    plan = await _plan(run, locations)
    changes = {place: quantity for place, quantity in plan.wanted.items() if plan.settled.get(place) != quantity}
    result = await locations.set_location_stock(changes) if changes else LocationResult()
    await find_carriers(run, plan.known)
    missing = [*plan.known.missing, *plan.unmapped, *result.unknown_locations]
    doubts = await look_into(run, missing, sorted({place.sku for place in result.unknown}))
    return [_answer(run, item, plan, result, doubts) for item in run.items]


async def _plan(run: Run, locations: StockLocations) -> _Plan:
    known, warehouses = await newest_levels(run), await run.memory.warehouses(run.channel)
    settings = run.channel.settings
    plan = _Plan(known, warehouses, _unmapped(known, warehouses, settings))
    changed = {
        place for item in run.items if isinstance(item.payload, StockChanged) for place in plan.places(level_of(item))
    }
    if known.full and (settings.stock_mode is not StockMode.OFF or by_hand(run)):
        plan.settled = dict(await locations.read_location_stock())
        everything = _quantities(plan, {sku for sku, _ in known.levels}, settings)
        plan.wanted = {place: each for place, each in everything.items() if place in plan.settled or place in changed}
    elif settings.stock_mode is StockMode.REAL_TIME and changed:
        everything = _quantities(plan, known.skus, settings)
        plan.wanted = {place: each for place, each in everything.items() if place in changed}
        names = sorted({place.sku for place in plan.wanted})
        plan.settled = dict(await run.memory.location_stock(run.channel.id, names))
    return plan


def _unmapped(known: NewestLevels, warehouses: WarehouseMappings, settings: ChannelSettings) -> dict[str, Missing]:
    found: dict[str, Missing] = {}
    for _, name in known.levels:
        location = warehouses.to_external(name)
        if isinstance(location, Missing) and _feeds(name, settings):
            found[name] = location
    return found


def _feeds(warehouse: str, settings: ChannelSettings) -> bool:
    return not settings.stock_warehouses or warehouse in settings.stock_warehouses


def _quantities(plan: _Plan, skus: Iterable[str], settings: ChannelSettings) -> dict[LocationSku, int]:
    known, of_sku = plan.known, plan.known.by_sku(settings.stock_warehouses)
    wanted: dict[LocationSku, int] = {}
    for sku in skus:
        if sku in known.missing:
            continue
        for each in known.mapped.get(sku, (ChannelSku(sku),)):
            found = available_at(
                of_sku.get(sku, ()),
                plan.warehouses,
                buffer=settings.stock_buffer,
                cap=settings.stock_cap,
                multiplier=each.multiplier,
            )
            wanted |= {LocationSku(location, each.channel_sku): quantity for location, quantity in found.items()}
    return wanted


def _answer(run: Run, item: Item, plan: _Plan, result: LocationResult, doubts: Doubts) -> Answer:
    if not isinstance(item.payload, StockChanged):
        return _reconciled(plan, result, doubts)
    known, level, sku = plan.known, level_of(item), item.payload.sku
    if (newest := known.newer_than(level)) is not None:
        return Superseded(
            f"Stock of {sku}: a newer level (version {newest.version}) is already known.",
            known.carriers.get(newest.message_id or ""),
        )
    if level.warehouse in plan.unmapped:
        return no_location(run, sku, plan.unmapped[level.warehouse], doubts)
    if sku in known.missing:
        return unmapped(run, sku, known.missing[sku], doubts)
    return _written(run, level, plan, result, doubts)


def _written(run: Run, level: StockLevel, plan: _Plan, result: LocationResult, doubts: Doubts) -> Answer:
    """What the shop said to the quantities in which the level counts."""
    sku, places = level.sku, plan.places(level)
    if failed := [result.failed[place] for place in places if place in result.failed]:
        return failed[0]
    if gone := [
        place.location for place in places if place in plan.wanted and place.location in result.unknown_locations
    ]:
        return not_a_location(run, sku, level.warehouse, gone[0], doubts)
    if unknown := [place.sku for place in places if place in result.unknown]:
        return not_in_shop(run, sku, unknown, doubts)
    confirmed = {place: result.confirmed[place] for place in places if place in result.confirmed}
    if confirmed:
        records = tuple(LocationStock(*place, quantity) for place, quantity in confirmed.items())
        shown = _shown(sku, confirmed)
        return Done(f"Stock of {sku} is {shown} in the shop.", effects=Effects(Counts(updated=len(confirmed)), records))
    return _not_sent(run, level, {place: plan.wanted[place] for place in places if place in plan.wanted})


def _not_sent(run: Run, level: StockLevel, wanted: Mapping[LocationSku, int]) -> Skipped:
    """The level was remembered when its event came in; the shop needs nothing, or it waits for the schedule."""
    sku, mode, effects = level.sku, run.channel.settings.stock_mode, Effects(Counts(skipped=1))
    if wanted:
        return Skipped(f"Stock of {sku} is {_shown(sku, wanted)} in the shop already.", "unchanged", effects)
    if mode is StockMode.SCHEDULE:
        return Skipped(f"The level of {sku} is stored; the schedule sends it.", "stock_on_schedule", effects)
    off = mode is StockMode.OFF
    why = "inventory synchronization is off" if off else f"warehouse {level.warehouse!r} does not feed this channel"
    return Skipped(f"The level of {sku} is stored; {why}.", "stock_not_sent", effects)


def _shown(sku: str, quantities: Mapping[LocationSku, int]) -> str:
    """Quantities with their location, and with their name in the channel where that is another."""
    return ", ".join(
        f"{quantity} at location {place.location}" + ("" if place.sku == sku else f" (as {place.sku})")
        for place, quantity in quantities.items()
    )


def _reconciled(plan: _Plan, result: LocationResult, doubts: Doubts) -> Answer:
    counts = Counts(
        read=len(plan.settled),
        updated=len(result.confirmed),
        skipped=len(plan.wanted) - len(result.confirmed),
        failed=len(result.failed),
    )
    stood = {place: plan.settled[place] for place in plan.wanted if place in plan.settled}
    stored = {**stood, **result.confirmed}
    records = tuple(LocationStock(*place, each) for place, each in stored.items() if place not in result.failed)
    places = len({place.location for place in plan.settled})
    sentence = (
        f"Stock compared at {places} locations: {len(result.confirmed)} of {len(plan.wanted)} quantities corrected."
    )
    remarks = list(_remarks(plan, result, doubts))
    if not remarks:
        return Done(sentence, effects=Effects(counts, records))
    told = " ".join((sentence, *(remark for _, remark in remarks)))
    return Done(told, remarks[0][0], True, Effects(counts, records))


def _remarks(plan: _Plan, result: LocationResult, doubts: Doubts) -> Iterable[tuple[str, str]]:
    """What a person should know of a run that compared everything: (code, sentence)."""
    if result.failed:
        names = _named(f"{place.sku} at {place.location}" for place in result.failed)
        yield "partly_failed", f"{len(result.failed)} failed: {names}."
    if left := [name for name, missing in plan.unmapped.items() if missing not in doubts.ignored]:
        yield "warehouse_unmapped", f"Warehouses without mapping were left out: {_named(left)}. Map them to locations."


def _named(names: Iterable[str]) -> str:
    every = sorted(names)
    more = len(every) - MOST_NAMED
    return ", ".join(every[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
