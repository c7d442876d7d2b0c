"""How many API calls a channel has used, as its gate counts them; and when there is something new to tell of it.

The gate counts a call when it permits it, so a process that dies between permit and record hides none: the count may be
above the shop's, never below it. A process that asked for more permits than it used gives them back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from domain.budget import SHARES, Budget, CallClass, Usage
from domain.budget_windows import Windows

_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOURS_KEPT = 24


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of the windows in which a call was permitted last.

    ``day`` and ``month`` are numbers of windows (:class:`domain.budget_windows.Window`), ``hour`` is in hours since
    1970 (UTC). ``recent`` are the hours before it as ``hour:calls`` with commas between, oldest first. ``day_told`` and
    ``month_told`` count the marks that were told of (:func:`marks`).
    """

    day: int = 0
    day_calls: int = 0
    month: int = 0
    month_calls: int = 0
    hour: int = 0
    hour_calls: int = 0
    recent: str = ""
    day_told: int = 0
    month_told: int = 0

    def at(self, windows: Windows, now: datetime) -> Tally:
        """As it stands at a moment of these windows: what belongs to earlier ones begins anew."""
        hour = (now - _EPOCH) // _HOUR
        made = self
        if hour != self.hour:
            kept = [each for each in self.recent.split(",") if each and int(each.split(":")[0]) >= hour - HOURS_KEPT]
            if self.hour_calls and self.hour >= hour - HOURS_KEPT:
                kept.append(f"{self.hour}:{self.hour_calls}")
            made = replace(made, hour=hour, hour_calls=0, recent=",".join(kept))
        if windows.day.first != self.day:
            made = replace(made, day=windows.day.first, day_calls=0, day_told=0)
        if windows.month.first != self.month:
            made = replace(made, month=windows.month.first, month_calls=0, month_told=0)
        return made

    def plus(self, calls: int) -> Tally:
        """With so many more calls; negative for those that are given back."""
        return replace(
            self,
            day_calls=max(self.day_calls + calls, 0),
            month_calls=max(self.month_calls + calls, 0),
            hour_calls=max(self.hour_calls + calls, 0),
        )

    def usage(self, now: datetime) -> Usage:
        """What a budget is judged by."""
        recent = [(_EPOCH + (int(hour) + 0.5) * _HOUR, int(calls)) for hour, calls in self._hours()]
        return Usage(self.day_calls, self.month_calls, [*recent, (now, self.hour_calls)])

    def _hours(self) -> list[list[str]]:
        return [each.split(":") for each in self.recent.split(",") if each]

    def left(self, budget: Budget, call_class: CallClass) -> int | None:
        """The calls left for a class; ``None`` for no limit."""
        share = SHARES.get(call_class)
        if share is None:
            return None
        limits = ((budget.per_day, self.day_calls), (budget.per_month, self.month_calls))
        lefts = [max(0, ends_at(limit, share) - used) for limit, used in limits if limit is not None]
        return min(lefts, default=None)

    def told(self, budget: Budget) -> Tally:
        """With all marks counted as told that are passed now; equal to this one where there is nothing to tell."""
        return replace(
            self,
            day_told=max(self.day_told, marks(budget.per_day, self.day_calls, budget)),
            month_told=max(self.month_told, marks(budget.per_month, self.month_calls, budget)),
        )


def ends_at(limit: int, share: int) -> int:
    """At how many calls a class that may use ``share`` per cent of the limit is held; at one call at least."""
    return max(1, limit * share // 100)


def marks(limit: int | None, used: int, budget: Budget) -> int:
    """How many marks are passed: the warning levels, and the shares at which a class of calls is held."""
    if limit is None:
        return 0
    warned = sum(used / limit >= level for level in budget.warn_at)
    return warned + sum(used >= ends_at(limit, share) for share in SHARES.values())
