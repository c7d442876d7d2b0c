"""What every publisher promises, whatever the broker is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from broker.transports.seam import Receipt
from domain.envelope import Envelope
from domain.errors import TowpathError


class PublisherUnusable(TowpathError):
    """The publisher was closed, or belongs to the process that this one was forked from."""

    code = "publisher_unusable"


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How one publish ended; ``sentence`` says it to a person and never holds a credential.

    ``outcome`` is one of four:

    - ``confirmed``: the event is stored durably;
    - ``refused``: it was certainly not taken, by the broker's word or because nothing of it was sent;
    - ``unknown``: it may or may not have arrived. Publish the same envelope again: its id is its identity, so
      a second copy does no harm;
    - ``unroutable``: no queue wanted it. The exchange of the topology hands such events to
      ``towpath.unrouted``, where they become visible as rejected messages, so an event nobody binds is
      ``confirmed``. Only a broker whose exchange was declared without that alternate exchange can answer
      ``unroutable``.
    """

    outcome: Receipt
    event_id: str
    sentence: str


class Publisher(Protocol):
    """Publishes events; any number of threads may share one.

    Both methods check everything before anything is sent and raise for nothing that happens afterwards:
    whatever the broker or the network does becomes a :class:`PublishResult` within a bounded time.
    """

    def publish(self, envelope: Envelope) -> PublishResult:
        """Publish one event and wait for its outcome.

        Raises:
            InputError: the event is not valid; the sentence says what is wrong with it.
            PublisherUnusable: closed, or used in a forked process.
        """

    def publish_many(self, envelopes: Sequence[Envelope]) -> list[PublishResult]:
        """Publish events in this order; one result per event, in the same order.

        Raises:
            InputError: one of the events is not valid; none was sent.
            PublisherUnusable: closed, or used in a forked process.
        """

    def close(self) -> None:
        """Release everything; can be called twice. Calls of other threads end, but begin no new try."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
