"""Builds events, and makes messages of them once they are proven valid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError

from broker.topology import EVENTS
from broker.transports.seam import Outgoing
from domain.envelope import STRUCTURED, Envelope, explain, parse
from domain.errors import InputError, MalformedEvent
from domain.events import payload_of
from domain.ids import new_id
from domain.moments import utc_now

MAX_SHORT_STRING = 255
"""Bytes in a routing key or message id (AMQP 0-9-1, section 4.2.5.3)."""


class Attributes(TypedDict, total=False):
    """The rarer attributes of an event; see :class:`domain.envelope.Envelope`."""

    subject: str
    time: datetime
    datacontenttype: str
    correlationid: str
    traceparent: str


def new_event(
    type: str,
    data: Mapping[str, Any],
    *,
    source: str,
    account: str,
    channel: str | None = None,
    id: str | None = None,
    **more: Unpack[Attributes],
) -> Envelope:
    """An event of ``type`` for ``account`` with ``data``; the id is fresh and the time the present unless
    given.

    ``source`` names the upstream program. ``source`` and ``id`` together are the identity: whoever may have
    to publish again after a crash passes an ``id`` that is the same then, for example the number of the
    shipment.

    Raises:
        MalformedEvent: an attribute is missing or not valid; the sentence says which.
        TypeError: an attribute that does not exist.
    """
    if unknown := more.keys() - Attributes.__optional_keys__:
        raise TypeError(f"new_event() knows no attribute {', '.join(sorted(unknown))}.")
    attributes: dict[str, Any] = {"id": new_id() if id is None else id, "time": utc_now(), **more}
    attributes |= {"type": type, "source": source, "account": account, "channel": channel, "data": data}
    try:
        return Envelope.model_validate(attributes)
    except ValidationError as error:
        raise MalformedEvent(f"The event cannot be built: {explain(error)}", code="invalid_envelope") from None


def message_of(envelope: Envelope) -> Outgoing:
    """The message that carries an event, after checking it as its reader will.

    Raises:
        MalformedEvent: not JSON, larger than ``domain.envelope.MAX_BODY_BYTES``, or ``data`` does not have
            the shape of its type.
        UnknownName: the type does not exist.
        InputError: no account, or an id or type too long for AMQP.
    """
    try:
        body = envelope.to_json()
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedEvent(f"data is not JSON: {type(error).__name__}: {error}", code="not_json") from None
    said = parse(body)
    payload_of(said)
    if said.account is None:
        raise InputError(
            f"Event {said.id} names no account; set account to the short code of yours.",
            code="account_missing",
        )
    for name, text in (("id", said.id), ("routing key", said.routing_key)):
        if (size := len(text.encode())) > MAX_SHORT_STRING:
            raise InputError(
                f"The {name} of event {said.id[:40]} has {size} bytes; at most {MAX_SHORT_STRING} fit.",
                code="too_long",
            )
    return Outgoing(EVENTS, said.routing_key, body, said.id, STRUCTURED)
