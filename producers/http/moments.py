"""Moments in query parameters."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _dated(value: object) -> object:
    # Pydantic takes numbers too, as seconds or milliseconds since 1970, whichever their size suggests.
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("Input should be a moment as in RFC 3339, with offset: 2024-10-05T08:30:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]
"""A moment as RFC 3339 writes it, with offset; never a number."""
