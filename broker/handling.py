"""What a handler is given and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from broker.ledger import Delivery, Memory
from domain.channels import Channel
from domain.envelope import Envelope
from domain.errors import ShopError
from domain.events import Payload
from domain.moments import Clock
from domain.outcomes import Outcome
from domain.ports import Shop


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery with its decoded event."""

    delivery: Delivery
    envelope: Envelope
    payload: Payload


@dataclass(frozen=True, slots=True)
class Run:
    """One claim in a handler's hands: the deliveries, the shop they concern, and what is remembered."""

    channel: Channel
    shop: Shop
    memory: Memory
    clock: Clock
    items: tuple[Item, ...]

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
