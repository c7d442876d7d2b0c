"""Import products: read what changed in the shop, record it, announce it to the OMS (sales channels, section 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broker.handling import Run
from domain.errors import ShopRejected
from domain.events import REMAINDER
from domain.mappings import Side
from domain.moments import iso
from domain.outcomes import Announcement, Counts, CursorMoved, Done, Effects, FollowUp, Outcome
from domain.products import (
    Product,
    ProductRecord,
    ProductSeen,
    ProductSummary,
    SkuProblem,
    is_same,
    split_duplicates,
    split_unusable,
)
from domain.sku_translation import product_to_oms

JOB = "product_import"
MOST_PER_RUN = 200
"""Products read by one run. What a run has read is lost where a later call of it fails, and each call is billed; the
rest is for another run that follows at once.
"""
AT_ONCE = 5
"""Products read at the same time."""
MOST_NAMED = 50
"""SKUs and products that a warning lists."""
SAME_SECOND = timedelta(seconds=10)
"""A shop shows whole seconds. What was read so soon after its change may have changed again in that same second, and is
read once more, for clocks that are no further apart than this.
"""


@dataclass(slots=True)
class _Read:
    """What was read: the products, and those that could not be, with the reason. What is gone by now is neither."""

    products: list[Product] = field(default_factory=list)
    failed: dict[str, ShopRejected] = field(default_factory=dict)


async def product_import(run: Run) -> Outcome:
    """Read the products changed since the last success minus an overlap, and announce those that say something new.

    The cursor moves in the same transaction that records them, to the newest change seen. A SKU that stands more than
    once stays with the product that had it, and one that cannot be kept is left out: one warning lists them all.
    """
    began = run.clock()
    cursor = await run.memory.cursor(run.channel.id, JOB)
    overlap = timedelta(seconds=run.channel.settings.import_overlap_seconds)
    listed = await run.shop.list_products(cursor - overlap if cursor else None, began)
    seen = await run.memory.products_seen(run.channel.id, [each.external_id for each in listed])
    due = sorted(
        (each for each in listed if _is_due(each, seen.get(each.external_id))),
        key=lambda each: (each.updated_at, each.external_id),
    )
    chosen, rest = due[:MOST_PER_RUN], due[MOST_PER_RUN:]
    read = await _read(run, [each.external_id for each in chosen])
    effects, problems = await _effects(run, read, began)
    moved = _moved(cursor, listed, chosen, rest)
    return _done(
        len(listed) - len(due),
        read,
        problems,
        Effects(
            effects.counts,
            (
                *effects.records,
                *_left_out(chosen, read, effects, began),
                *((CursorMoved(JOB, moved),) if moved else ()),
            ),
            effects.announcements,
            (_for_the_remainder(run, began),) if rest else (),
        ),
        len(rest),
    )


def _is_due(listed: ProductSummary, seen: ProductSeen | None) -> bool:
    if seen is None or listed.updated_at > seen.updated_at:
        return True
    return listed.updated_at == seen.updated_at and seen.read_at - seen.updated_at <= SAME_SECOND


async def _read(run: Run, external_ids: Sequence[str]) -> _Read:
    """Read these products, a few at a time, and those that so far had one of their SKUs: who has it now?

    A product that the shop refuses to show or that cannot be read stops no other; any other trouble stops the run.
    """
    read = _Read()
    await _read_all(run, external_ids, read)
    holders = await run.memory.sku_holders(run.channel.id, _skus(read.products))
    await _read_all(run, sorted(set(holders.values()) - set(external_ids)), read)
    return read


async def _read_all(run: Run, external_ids: Sequence[str], read: _Read) -> None:
    for start in range(0, len(external_ids), AT_ONCE):
        part = external_ids[start : start + AT_ONCE]
        answers = await asyncio.gather(*(run.shop.read_product(each) for each in part), return_exceptions=True)
        for name, answer in zip(part, answers, strict=True):
            if isinstance(answer, Product):
                read.products.append(answer)
            elif not isinstance(answer, ShopRejected):
                raise answer
            elif answer.code != "product_unknown":
                read.failed[name] = answer


async def _effects(run: Run, read: _Read, began: datetime) -> tuple[Effects, list[SkuProblem]]:
    """What is to be recorded and announced of what was read, and the SKUs that were left out."""
    usable, unusable = split_unusable(read.products)
    holders = await run.memory.sku_holders(run.channel.id, _skus(usable))
    kept, duplicates = split_duplicates(usable, holders)
    known = await run.memory.product_documents(run.channel.id, [each.external_id for each in kept])
    skus = await run.memory.skus(run.channel, Side.CHANNEL, [*_skus(kept), *(each.sku for each in kept)])
    records: list[ProductRecord] = []
    announcements: list[Announcement] = []
    for product in kept:
        told = product_to_oms(product, skus)
        document = told.model_dump(mode="json")
        records.append(ProductRecord(product.external_id, product.updated_at, began, document, product.skus))
        if not is_same(document, known.get(product.external_id)):
            announcements.append(Announcement("product.imported", document, told.sku or told.external_id))
    created = len(kept) - len(known)
    counts = Counts(
        read=len(read.products),
        created=created,
        updated=len(announcements) - created,
        skipped=len(kept) - len(announcements),
        failed=len(read.failed) + len(read.products) - len(kept),
    )
    return Effects(counts, tuple(records), tuple(announcements)), [*unusable, *duplicates]


def _left_out(chosen: Sequence[ProductSummary], read: _Read, effects: Effects, began: datetime) -> list[ProductRecord]:
    """Empty records of the products that nothing came of: until they change they are not read, nor told of, again.

    Without them, a run that leaves too much for one would find the same products at its front for ever.
    """
    kept = {record.external_id for record in effects.records if isinstance(record, ProductRecord)}
    times = {each.external_id: each.updated_at for each in chosen}
    times |= {each.external_id: each.updated_at for each in read.products}
    return [ProductRecord(name, at, began, {}, ()) for name, at in times.items() if name not in kept]


def _skus(products: Sequence[Product]) -> list[str]:
    return list(dict.fromkeys(sku for product in products for sku in product.skus))


def _moved(
    cursor: datetime | None,
    listed: Sequence[ProductSummary],
    chosen: Sequence[ProductSummary],
    rest: Sequence[ProductSummary],
) -> datetime | None:
    """Up to where everything is read: where some is left, just before the last that was."""
    if not listed:
        return None
    if not rest:
        return max(each.updated_at for each in listed)
    reached = chosen[-1].updated_at - timedelta(seconds=1)
    return reached if cursor is None else max(cursor, reached)


def _for_the_remainder(run: Run, began: datetime) -> FollowUp:
    data = {"schedule": REMAINDER, "due": iso(began)}
    return FollowUp(f"tick.{JOB}", f"{run.channel.id}/{JOB}/{run.item.delivery.id}", data)


def _done(passed: int, read: _Read, problems: Sequence[SkuProblem], effects: Effects, rest: int) -> Done:
    told = len(effects.announcements)
    sentences = [f"{len(read.products)} products read, {told} of them new or changed; {passed} were known."]
    if rest:
        sentences.append(f"{rest} more follow in another run.")
    if problems:
        sentences.append(
            f"{len(problems)} SKUs were left out: {_listed(list(map(str, problems)))}. Correct them in the shop; "
            "all others are imported."
        )
    if read.failed:
        reason = next(iter(read.failed.values())).sentence
        sentences.append(
            f"{len(read.failed)} products could not be read: {_listed(list(read.failed))}. {reason} "
            "They are read again when they change in the shop."
        )
    code = "sku_left_out" if problems else "partly_failed" if read.failed else "ok"
    return Done(" ".join(sentences), code, bool(problems or read.failed), effects)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
