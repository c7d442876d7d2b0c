"""Decoding: bytes from a transport become an event, or a rejection that says why not."""

from __future__ import annotations

from broker.ledger import Incoming, Rejection
from broker.transports.seam import Taken
from domain.envelope import Envelope, is_binary_mode, parse, parse_binary
from domain.errors import InputError
from domain.events import payload_of
from domain.shared_fields import with_shared_fields
from domain.synclog import Trigger


def decode(taken: Taken) -> Incoming | Rejection:
    """Read one message of the inbox: structured or binary CloudEvents, then its typed payload."""
    try:
        if is_binary_mode(taken.headers, taken.content_type):
            envelope = parse_binary(taken.headers, taken.body)
            return _incoming(envelope, envelope.to_json())
        return _incoming(parse(taken.body), taken.body)
    except InputError as error:
        return rejection_of(taken, error)


def _incoming(envelope: Envelope, body: bytes) -> Incoming:
    payload = with_shared_fields(payload_of(envelope))
    return Incoming(with_shared_fields(envelope), payload, body, trigger_of(envelope))


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
