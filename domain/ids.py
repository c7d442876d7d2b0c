"""Identifiers: UUID version 7 (RFC 9562), so that ids sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from datetime import datetime

from domain.moments import to_micros

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A fresh UUIDv7 as text; ids made by one process strictly grow, also within a millisecond.

    The 12 bits after the version carry a sub-millisecond fraction (RFC 9562 section 6.2, method 3).
    """
    global _last  # noqa: PLW0603 - the last tick is what makes ids grow
    with _lock:
        tick = time.time_ns() * 4096 // 1_000_000
        _last = tick = max(tick, _last + 1)
    value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def first_id(moment: datetime) -> str:
    """The least id that can be made in the millisecond of ``moment`` (aware): ids made later sort after it."""
    return str(uuid.UUID(int=(to_micros(moment) // 1000) << 80))
