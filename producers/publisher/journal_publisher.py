"""Publishes where the journal is the broker."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from broker.transports.seam import Outgoing, Receipt
from domain.envelope import Envelope
from domain.errors import StorageUnavailable, TransportUnavailable
from producers.publisher.event_building import message_of
from producers.publisher.parcel import Parcel
from producers.publisher.promise import PublisherUnusable, PublishResult


class Journal(Protocol):
    """Where messages are written down. Any number of threads may call it at once."""

    def append(self, batch: Sequence[Outgoing]) -> Sequence[Receipt]:
        """Route and store ``batch`` durably, in order, and wait, bounded, for it; one receipt per message.

        Raises:
            StorageUnavailable, TransportUnavailable: it could not be written, or the answer to the commit was
            lost.
        """


class JournalPublisher:
    """A :class:`producers.publisher.Publisher` on a :class:`Journal`, which stays its owner's to close."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._closed = False

    def publish(self, envelope: Envelope) -> PublishResult:
        """See :class:`producers.publisher.Publisher`."""
        return self.publish_many([envelope])[0]

    def publish_many(self, envelopes: Sequence[Envelope]) -> list[PublishResult]:
        """See :class:`producers.publisher.Publisher`. The whole batch is stored at once."""
        if self._closed:
            raise PublisherUnusable("The publisher was closed; make a new one.")
        parcels = [Parcel(message_of(envelope)) for envelope in envelopes]
        if not parcels:
            return []
        try:
            receipts = self._journal.append([parcel.message for parcel in parcels])
        except (StorageUnavailable, TransportUnavailable) as error:
            receipts, reason = [Receipt.UNKNOWN] * len(parcels), error.sentence
        else:
            reason = "it could not be written down."
        for parcel, receipt in zip(parcels, receipts, strict=True):
            parcel.settle(receipt, reason)
        return [parcel.result("the journal") for parcel in parcels]

    def close(self) -> None:
        """See :class:`producers.publisher.Publisher`."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
