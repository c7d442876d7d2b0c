"""The warehouse and the carrier of an order that comes in (sales channels, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from broker.handling import Run
from domain.errors import InputError
from domain.mappings import MOST_CHARACTERS, CarrierCode, Missing
from domain.order_defaults import with_carrier
from domain.orders import Order
from domain.outcomes import Park, Skipped


@dataclass(frozen=True, slots=True)
class CarrierFound:
    """An order as the OMS is told; ``warning`` is a sentence where its shipping method has no mapping, else empty."""

    order: Order
    warning: str = ""


async def find_carrier(run: Run, order: Order) -> CarrierFound | Park | Skipped:
    """Find the carrier of an order, by its shipping method, and its warehouse.

    Nothing is asked where the channel never had a mapping; without carrier mappings the defaults of the account hold.
    What becomes of a method that fits none of those there are is the channel's setting ``unmapped_carrier``.

    Raises:
        InputError: code ``carrier_unusable``: the order would have to wait for a mapping that nobody can make.
    """
    if not order.shipping_method.strip() or not run.channel.mapped_at:
        return CarrierFound(with_carrier(order, run.channel, None))
    known = await run.memory.carriers(run.channel)
    found = known.methods.to_oms(order.shipping_method) if known.methods else None
    if not isinstance(found, Missing):
        return CarrierFound(with_carrier(order, run.channel, found))
    if run.channel.settings.unmapped_carrier == "warn":
        return CarrierFound(with_carrier(order, run.channel, None), _warning(run, order))
    about = f"Order {order.external_order_id}: shipping method {_shown(order)}"
    if found in known.ignored:
        return Skipped(f"{about} is to be ignored in channel {run.channel.code}.", "mapping_ignored")
    _ensure_mappable(found, order)
    return Park(
        f"{about} has no carrier mapping in channel {run.channel.code}: map it, and this goes on by itself.",
        "carrier_unmapped",
        "mapping",
        missing=(found,),
    )


def _warning(run: Run, order: Order) -> str:
    default = run.channel.default_carrier
    told = f"the account's default carrier {default!r}" if default else "no carrier"
    return (
        f"Shipping method {_shown(order)} has no carrier mapping in channel {run.channel.code}, so the OMS is told "
        f"{told}. Map it in the channel."
    )


def _ensure_mappable(missing: Missing, order: Order) -> None:
    method = CarrierCode.of(missing.code).carrier
    if len(method) > MOST_CHARACTERS or "\0" in method:
        raise InputError(
            f"Order {order.external_order_id} has a shipping method that nobody can map: it has {len(method)} "
            f"characters, or a character NUL. Change it in the shop to at most {MOST_CHARACTERS}, or set "
            f"unmapped_carrier to warn; then replay.",
            code="carrier_unusable",
        )


def _shown(order: Order) -> str:
    method = order.shipping_method.strip()
    return repr(method if len(method) <= MOST_CHARACTERS else f"{method[:MOST_CHARACTERS]}…")
