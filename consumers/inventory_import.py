"""Import inventory: read the shop's stock, tell the OMS what differs (sales channels, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from broker.handling import Answer, Run
from domain.location_stock import LocationSku, LocationStock, told_of
from domain.mappings import KnownSkus, Missing, Side
from domain.outcomes import Announcement, Counts, Done, Effects, Outcome
from domain.ports import StockLocations
from domain.products import LONGEST_SKU
from domain.stock import SeenStock, StockImported

MOST_NAMED = 10


async def inventory_import(run: Run) -> Outcome:
    """Compare what the shop shows with what it confirmed or showed last: one announcement for each SKU that differs.

    The first run tells of every SKU. What the shop confirms of our own writes while this run reads stands against
    what was read here (see :class:`domain.stock.SeenStock`). Nothing is written to the shop. A SKU that leads nowhere
    in the OMS holds up no other: it is named in a warning, and told of by the first run that knows it.
    """
    seen_at = run.clock()
    shown = await run.shop.read_stock()
    known = await run.memory.confirmed_stock(run.channel.id, None)
    usable = {sku: quantity for sku, quantity in sorted(shown.items()) if _can_be_kept(sku)}
    skus = await run.memory.skus(run.channel, Side.CHANNEL, list(usable))
    missing = [sku for sku in usable if isinstance(skus.to_oms(sku, 0), Missing)]
    for sku in missing:
        del usable[sku]
    changed = {sku: quantity for sku, quantity in usable.items() if known.get(sku) != quantity}
    effects = Effects(
        Counts(
            read=len(shown),
            created=len(changed.keys() - known.keys()),
            updated=len(changed.keys() & known.keys()),
            skipped=len(shown) - len(changed),
        ),
        tuple(SeenStock(sku, quantity, seen_at) for sku, quantity in changed.items()),
        tuple(_announcement(_told(sku, each, known.get(sku), seen_at, skus)) for sku, each in changed.items()),
    )
    sentence = f"Stock of {len(shown)} SKUs read, {len(changed)} of them not as known."
    return _done(run, sentence, [sku for sku in shown if sku not in usable and sku not in missing], missing, effects)


def _can_be_kept(sku: str) -> bool:
    return len(sku) <= LONGEST_SKU and "\0" not in sku


async def import_from_locations(run: Run, locations: StockLocations) -> Sequence[Answer]:
    """As :func:`inventory_import`, for a shop that keeps its stock at locations: one announcement for each SKU at each
    location that differs.

    It names the OMS warehouse whose stock that is where exactly one is mapped to the location. Where several are, it
    names them all and none of them: what they share cannot be told apart from outside. A location to which none is
    mapped is left out and named in a warning.
    """
    seen_at = run.clock()
    shown = await locations.read_location_stock()
    known = await run.memory.location_stock(run.channel.id, None)
    mapped = (await run.memory.warehouses(run.channel)).locations()
    usable = sorted({place.sku for place in shown if _can_be_kept(place.sku)})
    skus = await run.memory.skus(run.channel, Side.CHANNEL, usable)
    missing = [sku for sku in usable if isinstance(skus.to_oms(sku, 0), Missing)]
    kept = set(usable).difference(missing)
    unmapped = sorted({place.location for place in shown if place.location not in mapped})
    changed = {
        place: quantity
        for place, quantity in sorted(shown.items())
        if place.sku in kept and place.location in mapped and known.get(place) != quantity
    }
    told = [_told_at(place, each, known.get(place), seen_at, skus, mapped) for place, each in changed.items()]
    effects = Effects(
        Counts(
            read=len(shown),
            created=len(changed.keys() - known.keys()),
            updated=len(changed.keys() & known.keys()),
            skipped=len(shown) - len(changed),
        ),
        tuple(LocationStock(*place, quantity, seen_at) for place, quantity in changed.items()),
        tuple(map(_announcement, told)),
    )
    sentence = f"Stock of {len(shown)} SKUs at their locations read, {len(changed)} of them not as known."
    bad = sorted({place.sku for place in shown if not _can_be_kept(place.sku)})
    done = _done(run, sentence, bad, missing, effects)
    return [_without(run, done, unmapped) if unmapped else done]


def _told_at(
    place: LocationSku,
    quantity: int,
    previous: int | None,
    seen_at: datetime,
    skus: KnownSkus,
    mapped: Mapping[str, tuple[str, ...]],
) -> StockImported:
    told = _told(place.sku, quantity, previous, seen_at, skus)
    warehouse, warehouses = told_of(place.location, mapped)
    where = {"location": place.location, "warehouse": warehouse, "warehouses": warehouses}
    return told.model_copy(update=where)


def _without(run: Run, done: Done, unmapped: Sequence[str]) -> Done:
    """A run that left out what lies at these locations."""
    names = ", ".join(map(repr, unmapped[:MOST_NAMED]))
    sentence = (
        f"{done.sentence} No warehouse is mapped to {len(unmapped)} locations, which were left out: {names}. Map "
        f"warehouses to them in channel {run.channel.code}; the next run tells of them."
    )
    return replace(done, sentence=sentence, code="location_unmapped" if done.code == "ok" else done.code, warning=True)


def _done(run: Run, sentence: str, bad: Sequence[str], missing: Sequence[str], effects: Effects) -> Done:
    if not bad and not missing:
        return Done(sentence, effects=effects)
    if missing:
        names = ", ".join(map(repr, missing[:MOST_NAMED]))
        sentence += (
            f" {len(missing)} are not in the catalogue of the OMS and were left out: {names}. Map them in channel "
            f"{run.channel.code}; the next run tells of them."
        )
    if bad:
        names = ", ".join(f"{sku[:40]!r}…" for sku in sorted(bad)[:MOST_NAMED])
        sentence += (
            f" {len(bad)} cannot be kept and were left out (more than {LONGEST_SKU} characters, or a character NUL): "
            f"{names}. Change them in the shop."
        )
    return Done(sentence, "sku_unusable" if bad else "sku_unmapped", True, effects)


def _announcement(told: StockImported) -> Announcement:
    return Announcement("stock.imported", told.model_dump(mode="json"), told.sku)


def _told(sku: str, quantity: int, previous: int | None, seen_at: datetime, skus: KnownSkus) -> StockImported:
    if (mapped := skus.mappings.to_oms(sku, 1)) is None:
        return StockImported(sku=sku, quantity=quantity, previous=previous, seen_at=seen_at)
    name, multiplier = mapped
    return StockImported(
        sku=name,
        quantity=quantity * multiplier,
        previous=None if previous is None else previous * multiplier,
        seen_at=seen_at,
        channel_sku=sku,
        multiplier=multiplier,
    )
