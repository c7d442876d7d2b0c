"""The days and months in which API calls are counted, and how full they are.

Shops bill by the calendar, so a window is a calendar day or month in the channel's timezone. A day in which the
clocks change has 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_ONE_DAY = timedelta(days=1)
_FIRST_DAY = date(1970, 1, 1)
_LEAST_ELAPSED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A calendar day or month: from ``begin`` up to, and without, ``end``; both aware and in UTC.

    ``first`` is its first local date in days since 1970-01-01: the number by which its calls are stored.
    """

    first: int
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Windows:
    """The day and the month in which a moment lies."""

    day: Window
    month: Window


def window_of(moment: datetime, timezone: str) -> Windows:
    """The calendar day and month of ``moment`` (aware) in ``timezone`` (an IANA name).

    A day begins at its first local midnight, or, where a clock change skips midnight, when it would have come without
    the change (as daily periods have it: RFC 5545, section 3.3.5). So days follow one another without gap or overlap
    in every zone, also where the clock goes back over midnight or a date is left out.

    Raises:
        ZoneInfoNotFoundError: there is no such timezone.
    """
    zone = ZoneInfo(timezone)
    near = moment.astimezone(zone).date()
    # The local date may be one off: the clock can go back over midnight, and forward over it.
    day = next(each for each in (near + _ONE_DAY, near, near - _ONE_DAY) if _begin(each, zone) <= moment)
    month = day.replace(day=1)
    next_month = (month + timedelta(days=31)).replace(day=1)
    return Windows(_window(day, day + _ONE_DAY, zone), _window(month, next_month, zone))


class Calendar:
    """As :func:`window_of`, for moments that come one soon after the other: it remembers the present windows."""

    def __init__(self) -> None:
        self._known: dict[str, Windows] = {}

    def windows(self, moment: datetime, timezone: str) -> Windows:
        """The calendar day and month of ``moment`` (aware) in ``timezone``. Raises ZoneInfoNotFoundError."""
        known = self._known.get(timezone)
        if known is None or not known.day.begin <= moment < known.day.end:
            known = self._known[timezone] = window_of(moment, timezone)
        return known


def _window(first: date, after: date, zone: ZoneInfo) -> Window:
    return Window((first - _FIRST_DAY).days, _begin(first, zone), _begin(after, zone))


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Meter:
    """How many of the calls that a window allows are used; ``ends_at`` is the forecast of :func:`runs_out`."""

    limit: int
    used: int
    window: Window
    ends_at: datetime | None

    @property
    def share(self) -> float:
        """The used share; above 1 where more was used than the limit."""
        return self.used / self.limit

    def left(self, percent: int) -> int:
        """The calls left for one who may use ``percent`` of the limit, and at least one call of it."""
        return max(0, max(1, self.limit * percent // 100) - self.used)

    def doublings(self, now: datetime, most: int) -> int:
        """How often waits must be doubled, at most ``most`` times, to stretch the calls left over the time left.

        That is the share of time left over the share of calls left, up to the next power of two; 0 where the
        window is forecast to end before the calls do, or less is used than has elapsed.
        """
        if self.ends_at is None:
            return 0
        time_left = (self.window.end - now) / (self.window.end - self.window.begin)
        return next((times for times in range(most) if time_left <= (1 - self.share) * 2**times), most)


def meter(
    limit: int, used: int, window: Window, now: datetime, recent: Sequence[tuple[datetime, int]] | None, span: timedelta
) -> Meter:
    """A meter with its forecast by the calls of the last ``span``; by the window's average if ``recent`` is None."""
    if recent is None:
        rate = used / max(now - window.begin, _LEAST_ELAPSED).total_seconds()
    else:
        rate = sum(calls for at, calls in recent if now - span < at <= now) / span.total_seconds()
    return Meter(limit, used, window, runs_out(limit - used, rate, now, window))


def runs_out(left: int, rate: float, now: datetime, window: Window) -> datetime | None:
    """When ``left`` calls are used at ``rate`` calls per second; ``None`` if they last until the window ends.

    ``now`` where nothing is left, so never in the past.
    """
    if left <= 0:
        return now
    if rate <= 0 or left / rate >= (window.end - now).total_seconds():
        return None
    return now + timedelta(seconds=left / rate)
