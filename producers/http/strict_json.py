"""JSON as the door reads it: strict, without losing a byte of what was sent.

Refused, besides what is no JSON (RFC 8259): members that stand twice in one object (section 4 leaves their
meaning open) and nesting deeper than the limit. What the envelope forbids is left to the envelope.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from domain.errors import MalformedEvent

_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Element:
    """One event as it was sent: its text unchanged, its ``id`` where one can be read, what is wrong."""

    body: bytes
    event_id: str | None = None
    error: MalformedEvent | None = None


class _Reader:
    """Decodes one value at a time from a text and notes members that stand twice."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._twice: str | None = None
        self._decoder = json.JSONDecoder(object_pairs_hook=self._members, parse_int=float, parse_float=float)

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs) and self._twice is None:
            seen: set[str] = set()
            self._twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return members

    def skip(self, position: int) -> int:
        """The position of the next character that is no white space."""
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def at(self, position: int) -> str:
        """The character there; empty behind the end."""
        return self._text[position : position + 1]

    def element(self, position: int) -> tuple[Element, int]:
        """The value there, and the position behind it. Raises MalformedEvent where there is none."""
        self._twice = None
        try:
            value, end = self._decoder.raw_decode(self._text, position)
        except RecursionError:
            raise _too_deep(self._depth) from None
        except ValueError as error:
            raise not_json(str(error)) from None
        text = self._text[position:end]
        event_id = value.get("id") if isinstance(value, dict) else None
        fault = self._fault(text, value)
        # A lone surrogate was written as an escape, so the text itself always has a UTF-8 form.
        return Element(text.encode(), event_id if isinstance(event_id, str) else None, fault), end

    def _fault(self, text: str, value: Any) -> MalformedEvent | None:
        if self._twice is not None:
            return MalformedEvent(
                f"The member {self._twice[:40]!r} stands twice in one object.", code="duplicate_member"
            )
        if text.count("{") + text.count("[") > self._depth and _is_deeper(value, self._depth):
            return _too_deep(self._depth)
        return None


def read_one(body: bytes, depth: int) -> Element:
    """The one JSON value of a body.

    Raises:
        MalformedEvent: not UTF-8 or not JSON.
    """
    reader = _Reader(_text(body), depth)
    element, end = reader.element(reader.skip(0))
    if reader.at(reader.skip(end)):
        raise not_json(f"Extra data behind character {end}")
    return element if element.error else Element(body, element.event_id)


def read_batch(body: bytes, depth: int, most: int) -> list[Element]:
    """The events of a batch (CloudEvents JSON format 1.0, section 4), in order: up to ``most`` and one more.

    Raises:
        MalformedEvent: not UTF-8, not JSON, or not an array.
    """
    reader = _Reader(_text(body), depth)
    position = reader.skip(0)
    if reader.at(position) != "[":
        raise MalformedEvent("A batch is a JSON array of events.", code="not_a_batch")
    position = reader.skip(position + 1)
    found: list[Element] = []
    if reader.at(position) == "]":
        return _ended(reader, position, found)
    while True:
        element, position = reader.element(position)
        found.append(element)
        position = reader.skip(position)
        if reader.at(position) == "]" or len(found) > most:
            return found if len(found) > most else _ended(reader, position, found)
        if reader.at(position) != ",":
            raise not_json(f"Expecting ',' or ']' at character {position}")
        position = reader.skip(position + 1)


def _ended(reader: _Reader, position: int, found: list[Element]) -> list[Element]:
    if reader.at(reader.skip(position + 1)):
        raise not_json(f"Extra data behind character {position + 1}")
    return found


def not_json(reason: str) -> MalformedEvent:
    """The error for a body that is no JSON."""
    return MalformedEvent(f"The body is not JSON: {reason}.", code="not_json")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"The body is not UTF-8 (byte {error.start}).", code="not_utf8") from None


def _too_deep(depth: int) -> MalformedEvent:
    return MalformedEvent(f"The body is nested deeper than {depth} levels.", code="too_deep")


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for parent in level for child in _children(parent)]
    return any(isinstance(child, dict | list) for child in level)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
