"""Kinds of values as they stand in JSON: what the schemas call date-time, integer or boolean, no more."""

from __future__ import annotations

import re
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _is_moment(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("moment", "should be RFC 3339 text with an offset, like 2026-03-01T09:30:00Z")


def _in_utc(moment: datetime) -> datetime:
    if not 1 < moment.year < MAXYEAR:
        raise PydanticCustomError("moment_range", "should lie between the years 2 and 9998")
    return moment.astimezone(UTC)


def _is_whole(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticCustomError("whole", "should be a whole number, not text or true or false")
    return value


def _is_traceparent(value: Any) -> Any:
    return None if isinstance(value, str) and not _TRACEPARENT.fullmatch(value) else value


Moment = Annotated[AwareDatetime, BeforeValidator(_is_moment), AfterValidator(_in_utc)]
"""A datetime in UTC, in JSON RFC 3339 text; a bare number is no moment, whatever unit was meant.

The outermost years are refused because a change of timezone there leaves the calendar.
"""

Whole = Annotated[int, BeforeValidator(_is_whole)]
"""An integer; ``true`` is no 1 and ``"5"`` is no 5."""

Version = Annotated[int, Field(ge=0, le=2**62), BeforeValidator(_is_whole)]
"""A number that grows with every change of what it counts; fits a 64-bit column."""

YesNo = StrictBool
"""``true`` or ``false``; no 1, no ``"yes"``."""

Traceparent = Annotated[str | None, BeforeValidator(_is_traceparent)]
"""A W3C trace context; one that cannot be read is passed over, as W3C Trace Context, section 4.3, asks."""


def has_nul(value: Any) -> bool:
    """Whether a text or name in a JSON value holds the character NUL, which text columns refuse."""
    level = [value]
    while level:
        if any("\0" in text for text in level if isinstance(text, str)):
            return True
        below: list[Any] = []
        for parent in level:
            if isinstance(parent, dict):
                below += [*parent.keys(), *parent.values()]
            elif isinstance(parent, list):
                below += parent
        level = below
    return False
