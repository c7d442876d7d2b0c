"""Lanes that began in a worker's hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broker.ledger import Claim, ParcelPast
from domain.states import LaneKind
from storage.ledger.identity import Event
from storage.ledger.lines import Lined, first_token
from storage.ledger.rows import to_delivery


def claims_of(lined: Lined, events: Sequence[Event], pasts: Mapping[str, ParcelPast], now: int) -> list[Claim]:
    """These lanes as if the worker had claimed them; ``pasts`` of their parcels are by lane."""
    by_message = {event.row["id"]: event for event in events}
    claims = []
    for lane, first in lined.in_hand.items():
        row = first.row
        event = by_message[row["message_id"]]
        incoming = event.incoming
        told = {"event": (incoming.envelope, incoming.payload), "past": pasts.get(lane)}
        head = to_delivery({**event.row, **row, **_FRESH, **told})
        claims.append(Claim(lane, LaneKind.FIFO, first_token(now), row["channel_id"], row["job_type"], 0, (head,)))
    return claims


_FRESH = {"attempts": 0, "failures": 0, "unsure": False, "cause": ""}
