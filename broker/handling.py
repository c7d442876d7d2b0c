"""What a handler is given and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from broker.guard import RunGuard
from broker.ledger import Claim, Delivery, Memory
from domain.channels import Channel
from domain.envelope import Envelope, read_back
from domain.errors import ShopError
from domain.events import Payload, payload_of
from domain.jobs import JOB_TYPES
from domain.moments import Clock
from domain.outcomes import Dead, Outcome, Park, Skipped
from domain.ports import Shop
from domain.privacy import erased_at
from domain.product_source import PRODUCT_JOBS, source_refusal
from domain.states import LaneKind

CRASHES_TO_DEATH = 5
"""How often in a row a lane may end with its worker before its delivery is taken for the cause.

Everything a killed worker had in hand counts, so a few kills by hand must not bury what had no part in them.
"""
HELD = (
    "Authorization Refresh is set to None, so no call is made for this channel; its work waits. Set a period for "
    "authorization_refresh to let it go on."
)
CHANNEL_DELETED = Dead("Its channel was deleted.", "channel_deleted")


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery with its decoded event."""

    delivery: Delivery
    envelope: Envelope
    payload: Payload


@dataclass(frozen=True, slots=True)
class Run:
    """One claim in a handler's hands: the deliveries, the shop they concern, what is remembered, and what guards its
    calls.
    """

    channel: Channel
    shop: Shop
    memory: Memory
    clock: Clock
    items: tuple[Item, ...]
    guard: RunGuard

    @property
    def item(self) -> Item:
        """The only delivery of a FIFO lane's run."""
        return self.items[0]


Answer = Outcome | ShopError
"""An outcome, or the trouble one item of a shared run had with the shop."""

Handler = Callable[[Run], Awaitable[Sequence[Answer]]]
"""Gives one answer per item, in order."""


def single(handler: Callable[[Run], Awaitable[Outcome]]) -> Handler:
    """Make a handler of one item out of a function that answers one outcome."""

    async def handle(run: Run) -> Sequence[Answer]:
        return [await handler(run)]

    handle.__name__ = handler.__name__
    return handle


def refusal_of(channel: Channel | None, claim: Claim) -> Outcome | None:
    """Why a claim must not run at all, if so."""
    if channel is None:
        return CHANNEL_DELETED
    if claim.kind is LaneKind.FIFO and claim.crashes >= CRASHES_TO_DEATH:
        return Dead(
            f"It killed its worker {claim.crashes} times; look at the worker's log, then replay or discard.",
            "killed_worker",
        )
    if not JOB_TYPES[claim.job_type].calls:
        return None
    if channel.fault:
        return Park(channel.fault, "channel_broken", "channel", 60.0)
    if channel.held:
        return Park(HELD, "authorization_none", "channel", None)
    if not channel.enabled:
        return Park(
            f"Channel {channel.code} is disabled; the work waits until it is enabled.",
            "channel_disabled",
            "channel",
            None,
        )
    if claim.job_type in PRODUCT_JOBS:
        refused = source_refusal(channel.product_source, claim.job_type, channel.id, channel.code)
        return Skipped(refused, "not_product_source", silent=True) if refused else None
    return None


def erased(items: Sequence[Item]) -> Outcome | None:
    """Why events whose personal data were erased are not run again, if one of these is such an event."""
    at = next((found for item in items if item.delivery.event is None and (found := erased_at(item.envelope))), None)
    if at is None:
        return None
    return Skipped(
        f"Its personal data were erased on {at[:10]}, after the PII retention threshold; it is not run again. To "
        f"import the order anew, send a new event for it.",
        "personal_data_erased",
    )


def item_of(delivery: Delivery) -> Item:
    """A delivery with the event it was admitted with."""
    if delivery.event is not None:
        return Item(delivery, *delivery.event)
    envelope = read_back(delivery.body)
    return Item(delivery, envelope, payload_of(envelope))
