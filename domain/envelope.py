"""The envelope: CloudEvents 1.0 as Towpath reads and writes it (design, section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError, from_json

from domain.errors import MalformedEvent
from domain.fields import Moment, Traceparent, has_nul
from domain.moments import Clock, iso, utc_now

MAX_BODY_BYTES = 256 * 1024
"""Largest event body accepted, in bytes."""

FAR_AHEAD = timedelta(hours=24)
"""How far ahead of our clock the ``time`` of an event may be.

Where stock has no version, ``time`` decides which level is newer: one level from a clock that runs years
ahead would keep out every true one until then. A day leaves room for a local time sent as UTC (14 hours at
most).
"""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_EXTENSION = re.compile(r"[a-z0-9]+")
_EXTENSIONS_SCHEMA: dict[str, Any] = {
    "propertyNames": {"pattern": "^[a-z0-9]+$"},
    "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
}
_BAD_NAME: LiteralString = (
    "attribute {name} may only have the letters a-z and digits in its name; rename it or move it into data"
)
_BAD_VALUE: LiteralString = (
    "attribute {name} should be text, a whole number, true or false; move anything else into data"
)
_PREFIXES = ("cloudevents:", "cloudevents_")


class Envelope(BaseModel):
    """One event: who says what happened (``source``, ``id``), of which ``type``, about which business key.

    ``account`` and ``channel`` are the short codes people gave them. ``data`` is checked against the type by
    :func:`domain.events.payload_of`. Attribute names and rules: CloudEvents 1.0 specification, section 3.
    Further extension attributes are kept; their names have only lower-case letters and digits, their values
    are text, whole numbers, true or false (section 3.1).
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", ser_json_inf_nan="constants", json_schema_extra=_EXTENSIONS_SCHEMA
    )

    specversion: str = Field(default="1.0", pattern=r"^1\.0$")
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200)
    type: str = Field(min_length=1, max_length=100)
    subject: str | None = Field(default=None, max_length=200)
    time: Moment | None = None
    datacontenttype: str | None = Field(default=None, max_length=100)
    account: str | None = Field(default=None, pattern=_NAME)
    channel: str | None = Field(default=None, pattern=_NAME)
    correlationid: str | None = Field(default=None, max_length=200)
    traceparent: Traceparent = None
    data: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_plain_extensions(self) -> Envelope:
        for name, value in (self.model_extra or {}).items():
            about = {"name": repr(name[:40])}
            if not _EXTENSION.fullmatch(name):
                raise PydanticCustomError("extension_name", _BAD_NAME, about)
            if not (value is None or isinstance(value, str | bool | int)):
                raise PydanticCustomError("extension_value", _BAD_VALUE, about)
        return self

    @property
    def routing_key(self) -> str:
        """``<type>.<account>.<channel or all>``, the key it is published with."""
        return f"{self.type}.{self.account or 'unknown'}.{self.channel or 'all'}"

    def to_json(self) -> bytes:
        """Structured-mode JSON; attributes that are not set are left out."""
        return self.model_dump_json(exclude_none=True).encode()


def explain(error: ValidationError) -> str:
    """The first few faults of a pydantic error as one sentence, without the offending values."""
    faults = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False)[:4]:
        place = ".".join(str(step)[:60] for step in fault["loc"])
        faults.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")


def parse(body: bytes, clock: Clock = utc_now) -> Envelope:
    """Read one structured-mode event at the door.

    Raises:
        MalformedEvent: larger than :data:`MAX_BODY_BYTES`, not UTF-8, not JSON, not an envelope, or its
            ``time`` more than :data:`FAR_AHEAD` ahead of ``clock``; the sentence says which and where.
    """
    _check_size(body)
    envelope = read_back(body)
    if envelope.time is not None and envelope.time > clock() + FAR_AHEAD:
        hours = FAR_AHEAD // timedelta(hours=1)
        raise MalformedEvent(
            f"The event says it happened at {iso(envelope.time)}, more than {hours} hours ahead of our clock."
            " Set the sender's clock right, or leave time out.",
            code="clock_far_off",
        )
    return envelope


def read_back(body: bytes) -> Envelope:
    """Read an event that :func:`parse` accepted before: size and clock are not looked at again.

    Raises:
        MalformedEvent: not UTF-8, not JSON (RFC 8259), with the character NUL, or not an envelope.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"The body is not UTF-8 (byte {error.start}).", code="not_utf8") from None
    if b"\\u0000" in body or b"NaN" in body or b"Infinity" in body:
        _json(body)
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise MalformedEvent("The body is not JSON: " + explain(error), code="not_json") from None
        raise MalformedEvent("The envelope is not valid: " + explain(error), code="invalid_envelope") from None


def parse_binary(headers: Mapping[str, Any], body: bytes, clock: Clock = utc_now) -> Envelope:
    """Read one binary-mode event: attributes in ``cloudEvents:``-prefixed headers, the data as the body.

    The prefix may also be ``cloudEvents_`` (CloudEvents AMQP protocol binding 1.0, section 3.1.3.1). What is
    accepted is sure to read back from :meth:`Envelope.to_json`.

    Raises:
        MalformedEvent: as :func:`parse`; an attribute that is not UTF-8 or stands in two headers.
    """
    _check_size(body)
    attributes = _attributes(headers)
    attributes["data"] = _json(body) if body else {}
    try:
        envelope = Envelope.model_validate(attributes)
    except ValidationError as error:
        raise MalformedEvent("The envelope is not valid: " + explain(error), code="invalid_envelope") from None
    return parse(envelope.to_json(), clock)


def is_binary_mode(headers: Mapping[str, Any], content_type: str | None) -> bool:
    """Whether a message carries its attributes in headers (CloudEvents AMQP binding, section 3)."""
    if content_type and content_type.split(";")[0].strip().lower() == STRUCTURED:
        return False
    return any(name.lower().startswith(_PREFIXES) for name in headers)


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise MalformedEvent(
            f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are accepted. Send a reference instead.",
            code="body_too_large",
        )


def _json(body: bytes) -> Any:
    """The value of a body that must be one JSON value, without NUL."""
    try:
        value = from_json(body.decode("utf-8"), allow_inf_nan=False)
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"The body is not UTF-8 (byte {error.start}).", code="not_utf8") from None
    except ValueError as error:
        raise MalformedEvent(f"The body is not JSON: {error}", code="not_json") from None
    if has_nul(value):
        raise MalformedEvent("The body holds the character NUL (\\u0000) in a text.", code="nul_character")
    return value


def _attributes(headers: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for header, value in headers.items():
        lowered = header.lower()
        if not lowered.startswith(_PREFIXES):
            continue
        name = lowered[len(_PREFIXES[0]) :]
        if name in attributes:
            raise MalformedEvent(f"The attribute {name[:40]!r} stands in two headers.", code="duplicate_member")
        attributes[name] = _plain(name, value)
    return attributes


def _plain(name: str, value: Any) -> Any:
    """A header's value as it stands in JSON; AMQP timestamps are UTC (AMQP 0-9-1, section 4.2.5.4)."""
    if isinstance(value, datetime):
        return iso(value if value.tzinfo else value.replace(tzinfo=UTC))
    try:
        if isinstance(value, str):
            value.encode()
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeError:
        raise MalformedEvent(f"The attribute {name[:40]!r} is not UTF-8.", code="not_utf8") from None
