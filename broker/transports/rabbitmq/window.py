"""Which published messages wait for their confirm, matched by delivery tag."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from broker.transports.seam import Outgoing, Receipt


@dataclass(slots=True)
class Ticket:
    """A batch on its way: its receipts, and how many of them are still to come."""

    receipts: list[Receipt]
    waiting: int = 0
    sealed: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, index: int, receipt: Receipt) -> None:
        """Note the receipt of one message."""
        self.receipts[index] = receipt
        self.waiting -= 1
        if self.sealed and not self.waiting:
            self.done.set()

    def seal(self) -> None:
        """No more of the batch will be sent."""
        self.sealed = True
        if not self.waiting:
            self.done.set()


@dataclass(frozen=True, slots=True)
class _Sent:
    ticket: Ticket
    index: int
    message: Outgoing
    at: float


class Window:
    """Sent and unconfirmed messages of one channel.

    Confirms come in any order, one by one or for all tags up to one (RabbitMQ, "Publisher confirms"). A
    mandatory message that no queue wants comes back before its confirm.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._returned: set[int] = set()
        self._tag = 0

    @property
    def full(self) -> bool:
        """Whether the next message must wait."""
        return len(self._sent) >= self._size

    @property
    def oldest(self) -> float | None:
        """When the message was sent that waits the longest, on the monotonic clock."""
        return next(iter(self._sent.values())).at if self._sent else None

    def sent(self, ticket: Ticket, index: int, message: Outgoing) -> None:
        """Note that a message was sent; tags count from 1 on a channel."""
        self._tag += 1
        ticket.waiting += 1
        self._sent[self._tag] = _Sent(ticket, index, message, time.monotonic())

    def confirmed(self, tag: int, multiple: bool) -> None:
        """The broker has taken responsibility, or has returned the message before."""
        self._settle(tag, multiple, Receipt.CONFIRMED)

    def refused(self, tag: int, multiple: bool) -> None:
        """The broker has not taken the message."""
        self._settle(tag, multiple, Receipt.REFUSED)

    def came_back(self, message_id: str | None, exchange: str, routing_key: str) -> None:
        """A message came back as unroutable; its confirm follows."""
        for tag, sent in self._sent.items():
            if tag in self._returned:
                continue
            message = sent.message
            if (message.message_id, message.exchange, message.routing_key) == (
                message_id,
                exchange,
                routing_key,
            ):
                self._returned.add(tag)
                return

    def abandon(self) -> None:
        """Nobody waits any longer: what had no confirm is unknown. Confirms that come late are for nobody."""
        while self._sent:
            self._finish(self._sent.popitem(last=False)[1], Receipt.UNKNOWN)
        self._returned.clear()

    def _settle(self, tag: int, multiple: bool, receipt: Receipt) -> None:
        if not multiple:
            if sent := self._sent.pop(tag, None):
                self._finish(sent, self._receipt(tag, receipt))
            return
        while self._sent and (first := next(iter(self._sent))) <= tag:
            self._finish(self._sent.pop(first), self._receipt(first, receipt))

    def _receipt(self, tag: int, receipt: Receipt) -> Receipt:
        if tag not in self._returned:
            return receipt
        self._returned.discard(tag)
        return Receipt.UNROUTABLE if receipt is Receipt.CONFIRMED else receipt

    @staticmethod
    def _finish(sent: _Sent, receipt: Receipt) -> None:
        sent.ticket.settle(sent.index, receipt)
