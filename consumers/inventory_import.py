"""Import inventory: read the shop's stock, tell the OMS what differs (sales channels, section 3)."""

from __future__ import annotations

from broker.handling import Run
from domain.outcomes import Announcement, Counts, Done, Effects, Outcome
from domain.products import LONGEST_SKU
from domain.stock import SeenStock, StockImported


async def inventory_import(run: Run) -> Outcome:
    """Compare what the shop shows with what it confirmed or showed last: one announcement for each SKU that differs.

    The first run tells of every SKU. What the shop confirms of our own writes while this run reads stands against
    what was read here (see :class:`domain.stock.SeenStock`). Nothing is written to the shop.
    """
    seen_at = run.clock()
    shown = await run.shop.read_stock()
    known = await run.memory.confirmed_stock(run.channel.id, None)
    usable = {sku: quantity for sku, quantity in sorted(shown.items()) if len(sku) <= LONGEST_SKU and "\0" not in sku}
    changed = {sku: quantity for sku, quantity in usable.items() if known.get(sku) != quantity}
    effects = Effects(
        Counts(
            read=len(shown),
            created=len(changed.keys() - known.keys()),
            updated=len(changed.keys() & known.keys()),
            skipped=len(shown) - len(changed),
        ),
        tuple(SeenStock(sku, quantity, seen_at) for sku, quantity in changed.items()),
        tuple(
            _announcement(StockImported(sku=sku, quantity=quantity, previous=known.get(sku), seen_at=seen_at))
            for sku, quantity in changed.items()
        ),
    )
    sentence = f"Stock of {len(shown)} SKUs read, {len(changed)} of them not as known."
    if len(usable) == len(shown):
        return Done(sentence, effects=effects)
    bad = ", ".join(f"{sku[:40]!r}…" for sku in sorted(shown.keys() - usable.keys())[:10])
    return Done(
        f"{sentence} {len(shown) - len(usable)} cannot be kept and were left out (more than {LONGEST_SKU} characters, "
        f"or a character NUL): {bad}. Change them in the shop.",
        "sku_unusable",
        True,
        effects,
    )


def _announcement(told: StockImported) -> Announcement:
    return Announcement("stock.imported", told.model_dump(mode="json"), told.sku)
