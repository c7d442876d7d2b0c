"""Decoding: bytes from a transport become an event, or a rejection that says why not."""

from __future__ import annotations

from broker.ledger import Incoming, Rejection
from broker.transports.seam import Taken
from domain.envelope import Envelope, is_binary_mode, parse, parse_binary
from domain.errors import InputError
from domain.events import payload_of
from domain.synclog import Trigger


def decode(taken: Taken) -> Incoming | Rejection:
    """Read one message of the inbox: structured or binary CloudEvents, then its typed payload."""
    try:
        if is_binary_mode(taken.headers, taken.content_type):
            envelope = parse_binary(taken.headers, taken.body)
            return Incoming(envelope, payload_of(envelope), envelope.to_json(), trigger_of(envelope))
        envelope = parse(taken.body)
        return Incoming(envelope, payload_of(envelope), taken.body, trigger_of(envelope))
    except InputError as error:
        return rejection_of(taken, error)


def rejection_of(taken: Taken, error: InputError) -> Rejection:
    """Keep a message that cannot be accepted; headers as short text."""
    headers = {_plain(name): _plain(str(value))[:200] for name, value in list(taken.headers.items())[:50]}
    return Rejection(taken.body, error, origin=taken.queue, routing_key=_plain(taken.routing_key), headers=headers)


def _plain(text: str) -> str:
    """Text without the one character that PostgreSQL cannot store."""
    return text.replace("\0", "?")


def trigger_of(envelope: Envelope) -> Trigger:
    """Ticks are the schedule's doing, everything else is an event."""
    return Trigger.SCHEDULE if envelope.type.startswith("tick.") else Trigger.EVENT
