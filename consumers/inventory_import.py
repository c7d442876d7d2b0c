"""Import inventory: read the shop's stock, tell the OMS what differs (sales channels, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from broker.handling import Run
from domain.mappings import KnownSkus, Missing, Side
from domain.outcomes import Announcement, Counts, Done, Effects, Outcome
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
    usable = {sku: quantity for sku, quantity in sorted(shown.items()) if len(sku) <= LONGEST_SKU and "\0" not in sku}
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
        tuple(_announcement(sku, quantity, known, seen_at, skus) for sku, quantity in changed.items()),
    )
    sentence = f"Stock of {len(shown)} SKUs read, {len(changed)} of them not as known."
    return _done(run, sentence, [sku for sku in shown if sku not in usable and sku not in missing], missing, effects)


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


def _announcement(
    sku: str, quantity: int, known: Mapping[str, int], seen_at: datetime, skus: KnownSkus
) -> Announcement:
    previous = known.get(sku)
    told = StockImported(sku=sku, quantity=quantity, previous=previous, seen_at=seen_at)
    if (mapped := skus.mappings.to_oms(sku, 1)) is not None:
        name, multiplier = mapped
        told = StockImported(
            sku=name,
            quantity=quantity * multiplier,
            previous=None if previous is None else previous * multiplier,
            seen_at=seen_at,
            channel_sku=sku,
            multiplier=multiplier,
        )
    return Announcement("stock.imported", told.model_dump(mode="json"), told.sku)
