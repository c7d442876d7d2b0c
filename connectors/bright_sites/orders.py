"""Orders: list, read, status and note, cancel, order-level shipment (Bright Sites API facts, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.bright_sites.operations import CANCEL_ORDER, LIST_ORDERS, READ_ORDER, UPDATE_ORDER
from connectors.bright_sites.paging import read_pages
from connectors.bright_sites.statuses import to_shop
from connectors.bright_sites.translate import notes_of, personal_values, summary_from
from connectors.http import Caller
from connectors.http.words import messages
from domain.errors import ShopRejected
from domain.moments import iso
from domain.orders import OrderSummary
from domain.ports import CancelResult
from domain.shipments import Parcel

CANCELED = "canceled"


async def list_orders(caller: Caller, since: datetime | None, until: datetime) -> Sequence[OrderSummary]:
    """Summaries of the orders updated in the window, each once, highest number first.

    Only the window's start is asked of the shop, and its end is applied here: an order that is edited while
    pages are read would leave a window with an end, all that follow would move up by one, and the first of
    the next page would be missed for good. Without an end rows can only move down, and what comes twice is
    dropped.
    """
    query = {} if since is None else {"updated_at_from": iso(since)}
    found: dict[str, OrderSummary] = {}
    for row in await read_pages(caller, LIST_ORDERS, "orders", query):
        summary = summary_from(row, until)
        if summary.updated_at <= until:
            found.setdefault(summary.external_order_id, summary)
    return tuple(found.values())


async def read_order(caller: Caller, external_order_id: str) -> dict[str, Any]:
    """The shop's own document of an order."""
    document: dict[str, Any] = await caller.call(
        READ_ORDER, {"id": order_number(external_order_id)}, about=_about(external_order_id)
    )
    return document


async def set_order_status(caller: Caller, external_order_id: str, status: str, note: str | None) -> None:
    """Set the status; append the note unless the order has it, which costs a read before the write.

    Safe to repeat: the status is absolute, and the read sees the note of a first try whose answer was lost.
    What that read shows to stand there already is not written again.
    """
    changes = {"status": to_shop(status)}
    hide: tuple[str, ...] = ()
    if note:
        document = await read_order(caller, external_order_id)
        hide = (note, *personal_values(document))
        if document.get("status") == changes["status"]:
            del changes["status"]
        if note.strip() not in {known.strip() for known in notes_of(document)}:
            changes["note"] = note
    if changes:
        await _update(caller, external_order_id, changes, hide)


async def cancel_order(caller: Caller, external_order_id: str) -> CancelResult:
    """Cancel with restock and refund, unless the order is cancelled already: then nothing is done or failed.

    Raises:
        ShopRejected: the shop did nothing at all and said why; it does so under status 200.
    """
    document = await read_order(caller, external_order_id)
    if document.get("status") == CANCELED:
        return CancelResult(done=(), failed=())
    hide = personal_values(document)
    answer = await caller.call(
        CANCEL_ORDER, {"id": order_number(external_order_id)}, about=_about(external_order_id), hide=hide
    )
    done = tuple(caller.quotable(line, hide) for line in messages(answer["success"]))
    failed = tuple(caller.quotable(line, hide) for line in messages(answer.get("errors")))
    if failed and not done and (await read_order(caller, external_order_id)).get("status") != CANCELED:
        raise ShopRejected(
            f"Channel {caller.channel.code}, {_about(external_order_id)}: the shop did not cancel it: "
            f"“{'; '.join(failed)}”. Correct the cause, then replay.",
            status=200,
        )
    return CancelResult(done, failed)


async def set_order_shipment(caller: Caller, parcel: Parcel) -> None:
    """Write the parcel as the order's one shipment, without an e-mail: creating the parcel sent it."""
    changes = {"ship_date": parcel.shipped_on.isoformat()}
    if parcel.shipping_method:
        changes["shipping_method"] = parcel.shipping_method
    if parcel.tracking_number:
        changes["tracking_number"] = parcel.tracking_number
    await _update(caller, parcel.external_order_id, changes, ())


def order_number(external_order_id: str) -> int:
    """The shop's order number.

    Raises:
        ShopRejected: code ``order_unknown``, without a call: Bright Sites numbers its orders.
    """
    if not (external_order_id.isascii() and external_order_id.isdigit()):
        raise ShopRejected(
            f"Order {external_order_id[:40]!r} cannot exist in Bright Sites, whose orders have numbers. "
            "Send the shop's own order number.",
            code="order_unknown",
        )
    return int(external_order_id)


async def _update(caller: Caller, external_order_id: str, changes: dict[str, str], hide: Sequence[str]) -> None:
    await caller.call(
        UPDATE_ORDER,
        {"id": order_number(external_order_id)},
        about=_about(external_order_id),
        body={"order": changes},
        hide=hide,
    )


def _about(external_order_id: str) -> str:
    return f"order {external_order_id}"
