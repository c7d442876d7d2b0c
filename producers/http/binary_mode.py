"""Events in binary mode: attributes in ``ce-`` headers, the data as the body (CloudEvents HTTP
binding 1.0, section 3.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from domain.errors import MalformedEvent

PREFIX = b"ce-"

_NAME = re.compile(r"[a-z0-9]{1,20}")
_QUOTED_PAIR = re.compile(r"\\(.)")
_FROM_ELSEWHERE = frozenset({"data", "datacontenttype"})


def is_binary(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether attributes stand in headers."""
    return any(name.startswith(PREFIX) for name, _ in headers)


def to_structured(headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The same event in structured mode; ``body`` is one JSON value, or empty for an event without data.

    Raises:
        MalformedEvent: an attribute stands twice, has a name CloudEvents does not allow, or is not text.
    """
    attributes: dict[str, str] = {}
    for raw, value in headers:
        if not raw.startswith(PREFIX):
            continue
        name = raw[len(PREFIX) :].decode("latin-1")
        if not _NAME.fullmatch(name) or name in _FROM_ELSEWHERE:
            raise MalformedEvent(f"The header ce-{name[:40]} names no CloudEvents attribute.", code="invalid_envelope")
        if name in attributes:
            raise MalformedEvent(f"The header ce-{name} stands twice.", code="duplicate_member")
        attributes[name] = _decoded(name, value)
    attributes["datacontenttype"] = "application/json"
    start = json.dumps(attributes).encode()
    return start[:-1] + b', "data": ' + body + b"}" if body else start


def _decoded(name: str, value: bytes) -> str:
    """A header value as text: quotes taken off, then percent-decoded once (same binding, 3.1.3.2)."""
    text = value.decode("latin-1").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedEvent(f"The header ce-{name} is not percent-encoded UTF-8.", code="not_utf8") from None
