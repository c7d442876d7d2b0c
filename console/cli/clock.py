"""Times as people read them: in the timezone of the account where one alone is shown, else local."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.moments import utc_now

if TYPE_CHECKING:
    from broker.operations import Operations


@dataclass(frozen=True, slots=True)
class Zone:
    """A timezone to show times in; ``rules`` is ``None`` for the local one."""

    rules: tzinfo | None
    name: str

    def local(self, moment: datetime) -> datetime:
        """The moment on this zone's wall clock."""
        return moment.astimezone(self.rules)

    def day(self, moment: datetime) -> str:
        """The day, as ``21 Nov 2025``."""
        return f"{self.local(moment):%d %b %Y}".lstrip("0")

    def time(self, moment: datetime) -> str:
        """The time of day with milliseconds."""
        return f"{self.local(moment):%H:%M:%S.%f}"[:-3]

    def short(self, moment: datetime | None) -> str:
        """As short as can be understood today: the time, or day and time, or day and year; ``-`` for none."""
        if moment is None:
            return "-"
        here, today = self.local(moment), self.local(utc_now())
        if here.date() == today.date():
            return f"{here:%H:%M:%S}"
        if here.year == today.year:
            return f"{here:%d %b %H:%M}".lstrip("0")
        return self.day(moment)

    def full(self, moment: datetime) -> str:
        """Day and time to the second."""
        return f"{self.day(moment)} {self.local(moment):%H:%M:%S}"


def local_zone() -> Zone:
    """The timezone of this machine."""
    return Zone(None, f"{utc_now().astimezone():%Z} (local)")


async def zone_of(operations: Operations, accounts: Iterable[str]) -> Zone:
    """The timezone of the account where there is exactly one, else the local one."""
    codes = set(accounts)
    if len(codes) != 1:
        return local_zone()
    for account in await operations.desk.accounts():
        if account.code in codes:
            try:
                return Zone(ZoneInfo(account.timezone), account.timezone)
            except (ZoneInfoNotFoundError, ValueError):
                break
    return local_zone()


def span(seconds: float) -> str:
    """A length of time in its two largest units: ``45 s``, ``2 min``, ``3 h 20 min``, ``4 d 6 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"
