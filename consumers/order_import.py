"""Import orders: read from the shop, record, announce to the OMS (sales channels, section 3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from broker.handling import Run
from consumers.missing_skus import held_up
from consumers.order_carrier import CarrierFound, find_carrier
from domain.errors import ShopRejected
from domain.events import ChannelOrder, Tick
from domain.mappings import Side
from domain.moments import iso
from domain.order_defaults import same_in_shop
from domain.orders import Order, OrderRecord
from domain.outcomes import Announcement, Counts, CursorMoved, Done, Effects, FollowUp, Outcome, Skipped
from domain.privacy import without_person
from domain.sku_translation import order_to_oms


async def order_import(run: Run) -> Outcome:
    """A tick finds what changed; an event imports one order."""
    if isinstance(run.item.payload, Tick):
        return await _find_changed(run)
    return await _import_one(run)


async def _find_changed(run: Run) -> Outcome:
    """List orders changed since the last success minus an overlap; each new state becomes an event of its own.

    The event's id holds order and ``updated_at``, so an order seen twice is imported once, and each order waits,
    retries and fails in its own lane. The cursor moves in the same transaction that stores those events, to the
    newest change seen: it is the shop's clock that counts, which may be behind ours.
    """
    until = run.clock()
    cursor = await run.memory.cursor(run.channel.id, "order_import")
    overlap = timedelta(seconds=run.channel.settings.import_overlap_seconds)
    found = await run.shop.list_orders(cursor - overlap if cursor else None, until)
    seen = await run.memory.orders_seen(run.channel.id, [order.external_order_id for order in found])
    fresh = [
        order for order in found if (known := seen.get(order.external_order_id)) is None or order.updated_at > known
    ]
    follow_ups = tuple(
        FollowUp(
            "order.updated" if order.external_order_id in seen else "order.created",
            f"{run.channel.id}/order/{order.external_order_id}/{iso(order.updated_at)}",
            {"external_order_id": order.external_order_id, "updated_at": iso(order.updated_at)},
        )
        for order in sorted(fresh, key=lambda order: order.updated_at)
    )
    return Done(
        f"{len(found)} orders changed in the shop, {len(fresh)} of them new to us.",
        effects=Effects(
            counts=Counts(read=len(found), created=len(fresh), skipped=len(found) - len(fresh)),
            records=(CursorMoved("order_import", max(order.updated_at for order in found)),) if found else (),
            follow_ups=follow_ups,
        ),
    )


async def _import_one(run: Run) -> Outcome:
    payload = run.item.payload
    assert isinstance(payload, ChannelOrder)
    seen = await run.memory.order_seen(run.channel.id, payload.external_order_id)
    if seen is not None and payload.updated_at is not None and payload.updated_at <= seen:
        return _unchanged(payload.external_order_id, seen, read=0)
    order = _pushed(run, payload) or (await run.shop.read_order(payload.external_order_id))[0]
    if seen is not None and order.updated_at < seen:
        return _unchanged(order.external_order_id, seen, read=1)
    skus = await run.memory.skus(run.channel, Side.CHANNEL, [line.sku for line in order.lines])
    order, missing = order_to_oms(order, skus)
    if missing:
        return await held_up(run, f"Order {order.external_order_id}", missing)
    if seen is not None and await _is_recorded(run, order, seen):
        return _unchanged(order.external_order_id, seen, read=1)
    found = await find_carrier(run, order)
    return _imported(run, found, new=seen is None) if isinstance(found, CarrierFound) else found


def _imported(run: Run, found: CarrierFound, *, new: bool) -> Done:
    order, document = found.order, found.order.model_dump(mode="json")
    initial = run.channel.settings.initial_order_status
    told = {**document, "status": str(initial)} if new and initial else document
    sentence = f"Order {order.external_order_id} ({order.status}) imported with {_lines(order)}."
    return Done(
        f"{sentence} {found.warning}".rstrip(),
        code="carrier_unmapped" if found.warning else "ok",
        warning=bool(found.warning),
        effects=Effects(
            counts=Counts(read=1, created=int(new), updated=int(not new)),
            records=(OrderRecord(order.external_order_id, order.updated_at, str(order.status), document),),
            announcements=(Announcement("order.imported", told, order.external_order_id),),
        ),
    )


async def _is_recorded(run: Run, order: Order, seen: datetime) -> bool:
    """Whether this very state is recorded, or was before its personal data were erased: an order may change twice in
    the second its shop shows. A mapping or a default that changed since makes no other state.
    """
    if order.updated_at > seen:
        return False
    recorded = await run.memory.order_document(run.channel.id, order.external_order_id)
    document = order.model_dump(mode="json")
    return recorded is not None and any(same_in_shop(recorded, each) for each in (document, without_person(document)))


def _unchanged(order_id: str, seen: datetime, *, read: int) -> Skipped:
    return Skipped(
        f"Order {order_id} is already recorded as of {iso(seen)}.",
        "unchanged",
        Effects(Counts(read=read, skipped=1)),
    )


def _pushed(run: Run, payload: ChannelOrder) -> Order | None:
    """The order out of the event itself, where it carries the platform's document whole: a call saved."""
    if payload.order is None:
        return None
    try:
        order = run.shop.translate_order(payload.order)
    except ShopRejected:
        return None
    return order if order.external_order_id == payload.external_order_id and order.lines else None


def _lines(order: Order) -> str:
    count = len(order.lines)
    return f"{count} line" if count == 1 else f"{count} lines"
