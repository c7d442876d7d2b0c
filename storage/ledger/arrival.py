"""A single event that comes in by one statement, which needs nothing that would have to be looked up before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from broker.ledger import Admission, Hands, Incoming, TakenIn
from storage.directory import Directory
from storage.ledger.entry import Entry, can_enter
from storage.ledger.event_rows import REMEMBERED, message_row, newcomers_of
from storage.ledger.identity import Event, encoded
from storage.ledger.in_hand import claims_of


class Arrival:
    """An event on its way in by :data:`storage.ledger.entry.ENTER`."""

    def __init__(self, event: Event, entry: Entry, now: int) -> None:
        self._event = event
        self._entry = entry
        self._now = now

    def values(self) -> dict[str, Any]:
        """What the statement is given."""
        return self._entry.values(encoded([self._event]))

    def answer(self, found: Iterable[Sequence[Any]]) -> TakenIn | None:
        """What became of it; ``None`` when it was there before: nothing was stored then."""
        event = self._event
        stored, lined = self._entry.read(found)
        if not stored:
            return None
        admission = Admission(event.row["id"], jobs=tuple(lined.jobs.get(event.row["id"], ())))
        return TakenIn([admission], claims_of(lined, [event], lined.pasts or {}, self._now))


def arrival_of(directory: Directory, incoming: Incoming, now: int, hands: Hands) -> Arrival | None:
    """The arrival of an event; ``None`` when more than a statement may be needed, or its channel is not in memory."""
    if isinstance(incoming.payload, REMEMBERED):
        return None
    envelope = incoming.envelope
    channel = directory.at_hand(envelope.account, envelope.channel)
    if channel is None:
        return None
    event = Event(incoming, (channel,), message_row(incoming, channel.account_id, now))
    newcomers = newcomers_of(event)
    return Arrival(event, Entry(newcomers, now, hands), now) if can_enter(newcomers) else None
