"""One message on its way, and what has become of it so far."""

from __future__ import annotations

from dataclasses import dataclass

from broker.transports.seam import Outgoing, Receipt
from producers.publisher.promise import PublishResult

_SENTENCES = {
    Receipt.CONFIRMED: "Event {id} was taken by {place}.",
    Receipt.UNROUTABLE: (
        "Event {id} came back from {place}: no queue is bound for {key}. Run `towpath topology declare`, "
        "then publish it again."
    ),
    Receipt.REFUSED: "Event {id} was not taken by {place}: {reason} Publish it again when that is mended.",
    Receipt.UNKNOWN: (
        "Event {id} may or may not have reached {place}: {reason} Publish it again with the same id; "
        "a second copy does no harm."
    ),
}


@dataclass(slots=True)
class Parcel:
    """A message and its fate. ``doubtful``: an earlier try may have arrived although nobody confirmed it."""

    message: Outgoing
    outcome: Receipt | None = None
    doubtful: bool = False
    reason: str = ""

    def settle(self, outcome: Receipt, reason: str = "") -> None:
        """Note the end. A copy that is refused says nothing about an earlier one that is in doubt."""
        self.outcome = Receipt.UNKNOWN if outcome is Receipt.REFUSED and self.doubtful else outcome
        self.reason = reason

    def result(self, place: str) -> PublishResult:
        """What to tell the caller; a parcel nobody settled has not been taken, as far as is known."""
        if self.outcome is None:
            self.settle(Receipt.REFUSED, self.reason)
        outcome = self.outcome or Receipt.REFUSED
        message = self.message
        sentence = _SENTENCES[outcome].format(
            id=message.message_id, place=place, key=message.routing_key, reason=self.reason
        )
        return PublishResult(outcome, message.message_id, sentence)
