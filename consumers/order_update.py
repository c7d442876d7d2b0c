"""Update orders: write the OMS's status, cancellation and note to the shop (sales channels, section 3)."""

from __future__ import annotations

from broker.handling import Run
from domain.events import OrderStatusChanged
from domain.orders import OrderStatus
from domain.outcomes import Counts, Done, Effects, Outcome

_UPDATED = Effects(Counts(updated=1))
_CANCELLED = {OrderStatus.CANCELLED, "canceled"}
"""Both spellings: setting the word as a mere status would leave out the restock and the refund."""


async def order_update(run: Run) -> Outcome:
    """Set the status, or cancel with the shop's side effects. Both are safe to repeat (see the connector)."""
    payload = run.item.payload
    assert isinstance(payload, OrderStatusChanged)
    order_id = payload.external_order_id
    if payload.status.strip().lower() not in _CANCELLED:
        await run.shop.set_order_status(order_id, payload.status, payload.note)
        return Done(f"Order {order_id} is now {payload.status} in the shop.", effects=_UPDATED)
    result = await run.shop.cancel_order(order_id)
    if payload.note:
        await run.shop.set_order_status(order_id, payload.status, payload.note)
    if result.failed:
        return Done(
            f"Order {order_id} is cancelled, but the shop could not do everything: {'; '.join(result.failed)}. "
            f"Check it in the shop.",
            code="cancelled_in_part",
            warning=True,
            effects=_UPDATED,
        )
    return Done(f"Order {order_id} is cancelled in the shop.", effects=_UPDATED)
