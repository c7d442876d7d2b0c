"""The envelope: CloudEvents 1.0 as Towpath reads and writes it (design, section 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from domain.errors import MalformedEvent

MAX_BODY_BYTES = 256 * 1024
"""Largest event body accepted, in bytes."""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class Envelope(BaseModel):
    """One event: who says what happened (``source``, ``id``), of which ``type``, about which business key.

    ``account`` and ``channel`` are the short codes people gave them. ``data`` is checked against the type by
    :func:`domain.events.payload_of`. Attribute names and rules: CloudEvents 1.0 specification, section 3.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: str = Field(default="1.0", pattern=r"^1\.0$")
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200)
    type: str = Field(min_length=1, max_length=100)
    subject: str | None = Field(default=None, max_length=200)
    time: AwareDatetime | None = None
    datacontenttype: str | None = Field(default=None, max_length=100)
    account: str | None = Field(default=None, pattern=_NAME)
    channel: str | None = Field(default=None, pattern=_NAME)
    correlationid: str | None = Field(default=None, max_length=200)
    traceparent: str | None = Field(default=None, max_length=100)
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def routing_key(self) -> str:
        """``<type>.<account>.<channel or all>``, the key it is published with."""
        return f"{self.type}.{self.account or 'unknown'}.{self.channel or 'all'}"

    def to_json(self) -> bytes:
        """Structured-mode JSON; attributes that are not set are left out."""
        return self.model_dump_json(exclude_none=True).encode()


def explain(error: ValidationError) -> str:
    """The first few faults of a pydantic error as one sentence, without the offending values."""
    faults = [f"{'.'.join(str(step) for step in fault['loc']) or 'body'}: {fault['msg']}" for fault in error.errors()[:4]]
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")


def parse(body: bytes) -> Envelope:
    """Read one structured-mode event.

    Raises:
        MalformedEvent: larger than :data:`MAX_BODY_BYTES`, not UTF-8, not JSON, or not an envelope; the sentence
            says which and where.
    """
    if len(body) > MAX_BODY_BYTES:
        raise MalformedEvent(
            f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are accepted. Send a reference instead.",
            code="body_too_large",
        )
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"The body is not UTF-8 (byte {error.start}).", code="not_utf8") from None
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise MalformedEvent("The body is not JSON: " + explain(error), code="not_json") from None
        raise MalformedEvent("The envelope is not valid: " + explain(error), code="invalid_envelope") from None


def parse_binary(headers: Mapping[str, Any], body: bytes) -> Envelope:
    """Read one binary-mode event: attributes in ``cloudEvents:``-prefixed headers, the data as the body.

    The prefix may also be ``cloudEvents_`` (CloudEvents AMQP protocol binding 1.0, section 3.1.3.1).

    Raises:
        MalformedEvent: as :func:`parse`.
    """
    attributes: dict[str, Any] = {}
    for name, value in headers.items():
        lowered = name.lower()
        if lowered.startswith(("cloudevents:", "cloudevents_")):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            attributes[lowered[12:]] = text.replace(tzinfo=UTC) if isinstance(text, datetime) and not text.tzinfo else text
    if len(body) > MAX_BODY_BYTES:
        return parse(body)
    try:
        attributes["data"] = json.loads(body.decode("utf-8")) if body else {}
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"The body is not UTF-8 (byte {error.start}).", code="not_utf8") from None
    except json.JSONDecodeError as error:
        raise MalformedEvent(f"The body is not JSON: {error}", code="not_json") from None
    try:
        return Envelope.model_validate(attributes)
    except ValidationError as error:
        raise MalformedEvent("The envelope is not valid: " + explain(error), code="invalid_envelope") from None


def is_binary_mode(headers: Mapping[str, Any], content_type: str | None) -> bool:
    """Whether a message carries its attributes in headers (CloudEvents AMQP binding, section 3)."""
    if content_type and content_type.split(";")[0].strip().lower() == STRUCTURED:
        return False
    return any(name.lower().startswith(("cloudevents:", "cloudevents_")) for name in headers)
