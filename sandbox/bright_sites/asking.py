"""One API call as the shop's operations see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.bright_sites.ledger import CallRecord
from sandbox.bright_sites.params import invalid
from sandbox.bright_sites.wire import Json, parse_time

QueryMap = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request before the shop has looked at it; `path` begins with `/api/v`."""

    method: str
    path: str
    query: QueryMap = field(default_factory=dict)
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: parsed JSON, or the text itself when it is not JSON (`readable` false)."""

    document: object = None
    readable: bool = True


def read_body(raw: bytes, content_type: str = "application/json") -> Body:
    """Parse a body. Without the JSON content type its parameters are not seen, as if there were none."""
    if not raw:
        return Body()
    try:
        parsed = json.loads(raw)
    except ValueError:
        return Body(raw.decode("utf-8", "replace"), readable=False)
    return Body(parsed if content_type.startswith("application/json") else {})


class Query:
    """Typed reading of the query string; InvalidError for a value of the wrong type."""

    __slots__ = ("_values",)

    def __init__(self, values: QueryMap) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """The last value given, or None when absent or empty."""
        values = self._values.get(name)
        return values[-1] or None if values else None

    def many(self, name: str) -> list[str]:
        """All values of `name` and `name[]`."""
        return [value for key in (name, name + "[]") for value in self._values.get(key, ()) if value]

    def positive(self, name: str, default: int) -> int:
        """A whole number from 1."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            raise invalid(name, "Must be a number")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        """An ISO 8601 time, in UTC; no zone means UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return parse_time(value)
        except ValueError:
            raise invalid(name, "Must be an ISO 8601 date") from None


@dataclass(frozen=True, slots=True)
class Ask:
    """One accepted call: path ids, query, parsed body, version as numbers, and its ledger record."""

    ids: dict[str, int]
    query: Query
    body: Json
    version: tuple[int, ...]
    record: CallRecord
