"""Events in a file: one JSON document, an array, or JSON Lines; each handed on as it was written."""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[\s,]*")


def split_events(content: bytes) -> list[bytes]:
    """The event bodies in ``content``, in order and unchanged; what is no JSON is refused later.

    Many documents, one a line, are JSON Lines; anything else that does not parse as a whole is one body.
    """
    whole = _parsed(content)
    if isinstance(whole, list):
        return _elements(content.decode("utf-8-sig"))
    if whole is not None or not content.strip():
        return [content.strip()] if content.strip() else []
    lines = [line.strip() for line in content.split(b"\n") if line.strip()]
    if any(isinstance(_parsed(line), dict) for line in lines):
        return lines
    return [content]


def _parsed(body: bytes) -> object:
    """The JSON value, ``None`` where it is none."""
    try:
        value: object = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value


def _elements(text: str) -> list[bytes]:
    """The elements of a JSON array as they stand in the text."""
    decoder = json.JSONDecoder()
    found: list[bytes] = []
    at = _after_space(text, text.index("[") + 1)
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = _after_space(text, end)
    return found


def _after_space(text: str, at: int) -> int:
    """The next position that is neither white space nor a comma; the text is known to be a valid array."""
    matched = _SPACE.match(text, at)
    return matched.end() if matched else at
