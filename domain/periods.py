"""*Main Job Period*: how often a job runs, and when it is due next (sales channels, section 3)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.errors import InputError

_MINUTES = {"5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "12h": 720}
_DAILY = re.compile(r"daily@([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Period:
    """``None`` (never), every so many minutes, or daily at a local time.

    Written as ``none``, ``15m``, ``2h``, ``daily@06:30``. Raises InputError for any other text.
    """

    text: str

    def __post_init__(self) -> None:
        if self.text != "none" and self.text not in _MINUTES and not _DAILY.fullmatch(self.text):
            allowed = ", ".join(["none", *_MINUTES, "daily@HH:MM"])
            raise InputError(f"{self.text!r} is no period. Allowed: {allowed}.", code="unknown_period")

    @property
    def never(self) -> bool:
        """Whether nothing is ever due."""
        return self.text == "none"

    @property
    def every(self) -> timedelta | None:
        """The interval; ``None`` for never and for daily periods."""
        minutes = _MINUTES.get(self.text)
        return timedelta(minutes=minutes) if minutes else None


NEVER = Period("none")
ALL_PERIODS = (NEVER, *(Period(text) for text in _MINUTES))


def jitter_of(schedule_id: str, every: timedelta) -> timedelta:
    """A stable share of the interval, at most a tenth and at most 5 minutes: it spreads schedules in time."""
    share = int.from_bytes(hashlib.blake2b(schedule_id.encode(), digest_size=8).digest()) / 2**64
    return min(every / 10, timedelta(minutes=5)) * share


def next_due(period: Period, after: datetime, *, schedule_id: str, timezone: str = "UTC") -> datetime | None:
    """The first due instant strictly after ``after``; ``None`` for a period of never.

    Interval periods stand on a grid from the epoch plus a stable jitter, so that any timer finds the same
    instant and changing a period never fires retroactively. Daily periods follow the wall clock of
    ``timezone``: a local time that a clock change skips is read with the offset before the change, of one
    that comes twice the first is taken (RFC 5545, section 3.3.5).
    """
    if period.never:
        return None
    if (every := period.every) is not None:
        base = datetime(1970, 1, 1, tzinfo=UTC) + jitter_of(schedule_id, every)
        return base + every * ((after - base) // every + 1)
    zone = ZoneInfo(timezone)
    at = time.fromisoformat(period.text.removeprefix("daily@"))
    day = after.astimezone(zone).date()
    for step in range(3):
        due = datetime.combine(day + timedelta(days=step), at, tzinfo=zone).astimezone(UTC)
        if due > after:
            return due
    raise AssertionError("a daily instant exists within three days")
